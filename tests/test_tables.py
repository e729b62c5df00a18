"""Tables whose rows are images, .csv and .tsv."""

import csv
import gzip

from common.data import registry
from common.data.reading import Reading
from common.data.tables import table_rows, tables
from common.errors import DataError

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("own_cache")


def pixels(count, values=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, values), dtype=np.uint8)


def smooth(count, side=8, seed=0):
    """Images whose every pixel is like the next, as those of clothes; (count, side * side)."""
    y, x = np.mgrid[:side, :side] / side
    waves = np.random.default_rng(seed).uniform(0, 6, (count, 1, 1))
    return (127 + 127 * np.sin(waves + x + y)).astype(np.uint8).reshape(count, -1)


def digits(count):
    return np.arange(count) % 10


PIXELS = [f"pixel{i}" for i in range(64)]


def write(path, *columns, names=None, separator=",", ending="\n"):
    """Columns are arrays (N,) or (N, D)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator=ending)
        writer.writerows([names] if names else [])
        blocks = [np.asarray(column).reshape(len(column), -1).tolist() for column in columns]
        writer.writerows([cell for block in row for cell in block] for row in zip(*blocks, strict=True))
    return path


def read(*paths, **reading):
    return tables.read_tables("--dataset set", {path.name: path for path in paths}, Reading(**reading))


def same(part, images, labels=None):
    assert np.array_equal(part.images.reshape(len(images), -1), images)
    assert part.labels is None if labels is None else np.array_equal(part.labels, labels)
    return True


# --- which columns are what


@pytest.mark.parametrize("title", ["label", "Label", "class", "target", "digit"])
@pytest.mark.parametrize("names", [PIXELS, [f"{i}x{j}" for i in range(1, 9) for j in range(1, 9)], list(range(64))])
@pytest.mark.parametrize("place", ["first", "last"])
def test_the_label_is_told_by_its_name(tmp_path, title, names, place):
    images, labels = pixels(30), digits(30)
    columns, names = ([labels, images], [title, *names]) if place == "first" else ([images, labels], [*names, title])
    found = read(write(tmp_path / "set.csv", *columns, names=names))
    assert same(found.train, images, labels) and found.classes == tuple("0123456789")
    assert f"images from set.csv, labels from column {title}" in found.understood


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("images", [smooth(100), np.pad(pixels(100, 36).reshape(100, 6, 6), ((0, 0), (1, 1), (1, 1)))])
@pytest.mark.parametrize("labels", [digits(100), np.array(list("ABCDEFGHIJ") * 10)], ids=["numbers", "letters"])
def test_without_names_the_label_is_the_column_that_is_no_pixel(tmp_path, place, images, labels):
    images = images.reshape(100, 64)
    found = read(write(tmp_path / "set.csv", *((labels, images) if place == "first" else (images, labels))))
    assert same(found.train, images, digits(100)) and len(found.classes) == 10


def test_of_rows_that_are_sorted_by_class_the_label_is_told_by_all_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(table_rows, "SAMPLE", 10)
    images, labels = smooth(200), np.sort(digits(200))
    assert same(read(write(tmp_path / "first.csv", labels, images)).train, images, labels)
    assert same(read(write(tmp_path / "last.csv", images, labels * 1.0)).train, images, labels)


def test_names_that_count_the_columns_are_no_row(tmp_path):
    """Those that pandas makes of the first row of A_Z Handwritten Data.csv."""
    images, labels = smooth(30), digits(30)
    names = ["0", *(f"0.{i}" for i in range(1, 65))]
    assert same(read(write(tmp_path / "set.csv", labels, images, names=names)).train, images, labels)
    assert same(read(write(tmp_path / "other.csv", labels, images, names=range(65))).train, images, labels)


def test_without_labels(tmp_path):
    images = pixels(30)
    assert same(read(write(tmp_path / "set.csv", images)).train, images)
    assert same(read(write(tmp_path / "named.csv", images, names=PIXELS)).train, images)


@pytest.mark.parametrize("name", ["id", "ImageId", "Unnamed: 0", "", "filename"])
def test_columns_beside_are_not_used_and_said(tmp_path, name):
    images, labels = pixels(30), digits(30)
    path = write(tmp_path / "set.csv", np.arange(30), labels, images, names=[name, "label", *PIXELS])
    found = read(path)
    assert same(found.train, images, labels) and f"columns not used: {name or 1}" in found.understood


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_separators_and_line_ends_and_gzip(tmp_path, separator, ending, suffix):
    images, labels = smooth(30), digits(30)
    found = read(write(tmp_path / f"set{suffix}", labels, images, separator=separator, ending=ending))
    assert same(found.train, images, labels)


def test_quotes_a_byte_order_mark_and_blank_lines(tmp_path):
    images = pixels(10)
    rows = [",".join(f'"{value}"' for value in [label, *row]) for label, row in zip(digits(10), images, strict=True)]
    text = ",".join(f'"{name}"' for name in ["label", *PIXELS]) + "\n" + "\n\n".join(rows) + "\n\n"
    (tmp_path / "set.csv").write_text(text, encoding="utf-8-sig")
    assert same(read(tmp_path / "set.csv").train, images, digits(10))


def test_three_squares_are_images_in_colour(tmp_path):
    planes = smooth(30, 16).reshape(30, 1, 16, 16) // np.array([1, 2, 3]).reshape(1, 3, 1, 1)
    images = planes.transpose(0, 2, 3, 1)
    found = read(write(tmp_path / "set.csv", images.reshape(30, -1), digits(30)))
    assert np.array_equal(found.train.images, images) and "colours side by side" in "".join(found.understood)


def test_tables_of_emnist_hold_images_column_by_column(tmp_path):
    images = smooth(30).reshape(30, 8, 8) // np.arange(1, 9)
    path = write(tmp_path / "emnist-letters-train.csv", digits(30), images.transpose(0, 2, 1).reshape(30, 64))
    assert np.array_equal(read(path).train.images[..., 0], images)


@pytest.mark.parametrize("kept", [lambda v: v / 255, lambda v: v * 1.0, lambda v: v.astype(int) * 257])
def test_values_come_to_8_bits(tmp_path, kept):
    images = np.resize(np.arange(256, dtype=np.uint8), (8, 64))
    assert same(read(write(tmp_path / "set.csv", kept(images))).train, images)


# --- splits


@pytest.mark.parametrize("names", [("fashion-mnist_train.csv", "fashion-mnist_test.csv"), ("train.csv", "valid.csv")])
def test_a_table_a_split(tmp_path, names):
    train, test = smooth(30), smooth(10, seed=1)
    found = read(
        write(tmp_path / names[0], digits(30), train, names=["label", *PIXELS]),
        write(tmp_path / names[1], digits(10), test, names=["label", *PIXELS]),
    )
    assert same(found.train, train, digits(30)) and same(found.held, test, digits(10)) and not found.left_out
    assert f"images from {names[0]}, {names[1]}, labels from column label" in found.understood


def test_of_kaggles_digits_the_test_images_have_no_labels_and_are_left_out(tmp_path):
    train = write(tmp_path / "train.csv", digits(30), pixels(30), names=["label", *PIXELS])
    test = write(tmp_path / "test.csv", pixels(20, seed=1), names=PIXELS)
    answers = write(tmp_path / "sample_submission.csv", np.arange(20), np.zeros(20, int), names=["ImageId", "Label"])
    found = read(train, test, answers)
    assert len(found.train.images) == 30 and found.held is None
    said = (
        "left out 20 images of test (test.csv), which have no labels",
        "passed over sample_submission.csv: it holds no pixels",
    )
    assert found.left_out == said


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_fer2013_holds_pixels_as_text_and_names_its_splits(tmp_path, suffix):
    images = pixels(40)
    usage = np.repeat(["Training", "PublicTest", "PrivateTest"], [25, 5, 10])
    texts = [" ".join(map(str, row)) for row in images.tolist()]
    path = write(tmp_path / f"fer{suffix}", digits(40), texts, usage, names=["emotion", " pixels", "Usage"])
    found = read(path)
    assert same(found.train, images[:25], digits(25)) and same(found.held, images[30:], digits(40)[30:])
    assert found.left_out == (f"left out 5 images of val (fer{suffix})",)


def test_numbered_tables_are_parts_of_one(tmp_path):
    parts = [write(tmp_path / f"part{i}.csv", digits(20), smooth(20, seed=i)) for i in (10, 9)]
    assert same(read(*parts).train, np.concatenate([smooth(20, seed=9), smooth(20, seed=10)]), digits(40))


def test_tables_with_the_label_in_different_places_are_refused(tmp_path):
    first = write(tmp_path / "part1.csv", digits(40), smooth(40))
    last = write(tmp_path / "part2.csv", smooth(40), digits(40))
    with pytest.raises(DataError, match=r"labels in column 1 of part1\.csv and in column 65 of part2\.csv; give their"):
        read(first, last)


def test_tables_of_several_sets_are_refused(tmp_path):
    files = [write(tmp_path / f"emnist-{part}-train.csv", digits(10), pixels(10)) for part in ("letters", "digits")]
    with pytest.raises(
        DataError, match=r"several tables for train \(emnist-digits-train.csv, emnist-letters-train.csv\)"
    ):
        read(*files)


# --- what is refused


def test_a_table_of_files_is_refused_with_what_to_do(tmp_path):
    path = write(tmp_path / "set.csv", [f"{i}.png" for i in range(30)], digits(30), names=["file", "label"])
    with pytest.raises(DataError, match=r"set\.csv lists files \(0\.png\) and holds no pixels: give the folder"):
        read(path)


def test_a_table_of_something_else_is_refused_with_its_columns(tmp_path):
    path = write(
        tmp_path / "set.csv", np.random.default_rng(0).random((30, 4)), names=["width", "height", "age", "name"]
    )
    with pytest.raises(DataError, match=r"set\.csv has 4 columns \(width, height, age, name\), which are no images"):
        read(path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda row: row[:40], "has 40 columns, not 65"),
        (lambda row: [*row, 3], "has 66 columns, not 65"),
        (lambda row: [*row[:9], "", *row[10:]], "could not convert string '' column 10"),
        (lambda row: [*row[:9], "x", *row[10:]], "could not convert string 'x' column 10"),
        (lambda row: ["", *row[1:]], "has no label"),
    ],
    ids=["too short", "too long", "empty", "text", "no label"],
)
def test_a_damaged_row_is_named_or_left_out(tmp_path, monkeypatch, damage, said):
    monkeypatch.setattr(table_rows, "BLOCK", 7)
    monkeypatch.setattr(table_rows, "SAMPLE", 5)
    images = pixels(30)
    path = write(tmp_path / "set.csv", digits(30), images, names=["label", *PIXELS])
    lines = path.read_text().splitlines()
    lines[20] = ",".join(map(str, damage(lines[20].split(","))))
    path.write_text("\n".join(lines))
    with pytest.raises(DataError) as refusal:
        read(path)
    assert f"set.csv cannot be read (line 21: {said})" in str(refusal.value) and "--skip-broken" in str(refusal.value)
    found = read(path, skip_broken=True)
    assert same(found.train, np.delete(images, 19, 0), np.delete(digits(30), 19))
    assert found.left_out == ("left out 1 broken row of set.csv (line 21)",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xff\xfe\0l\0a",
        bytes(1000),
        b"\x1f\x8b nonsense",
        b"1,2\n" * 100,
        b"hello\n" * 9,
        ",".join(PIXELS).encode(),
    ],
    ids=["empty", "blank", "UTF-16", "zeros", "gzip", "two columns", "words", "names only"],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_what_is_no_table_is_refused_in_a_line(tmp_path, content, suffix):
    (tmp_path / f"set{suffix}").write_bytes(content)
    with pytest.raises(DataError, match=r"--dataset set: set\.csv"):
        read(tmp_path / f"set{suffix}")


def test_a_cut_archive_is_refused(tmp_path):
    path = write(tmp_path / "set.csv.gz", digits(300), pixels(300))
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"set\.csv\.gz cannot be read \(Compressed file ended"):
        read(path)


def test_an_archive_that_unpacks_without_a_line_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(table_rows, "LONGEST_LINE", 10_000)
    (tmp_path / "set.csv.gz").write_bytes(gzip.compress(b"0" * 1_000_000))
    with pytest.raises(DataError, match=r"line 1 is longer than 10,000 characters"):
        read(tmp_path / "set.csv.gz")


# --- the cache


def test_a_table_is_parsed_once_and_anew_when_it_changes(tmp_path, monkeypatch):
    path = write(tmp_path / "set.csv", digits(30), pixels(30), names=["label", *PIXELS])
    first = registry.load(str(path))
    with monkeypatch.context() as patch:
        patch.setattr(tables, "rows_of", lambda *_: pytest.fail("parsed again"))
        assert registry.load(str(path)).fingerprint == first.fingerprint
    write(path, digits(40), pixels(40), names=["label", *PIXELS])
    assert len(registry.load(str(path)).images) == 36
