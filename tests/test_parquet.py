"""Parquet and Arrow files, in the forms that Hugging Face's sets have and in those that people write themselves."""

import importlib.util
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from common.data.tables.columns import FEW, Parquet
from common.errors import DataError

import numpy as np
import pyarrow as pa
import pytest
from conftest import load
from formats import hugging_face_table, png, write_arrow, write_parquet, write_pictures
from pyarrow import feather, parquet

pytestmark = pytest.mark.usefixtures("own_cache")

NAMES = ["zero", "one", "two"]


def digits(count, seed=0, size=8):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size), dtype=np.uint8)


def table_of(pixels, labels="in turn", names=NAMES, **options):
    labels = np.arange(len(pixels)) % 3 if isinstance(labels, str) else labels
    return hugging_face_table([png(image) for image in pixels], labels, names, **options)


def write_shards(folder, prefix, table, count=2, write=write_parquet, suffix="parquet"):
    """prefix-00000-of-00002.parquet and so on, the rows shared among them in their order."""
    for i, rows in enumerate(np.array_split(np.arange(len(table)), count)):
        write(folder / f"{prefix}-{i:05d}-of-{count:05d}.{suffix}", table.slice(rows[0], len(rows)))


def by_pixels(images, labels):
    return {image.tobytes(): label for image, label in zip(images, labels, strict=True)}


# --- splits and shards


def test_a_repository_of_shards_is_read_in_order_with_its_test_split_held_out(tmp_path, capsys):
    images, test = digits(60), digits(9, seed=1)
    write_shards(tmp_path / "data", "train", table_of(images))
    write_shards(tmp_path / "data", "test", table_of(test), count=1)
    write_shards(tmp_path / "data", "validation", table_of(digits(12, seed=2)))
    read = load(tmp_path)
    assert np.array_equal(read.images[:, 0], images) and np.array_equal(read.held_out[:, 0], test)
    assert read.labels.tolist() == [0, 1, 2] * 20 and read.held_out_labels.tolist() == [0, 1, 2] * 3
    assert read.classes == tuple(NAMES)
    assert "left out 12 images of validation" in capsys.readouterr().err


def test_a_set_saved_to_disk_is_the_same_as_its_parquet_files(tmp_path):
    tables = {"train": table_of(digits(60)), "test": table_of(digits(9, seed=1))}
    for split, table in tables.items():
        write_shards(tmp_path / "saved" / split, "data", table, write=write_arrow, suffix="arrow")
        (tmp_path / "saved" / split / "dataset_info.json").write_text("{}")
        write_shards(tmp_path / "repo" / "data", split, table)
    saved, repo = load(tmp_path / "saved"), load(tmp_path / "repo")
    assert saved.fingerprint == repo.fingerprint and np.array_equal(saved.held_out, repo.held_out)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("mnist/train/0000.parquet", "mnist/test/0000.parquet"),
        ("data/train-00000-of-00001-a09b74b3ef9c3b56.parquet", "data/test-00000-of-00001-7c83bc33cd6e5b0f.parquet"),
        ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
        ("mnist_train.parquet", "mnist_test.parquet"),
        ("Training/part.0.parquet", "Testing/part.0.parquet"),
        ("my_test_set/train.parquet", "my_test_set/test.parquet"),
    ],
)
def test_splits_are_told_by_the_names_of_files_and_folders(tmp_path, train, test):
    write_parquet(tmp_path / train, table_of(digits(30)))
    write_parquet(tmp_path / test, table_of(digits(9, seed=1)))
    read = load(tmp_path)
    assert (len(read.images), len(read.held_out)) == (30, 9)


def test_files_of_no_split_are_shards_of_one_set_and_a_tenth_is_held_out(tmp_path):
    table = table_of(digits(60))
    for i in range(3):
        name = f"part-{i:05d}-9a1bd0bb-5a8e-4a5f-9c6e-0a7d0e6f1c2{i}-c000.snappy.parquet"
        write_parquet(tmp_path / name, table.slice(20 * i, 20))
    read = load(tmp_path)
    assert (len(read.images), len(read.held_out)) == (54, 6)
    assert not {image.tobytes() for image in read.images} & {image.tobytes() for image in read.held_out}


def test_one_file_is_trained_on_whatever_it_is_called(tmp_path):
    write_parquet(tmp_path / "test.parquet", table_of(digits(60)))
    assert (len(load(tmp_path / "test.parquet").images), len(load(tmp_path).held_out)) == (54, 6)


def test_the_only_split_of_a_folder_is_trained_on_and_said(tmp_path):
    write_shards(tmp_path, "validation", table_of(digits(60)))
    read = load(tmp_path)
    assert len(read.images) == 54 and any("validation is trained on" in sentence for sentence in read.understood)


def test_splits_without_one_to_train_on_are_refused(tmp_path):
    for split in ("test", "validation"):
        write_parquet(tmp_path / f"{split}.parquet", table_of(digits(6)))
    with pytest.raises(DataError, match=r"has test and validation, and no train; give one of these files"):
        load(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        ("cropped_digits/train.parquet", "cropped_digits/test.parquet", "full_numbers/train.parquet"),
        ("cats.parquet", "dogs.parquet"),
        ("train_small.parquet", "train_large.parquet", "test.parquet"),
    ],
)
def test_several_sets_are_listed_and_not_mixed(tmp_path, files):
    for name in files:
        write_parquet(tmp_path / name, table_of(digits(6)))
    with pytest.raises(DataError, match=r"holds several sets \(.*\); give the folder or the file of one") as error:
        load(tmp_path)
    assert files[0] in str(error.value) and "\n" not in str(error.value)


def test_a_split_that_is_neither_training_nor_test_is_left_out_and_said(tmp_path, capsys):
    for split in ("train", "test", "extra"):
        write_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet", table_of(digits(30)))
    assert len(load(tmp_path).images) == 30
    assert "left out 1 file of no split (data/extra-00000-of-00001.parquet)" in capsys.readouterr().err


def test_what_datasets_keeps_of_its_own_work_is_no_shard(tmp_path):
    write_arrow(tmp_path / "train" / "data-00000-of-00001.arrow", table_of(digits(30)))
    write_arrow(tmp_path / "test" / "data-00000-of-00001.arrow", table_of(digits(9, seed=1)))
    write_arrow(tmp_path / "train" / "cache-1d5a0c6bb3a5f5a1.arrow", table_of(digits(30)))
    assert len(load(tmp_path).images) == 30


def test_shards_that_are_missing_are_said(tmp_path, capsys):
    write_shards(tmp_path, "train", table_of(digits(60)), count=3)
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    assert len(load(tmp_path).images) == 36
    assert "only 2 of the 3 files of this split are here (train-00000-of-00003.parquet" in capsys.readouterr().err


def test_a_zip_of_shards_is_the_folder_in_it(tmp_path):
    write_shards(tmp_path / "set" / "data", "train", table_of(digits(60)))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in (tmp_path / "set").rglob("*.parquet"):
            archive.write(file, file.relative_to(tmp_path))
    assert load(tmp_path / "set.zip").fingerprint == load(tmp_path / "set").fingerprint


# --- columns


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_encoded_images_may_be_plain_bytes(tmp_path, kind):
    images = digits(30)
    contents = pa.array([png(image) for image in images], kind)
    write_arrow(tmp_path / "a.arrow", pa.table({"id": range(30), "jpg": contents, "cls": [0, 1] * 15}))
    read = load(tmp_path / "a.arrow")
    known = by_pixels(images, [0, 1] * 15)
    assert [known[image.tobytes()] for image in read.images[:, 0]] == read.labels.tolist()


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_an_arrow_file_is_read_as_a_stream_is(tmp_path, compression):
    table = table_of(digits(60))
    write_arrow(tmp_path / "stream.arrow", table, rows_a_batch=7)
    feather.write_feather(table, tmp_path / "file.arrow", compression=compression, chunksize=11)
    assert load(tmp_path / "file.arrow").fingerprint == load(tmp_path / "stream.arrow").fingerprint


def test_a_file_is_known_by_its_content_and_not_by_its_suffix(tmp_path):
    write_arrow(tmp_path / "a.parquet", table_of(digits(60)))
    write_parquet(tmp_path / "b.arrow", table_of(digits(60)))
    assert load(tmp_path / "a.parquet").fingerprint == load(tmp_path / "b.arrow").fingerprint


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array(["dog", "cat", " cat"] * 10), ("cat", "dog")),
        (pa.array(["10", "9", "2"] * 10), ("2", "9", "10")),
        (pa.array(["dog", "cat", "cat"] * 10).dictionary_encode(), ("cat", "dog")),
        (pa.array([7, 3, 3] * 10, pa.uint8()), ("3", "7")),
        (pa.array([1.0, 0.0, 0.0] * 10), ("0", "1")),
        (pa.array([1, -1, -1] * 10), ("-1", "1")),
        (pa.array([True, False, False] * 10), ("False", "True")),
    ],
)
def test_labels_may_be_numbers_or_text(tmp_path, labels, classes):
    write_parquet(tmp_path / "a.parquet", table_of(digits(30), labels, names=None))
    read = load(tmp_path / "a.parquet")
    assert read.classes == classes
    assert np.bincount(np.concatenate([read.labels, read.held_out_labels])).sum() == 30


def test_the_classes_that_are_trained_on_keep_their_names_in_the_order_of_the_set(tmp_path):
    write_parquet(tmp_path / "a.parquet", table_of(digits(30), [3, 1] * 15, ["zebra", "yak", "ox", "ant"]))
    read = load(tmp_path / "a.parquet")
    assert read.classes == ("yak", "ant") and set(read.labels) == {0, 1}


def test_of_cifar100s_labels_the_fine_ones_are_read_and_the_others_said(tmp_path):
    table = table_of(digits(30), column="img", label="fine_label")
    coarse = hugging_face_table([b""] * 30, [0, 1] * 15, ["animal", "tool"], label="coarse_label")
    about = [json.loads(one.schema.metadata[b"huggingface"])["info"]["features"] for one in (coarse, table)]
    table = table.append_column("coarse_label", coarse["coarse_label"])
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": about[0] | about[1]}})})
    write_parquet(tmp_path / "a.parquet", table)
    read = load(tmp_path / "a.parquet")
    assert read.classes == tuple(NAMES)
    assert "images are in the column img; their classes in fine_label, not coarse_label" in read.understood


@pytest.mark.parametrize("labels", [None, [f"a photo of number {i}" for i in range(200)], np.linspace(0, 1, 200)])
def test_columns_that_tell_no_classes_apart_are_said(tmp_path, labels):
    write_parquet(tmp_path / "a.parquet", table_of(digits(200), labels, names=None))
    read = load(tmp_path / "a.parquet")
    assert read.labels is None and read.classes == ()
    assert any("no column says" in said or "not taken as classes" in said for said in read.understood)


def test_a_test_split_without_labels_is_left_out_and_the_validation_split_held_out(tmp_path, capsys):
    write_parquet(tmp_path / "train.parquet", table_of(digits(30)))
    write_parquet(tmp_path / "validation.parquet", table_of(digits(9, seed=1)))
    write_parquet(tmp_path / "test.parquet", table_of(digits(6, seed=2), [-1] * 6))
    read = load(tmp_path)
    assert (len(read.images), len(read.held_out)) == (30, 9)
    assert "left out 6 images of test, which has no classes" in capsys.readouterr().err
    assert any("validation is held out" in said for said in read.understood)


def test_rows_without_a_label_are_left_out_counted_and_named(tmp_path, capsys):
    write_parquet(tmp_path / "a.parquet", table_of(digits(30), [0, 1, -1] * 10))
    assert load(tmp_path / "a.parquet").classes == ("zero", "one")
    said = capsys.readouterr().err
    assert "left out 10 images of no class" in said and "(a.parquet row " in said


def test_labels_beyond_their_names_are_refused(tmp_path):
    write_parquet(tmp_path / "a.parquet", table_of(digits(30), [0, 1, 7] * 10))
    with pytest.raises(DataError, match="column label holds 7, and has names for 0 to 2"):
        load(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: table_of(digits(6), names=NAMES[::-1]), "the classes have other names in train.parquet than in test"),
        (lambda: table_of(digits(6), column="picture"), "images are .* in train.parquet, but .* in test.parquet"),
        (lambda: table_of(digits(6), ["a", "b"] * 3, None), "classes are label: int64 in .* but label: string in test"),
    ],
)
def test_files_of_different_sets_are_not_mixed(tmp_path, other, said):
    write_parquet(tmp_path / "train.parquet", table_of(digits(30)))
    write_parquet(tmp_path / "test.parquet", other())
    with pytest.raises(DataError, match=said):
        load(tmp_path)


def test_several_columns_of_images_are_listed(tmp_path):
    A, B = table_of(digits(9), None, column="imageA"), table_of(digits(9), None, column="imageB")
    write_parquet(tmp_path / "a.parquet", A.append_column("imageB", B["imageB"]))
    with pytest.raises(DataError, match=r"several columns of images \(imageA: .*imageB: .*\); rename the one to use"):
        load(tmp_path / "a.parquet")


def test_of_an_image_and_its_mask_the_image_is_read_and_the_other_said(tmp_path):
    images = digits(30)
    table = table_of(digits(30, seed=1), None, column="mask")
    write_parquet(tmp_path / "a.parquet", table.append_column("image", table_of(images, None)["image"]))
    read = load(tmp_path / "a.parquet")
    assert {image.tobytes() for image in read.images} <= {image.tobytes() for image in images}
    assert any("not mask" in said for said in read.understood)


def test_a_table_without_images_is_refused_with_its_columns(tmp_path):
    write_parquet(tmp_path / "a.parquet", pa.table({f"pixel{i}": [0, 1] for i in range(784)}))
    with pytest.raises(DataError, match=r"no column of images.*only pixel0: int64, .* and 776 more$"):
        load(tmp_path / "a.parquet")


def test_a_table_without_rows_is_refused(tmp_path):
    write_parquet(tmp_path / "a.parquet", table_of(digits(3)).slice(0, 0))
    with pytest.raises(DataError, match="no rows to train on"):
        load(tmp_path / "a.parquet")


# --- lists of pixels


@pytest.mark.parametrize(
    ("shape", "channels"), [((30, 8, 8), 1), ((30, 3, 8, 8), 3), ((30, 8, 8, 3), 3), ((30, 64), 1), ((30, 192), 3)]
)
@pytest.mark.parametrize("write", [write_parquet, write_arrow])
def test_lists_of_pixels_are_read_as_arrays_of_that_shape_are(tmp_path, shape, channels, write):
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=values, labels=np.arange(30) % 3)
    write(tmp_path / "a.parquet", pa.table({"image": values.tolist(), "label": np.arange(30) % 3}))
    read = load(tmp_path / "a.parquet")
    assert read.shape == (channels, 8, 8)
    assert read.fingerprint == load(tmp_path / "a.npz").fingerprint


def test_floats_in_lists_become_8_bits_by_the_range_of_both_splits(tmp_path):
    for split, brightest in (("train", 0.5), ("test", 1.0)):
        values = np.linspace(0, brightest, 30 * 64).reshape(30, 8, 8)
        write_parquet(tmp_path / f"{split}.parquet", pa.table({"image": values.tolist()}))
    read = load(tmp_path)
    assert read.images.max() == 128 and read.held_out.max() == 255
    assert any("scaled to 8 bits" in said for said in read.understood)


def test_pixels_of_fixed_size_and_rows_without_labels(tmp_path):
    values = digits(30)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), 64)
    write_arrow(tmp_path / "a.arrow", pa.table({"pixels": lists, "label": [0, 1, None] * 10}))
    read = load(tmp_path / "a.arrow")
    known = by_pixels(values, [0, 1, None] * 10)
    assert len(read.images) + len(read.held_out) == 20
    assert [known[image.tobytes()] for image in read.images[:, 0]] == read.labels.tolist()


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ([[[1, 2], [3, 4]], [[1, 2, 3], [4, 5, 6], [7, 8, 9]]], "images of different sizes"),
        ([[[1, 2], [3, 4]], None], "rows without pixels"),
        ([[[1, 2], [3, None]], [[1, 2], [3, 4]]], "rows without some pixels"),
        ([list(range(65))] * 9, "lists of 65 numbers, which are no images"),
    ],
)
def test_lists_that_are_no_images_are_refused(tmp_path, lists, said):
    write_parquet(tmp_path / "a.parquet", pa.table({"image": lists}))
    with pytest.raises(DataError, match=said):
        load(tmp_path / "a.parquet")


# --- images that are missing, damaged or elsewhere


def test_a_missing_and_a_damaged_image_are_named_or_left_out(tmp_path, capsys):
    contents = [png(image) for image in digits(30)]
    contents[3], contents[8] = None, contents[8][:40]
    write_parquet(tmp_path / "a.parquet", hugging_face_table(contents, paths=[None] * 30))
    with pytest.raises(DataError, match=r"cannot read the image a\.parquet row 3 \(there is none in this row\)"):
        load(tmp_path / "a.parquet")
    read = load(tmp_path / "a.parquet", skip_broken=True)
    assert len(read.images) + len(read.held_out) == 28
    assert "left out 2 images that cannot be read (a.parquet row 3" in capsys.readouterr().err


def write_with_files_beside(folder, pixels):
    """A table of paths alone, and the images in files."""
    for i, image in enumerate(pixels):
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / f"{i}.png").write_bytes(png(image))
    paths = [f"pictures/{i}.png" for i in range(len(pixels))]
    write_parquet(folder / "a.parquet", hugging_face_table([None] * len(pixels), paths=paths))


def test_images_of_which_a_table_has_only_the_path_are_read_from_beside_it(tmp_path):
    images = digits(30)
    write_with_files_beside(tmp_path, images)
    read = load(tmp_path / "a.parquet")
    assert {image.tobytes() for image in (*read.images, *read.held_out)} == {image.tobytes() for image in images}


def test_such_an_image_that_changes_is_read_again(tmp_path):
    write_with_files_beside(tmp_path, digits(30))
    before = load(tmp_path / "a.parquet").fingerprint
    for file in (tmp_path / "pictures").iterdir():
        file.write_bytes(png(255 - digits(1)[0] // 2))
    (tmp_path / "pictures" / "0.png").write_bytes(png(digits(1)[0]))
    assert load(tmp_path / "a.parquet").fingerprint != before


def test_such_an_image_that_is_missing_is_named(tmp_path):
    write_with_files_beside(tmp_path, digits(30))
    (tmp_path / "pictures" / "4.png").unlink()
    with pytest.raises(DataError, match=r"a\.parquet row 4 \(it is to be in the file .*pictures/4\.png"):
        load(tmp_path / "a.parquet")


# --- damaged files

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 15000\n"


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (lambda content: content[: len(content) // 2], "magic bytes|its end is missing"),
        (lambda content: content[:-3], "magic bytes|its end is missing"),
        (lambda content: b"", "it is empty"),
        (lambda content: b"<html>\nnot found</html>", "its end is missing"),
        (lambda content: POINTER, "git lfs pull"),
        (lambda content: b"PARE" + content[4:], "encrypted"),
    ],
    ids=["half", "end", "empty", "a page", "pointer", "encrypted"],
)
@pytest.mark.parametrize("write", [write_parquet, write_arrow])
def test_a_damaged_file_is_named_in_one_line(tmp_path, write, damaged, said):
    for i in range(2):
        write(tmp_path / f"train-0000{i}-of-00002.parquet", table_of(digits(30)))
    file = tmp_path / "train-00001-of-00002.parquet"
    file.write_bytes(damaged(file.read_bytes()))
    with pytest.raises(
        DataError, match=rf"train-00001-of-00002\.parquet is not a readable .parquet .*({said}).*; replace it$"
    ) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)


def test_a_stream_that_ends_between_two_batches_is_damaged(tmp_path):
    write_arrow(tmp_path / "whole.arrow", table_of(digits(30)), rows_a_batch=10)
    content = (tmp_path / "whole.arrow").read_bytes()
    third = content.rfind(b"\xff\xff\xff\xff", 0, len(content) - 8)
    (tmp_path / "whole.arrow").write_bytes(content[:third])
    with pytest.raises(DataError, match="its end is missing"):
        load(tmp_path / "whole.arrow")


def test_offsets_that_lead_out_of_an_arrow_file_are_not_followed(tmp_path):
    write_arrow(tmp_path / "a.arrow", table_of(digits(30)))
    content = (tmp_path / "a.arrow").read_bytes()
    offset = np.cumsum([len(png(image)) for image in digits(30)])[4].astype("<i4").tobytes()
    assert content.count(offset) == 1
    (tmp_path / "a.arrow").write_bytes(content.replace(offset, b"\xff\xff\xff\x7f"))
    with pytest.raises(DataError, match=r"a\.arrow"):
        load(tmp_path / "a.arrow")


def test_damage_within_a_file_leaves_the_rows_before_it(tmp_path, capsys):
    table = table_of(np.random.default_rng(0).integers(0, 256, (60, 64, 64), dtype=np.uint8), None)
    write_parquet(tmp_path / "a.parquet", table, rows_a_group=20)
    about = parquet.ParquetFile(tmp_path / "a.parquet").metadata.row_group(1).column(0)
    content = bytearray((tmp_path / "a.parquet").read_bytes())
    start = about.data_page_offset
    content[start : start + 10] = b"\xff" * 10  # the header of a page
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read the image a\.parquet row 20 \(.*\); repair") as error:
        load(tmp_path / "a.parquet")
    assert "\n" not in str(error.value)
    read = load(tmp_path / "a.parquet", skip_broken=True)
    assert len(read.images) + len(read.held_out) == 20
    assert "left out 40 images that cannot be read (a.parquet row 20" in capsys.readouterr().err


# --- large files


def test_a_row_group_is_read_a_few_images_at_a_time_and_only_once_a_pass(tmp_path, monkeypatch):
    images = digits(500)
    write_parquet(tmp_path / "a.parquet", table_of(images), rows_a_group=500)
    opened, largest = [], []
    real = Parquet.batches

    def batches(self, columns, *arguments, **options):
        opened.append(columns)
        for start, arrays in real(self, columns, *arguments, **options):
            largest.append(len(arrays[0]) if columns[0] == ("image", "bytes") else 0)
            yield start, arrays

    monkeypatch.setattr(Parquet, "batches", batches)
    assert len(load(tmp_path / "a.parquet").images) == 450
    assert max(largest) <= FEW
    passes = opened.count([("image", "bytes"), ("image", "path")])
    assert passes <= 4, "a look at the first row, at sizes and modes, and at pixels"


def test_a_later_row_is_read_from_its_own_row_group_on(tmp_path):
    write_parquet(tmp_path / "a.parquet", pa.table({"label": range(100)}), rows_a_group=10)
    starts = [start for start, _ in Parquet(tmp_path / "a.parquet").batches([("label",)], first=57, most=4)]
    assert starts[0] == 50 and len(starts) >= 10


def test_a_value_that_is_stored_once_and_repeated_is_not_unpacked_for_all_rows(tmp_path):
    content = png(digits(1)[0]) + bytes(1_000_000)
    repeated = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, np.int32)), pa.array([content]))
    parquet.write_table(pa.table({"image": repeated}), tmp_path / "a.parquet", dictionary_pagesize_limit=1 << 22)
    table = Parquet(tmp_path / "a.parquet")
    assert max(arrays[0].nbytes for _, arrays in table.batches([("image",)], most=FEW)) < 10_000_000


# --- the package


def test_without_pyarrow_the_line_to_install_it_is_named(tmp_path, monkeypatch):
    write_parquet(tmp_path / "a.parquet", table_of(digits(3)))
    monkeypatch.setattr(importlib.util, "find_spec", lambda package: None)
    with pytest.raises(DataError, match=r"pyarrow, which is not installed; pip install -r requirements\.txt"):
        load(tmp_path / "a.parquet")


def test_pyarrow_is_imported_only_for_its_files(tmp_path):
    write_pictures(tmp_path / "photos", 20)
    code = "import sys; from common.data.registry import load; load(sys.argv[1]); assert 'pyarrow' not in sys.modules"
    line = [sys.executable, "-c", code, tmp_path / "photos"]
    done = subprocess.run(line, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
