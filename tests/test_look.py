"""look.py, and what every start says of its data."""

import io
import os
import shutil

from common.data.dataset import Dataset
from common.data.loading import in_words
from common.pictures.contact import MOST_ROWS, contact_sheet, shown_classes
from common.pictures.sheets import lettering

import numpy as np
import pytest
from formats import write_pictures
from PIL import Image

RATES = ("2e-4", "2e-4", "0.5")


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def made(images, labels=None, classes=(), held=None, name="photos"):
    """A set of so many images of 8x8, whose labels go round."""
    labels = None if labels is None else np.arange(images) % labels
    some = [
        np.random.default_rng(seed).integers(0, 256, (n, 3, 8, 8), np.uint8)
        for seed, n in ((0, images), (1, held or 3))
    ]
    return Dataset(name, some[0], labels, some[1], None if labels is None else labels[: held or 3], classes, "")


def test_a_set_is_told_in_one_sentence():
    said = in_words(made(4512, 3, ("cat", "dog", "fox"), held=501))
    assert said == "photos: 4,512 training and 501 held-out images, 3 classes (cat, dog, fox), 8x8 in colour"
    assert in_words(made(20, held=1)).startswith("photos: 20 training and 1 held-out image, ")
    assert in_words(made(20)) == "photos: 20 training and 3 held-out images, no classes, 8x8 in colour"
    assert "12 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)" in in_words(made(24, 12, tuple(map(str, range(12)))))
    assert "1 class (all)" in in_words(made(24, 1, ("all",)))


@pytest.mark.parametrize(
    ("count", "share", "held"),
    [(200, None, 20), (99, None, 9), (12, None, 1), (40, 0.5, 20), (12, 0.999, 11), (12, 1e-9, 1), (2, 0.9, 1)],
)
def test_a_tenth_or_the_share_that_was_asked_for_is_held_out(tool, tmp_path, count, share, held):
    write_pictures(tmp_path / "pets", count)
    options = () if share is None else ("--held-out", share)
    done = tool("look", "pets", *options)
    kind = "image" if held == 1 else "images"
    assert f"pets: {count - held} training and {held} held-out {kind}, no classes" in done.out
    assert "changes nothing" not in done.out


def test_a_share_of_a_set_that_has_test_images_is_not_held_out_and_that_is_said(tool, tmp_path):
    write_pictures(tmp_path / "pets" / "train", 20)
    write_pictures(tmp_path / "pets" / "val", 4, seed=1)
    done = tool("look", "pets", "--held-out", 0.5)
    assert "20 training and 4 held-out" in done.out
    assert "  held out are the set's own images: --held-out changes nothing" in done.out.splitlines()


def test_held_out_images_that_are_also_trained_on_are_counted(tool, tmp_path):
    write_pictures(tmp_path / "pets" / "train", 20)
    write_pictures(tmp_path / "pets" / "test", 4, seed=1)
    shutil.copy("pets/train/0003.png", "pets/test/again.png")
    done = tool("look", "pets")
    assert "  1 of 5 held-out images are also trained on: scores are too good" in done.out.splitlines()


def test_classes_of_which_nothing_is_held_out_are_named(tool, tmp_path):
    for seed, (name, count) in enumerate({"cat": 19, "dog": 20, "one": 1}.items()):
        write_pictures(tmp_path / "pets" / name, count, seed=seed)
    rows = {row[0]: row[1:] for row in map(str.split, tool("look", "pets").out.splitlines()) if len(row) == 3}
    without = [name for name in ("cat", "dog", "one") if rows[name][1] == "0"]
    assert "one" in without, "a seed that holds out the only image of a class shows nothing"
    said = f"  of {len(without)} of 3 classes nothing is held out ({', '.join(without)})"
    assert said in tool("look", "pets").out.splitlines()


def test_a_class_is_said_on_one_line(tool, tmp_path):
    write_pictures(tmp_path / "pets" / "new\nline", 10)
    write_pictures(tmp_path / "pets" / "old", 10, seed=1)
    assert "2 classes (new\\nline, old)" in tool("look", "pets").out


def test_it_says_what_it_understood_and_writes_a_row_a_class(tool, tmp_path):
    write_pictures(tmp_path / "pets" / "train", 40, (30, 20), classes=("cat", "dog"))
    write_pictures(tmp_path / "pets" / "test", 6, (30, 20), classes=("cat", "dog"), seed=1)
    done = tool("look", "pets", "--image-size", 16)
    assert done.code == 0, done.err
    assert done.out.splitlines() == [
        "pets: 40 training and 6 held-out images, 2 classes (cat, dog), 16x16 in colour",
        "  images are 30x20, cropped at the centre and scaled to 16x16",
        "class  training  held out",
        "cat          20         3",
        "dog          20         3",
        "out/look/pets.png: 2 of 2 classes, a row each",
    ]
    assert Image.open("out/look/pets.png").format == "PNG"
    assert tool("look", "pets", "elsewhere.png").out.splitlines()[-1].startswith("elsewhere.png: ")


def test_it_reads_what_a_script_trains_on(tool, start, tmp_path):
    write_pictures(tmp_path / "pets", 40)
    first = tool("look", "pets").out.splitlines()[0]
    assert (
        f"  data     {first}"
        in start("gan", *RATES, "run", "--dataset", "pets", "--epochs", 1, "--batch-size", 8).lines
    )


def test_a_script_says_how_its_pairs_are_made(tool, tmp_path):
    done = tool("look", "digits", "--script", "pix2pix", "--direction", "BtoA")
    assert "179 held-out pairs, images into edges, 32x32 in gray" in done.out
    assert tool("look", "digits", "--script", "nothing").code == 2
    assert tool("look", "digits", "--direction", "BtoA").code == 2, "only pix2pix.py has directions"


@pytest.mark.parametrize("dataset", ["nowhere", "empty", "text.txt"])
def test_what_cannot_be_read_is_refused_and_nothing_is_written(tool, tmp_path, dataset):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x")
    done = tool("look", dataset)
    assert done.code == 3 and done.out == "" and len(done.lines) == 1
    assert not (tmp_path / "out").exists()


def test_of_many_classes_some_have_a_row_and_all_images_of_a_class_are_told_apart():
    many = made(400, 200, tuple(f"{i:03d}" for i in range(200)))
    assert len(shown_classes(many)) == MOST_ROWS
    few = made(6, 3, ("a", "b", "c"))
    for label, brightness in enumerate((40, 90, 160)):
        few.images[few.labels == label] = brightness
    picture = np.asarray(Image.open(io.BytesIO(contact_sheet(few))).convert("L"))
    heights = [np.flatnonzero((picture == brightness).sum(1) > 100) for brightness in (40, 90, 160)]
    assert all(len(rows) for rows in heights)
    assert heights[0].max() < heights[1].min() and heights[1].max() < heights[2].min()


def test_one_image_is_no_set(tool, tmp_path):
    write_pictures(tmp_path / "pets", 3)
    assert "0000.png: is one image; give the folder that it and the others are in" in tool("look", "pets/0000.png").err


def test_a_class_whose_name_is_not_utf8_has_it_with_escapes(tool, tmp_path):
    write_pictures(tmp_path / "pets" / "cat", 10)
    write_pictures(tmp_path / "pets" / os.fsdecode(b"k\xe4fer"), 10, seed=1)
    done = tool("look", "pets")
    assert "2 classes (cat, k\\udce4fer)" in done.out and Image.open("out/look/pets.png").format == "PNG"


def test_heads_are_read_whole_above_few_images():
    few, many = made(20, held=1), made(20, held=3)
    widths = [Image.open(io.BytesIO(contact_sheet(data))).width for data in (few, many)]
    assert widths[0] > 124 + 2 * 12 + lettering(17).getlength("held out: 1") and widths[0] <= widths[1]
