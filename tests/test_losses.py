"""Each loss against the paper's equation on numbers worked out by hand; NumPy only, nothing shared with the scripts."""

import math

import cgan
import dcgan
import ebgan
import gan
import lsgan
import pix2pix
import r3gan
import wgan
import wgan_gp

import numpy as np
import pytest
import torch
from torch import nn


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


class LinearScore(nn.Module):
    """D(x) = w . x, whose gradient is w at every image; |w| = 5."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(tensor(1, 2, 2, 4).view(1, 2, 2))

    def forward(self, x):
        return (x * self.w).flatten(1).sum(1)


def half_square(x):
    """D(x) = |x|^2 / 2, whose gradient is x."""
    return x.flatten(1).square().sum(1) / 2


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 1), nn.Flatten(0)).double()


def images(count, seed=0):
    return torch.randn(count, 2, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_autograd(loss, network):
    gradients = torch.autograd.grad(loss(), list(network.parameters()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten() for gradient in gradients]).numpy()


def by_finite_differences(loss, network, h=1e-6):
    slopes = []
    for numbers in (parameter.data.view(-1) for parameter in network.parameters()):
        for i, value in enumerate(numbers.tolist()):
            numbers[i] = value + h
            above = loss().item()
            numbers[i] = value - h
            slopes.append((above - loss().item()) / (2 * h))
            numbers[i] = value
    return np.array(slopes)


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


@pytest.mark.parametrize("script", [dcgan, cgan], ids=lambda script: script.__name__)
class TestCrossEntropy:
    def test_discriminator_loss_is_minus_the_value_function(self, script):
        real, fake = tensor(0, math.log(3)), tensor(0, -math.log(4))
        # D = 1/2 and 3/4 on real images, 1/2 and 1/5 on fakes.
        by_hand = -((math.log(1 / 2) + math.log(3 / 4)) / 2 + (math.log(1 / 2) + math.log(4 / 5)) / 2)
        assert script.discriminator_loss(real, fake).item() == pytest.approx(by_hand, abs=1e-12)

    def test_generator_loss_is_the_non_saturating_one(self, script):
        # D = 1/2 and 1/5: (log 2 + log 5)/2
        loss = script.generator_loss(tensor(0, -math.log(4)))
        assert loss.item() == pytest.approx(math.log(10) / 2, abs=1e-12)


class TestMinibatchDiscrimination:
    def test_a_batch_of_four(self):
        layer = dcgan.MinibatchDiscrimination(2, kernels=2, dimensions=2)
        layer.T.data[:, 0] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # the first kernel's M is (a, b)
        layer.T.data[:, 1] = torch.tensor([[0.0, 0.0], [1.0, -1.0]])  # the second's is (b, -b)
        layer.T.data *= math.sqrt(2)  # M is scaled by 1 / sqrt(inputs)
        f = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 2.0]]) * math.log(2)
        # A distance of d log 2 counts 2^-d. First kernel: d = 1 (01), 1 (02), 3 (03), 2 (12), 2 (13), 2 (23).
        first = [1 / 2 + 1 / 2 + 1 / 8, 1 / 2 + 1 / 4 + 1 / 4, 1 / 2 + 1 / 4 + 1 / 4, 1 / 8 + 1 / 4 + 1 / 4]
        # Second kernel: d = 0 (01), 2 (02), 4 (03), 2 (12), 4 (13), 2 (23).
        second = [1 + 1 / 4 + 1 / 16, 1 + 1 / 4 + 1 / 16, 1 / 4 + 1 / 4 + 1 / 4, 1 / 16 + 1 / 16 + 1 / 4]
        output = layer(f)
        assert output.shape == (4, 4) and torch.equal(output[:, :2], f)
        assert output[:, 2].tolist() == pytest.approx(first, abs=1e-6)
        assert output[:, 3].tolist() == pytest.approx(second, abs=1e-6)

    def test_equal_images_count_all_others_but_not_themselves(self):
        near = dcgan.MinibatchDiscrimination(6, kernels=5)(torch.randn(1, 6).expand(4, 6))[:, 6:]
        assert near.shape == (4, 5) and (near == 3).all()


class TestWganGp:
    def test_critic_loss(self):
        # E D(G(z)) - E D(x) = -1 - 2; the norms are off by 1 and -1/2: lambda (1 + 1/4)/2
        loss = wgan_gp.critic_loss(tensor(1, 3), tensor(-4, 2), tensor(2, 0.5), 8)
        assert loss.item() == pytest.approx(-3 + 8 * 0.625)
        assert wgan_gp.critic_loss(tensor(0), tensor(0), tensor(2)).item() == 10  # the paper's lambda

    def test_generator_loss(self):
        assert wgan_gp.generator_loss(tensor(-4, 2)).item() == 1

    def test_a_linear_critic_has_its_closed_form(self):
        D, x, fake = LinearScore(), torch.randn(3, 1, 2, 2).double(), torch.randn(3, 1, 2, 2).double()
        norms = wgan_gp.gradient_norms(D, x, fake)
        assert norms.tolist() == pytest.approx([5, 5, 5])
        penalty = wgan_gp.critic_loss(tensor(0), tensor(0), norms, 10)
        assert penalty.item() == pytest.approx(10 * (5 - 1) ** 2)
        (gradient,) = torch.autograd.grad(penalty, D.w)
        # 2 lambda (|w| - 1) w / |w| = 2 * 10 * 4 w / 5
        assert gradient.flatten().tolist() == pytest.approx([16 * w for w in (1, 2, 2, 4)])

    def test_each_image_has_a_norm_of_its_own_over_all_its_pixels(self):
        x = torch.zeros(2, 2, 1, 2)
        x[0, :, 0, 0], x[1] = torch.tensor([3.0, 4.0]), 6.0
        assert wgan_gp.gradient_norms(half_square, x, x).tolist() == pytest.approx([5, 12])

    def test_points_lie_between_a_real_image_and_its_own_fake(self):
        seen = []

        def critic(x):
            seen.append(x.detach())
            return half_square(x)

        real, fake = images(6, seed=1), images(6, seed=2)
        wgan_gp.gradient_norms(critic, real, fake)
        share = ((seen[0] - fake) / (real - fake)).flatten(1)  # the same for every pixel of an image
        assert torch.allclose(share, share[:, :1].expand_as(share))
        assert share.min() >= 0 and share.max() <= 1 and share[:, 0].diff().abs().min() > 1e-3

    def test_points_are_spread_evenly(self):
        # Between 1 and 0 the gradient of |x|^2 / 2 is the share itself.
        torch.manual_seed(0)
        share = wgan_gp.gradient_norms(half_square, torch.ones(2000, 1, 1, 1), torch.zeros(2000, 1, 1, 1))
        assert torch.histc(share, 4, 0, 1).min() > 400

    def test_the_whole_loss_has_the_gradient_of_finite_differences(self):
        D, x, fake = small_network(), images(5, seed=1), images(5, seed=2)

        def loss():
            torch.manual_seed(3)  # the same points every time
            return wgan_gp.critic_loss(D(x), D(fake), wgan_gp.gradient_norms(D, x, fake))

        assert by_autograd(loss, D) == pytest.approx(by_finite_differences(loss, D), abs=1e-6)

    def test_a_critic_that_is_flat_has_a_finite_gradient(self):
        D = LinearScore()
        D.w.data.zero_()
        norms = wgan_gp.gradient_norms(D, torch.ones(2, 1, 2, 2).double(), torch.zeros(2, 1, 2, 2).double())
        (gradient,) = torch.autograd.grad(wgan_gp.critic_loss(tensor(0), tensor(0), norms), D.w)
        assert norms.tolist() == [0, 0] and gradient.isfinite().all()


class TestPix2pix:
    def test_discriminator_loss_is_halved(self):
        real, fake = tensor(0, math.log(3)).view(1, 1, 1, 2), tensor(0, -math.log(4)).view(1, 1, 1, 2)
        # Patches with D = 1/2 and 3/4 on the real pair, 1/2 and 1/5 on the fake one.
        by_hand = -((math.log(1 / 2) + math.log(3 / 4)) / 2 + (math.log(1 / 2) + math.log(4 / 5)) / 2) / 2
        assert pix2pix.discriminator_loss(real, fake).item() == pytest.approx(by_hand, abs=1e-12)

    def test_generator_loss_adds_a_hundred_times_the_mean_absolute_difference(self):
        logits = tensor(0, -math.log(4)).view(1, 1, 1, 2)  # (log 2 + log 5)/2
        fake, y = tensor(0.5, -1, 0, 0).view(1, 1, 2, 2), tensor(0, 0, 0.25, -0.25).view(1, 1, 2, 2)
        # (0.5 + 1 + 0.25 + 0.25)/4 = 0.5
        assert pix2pix.generator_loss(logits, fake, y).item() == pytest.approx(math.log(10) / 2 + 50)
        assert pix2pix.generator_loss(logits, fake, y, 3).item() == pytest.approx(math.log(10) / 2 + 1.5)


class TestR3gan:
    REAL, FAKE = tensor(1, 2 + math.log(3)), tensor(1, 2)  # the pairs differ by 0 and log 3

    def test_discriminator_loss_is_of_pairs(self):
        # softplus(0) = log 2, softplus(-log 3) = log(4/3)
        loss = r3gan.discriminator_loss(self.REAL, self.FAKE)
        assert loss.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2, abs=1e-12)
        crossed = r3gan.discriminator_loss(self.REAL, self.FAKE.flip(0))
        assert crossed.item() == pytest.approx((math.log(1 + math.e) + math.log(1 + 1 / (3 * math.e))) / 2, abs=1e-12)

    def test_generator_loss_is_the_same_with_the_places_exchanged(self):
        # softplus(0) = log 2, softplus(log 3) = log 4
        loss = r3gan.generator_loss(self.REAL, self.FAKE)
        assert loss.item() == pytest.approx((math.log(2) + math.log(4)) / 2, abs=1e-12)

    def test_penalties_count_half_of_gamma(self):
        plain = r3gan.discriminator_loss(self.REAL, self.FAKE)
        loss = r3gan.discriminator_loss(self.REAL, self.FAKE, tensor(4.0)[0], tensor(6.0)[0], 0.5)
        assert (loss - plain).item() == pytest.approx(0.25 * (4 + 6))

    def test_only_the_difference_of_scores_counts(self):
        for loss in (r3gan.discriminator_loss, r3gan.generator_loss):
            assert loss(self.REAL + 7, self.FAKE + 7).item() == pytest.approx(loss(self.REAL, self.FAKE).item())

    def test_a_linear_discriminator_has_its_closed_form(self):
        D, x = LinearScore(), torch.randn(3, 1, 2, 2).double()
        squares = r3gan.squared_gradients(D, x)
        assert squares.tolist() == pytest.approx([25, 25, 25])
        penalty = r3gan.discriminator_loss(tensor(0), tensor(0), squares.mean(), 0, 0.7)
        (gradient,) = torch.autograd.grad(penalty, D.w)
        assert gradient.flatten().tolist() == pytest.approx([0.7 * w for w in (1, 2, 2, 4)])  # gamma w

    def test_each_image_has_a_penalty_of_its_own_over_all_its_pixels(self):
        x = torch.zeros(2, 2, 1, 2)
        x[0, :, 0, 0], x[1] = torch.tensor([3.0, 4.0]), 6.0
        assert r3gan.squared_gradients(half_square, x).tolist() == pytest.approx([25, 144])

    def test_the_whole_loss_has_the_gradient_of_finite_differences(self):
        D, x, fake = small_network(), images(5, seed=1), images(5, seed=2)

        def loss():
            r1, r2 = (r3gan.squared_gradients(D, one).mean() for one in (x, fake))
            return r3gan.discriminator_loss(D(x), D(fake), r1, r2, 3)

        assert by_autograd(loss, D) == pytest.approx(by_finite_differences(loss, D), abs=1e-6)

    @pytest.mark.parametrize(("penalised", "some"), [(1.0, 4), (0.25, 1), (0.6, 3)])
    def test_the_step_takes_r1_at_real_images_and_r2_at_fakes(self, penalised, some):
        D = LinearScore()
        D.forward = lambda x: half_square(x) * D.w.sum() / 9  # the gradient is x, for the sum of w is 9
        x, z = images(4, seed=1)[:, :1], images(4, seed=2)[:, :1]
        SGD = torch.optim.SGD(D.parameters(), 1e-3)
        logged = r3gan.discriminator_step(D, nn.Identity(), SGD, x, z, 0.5, penalised)
        real, fake = half_square(x).numpy(), half_square(z).numpy()
        r1, r2 = 2 * real[:some].mean(), 2 * fake[:some].mean()
        assert logged["r1"].item() == pytest.approx(r1)
        assert logged["r2"].item() == pytest.approx(r2)
        # E log(1 + exp(D(fake) - D(real))) + gamma/2 (R1 + R2)
        by_hand = np.log(1 + np.exp(fake - real)).mean() + 0.25 * (r1 + r2)
        assert logged["d_loss"].item() == pytest.approx(by_hand)

    def test_cosine_starts_passes_the_middle_ends_and_stays(self):
        assert [r3gan.cosine(2, 10, at) for at in (0, 0.5, 1, 1.5, 40)] == pytest.approx([2, 6, 10, 10, 10])
        assert r3gan.cosine(1, 0, 0.25) == pytest.approx((1 + math.sqrt(0.5)) / 2)
