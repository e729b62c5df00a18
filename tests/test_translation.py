"""Pairs of images, and the networks that translate one into the other."""

import shutil

from common.data import pairs, registry
from common.data.loading import load_for
from common.data.pairs import DIRECTIONS, KINDS, SIDE_BY_SIDE, Pairing, jitter, make, pairing
from common.data.reading import Reading
from common.errors import BadArgument, DataError
from common.options import Settings
from pix2pix import PatchGAN, UNet

import numpy as np
import pytest
import torch
from formats import write_pictures
from PIL import Image
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


# --- pairs side by side


@pytest.fixture(scope="module")
def facades(real_data):
    return pairs.load(str(real_data / "facades"), Pairing(SIDE_BY_SIDE), Reading(image_size=64))


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


def test_the_direction_says_which_side_is_translated(facades):
    images = torch.from_numpy(facades.held_out[:4]).float()
    there, back = (Pairing(SIDE_BY_SIDE, way).split(images) for way in DIRECTIONS)
    assert torch.equal(there[0], images[:, :3]) and torch.equal(there[1], images[:, 3:])
    assert torch.equal(back[0], there[1]) and torch.equal(back[1], there[0])


def test_a_folder_or_zip_holds_pairs_unless_a_kind_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "digits"):
        (tmp_path / name).mkdir()
    (tmp_path / "photos.zip").write_bytes(b"")
    assert [pairing(name).kind for name in ("photos", "photos.zip")] == [SIDE_BY_SIDE] * 2
    assert [pairing(name, "gray").kind for name in ("photos", "digits", None)] == ["gray"] * 3
    assert [pairing(name).kind for name in ("set.npz", "mnist", "digits", None)] == ["edges"] * 4
    assert pairing("photos", None, "BtoA") == Pairing(SIDE_BY_SIDE, "BtoA")


def test_a_pairing_knows_its_name_its_channels_and_its_half_of_a_picture():
    beside, drawn = Pairing(SIDE_BY_SIDE, "BtoA"), Pairing("edges")
    assert (str(beside), str(drawn)) == ("side by side BtoA", "edges AtoB")
    assert (beside.channels((6, 64, 64)), drawn.channels((3, 64, 64))) == (3, 3)
    assert (beside.side, Pairing(SIDE_BY_SIDE).side, drawn.side) == (1, 0, None)


def test_test_is_held_out_where_there_is_no_val_and_a_zip_reads_as_its_folder(tmp_path):
    write_pictures(tmp_path / "set" / "train", 5, size=(40, 20))
    write_pictures(tmp_path / "set" / "test", 3, size=(40, 20), seed=1)
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "set")
    folder, archive = (
        pairs.load(str(tmp_path / name), Pairing(SIDE_BY_SIDE), Reading(image_size=32)) for name in ("set", "set.zip")
    )
    assert folder.images.shape == (5, 6, 32, 32) and folder.held_out.shape == (3, 6, 32, 32)
    assert folder.fingerprint == archive.fingerprint
    write_pictures(tmp_path / "set" / "val", 2, size=(40, 20), seed=2)
    assert len(pairs.load(str(tmp_path / "set"), Pairing(SIDE_BY_SIDE), Reading(image_size=32)).held_out) == 2


def test_pairs_side_by_side_are_of_256_pixels_unless_told(tmp_path):
    for split in ("train", "val"):
        write_pictures(tmp_path / split, 2, size=(40, 20))
    assert pairs.load(str(tmp_path), Pairing(SIDE_BY_SIDE)).shape == (6, 256, 256)


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
    image = -torch.ones(1, 1, 32, 32)
    image[..., 10:20, 8:24] = 1
    edges = make(image, "edges")[0, 0]
    assert set(edges.unique().tolist()) == {-1, 1}
    inside, outside = edges[11:19, 9:23], torch.ones(32, 32, dtype=torch.bool)
    outside[9:21, 7:25] = False
    assert (inside == 1).all() and (edges[outside] == 1).all()
    for border in (edges[10, 8:24], edges[19, 8:24], edges[10:20, 8], edges[10:20, 23]):
        assert (border == -1).all()


def test_edges_are_those_of_each_image_and_one_brightness_has_none():
    faint, strong = torch.zeros(2, 3, 8, 8)
    faint[:, :, 4:], strong[:, :, 4:] = 0.01, 1
    found = make(torch.stack([faint, strong, torch.full((3, 8, 8), 0.3)]), "edges")
    assert found.shape == (3, 3, 8, 8) and torch.equal(found[0], found[1]) and (found[0, :, :, 3:5] == -1).all()
    assert (found[2] == 1).all()


def test_gray_is_brightness_in_every_channel():
    # Bytes 255 0 0, 0 255 0, 0 0 255 and 200 100 50: 0.299 * 255 = 76.2, 149.7, 29.1; 59.8 + 58.7 + 5.7 = 124.2
    image = torch.tensor([[255.0, 0, 0, 200], [0, 255, 0, 100], [0, 0, 255, 50]]).view(1, 3, 1, 4) / 127.5 - 1
    gray = (make(image, "gray") + 1) * 127.5
    assert gray.shape == (1, 3, 1, 4)
    assert gray[0, :, 0].round().tolist() == [[76, 150, 29, 124]] * 3


def test_halves_leave_the_left_half():
    images = picture(8, 3)
    before = images.clone()
    halves = make(images, "halves")
    assert torch.equal(halves[..., :4], images[..., :4]) and (halves[..., 4:] == 0).all()
    assert torch.equal(images, before), "the images themselves were painted over"


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_is_the_truth_of_what_is_made_of_it(kind):
    images = torch.cat([picture(32, 3), picture(32, 3, seed=1)])
    made, truth = Pairing(kind).split(images)
    assert torch.equal(made, make(images, kind)) and torch.equal(truth, images)
    assert torch.equal(Pairing(kind, "BtoA").split(images)[1], made)


def test_single_files_make_pairs_when_a_kind_is_given(tmp_path):
    write_pictures(tmp_path / "set", 8, size=(40, 20))
    assert pairs.load(str(tmp_path / "set"), Pairing("halves")).shape == (3, 64, 64)


@pytest.mark.parametrize(("size", "scaled"), [(12, 32), (32, 32), (48, 64), (64, 64), (80, 64)])
def test_images_are_scaled_to_what_a_u_net_can_halve(npz, size, scaled):
    assert pairs.load(npz(size), Pairing("edges")).shape == (1, scaled, scaled)
    assert pairs.load(npz(size), Pairing("edges"), Reading(image_size=128)).shape == (1, 128, 128)


def test_gray_images_cannot_be_made_gray(npz):
    with pytest.raises(DataError, match="gray already; try --pairs edges"):
        pairs.load(npz(32), Pairing("gray"))


def test_a_named_set_is_not_mistaken_for_a_folder_of_that_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(registry.load("digits").images) == len(pairs.load("digits", pairing("digits")).images)


@pytest.mark.parametrize("size", [16, 48])
def test_a_size_that_no_u_net_can_halve_is_a_bad_argument(size):
    with pytest.raises(BadArgument, match=rf"--image-size {size}: .*64, 128 or 256"):
        pairs.load("digits", Pairing("edges"), Reading(image_size=size))


def test_a_set_is_loaded_as_the_script_takes_it(tmp_path):
    class Translates(Settings):
        def pairing(self, dataset):
            return pairing(dataset, None, "AtoB")

    for split in ("train", "val"):
        write_pictures(tmp_path / split, 3, size=(40, 20))
    line = (1e-4, 1e-4, 0.5, "out")
    assert load_for(Translates(*line, image_size=32), str(tmp_path)).shape == (6, 32, 32)
    assert load_for(Settings(*line, image_size=32), str(tmp_path)).shape == (3, 32, 32)
