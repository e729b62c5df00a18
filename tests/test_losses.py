"""Each loss against the paper's equation on numbers worked out by hand; NumPy only, nothing shared with the scripts."""

import math

import numpy as np
import pytest
import torch

import ebgan
import gan
import lsgan
import wgan


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


class TestGan:
    def test_discriminator_loss_is_minus_the_value_function(self):
        real, fake = (0.0, math.log(3)), (0.0, -math.log(4))
        # D = 1/2 and 3/4 on real images, 1/2 and 1/5 on fakes.
        by_hand = -((math.log(1 / 2) + math.log(3 / 4)) / 2 + (math.log(1 / 2) + math.log(4 / 5)) / 2)
        assert gan.discriminator_loss(tensor(*real), tensor(*fake)).item() == pytest.approx(by_hand, abs=1e-12)

    def test_both_generator_objectives(self):
        logits = (0.3, -1.7, 2.0)
        minimax = np.log(1 - sigmoid(logits)).mean()
        non_saturating = -np.log(sigmoid(logits)).mean()
        assert gan.generator_loss(tensor(*logits), "minimax").item() == pytest.approx(minimax, abs=1e-12)
        assert gan.generator_loss(tensor(*logits)).item() == pytest.approx(non_saturating, abs=1e-12)

    def test_losses_and_gradients_are_finite_for_any_logit(self):
        logits = torch.tensor([-1e30, -1e4, -100.0, 0.0, 100.0, 1e4, 1e30], requires_grad=True)
        for loss in (
            gan.discriminator_loss(logits, logits),
            gan.generator_loss(logits),
            gan.generator_loss(logits, "minimax"),
        ):
            assert loss.isfinite()
            (gradient,) = torch.autograd.grad(loss, logits)
            assert gradient.isfinite().all()


class TestWgan:
    def test_critic_loss_is_minus_the_estimate(self):
        # E f(x) = 2, E f(G(z)) = -1: the estimate is 3.
        assert wgan.critic_loss(tensor(1, 3), tensor(-4, 2)).item() == -3

    def test_generator_loss(self):
        assert wgan.generator_loss(tensor(-4, 2)).item() == 1


class TestLsgan:
    def test_zero_one_coding(self):
        # 1/2 ((0.5-1)^2 + (2-1)^2)/2 + 1/2 (0.5^2 + (-1)^2)/2
        assert lsgan.discriminator_loss(tensor(0.5, 2), tensor(0.5, -1)).item() == pytest.approx(0.3125 + 0.3125)
        assert lsgan.generator_loss(tensor(0.5, -1)).item() == pytest.approx((0.25 + 4) / 4)

    def test_pearson_coding(self):
        a, b, c = lsgan.CODINGS["-1,1,0"]
        # 1/2 ((0.5-1)^2 + (2-1)^2)/2 + 1/2 (1.5^2 + 0^2)/2
        assert lsgan.discriminator_loss(tensor(0.5, 2), tensor(0.5, -1), a, b).item() == pytest.approx(0.3125 + 0.5625)
        assert lsgan.generator_loss(tensor(0.5, -1), c).item() == pytest.approx((0.25 + 1) / 4)

    def test_the_codings_are_the_papers(self):
        assert lsgan.CODINGS == {"0,1,1": (0, 1, 1), "-1,1,0": (-1, 1, 0)}
        a, b, c = lsgan.CODINGS["-1,1,0"]
        assert (b - c, b - a) == (1, 2)  # what makes it the Pearson chi-squared divergence


class TestEbgan:
    def test_energy_is_the_mean_squared_error_of_each_image(self):
        x, reconstruction = torch.zeros(2, 1, 2, 2), torch.zeros(2, 1, 2, 2)
        reconstruction[0] = torch.tensor([[1.0, -1.0], [2.0, 0.0]])  # squares 1, 1, 4, 0
        reconstruction[1] = 0.5
        assert ebgan.energy(x, reconstruction).tolist() == [1.5, 0.25]

    def test_the_default_margin_is_the_papers_ten_on_this_scale(self):
        assert ebgan.Settings(1e-3, 1e-3, 0.5, "x").margin == pytest.approx(10**2 / (28 * 28), rel=0.01)

    def test_hinge(self):
        # real: (0.1 + 0.3)/2; fakes at 0.1, 0.5, 0.2 under a margin of 0.4: (0.3 + 0 + 0.2)/3
        loss = ebgan.discriminator_loss(tensor(0.1, 0.3), tensor(0.1, 0.5, 0.2), 0.4)
        assert loss.item() == pytest.approx(0.2 + 0.5 / 3)

    def test_hinge_has_no_gradient_beyond_the_margin(self):
        fake = tensor(0.1, 0.5).requires_grad_()
        ebgan.discriminator_loss(tensor(0.0), fake, 0.4).backward()
        assert fake.grad.tolist() == [-0.5, 0]

    def test_pulling_away_term_on_three_vectors(self):
        # cos(u, v) = 0, cos(u, w) = 3/5, cos(v, w) = -4/5 whatever the lengths: 2 (9/25 + 16/25) / (3 * 2) = 1/3
        vectors = torch.tensor([[2.0, 0.0], [0.0, -5.0], [3.0, 4.0]])
        assert ebgan.pulling_away_term(vectors).item() == pytest.approx(1 / 3, abs=1e-6)

    def test_pulling_away_term_knows_opposite_from_apart(self):
        # Without the square, opposite codes would count as further apart than orthogonal ones.
        opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        assert ebgan.pulling_away_term(opposite).item() == pytest.approx(1)
        assert ebgan.pulling_away_term(torch.eye(4)).item() == 0

    def test_weight_zero_turns_the_term_off(self):
        codes = torch.ones(3, 2)
        assert ebgan.generator_loss(tensor(0.2, 0.4), codes, 0.0).item() == pytest.approx(0.3)
        assert ebgan.generator_loss(tensor(0.2, 0.4), codes.double(), 0.1).item() == pytest.approx(0.3 + 0.1)
