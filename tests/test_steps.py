"""What a step changes, and what it must not."""

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
from common.nn.layers import Dropout
from common.sampling import a_class_a_row

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Adam, RMSprop

SHAPE, CLASSES = (1, 8, 8), 3


def snapshot(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def changed(network, before):
    return [not torch.equal(p, old) for p, old in zip(network.parameters(), before, strict=True)]


def discriminator_of(script):
    return next(getattr(script, name) for name in ("Critic", "Autoencoder", "Discriminator") if hasattr(script, name))


def adversaries(script, shape=SHAPE, told=False):
    """With `told`, r3gan.py's networks under --classes."""
    torch.manual_seed(0)
    classes, dropout = (CLASSES,) * (script is cgan), (0.3,) * (script is gan)
    classes = (16, CLASSES * told) if script is r3gan else classes
    G, D = script.Generator(10, shape, *classes), discriminator_of(script)(shape, *classes, *dropout)
    if script is r3gan:  # a block ends in zeros, which let no gradient through to its other layers in a first step
        for parameter in (*G.parameters(), *D.parameters()):
            if not parameter.any():
                nn.init.normal_(parameter, 0, 0.1)
    return G, D


RANDOM = torch.Generator().manual_seed(0)
X, Z = torch.rand(6, *SHAPE, generator=RANDOM) * 2 - 1, torch.randn(6, 10, generator=RANDOM)
Y = torch.arange(6) % CLASSES
STEPS = {
    gan: (
        lambda D, G, opt: gan.discriminator_step(D, G, opt, X, Z),
        lambda D, G, opt: gan.generator_step(D, G, opt, Z, "non-saturating"),
    ),
    wgan: (
        lambda D, G, opt: wgan.critic_step(D, G, opt, X, Z, 0.01),
        lambda D, G, opt: wgan.generator_step(D, G, opt, Z),
    ),
    ebgan: (
        lambda D, G, opt: ebgan.discriminator_step(D, G, opt, X, Z, 0.128),
        lambda D, G, opt: ebgan.generator_step(D, G, opt, Z, 0.1),
    ),
    lsgan: (
        lambda D, G, opt: lsgan.discriminator_step(D, G, opt, X, Z, 0, 1),
        lambda D, G, opt: lsgan.generator_step(D, G, opt, Z, 1),
    ),
    dcgan: (
        lambda D, G, opt: dcgan.discriminator_step(D, G, opt, X, Z),
        lambda D, G, opt: dcgan.generator_step(D, G, opt, Z),
    ),
    wgan_gp: (
        lambda D, G, opt: wgan_gp.critic_step(D, G, opt, X, Z, 10),
        lambda D, G, opt: wgan_gp.generator_step(D, G, opt, Z),
    ),
    cgan: (
        lambda D, G, opt: cgan.discriminator_step(D, G, opt, X, Y, Z),
        lambda D, G, opt: cgan.generator_step(D, G, opt, Y, Z),
    ),
    r3gan: (
        lambda D, G, opt: r3gan.discriminator_step(D, G, opt, X, Z, 1.0, 0.5),
        lambda D, G, opt: r3gan.generator_step(D, G, opt, X, Z),
    ),
}


@pytest.mark.parametrize("script", STEPS, ids=lambda script: script.__name__)
def test_each_step_changes_its_own_network_and_no_other(script):
    G, D = adversaries(script)
    update_D, update_G = STEPS[script]
    before_G, before_D = snapshot(G), snapshot(D)
    update_D(D, G, Adam(D.parameters(), 1e-3))
    assert all(changed(D, before_D)) and not any(changed(G, before_G))

    before_D = snapshot(D)
    update_G(D, G, Adam(G.parameters(), 1e-3))
    assert all(changed(G, before_G)) and not any(changed(D, before_D))


def test_steps_with_classes_change_what_is_learned_of_each_class_that_is_shown():
    G, D = adversaries(r3gan, told=True)
    classes, embedding, score = torch.tensor([0, 2, 2, 0, 2, 0]), G.embedding.weight, D[-1].weight
    before = embedding.detach().clone(), score.detach().clone()
    r3gan.discriminator_step(D, G, Adam(D.parameters(), 1e-3), X, Z, 1.0, 0.5, classes)
    r3gan.generator_step(D, G, Adam(G.parameters(), 1e-3), X, Z, classes)
    expected = [True, False, True], [True, True, False, True]  # of D the first is the score that all classes share
    for weights, old, changes in zip((embedding, score), before, expected, strict=True):
        assert [not torch.equal(*rows) for rows in zip(weights, old, strict=True)] == changes


@pytest.mark.parametrize(
    ("size", "channels", "given", "gamma"),
    [(28, 1, (), 1), (32, 1, (), 1), (32, 3, (), 0.2), (64, 1, (), 0.2), (32, 3, ("--gamma", "0"), 0)],
)
def test_gamma_of_r3gan_begins_by_size_and_colour(start, patterns, tmp_path, monkeypatch, size, channels, given, gamma):
    np.save(tmp_path / "set.npy", patterns(40, size, channels))
    seen, step = [], r3gan.discriminator_step
    monkeypatch.setattr(r3gan, "discriminator_step", lambda *passed: seen.append(passed[5]) or step(*passed))
    line = ("2e-4", "2e-4", "0", tmp_path / "run", "--dataset", tmp_path / "set.npy", "--images", 64)
    done = start("r3gan", *line, "--batch-size", 16, "--width", 4, *given)
    assert done.code == 0, done.err
    assert seen[0] == pytest.approx(gamma) and len(seen) > 1


def test_the_score_of_r3gan_is_that_of_any_class_and_that_of_the_image_s_own():
    _, D = adversaries(r3gan, told=True)
    features, labels = nn.Sequential(*list(D)[:-1])(X), torch.tensor([0, 2, 1, 0, 2, 0])
    expected = (features * (D[-1].weight[0] + D[-1].weight[1:][labels])).sum(1)
    torch.testing.assert_close(D(X, labels), expected)


class Points(nn.Module):
    """z (N, 10) or points (N, ...) -> points (N, *shape), or numbers (N,); classes it ignores."""

    def __init__(self, inputs, *shape):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, math.prod(shape)))
        self.shape = shape

    def forward(self, x, *_):
        return self.layers(x.reshape(len(x), -1)).reshape(len(x), *self.shape)


class PointsAndCodes(Points):
    def forward(self, x):
        return super().forward(x), self.layers[0](x.reshape(len(x), -1)), x


@pytest.mark.parametrize("shape", [(2,), (), (3, 2)], ids=["of the plane", "of the line", "of a grid"])
@pytest.mark.parametrize("script", STEPS, ids=lambda script: script.__name__)
def test_steps_ask_nothing_of_x_beyond_its_first_dimension(monkeypatch, script, shape):
    torch.manual_seed(0)
    width = math.prod(shape)
    G = Points(10, *shape)
    D = PointsAndCodes(width, *shape) if script is ebgan else Points(width)
    monkeypatch.setitem(globals(), "X", torch.randn(6, *shape))
    for network, update in zip((D, G), STEPS[script], strict=True):
        before = snapshot(network)
        found = update(D, G, Adam(network.parameters(), 1e-3))
        assert any(changed(network, before)) and all(value.isfinite() and value.dim() == 0 for value in found.values())


@pytest.mark.parametrize("script", STEPS, ids=lambda script: script.__name__)
def test_the_generators_step_leaves_no_gradient_on_the_other_network(script):
    G, D = adversaries(script)
    STEPS[script][1](D, G, Adam(G.parameters(), 1e-3))
    assert all(parameter.grad is None for parameter in D.parameters())


def test_critic_weights_stay_within_clip_after_every_step():
    G, f = adversaries(wgan)
    opt_f = RMSprop(f.parameters(), 1e-2)
    for _ in range(5):
        wgan.critic_step(f, G, opt_f, X, Z, 0.01)
        assert max(parameter.abs().max().item() for parameter in f.parameters()) <= 0.01
    assert any((parameter.abs() == torch.tensor(0.01)).any() for parameter in f.parameters()), "nothing was clipped"


@pytest.mark.parametrize("script", [wgan, wgan_gp], ids=lambda script: script.__name__)
def test_the_logged_estimate_is_that_of_the_critic_before_its_step(script):
    G, f = adversaries(script)
    f.eval(), G.eval()
    with torch.no_grad():
        expected = f(X).mean() - f(G(Z)).mean()
    logged = STEPS[script][0](f, G, RMSprop(f.parameters(), 1e-3))
    assert logged["wasserstein_estimate"].item() == pytest.approx(expected.item(), abs=1e-7)


def test_pix2pix_steps_change_their_own_network_and_no_other():
    torch.manual_seed(0)
    G, D = pix2pix.UNet(1, 32, 4), pix2pix.PatchGAN(1, 4)
    x, y = torch.rand(2, 1, 1, 32, 32) * 2 - 1
    fake = G(x)
    before_G, before_D = snapshot(G), snapshot(D)
    pix2pix.generator_step(D, Adam(G.parameters(), 1e-3), x, y, fake, 100)
    assert all(changed(G, before_G)) and not any(changed(D, before_D))
    assert all(parameter.grad is None for parameter in D.parameters())

    fake, before_G = G(x), snapshot(G)
    G.zero_grad()
    pix2pix.discriminator_step(D, Adam(D.parameters(), 1e-3), x, y, fake)
    assert all(changed(D, before_D)) and not any(changed(G, before_G))
    assert all(parameter.grad is None for parameter in G.parameters())
    pix2pix.generator_step(D, Adam(G.parameters(), 1e-3), x, y, fake, 100)  # the same fake serves both, as in main


def test_minibatch_discrimination_learns_and_lets_images_see_one_another():
    torch.manual_seed(0)
    G, D = dcgan.Generator(10, SHAPE), dcgan.Discriminator(SHAPE, minibatch_discrimination=True)
    T = next(layer for layer in D.modules() if isinstance(layer, dcgan.MinibatchDiscrimination)).T
    before = T.detach().clone()
    dcgan.discriminator_step(D, G, Adam(D.parameters(), 1e-3), X, Z)
    assert not torch.equal(T, before)
    assert sees_the_others(D.eval()) and not sees_the_others(dcgan.Discriminator(SHAPE).eval())


def sees_the_others(D):
    """Whether the score of the first image has a gradient by any other of the batch."""
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x)[0], x)
    assert gradient[0].any()
    return bool(gradient[1:].any())


@pytest.mark.parametrize("script", [wgan_gp, r3gan], ids=lambda script: script.__name__)
def test_a_penalised_score_depends_on_its_own_image_alone(script):
    assert not sees_the_others(adversaries(script)[1].train())


def test_every_block_is_the_identity_at_first():
    D, unchanged = r3gan.Discriminator((1, 8, 8)), []
    for block in (layer for layer in D.modules() if isinstance(layer, r3gan.Block)):
        block.register_forward_hook(lambda _, inputs, y: unchanged.append(torch.equal(inputs[0], y)))
    D(X)
    assert unchanged and all(unchanged)


@pytest.mark.parametrize(
    "script", [wgan, ebgan, lsgan, dcgan, wgan_gp, cgan, r3gan], ids=lambda script: script.__name__
)
def test_width_is_the_channels_next_to_the_image(script):
    shape, classes = (3, 32, 32), (CLASSES,) * (script is cgan)
    width = 12 * (1 + (script is r3gan))  # whose D has twice as many further on
    made, judged = script.Generator(10, shape, *classes, width), discriminator_of(script)(shape, *classes, width)
    last = [layer for layer in made.modules() if isinstance(layer, nn.ConvTranspose2d)][-1]
    first = next(layer for layer in judged.modules() if isinstance(layer, nn.Conv2d))
    assert last.in_channels == first.out_channels == 12
    assert width != script.Settings.width


@pytest.mark.parametrize("script", [cgan, r3gan], ids=lambda script: script.__name__)
def test_the_class_changes_what_is_made_and_what_is_answered(script):
    G, D = adversaries(script, told=True)
    assert G.takes == ("z", "y")
    G.eval(), D.eval()
    z, x = Z[:1].expand(CLASSES, -1), X[:1].expand(CLASSES, -1, -1, -1)
    made, answered = G(z, torch.arange(CLASSES)), D(x, torch.arange(CLASSES))
    assert len({image.detach().numpy().tobytes() for image in made}) == CLASSES
    assert len(set(answered.tolist())) == CLASSES
    assert torch.allclose(*G(z[:2], torch.tensor([1, 1])), atol=1e-5), "something else than the class differed"


def test_the_class_does_not_drown_the_image():
    _, D = adversaries(cgan, (3, 32, 32))
    images = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    by_image, by_class = D.layers[0](images).std(0).mean(), D.biases[0].bias.weight.std(0).mean()
    assert by_class < by_image / 2


def test_a_row_of_a_conditional_grid_is_a_class_and_a_column_one_noise():
    z, y = a_class_a_row(Z, 3)
    assert torch.equal(z.unflatten(0, (3, 6)), Z.expand(3, 6, 10))
    assert y.unflatten(0, (3, 6)).tolist() == [[row] * 6 for row in range(3)]
    assert a_class_a_row(Z[:1], 1000)[1].tolist() == list(range(0, 1000, 50))


def test_a_walk_passes_each_point_in_turn_and_comes_back():
    path = dcgan.walk(Z, steps=4)
    assert path.shape == (24, 10) and torch.equal(path[::4], Z)
    half_way = (Z + Z.roll(-1, 0)) / math.sqrt(2)  # after the last point the first one again
    assert torch.allclose(path[2::4], half_way, atol=1e-6)


def test_a_walk_keeps_the_length_of_points_at_right_angles():
    assert torch.allclose(dcgan.walk(5 * torch.eye(4, 10)).norm(dim=1), torch.tensor(5.0))


@pytest.mark.parametrize("size", [8, 12, 28, 32, 48, 64])
@pytest.mark.parametrize(
    "script", [wgan, ebgan, lsgan, dcgan, wgan_gp, cgan, r3gan], ids=lambda script: script.__name__
)
def test_networks_fit_the_image(script, size):
    shape, y = (3, size, size), (Y[:2],) * (script is cgan)
    G, D = adversaries(script, shape)
    images = G(Z[:2], *y)
    assert images.shape == (2, *shape) and images.isfinite().all()
    assert images.abs().max() <= 1
    output = D(images, *y)
    assert output[0].shape == images.shape if script is ebgan else output.shape == (2,)


@pytest.mark.parametrize("size", [4, 7, 30, 18, 100])
def test_a_size_that_cannot_be_halved_down_is_refused(size):
    with pytest.raises(ValueError, match=f"{size}x{size}"):
        lsgan.Generator(5, (1, size, size))


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    layer, x = Dropout(0.3), torch.ones(1000, 100)
    for given in (x, x.bfloat16()):
        y = layer(given)
        assert y.dtype == given.dtype
        assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
        assert y[y != 0].float().unique().item() == pytest.approx(1 / 0.7, rel=0.01)
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), x)
