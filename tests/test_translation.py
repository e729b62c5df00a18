"""The networks that translate one image into another, and the jitter of their training pairs."""

from common.data.pairing.pairs import jitter
from pix2pix import PatchGAN, UNet

import pytest
import torch
from torch import nn


def picture(size, channels=1, seed=0):
    return torch.rand(1, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# --- U-Net


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_a_translation_is_as_large_as_its_image(size, channels):
    y = UNet(channels, size, 8)(picture(size, channels))
    assert y.shape == (1, channels, size, size) and y.abs().max() <= 1


@pytest.mark.parametrize("size", [16, 96, 100])
def test_a_size_that_does_not_halve_down_to_one_pixel_is_refused(size):
    with pytest.raises(ValueError, match=rf"{size}\b.*64, 128 or 256"):
        UNet(1, size, 8)


def test_one_image_reaches_the_bottleneck():
    """With batch norm in front of it, the single value that a channel has there would always be normalised to zero."""
    G = UNet(1, 64, 8)
    normalised = [any(isinstance(part, nn.BatchNorm2d) for part in layer.modules()) for layer in G.encoder]
    assert normalised == [False, True, True, True, True, False]
    bottlenecks = []
    G.encoder[-1].register_forward_hook(lambda *call: bottlenecks.append(call[-1]))
    G(picture(64, seed=1)), G(picture(64, seed=2))
    assert bottlenecks[0].shape == (1, 64, 1, 1) and bottlenecks[0].all()
    assert not torch.allclose(*bottlenecks)


@pytest.mark.parametrize("depth", range(4))
def test_each_layer_of_the_decoder_sees_its_mirror_image_in_the_encoder(depth):
    """Told nothing by the layer below, it still tells one image from another."""
    G, answers = UNet(1, 32, 8), []
    G.decoder[depth].register_forward_hook(lambda *call: torch.zeros_like(call[-1]))
    G.decoder[depth + 1].register_forward_hook(lambda *call: answers.append(call[-1]))
    G(picture(32, seed=1)), G(picture(32, seed=2))
    assert not torch.allclose(*answers)


def test_the_noise_stays_when_translating():
    G, x = UNet(1, 64, 8).eval(), picture(64)

    def translation(seed):
        torch.manual_seed(seed)
        return G(x)

    one = translation(1)
    assert torch.equal(one, translation(1)) and not torch.allclose(one, translation(2))
    G.train()
    assert torch.equal(one, translation(1)), "what is translated later is not what was trained"


# --- PatchGAN


def test_a_logit_sees_a_patch_of_seventy_pixels():
    D = PatchGAN(1, 4).double()
    for i, layer in enumerate(D.layers):
        if isinstance(layer, nn.BatchNorm2d):  # whose statistics every pixel is part of
            D.layers[i] = nn.Identity()
    pair = picture(256, 2).double().requires_grad_()
    logits = D(*pair.chunk(2, 1))
    assert logits.shape == (1, 1, 30, 30)
    (gradient,) = torch.autograd.grad(logits[0, 0, 15, 15], pair)
    for side in gradient[0] != 0:
        rows, columns = side.nonzero().unbind(1)
        assert side.sum() == 70 * 70
        assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (70, 70)


# --- jitter


@pytest.mark.parametrize("size", [32, 256])
def test_jitter_keeps_the_size_and_moves_both_sides_alike(size):
    x = picture(size, 3)
    seen = []
    for seed in range(5):
        torch.manual_seed(seed)
        both = jitter(torch.cat([x, x], 1))
        assert both.shape == (1, 6, size, size) and torch.equal(both[:, :3], both[:, 3:])
        seen.append(both)
    assert not any(torch.allclose(one, x.repeat(1, 2, 1, 1)) for one in seen)
    assert any(not torch.equal(seen[0], other) for other in seen)


def test_jitter_crops_a_larger_image_and_mirrors_half_of_them_left_to_right():
    ramp = torch.arange(64.0).expand(64, 64)
    torch.manual_seed(0)
    moved = torch.cat([jitter(torch.stack([ramp, ramp.T])[None]) for _ in range(40)])
    across, down = moved[:, 0, 32, :].diff(dim=1)[:, 1:-1], moved[:, 1, :, 32].diff(dim=1)[:, 1:-1]
    scale = torch.tensor(round(64 * 286 / 256) / 64)
    inner = across[:, 8:-8].abs()  # at the edges of the picture interpolation has nothing to go on
    assert torch.allclose(inner, (1 / scale).expand_as(inner), atol=1e-4)
    mirrored = (across.mean(1) < 0).sum().item()
    assert 10 <= mirrored <= 30 and (down.mean(1) > 0).all()
    assert len(set(moved[:, 1, 32, 0].tolist())) > 3, "always the same crop"
