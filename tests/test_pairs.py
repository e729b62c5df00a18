"""Pairs of images: of files in two folders, of files that hold both sides, and made from single images."""

import shutil

from common.data import registry
from common.data.loading import load_for
from common.data.pairing import pairs
from common.data.pairing.pairs import DIRECTIONS, FILES, MADE, SIDE_BY_SIDE, Pairing, make, pairing
from common.data.reading import Reading
from common.errors import BadArgument, DataError
from common.options import Settings
from common.scoring.terms import Terms

import numpy as np
import pytest
import torch
from conftest import RATES, record_of
from formats import write_pictures
from PIL import Image, ImageOps

SMALL = Reading(image_size=32)
LINE = (*RATES["pix2pix"], "run")


def load(dataset, kind=None, direction="AtoB", folders=None, reading=SMALL):
    """The pairs that pix2pix.py would train on."""
    return pairs.load(str(dataset), pairing(str(dataset), kind, direction, folders), reading)


@pytest.fixture
def tree(tmp_path):
    """tree({"A": 3, "B": 2}): a folder with so many pictures in each of these, called 0000.png, 0001.png, ..."""

    def make(counts, size=(40, 30), top="set"):
        for seed, (folder, count) in enumerate(counts.items()):
            write_pictures(tmp_path / top / folder, count, size=size, seed=seed)
        return tmp_path / top

    return make


def sides_of(images):
    """Both sides of a batch (N, 2C, H, W), each (N, C, H, W)."""
    return np.split(images, 2, 1)


# --- two folders


@pytest.mark.parametrize(
    ("train", "held", "sides"),
    [
        ("A B", "", ("A/", "B/")),
        ("trainA trainB", "testA testB", ("A", "B")),
        ("trainA trainB", "valA valB", ("A", "B")),
        ("train_A train_B", "", ("train_A/", "train_B/")),
        ("train/A train/B", "val/A val/B", ("A/", "B/")),
        ("A/train B/train", "A/val B/val", ("A/", "B/")),
        ("A/train B/train", "A/test B/test", ("A/", "B/")),
        ("A/Training B/train", "A/Testing B/test", ("A/", "B/")),
        ("facades_A facades_B", "", ("facades_A/", "facades_B/")),
        ("some/data/input some/data/target", "", ("input/", "target/")),
        ("input/input target/target", "", ("input/", "target/")),
        ("Input Output", "", ("Input/", "Output/")),
        ("source target", "", ("source/", "target/")),
        ("images masks", "", ("images/", "masks/")),
        ("train_images train_masks", "val_images val_masks", ("image", "mask")),
        ("image label", "", ("image/", "label/")),
        ("imgs ground_truth", "", ("imgs/", "ground_truth/")),
        ("photos sketches", "", ("photos/", "sketches/")),
        ("LR HR", "", ("LR/", "HR/")),
    ],
)
def test_two_folders_are_pairs_by_the_names_of_their_images(tree, train, held, sides):
    (A, B), held = train.split(), held.split()
    dataset = tree({A: 5, B: 5} | dict.fromkeys(held, 2))
    found = load(dataset)
    assert found.sides == sides
    assert (len(found.images), len(found.held_out)) == ((5, 2) if held else (4, 1))
    expected = [np.concatenate([square(dataset / side / f"{i:04d}.png") for side in (A, B)]) for i in range(5)]
    for image in found.images:
        assert any(np.array_equal(image, one) for one in expected), "A's image lies on another one of B"


def square(file, size=32):
    with Image.open(file) as picture:
        return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)).transpose(2, 0, 1)


def test_suffixes_may_differ_and_an_archive_reads_as_its_folder(tree, tmp_path):
    dataset = tree({"A": 4, "B": 4})
    for file in (dataset / "B").iterdir():
        file.rename(file.with_suffix(".tif"))
    for format, name in (("zip", "set.zip"), ("gztar", "set.tar.gz")):
        shutil.make_archive(str(tmp_path / "set"), format, dataset)
        assert load(tmp_path / name).fingerprint == load(dataset).fingerprint


def test_what_has_no_partner_and_what_lies_elsewhere_is_counted_and_named(tree, capsys):
    dataset = tree({"A": 6, "B": 4, "notes": 3})
    (dataset / "A" / "readme.txt").write_text("x")
    (dataset / "B" / "0000.png").rename(dataset / "B" / "other.png")
    found = load(dataset)
    assert len(found.images) + len(found.held_out) == 3
    assert [line.removeprefix(f"{dataset}: ") for line in capsys.readouterr().err.splitlines()] == [
        "left out 3 images in A/ without one of that name in B/ (A/0000.png, ...)",
        "left out 1 image in B/ without one of that name in A/ (B/other.png)",
        "left out 3 images in neither A/ nor B/ (notes/0000.png, ...)",
        "passed over 1 file beside the images (A/readme.txt)",
    ]


def test_folders_without_a_common_name_are_refused_with_one_of_each(tree):
    dataset = tree({"trainA": 3, "trainB": 3})
    for file in (dataset / "trainB").iterdir():
        file.rename(file.with_name(f"{'xyz'[int(file.stem)]}.png"))
    with pytest.raises(DataError, match=r"trainA/0000.png and trainB/x.png; the two of a pair need the same name"):
        load(dataset)


@pytest.mark.parametrize(
    ("A", "B", "said"),
    [
        ("{}.png", "{}_mask.png", ", without `_mask`"),
        ("photo_{}.png", "sketch_{}.png", ", without `photo_`, `sketch_`"),
        ("{}_in.png", "out-{}.png", ", without `_in`, `out-`"),
        ("IMG_{}.png", "img_{}.png", ", without `IMG_`, `img_`"),
        ("{}.png", "{:05}.png", ", by numbers or without regard to capitals"),
        ("Face{}a.png", "face{:03}A.png", ", without `Face`, `a`, `face`, `A`"),
    ],
)
def test_what_all_names_of_a_side_share_may_differ_where_then_all_match(tree, A, B, said):
    dataset = tree({"A": 13, "B": 12})
    expected = {}
    for side, form in (("A", A), ("B", B)):
        for i, file in enumerate(sorted((dataset / side).iterdir())):
            file = file.rename(file.with_name(form.format(i + 8)))
            expected[side, i] = square(file)
    found, understood = pairs_of(dataset)
    assert len(found) == 12 and said in understood[0]
    for image in found:
        assert any(np.array_equal(image, np.concatenate([expected["A", i], expected["B", i]])) for i in range(12))


def pairs_of(dataset):
    """All pairs of a folder, (N, 2C, H, W), and what was understood."""
    found = load(dataset)
    return np.concatenate([found.images, found.held_out]), found.understood


@pytest.mark.parametrize(
    ("A", "B"),
    [
        (["a_10", "a_11", "a_12"], ["b_20", "b_21", "b_22"]),  # the digit that all share is of the number
        (["a_1", "a_2", "a_3"], ["b_1", "b_2", "b_4"]),  # not all match
        (["x1", "X01", "x2"], ["y1", "y2", "y3"]),  # two would be called alike
    ],
)
def test_names_that_match_in_part_are_not_guessed_at(tree, A, B):
    dataset = tree({"A": 3, "B": 3})
    for side, names in (("A", A), ("B", B)):
        for file, name in zip(sorted((dataset / side).iterdir()), names, strict=True):
            file.rename(file.with_name(f"{name}.png"))
    with pytest.raises(DataError, match="the two of a pair need the same name"):
        load(dataset)


def test_more_than_two_folders_that_could_be_sides_are_refused_until_they_are_named(tree, capsys):
    dataset = tree({"images": 3, "masks": 3, "labels": 3})
    with pytest.raises(DataError, match="images/ and labels/ or images/ and masks/; --pairs-from images labels or"):
        load(dataset)
    assert load(dataset, folders=["images", "masks"]).sides == ("images/", "masks/")
    assert "3 images in neither images/ nor masks/ (labels/0000.png, ...)" in capsys.readouterr().err


def test_folders_of_any_name_are_sides_when_they_are_named(tree, monkeypatch):
    dataset = tree({"day light": 3, "night": 3})
    with pytest.raises(DataError, match=r"if day light/ and night/, .* give --pairs-from 'day light' night$"):
        load(dataset)
    there, back = (load(dataset, folders=names) for names in (["day light", "night"], ["night/", "day light"]))
    assert (there.sides, back.sides) == (("day light/", "night/"), ("night/", "day light/"))
    (day, night), (night_too, day_too) = (sides_of(np.concatenate([d.images, d.held_out])) for d in (there, back))
    assert {d.tobytes(): n.tobytes() for d, n in zip(day, night, strict=True)} == {
        d.tobytes(): n.tobytes() for d, n in zip(day_too, night_too, strict=True)
    }
    monkeypatch.chdir(dataset.parent)
    by_path = load(dataset, folders=["set/day light", str(dataset / "night")])
    assert by_path.fingerprint == there.fingerprint


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (["day", "nigth"], "no images in a folder nigth .*its folders are day, night"),
        (["day", "day"], "day/0000.png lies in both folders of --pairs-from"),
    ],
)
def test_folders_that_cannot_be_the_two_sides(tree, folders, said):
    with pytest.raises(DataError, match=said):
        load(tree({"day": 3, "night": 3}), folders=folders)


def test_the_folders_of_one_split_can_be_named(tree, capsys):
    dataset = tree({"train/A": 5, "train/B": 5, "test/A": 2, "test/B": 2})
    found = load(dataset, folders=["train/A", "train/B"])
    assert len(found.images) + len(found.held_out) == 5
    assert "left out 4 images in neither train/A/ nor train/B/ (test/A/0000.png, ...)" in capsys.readouterr().err


def test_val_is_held_out_before_test_which_is_then_said_to_be_left_out(tree, capsys):
    dataset = tree({f"{split}/{side}": n for split, n in (("train", 4), ("val", 2), ("test", 3)) for side in "AB"})
    assert len(load(dataset).held_out) == 2
    assert "left out 3 pairs in test/, for val/ is held out (test/A/0000.png, ...)" in capsys.readouterr().err


def test_a_split_with_one_side_only_holds_no_pairs(tree, capsys):
    found = load(tree({"train/A": 10, "train/B": 10, "test/A": 4}))
    assert (len(found.images), len(found.held_out)) == (9, 1)
    assert "left out 4 images in A/ without one of that name in B/" in capsys.readouterr().err


def test_a_share_of_the_pairs_is_held_out_as_told(tree):
    found = load(tree({"A": 10, "B": 10}), reading=Reading(image_size=32, held_out=0.3))
    assert (len(found.images), len(found.held_out)) == (7, 3)


def test_a_broken_side_takes_its_pair_with_it(tree, capsys):
    dataset = tree({"A": 5, "B": 5})
    (dataset / "B" / "0003.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cannot read the image B/0003.png .*--skip-broken"):
        load(dataset)
    found = load(dataset, reading=Reading(image_size=32, skip_broken=True))
    assert len(found.images) + len(found.held_out) == 4
    assert "left out 1 image that cannot be read (B/0003.png)" in capsys.readouterr().err


def test_gray_masks_of_coloured_photographs_have_as_many_channels(tree):
    dataset = tree({"images": 3, "masks": 3})
    for file in (dataset / "masks").iterdir():
        Image.open(file).convert("L").save(file)
    A, B = sides_of(load(dataset).images)
    assert A.shape == B.shape == (2, 3, 32, 32)
    assert (B[:, :1] == B).all() and (A[:, :1] != A).any()


# --- sides of any shape


def with_a_mark(size, at):
    """A black picture of this size with a white spot around a place, which is given in parts of width and height."""
    width, height = size
    down, across = np.mgrid[:height, :width]
    spot = np.hypot(across - at[0] * width, down - at[1] * height) < max(4, min(size) / 20)
    return Image.fromarray((255 * spot).astype(np.uint8))


def mark(side):
    """The row and column around which the bright pixels of a side (C, H, W) lie."""
    return [weights.mean() for weights in np.nonzero(side[0] > 64)]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize(
    ("B", "has_its_shape"),
    [((300, 200), 1), ((600, 400), 1), ((151, 100), 1), ((200, 200), 0), ((120, 300), 0), ((2000, 1500), 0)],
)
def test_a_point_comes_to_the_same_place_on_both_sides(tmp_path, fit, B, has_its_shape):
    for folder, size in (("A", (300, 200)), ("B", B)):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for i, at in enumerate([(0.4, 0.3), (0.7, 0.8)]):
            with_a_mark(size, at).save(tmp_path / "set" / folder / f"{i}.png")
    found = load(tmp_path / "set", reading=Reading(image_size=64, fit=fit))
    for pair in (found.images[0], found.held_out[0]):
        assert mark(pair[:1]) == pytest.approx(mark(pair[1:]), abs=1)
    stretched = [said for said in found.understood if "stretched to the shape of A" in said]
    said = f"in 2 of 2 pairs B is stretched to the shape of A (A/0.png is 300x200, B/0.png {B[0]}x{B[1]})"
    assert stretched == ([] if has_its_shape else [said])


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("side", [(200, 200), (301, 200), (100, 160)])
@pytest.mark.parametrize("between", [0, 1])
def test_a_point_comes_to_the_same_place_in_both_halves_of_a_picture(tmp_path, fit, side, between):
    """Of an odd width the column in the middle is on neither side."""
    (tmp_path / "set").mkdir()
    for i, at in enumerate([(0.4, 0.3), (0.7, 0.8)]):
        both = Image.new("L", (2 * side[0] + between, side[1]), "white")
        for left in (0, side[0] + between):
            both.paste(with_a_mark(side, at), (left, 0))
        both.save(tmp_path / "set" / f"{i}.png")
    found = load(tmp_path / "set", SIDE_BY_SIDE, reading=Reading(image_size=64, fit=fit))
    for pair in (found.images[0], found.held_out[0]):
        assert np.array_equal(pair[0], pair[1])
        assert mark(pair[:1])[0] > 0


def test_a_side_that_its_exif_turns_stays_aligned(tmp_path):
    """As a camera held upright writes it: lying, with a note how to turn it."""
    for folder in "AB":
        (tmp_path / "set" / folder).mkdir(parents=True)
    turned = Image.Exif()
    turned[0x0112] = 6
    for i, at in enumerate([(0.4, 0.3), (0.6, 0.7)]):
        upright = with_a_mark((200, 300), at)
        upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "set" / "A" / f"{i}.jpg", exif=turned, quality=95)
        upright.save(tmp_path / "set" / "B" / f"{i}.png")
    found = load(tmp_path / "set", reading=Reading(image_size=64))
    for pair in (found.images[0], found.held_out[0]):
        assert mark(pair[:1]) == pytest.approx(mark(pair[1:]), abs=1)
    assert "sides are 200x300, cropped at the centre and scaled to 64x64" in found.understood


# --- pictures that hold both sides


@pytest.fixture(scope="module")
def facades(real_data):
    return load(real_data / "facades", reading=Reading(image_size=64))


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
    there, back = (Pairing(FILES, way).split(images) for way in DIRECTIONS)
    assert torch.equal(there[0], images[:, :3]) and torch.equal(there[1], images[:, 3:])
    assert torch.equal(back[0], there[1]) and torch.equal(back[1], there[0])


def test_test_is_held_out_where_there_is_no_val_and_a_zip_reads_as_its_folder(tree, tmp_path):
    dataset = tree({"train": 5, "test": 3}, size=(40, 20))
    shutil.make_archive(str(tmp_path / "set"), "zip", dataset)
    folder, archive = load(dataset), load(tmp_path / "set.zip")
    assert folder.images.shape == (5, 6, 32, 32) and folder.held_out.shape == (3, 6, 32, 32)
    assert folder.fingerprint == archive.fingerprint
    assert len(load(tree({"val": 2}, size=(40, 20))).held_out) == 2


@pytest.mark.parametrize("folder", ["", "train", "some/pictures"])
def test_a_tenth_of_the_pictures_is_held_out_where_no_split_is(tree, folder):
    found = load(tree({folder: 20}, size=(40, 20)))
    assert (len(found.images), len(found.held_out)) == (18, 2)
    assert found.sides == ("left sides", "right sides")


def test_pairs_in_files_are_of_256_pixels_unless_told(tree):
    dataset = tree({"train": 2, "val": 2}, size=(80, 30))
    found = load(dataset, reading=Reading())
    assert found.shape == (6, 256, 256)
    assert "sides are 40x30, cropped at the centre and scaled to 256x256" in found.understood


@pytest.mark.parametrize("size", [(40, 21), (40, 40), (20, 40)])
def test_pictures_less_than_twice_as_wide_as_high_hold_both_sides_only_when_that_is_said(tree, size):
    dataset = tree({"train": 4, "val": 1}, size=size)
    with pytest.raises(DataError, match=rf"train/0000.png is {size[0]}x{size[1]} pixels, .*give --pairs side-by-side"):
        load(dataset)
    assert load(dataset, SIDE_BY_SIDE).shape == (6, 32, 32)
    assert load(dataset, "edges").shape == (3, 32, 32)


def test_one_picture_among_pairs_that_is_too_narrow_is_named(tree):
    tree({"train": 3, "val": 3}, size=(40, 20))
    with pytest.raises(DataError, match=r"val/odd/0000.png is 40x30"):
        load(tree({"val/odd": 1}, size=(40, 30)))


def test_nothing_is_trained_on_that_lies_in_val_or_test_alone(tree):
    for split in ("val", "test"):
        with pytest.raises(DataError, match=rf"has pairs in {split}/ but none in train/"):
            load(tree({split: 3}, size=(40, 20), top=f"only {split}"))
        with pytest.raises(DataError, match=rf"has pairs in {split}/ but none in train/"):
            load(tree({f"{split}/A": 3, f"{split}/B": 3}, top=f"two in {split}"))


# --- which pairs are meant


def test_a_folder_or_archive_holds_pairs_unless_a_kind_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "digits", "Fashion_MNIST"):
        (tmp_path / name).mkdir()
    for name in ("photos.zip", "photos.tar.gz"):
        (tmp_path / name).write_bytes(b"")
    paths = ("photos", "photos.zip", "photos.tar.gz", "Fashion_MNIST")  # the last is a set's name misspelt: the path
    assert [pairing(name).kind for name in paths] == [FILES] * 4
    assert [pairing(name, "gray").kind for name in ("photos", "digits", None)] == ["gray"] * 3
    assert [pairing(name).kind for name in ("set.npz", "MNIST", "mnist", "digits", None)] == ["edges"] * 5
    assert pairing("photos", None, "BtoA") == Pairing(FILES, "BtoA")
    assert pairing("photos", folders=["day", "night"]) == Pairing(FILES, "AtoB", ("day", "night"))
    with pytest.raises(BadArgument, match="--pairs edges and --pairs-from day night: give one of them"):
        pairing("photos", "edges", folders=["day", "night"])


def test_a_pairing_knows_its_name_its_channels_and_what_it_translates():
    files, told, drawn = Pairing(FILES, "BtoA"), Pairing(SIDE_BY_SIDE), Pairing("edges")
    assert (str(files), str(told), str(drawn)) == ("files BtoA", "files AtoB", "edges AtoB")
    assert (files.channels((6, 64, 64)), drawn.channels((3, 64, 64))) == (3, 3)
    assert (files.in_words(("A/", "B/")), told.in_words(("A/", "B/"))) == ("B/ into A/", "A/ into B/")


def test_scores_of_pairs_in_files_may_be_compared_with_those_of_earlier_versions():
    about = {"samples": 9, "split": {"dataset": "set", "split": "held-out", "images": 9, "sha256": "x"}}
    earlier, now, made = (
        Terms.of({**about, "features": {"name": f"pixels, {name}", "sha256": ""}})
        for name in ("side by side BtoA", Pairing(FILES, "BtoA"), Pairing("gray", "BtoA"))
    )
    assert earlier == now != made


@pytest.mark.parametrize("options", [{"kind": SIDE_BY_SIDE}, {"folders": ["A", "B"]}])
@pytest.mark.parametrize("dataset", ["digits", "nowhere", "set.npz"])
def test_pairs_in_files_need_a_folder_or_archive(tmp_path, monkeypatch, patterns, dataset, options):
    monkeypatch.chdir(tmp_path)
    np.savez("set.npz", patterns(20))
    with pytest.raises(BadArgument, match=rf"^--pairs.* needs --dataset with a folder .*, not {dataset}"):
        load(dataset, **options)


def test_a_folder_without_images_is_refused_for_what_it_holds(tmp_path, patterns):
    with pytest.raises(DataError, match="no images found; it is empty"):
        load(tmp_path)
    np.savez(tmp_path / "set.npz", patterns(20))
    with pytest.raises(DataError, match="holds no image files, so no pairs; --pairs edges makes pairs of what"):
        load(tmp_path)
    assert load(tmp_path, "edges").sides == ("edges", "images")


@pytest.mark.parametrize("folders", [("A", "B"), ("train/A", "train/B", "val/A", "val/B"), ("trainA", "trainB")])
def test_pairs_are_never_made_of_two_sides_mixed(tree, folders):
    dataset = tree(dict.fromkeys(folders, 3))
    with pytest.raises(DataError, match=r"--pairs halves would mix .*A/? and .*B/?; leave it out"):
        load(dataset, "halves")
    assert load(dataset / folders[0], "halves").shape == (3, 32, 32)


def test_pairs_made_of_pictures_that_may_hold_both_sides_are_doubted(tree):
    found = load(tree({"": 5}, size=(64, 32)), "edges")
    assert found.understood[-1] == "0000.png is 64x32: if it holds both sides of a pair, leave out --pairs edges"
    assert not any("both sides" in said for said in load(tree({"": 5}, size=(60, 32), top="other"), "edges").understood)


def test_a_run_of_an_earlier_version_reads_what_that_read(tree):
    """Which knew no two folders."""
    dataset = tree({"train/A": 3, "train/B": 3, "val/A": 1, "val/B": 1}, size=(40, 20))
    version_1 = Reading(image_size=32, version=1)
    assert load(dataset).sides == ("A/", "B/")
    assert load(dataset, reading=version_1).sides == ("left sides", "right sides")
    assert len(load(dataset, "edges", reading=version_1).images) == 6


def test_classes_called_like_sides_among_others_make_pairs_as_any_images_do(tree):
    found = load(tree(dict.fromkeys("ABCDEFG", 4)), "edges")
    assert len(found.images) + len(found.held_out) == 28


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
    images = torch.rand(1, 3, 8, 8) * 2 - 1
    before = images.clone()
    halves = make(images, "halves")
    assert torch.equal(halves[..., :4], images[..., :4]) and (halves[..., 4:] == 0).all()
    assert torch.equal(images, before), "the images themselves were painted over"


@pytest.mark.parametrize("kind", MADE)
def test_the_image_is_the_truth_of_what_is_made_of_it(kind):
    images = torch.rand(2, 3, 32, 32) * 2 - 1
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


# --- runs on pairs, and what they translate


def train(shell, dataset, run, *options):
    line = (*RATES["pix2pix"], run, "--dataset", dataset, "--image-size", 32, "--width", 4, "--epochs", 1, *options)
    done = shell("pix2pix", *line, "--device", "cpu")
    assert done.code == 0, done.err
    return done


def first_input(grid):
    """The first image of a grid of 32x32 pixels, each twice as large, (32, 32, 3)."""
    with Image.open(grid) as picture:
        return np.asarray(picture)[2:66:2, 2:66:2]


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_run_on_two_folders_translates_one_of_them_and_what_it_is_given_whole(shell, tool, tree, tmp_path, direction):
    dataset = tree({"A": 6, "B": 6}, size=(64, 32))
    done = train(shell, dataset, tmp_path / "run", "--direction", direction)
    own, other = ("A", "B") if direction == "AtoB" else ("B", "A")
    assert f"5 training and 1 held-out pair, {own}/ into {other}/, 32x32 in colour" in done.err
    assert record_of(tmp_path / "run")["dataset"]["sides"] == ["A/", "B/"]
    expected = square(dataset / own / "0000.png").transpose(1, 2, 0)
    for given in (dataset, dataset / own, dataset / own / "0000.png"):
        done = tool("sample", tmp_path / "run", "--input", given, tmp_path / "grid.png")
        assert done.code == 0, done.err
        assert np.array_equal(first_input(tmp_path / "grid.png"), expected)
        said = f"6 of 12 images lie on the side that is translated ({own}/0000.png, ...)"
        assert (said in done.err) == (given == dataset)


def test_a_run_on_named_folders_knows_them_again(shell, tool, tree, tmp_path):
    dataset = tree({"day": 6, "night": 6}, size=(32, 32))
    train(shell, dataset, tmp_path / "run", "--pairs-from", "night", "day")
    assert record_of(tmp_path / "run")["settings"]["pairs_from"] == ["night", "day"]
    again = train(shell, dataset, tmp_path / "run", "--pairs-from", "night", "day", "--epochs", 2)
    assert "goes on after epoch 1" in again.err
    assert tool("sample", tmp_path / "run", "--input", dataset, tmp_path / "grid.png").code == 0
    assert np.array_equal(first_input(tmp_path / "grid.png"), square(dataset / "night" / "0000.png").transpose(1, 2, 0))


def test_a_run_on_pictures_of_both_sides_cuts_those_that_look_like_it_or_all_as_it_was_told(
    shell, tool, tree, tmp_path
):
    wide, narrow = tree({"": 5}, size=(70, 32), top="wide"), tree({"": 5}, size=(60, 32), top="narrow")
    train(shell, wide, tmp_path / "found", "--direction", "BtoA")
    train(shell, narrow, tmp_path / "told", "--pairs", "side-by-side")
    right, left = (35, 0, 70, 32), (0, 0, 30, 32)
    for run, given, options, box in (
        ("found", wide, [], right),
        ("found", wide, ["--as-is"], None),
        ("found", narrow, [], None),
        ("told", narrow, [], left),
        ("told", narrow, ["--as-is"], None),
    ):
        done = tool("sample", tmp_path / run, "--input", given, tmp_path / "grid.png", *options)
        assert done.code == 0, done.err
        with Image.open(given / "0000.png") as picture:
            expected = ImageOps.fit(picture.crop(box) if box else picture, (32, 32), Image.Resampling.LANCZOS)
        assert np.array_equal(first_input(tmp_path / "grid.png"), np.asarray(expected)), (run, given.name, options)
        assert ("of 5 of 5 pictures one side is translated" in done.err) == bool(box)


def test_a_run_on_made_pairs_says_what_they_are(shell, tree, tmp_path):
    done = train(shell, tree({"": 5}), tmp_path / "run", "--pairs", "halves")
    assert "left halves into images" in done.err
    assert record_of(tmp_path / "run")["dataset"]["sides"] == ["left halves", "images"]


def test_two_folders_are_given_two_values(start, tmp_path):
    done = start("pix2pix", *RATES["pix2pix"], tmp_path / "run", "--dataset", tmp_path, "--pairs-from", "A")
    assert done.code == 2 and "--pairs-from: expected 2 arguments" in done.err
