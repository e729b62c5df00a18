"""Pairs of images, and the networks that translate one into the other."""

import shutil

import numpy as np
import pytest
import torch
from formats import write_pictures
from PIL import Image
from torch import nn

from common import data, pairs
from common.cli import DataError
from pix2pix import PatchGAN, UNet, jitter


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


# --- pairs side by side


@pytest.fixture(scope="module")
def facades(real_data):
    return pairs.load(str(real_data / "facades"), image_size=64)


def test_the_left_half_of_a_real_pair_comes_first(facades, real_data):
    assert facades.images.shape == (400, 6, 64, 64) and facades.held_out.shape == (100, 6, 64, 64)
    assert facades.images.dtype == np.uint8 and facades.labels is None and facades.classes == ()
    for split, images in (("train", facades.images), ("val", facades.held_out)):
        with Image.open(real_data / "facades" / split / "1.jpg") as both:
            photo, drawing = (
                np.asarray(both.crop((left, 0, left + 256, 256)).resize((64, 64))).transpose(2, 0, 1)
                for left in (0, 256)
            )
        expected = np.concatenate([photo, drawing]).astype(int)
        differences = np.abs(images - expected).mean((1, 2, 3))
        assert differences.min() < 5 and np.median(differences) > 30


def test_the_direction_swaps_the_sides(facades, real_data):
    swapped = pairs.load(str(real_data / "facades"), image_size=64, direction="BtoA")
    for there, back in ((facades.images, swapped.images), (facades.held_out, swapped.held_out)):
        assert np.array_equal(there[:, :3], back[:, 3:]) and np.array_equal(there[:, 3:], back[:, :3])
    assert swapped.fingerprint != facades.fingerprint


def test_test_is_held_out_where_there_is_no_val_and_a_zip_reads_as_its_folder(tmp_path):
    write_pictures(tmp_path / "set" / "train", 5, size=(40, 20))
    write_pictures(tmp_path / "set" / "test", 3, size=(40, 20), seed=1)
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "set")
    folder, archive = (pairs.load(str(tmp_path / name), image_size=32) for name in ("set", "set.zip"))
    assert folder.images.shape == (5, 6, 32, 32) and folder.held_out.shape == (3, 6, 32, 32)
    assert folder.fingerprint == archive.fingerprint
    write_pictures(tmp_path / "set" / "val", 2, size=(40, 20), seed=2)
    assert len(pairs.load(str(tmp_path / "set"), image_size=32).held_out) == 2


def test_pairs_side_by_side_are_of_256_pixels_unless_told(tmp_path):
    for split in ("train", "val"):
        write_pictures(tmp_path / split, 2, size=(40, 20))
    assert pairs.load(str(tmp_path)).shape == (6, 256, 256)


# --- pairs that are made


@pytest.fixture
def npz(tmp_path, patterns):
    """npz(size, channels): the path of a set of 40 such images."""

    def write(size, channels=1):
        file = tmp_path / f"{size}-{channels}.npz"
        np.savez(file, images=patterns(40, size=size, channels=channels))
        return str(file)

    return write


def test_edges_lie_around_a_square_and_not_inside_it():
    image = np.zeros((1, 1, 32, 32), np.uint8)
    image[..., 10:20, 8:24] = 255
    edges = pairs.make(image, "edges")[0, 0]
    assert set(np.unique(edges)) == {0, 255}
    inside, outside = edges[11:19, 9:23], np.ones_like(edges)
    outside[9:21, 7:25] = 0
    assert (inside == 255).all() and (edges[outside == 1] == 255).all()
    for border in (edges[10, 8:24], edges[19, 8:24], edges[10:20, 8], edges[10:20, 23]):
        assert (border == 0).all()


def test_an_image_of_one_brightness_has_no_edges():
    assert (pairs.make(np.full((2, 3, 8, 8), 77, np.uint8), "edges") == 255).all()


def test_gray_is_brightness_in_every_channel():
    image = np.zeros((1, 3, 1, 4), np.uint8)
    image[0, :, 0] = [[255, 0, 0, 200], [0, 255, 0, 100], [0, 0, 255, 50]]
    # 0.299 * 255 = 76.2, 0.587 * 255 = 149.7, 0.114 * 255 = 29.1; 59.8 + 58.7 + 5.7 = 124.2
    assert pairs.make(image, "gray")[0, :, 0].tolist() == [[76, 150, 29, 124]] * 3


def test_halves_leave_the_left_half(patterns):
    images = patterns(3, size=8, channels=3).transpose(0, 3, 1, 2)
    halves = pairs.make(images, "halves")
    assert np.array_equal(halves[..., :4], images[..., :4]) and (halves[..., 4:] == 128).all()
    assert not (images[..., 4:] == 128).all(), "the images themselves were painted over"


@pytest.mark.parametrize("kind", pairs.KINDS)
def test_held_out_pairs_are_made_from_the_held_out_images(npz, kind):
    alone, found = data.load(npz(32, 3)), pairs.load(npz(32, 3), kind=kind)
    for images, made in ((alone.images, found.images), (alone.held_out, found.held_out)):
        assert np.array_equal(made, np.concatenate([pairs.make(images, kind), images], 1))
    assert found.labels is None and found.held_out_labels is None and found.classes == ()


def test_without_a_kind_edges_are_drawn(npz):
    assert pairs.load(npz(32)).fingerprint == pairs.load(npz(32), kind="edges").fingerprint


def test_single_files_make_pairs_when_a_kind_is_given(tmp_path):
    write_pictures(tmp_path / "set", 8, size=(40, 20))
    assert pairs.load(str(tmp_path / "set"), kind="halves").shape == (6, 64, 64)


@pytest.mark.parametrize(("size", "scaled"), [(12, 32), (32, 32), (48, 64), (64, 64), (80, 64)])
def test_images_are_scaled_to_what_a_u_net_can_halve(npz, size, scaled):
    assert pairs.load(npz(size)).shape == (2, scaled, scaled)
    assert pairs.load(npz(size), image_size=128).shape == (2, 128, 128)


def test_gray_images_cannot_be_made_gray(npz):
    with pytest.raises(DataError, match="gray already; try --pairs edges"):
        pairs.load(npz(32), kind="gray")


def test_kinds_and_directions_are_different_data(npz):
    file = npz(32, 3)
    found = [pairs.load(file, kind=kind, direction=way) for kind in pairs.KINDS for way in ("AtoB", "BtoA")]
    assert len({data.load(file).fingerprint, *(each.fingerprint for each in found)}) == 7


def test_a_named_set_is_not_mistaken_for_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(data.load("digits").images) == len(pairs.load("digits").images)
