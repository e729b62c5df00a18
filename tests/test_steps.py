"""What a step changes, and what it must not."""

import pytest
import torch
from torch.optim import Adam, RMSprop

import ebgan
import gan
import lsgan
import wgan

SHAPE = (1, 8, 8)


def snapshot(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def changed(network, before):
    return [not torch.equal(p, old) for p, old in zip(network.parameters(), before, strict=True)]


def discriminator_of(script):
    return next(getattr(script, name) for name in ("Critic", "Autoencoder", "Discriminator") if hasattr(script, name))


def adversaries(script):
    torch.manual_seed(0)
    extra = (0.3,) if script is gan else ()
    return script.Generator(10, SHAPE), discriminator_of(script)(SHAPE, *extra)


RANDOM = torch.Generator().manual_seed(0)
X, Z = torch.rand(6, *SHAPE, generator=RANDOM) * 2 - 1, torch.randn(6, 10, generator=RANDOM)
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


def test_the_logged_estimate_is_that_of_the_critic_before_its_step():
    G, f = adversaries(wgan)
    f.eval(), G.eval()
    with torch.no_grad():
        expected = f(X).mean() - f(G(Z)).mean()
    assert wgan.critic_step(f, G, RMSprop(f.parameters(), 1e-3), X, Z, 0.01)["wasserstein_estimate"].item() == (
        pytest.approx(expected.item())
    )


@pytest.mark.parametrize("size", [8, 12, 28, 32, 48, 64])
@pytest.mark.parametrize("script", [wgan, ebgan, lsgan], ids=lambda script: script.__name__)
def test_networks_fit_the_image(script, size):
    shape = (3, size, size)
    images = script.Generator(5, shape)(torch.randn(2, 5))
    assert images.shape == (2, *shape) and images.abs().max() <= 1
    output = discriminator_of(script)(shape)(images)
    assert output[0].shape == images.shape if script is ebgan else output.shape == (2,)


@pytest.mark.parametrize("size", [4, 7, 30, 18, 100])
def test_a_size_that_cannot_be_halved_down_is_refused(size):
    with pytest.raises(ValueError, match=f"{size}x{size}"):
        lsgan.Generator(5, (1, size, size))
