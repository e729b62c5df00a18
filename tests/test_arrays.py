"""Files of arrays, .npz, .npy and .mat: which of them are images and labels, and what becomes of their values."""

import re
import zipfile

from common.data.arrays import stored
from common.data.arrays.arrays import images_in, read_arrays
from common.data.reading import Reading
from common.errors import DataError

import numpy as np
import pytest
from conftest import load
from scipy.io import savemat

pytestmark = pytest.mark.usefixtures("own_cache")

ASKED = "--dataset set"


@pytest.fixture
def read(tmp_path):
    """read({"x.npy": array, "set.npz": {"images": ...}, ...}): what is found in such files."""

    def written(contents, version=2):
        files = {}
        for name, content in contents.items():
            files[name] = tmp_path / "set" / name
            files[name].parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".npz"):
                np.savez_compressed(files[name], **content)
            elif name.endswith(".mat"):
                savemat(files[name], content, do_compression=True)
            else:
                np.save(files[name], content)
        return read_arrays(ASKED, files, Reading(version=version))

    return written


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def digits(count):
    return np.arange(count) % 10


def every_level(*shape):
    """Whole numbers from 0 to 255, of which each comes."""
    return np.resize(np.arange(256), shape)


# --- names


@pytest.mark.parametrize("names", [("images", "labels"), ("arr_0", "arr_1")])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_npz(tmp_path, patterns, names, channels):
    images = patterns(300, channels=channels or 1)
    images = images[..., 0] if channels is None else images
    np.savez(tmp_path / "set.npz", **{names[0]: images, names[1]: np.arange(300) % 3 + 5})
    data = load(tmp_path / "set.npz")
    assert data.shape == (channels or 1, 12, 12) and data.classes == ("5", "6", "7")
    assert len(data.held_out) == 30 and len(data.images) == 270 and not data.understood
    original = {image.tobytes(): label for image, label in zip(images, np.arange(300) % 3, strict=True)}
    for image, label in zip(data.images, data.labels, strict=True):
        key = np.ascontiguousarray(image.transpose(1, 2, 0)).tobytes()
        assert original[key] == label


KERAS = ("x_train", "y_train", "x_test", "y_test")


@pytest.mark.parametrize(
    "names",
    [
        KERAS,
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("Xtrain", "ytrain", "Xtest", "ytest"),
        ("trainX", "trainY", "testX", "testY"),
        ("trX", "trY", "teX", "teY"),
        ("trainImgs", "trainLbls", "validImgs", "validLbls"),
        ("data", "target", "data_test", "target_test"),
        ("training_data", "training_classes", "evaluation_data", "evaluation_classes"),
    ],
    ids=lambda names: names[2],
)
@pytest.mark.parametrize("files", ["one", "four"])
def test_splits_are_told_by_names_in_one_file_or_four(read, names, files):
    arrays = dict(zip(names, (pixels(40, 8, 8), digits(40), pixels(20, 8, 8, seed=1), digits(20)), strict=True))
    found = read({"set.npz": arrays} if files == "one" else {f"{name}.npy": array for name, array in arrays.items()})
    assert np.array_equal(found.train.images[..., 0], arrays[names[0]])
    assert np.array_equal(found.held.images[..., 0], arrays[names[2]])
    assert np.array_equal(found.train.labels, digits(40)) and np.array_equal(found.held.labels, digits(20))
    assert found.classes == tuple("0123456789") and not found.left_out
    assert names[0] in found.understood[0] and names[3] in found.understood[0]


def test_of_medmnist_the_test_images_are_held_out_and_those_of_val_left_out(read):
    arrays = {f"{split}_images": pixels(count, 8, 8, 3) for split, count in (("train", 40), ("val", 10), ("test", 20))}
    arrays |= {f"{split}_labels": digits(len(arrays[f"{split}_images"]))[:, None] for split in ("train", "val", "test")}
    found = read({"pathmnist.npz": arrays})
    assert np.array_equal(found.held.images, arrays["test_images"]) and found.train.labels.shape == (40,)
    assert found.left_out == ("left out 10 images of val (val_images)",)


def test_where_there_is_no_test_val_is_held_out(read):
    found = read({"set.npz": {"train": pixels(40, 8, 8), "val": pixels(10, 8, 8)}})
    assert (len(found.train.images), len(found.held.images)) == (40, 10)


def test_kmnist_names_its_splits_and_roles_in_the_names_of_the_files(read):
    contents = {}
    for split, count in (("train", 40), ("test", 20)):
        contents |= {f"kmnist-{split}-imgs.npz": {"arr_0": pixels(count, 8, 8)}}
        contents |= {f"kmnist-{split}-labels.npz": {"arr_0": digits(count)}}
    found = read(contents)
    assert np.array_equal(found.held.images[..., 0], contents["kmnist-test-imgs.npz"]["arr_0"])
    assert np.array_equal(found.train.labels, digits(40)) and len(found.classes) == 10


def test_folders_may_name_the_splits(read):
    contents = {f"{split}/x.npy": pixels(count, 8, 8) for split, count in (("train", 40), ("test", 20))}
    contents |= {f"{split}/y.npy": digits(count) for split, count in (("train", 40), ("test", 20))}
    found = read(contents)
    assert len(found.train.images) == 40 and np.array_equal(found.held.labels, digits(20))


def test_a_file_that_is_called_test_is_the_set_where_it_is_all_there_is(read):
    found = read({"test.npz": {"test_images": pixels(30, 8, 8), "test_labels": digits(30)}})
    assert len(found.train.images) == 30 and found.held is None and len(found.classes) == 10


def test_val_and_test_alone_are_not_trained_on(read):
    with pytest.raises(DataError, match="has test and val images, and none to train on"):
        read({"set.npz": {"x_test": pixels(30, 8, 8), "x_val": pixels(30, 8, 8)}})


def test_numbered_files_are_joined_by_their_numbers(read):
    contents = {
        f"train_data_batch_{i}.npz": {"data": pixels(10, 48, seed=i), "labels": digits(10) + i, "mean": np.ones(48)}
        for i in (10, 2, 1)
    }
    found = read(contents | {"val_data.npz": {"data": pixels(5, 48), "labels": digits(5) + 1}})
    assert found.train.images.shape == (30, 4, 4, 3) and len(found.held.images) == 5
    first = contents["train_data_batch_1.npz"]["data"][0].reshape(3, 4, 4).transpose(1, 2, 0)
    last = contents["train_data_batch_10.npz"]["data"][9].reshape(3, 4, 4).transpose(1, 2, 0)
    assert np.array_equal(found.train.images[0], first) and np.array_equal(found.train.images[-1], last)
    assert found.classes[found.train.labels[-1]] == "19"


def test_an_array_a_class_as_quick_draw_has_files(read):
    cats, fishes = pixels(12, 64), pixels(9, 64, seed=1)
    found = read({"full_numpy_bitmap_gold fish.npy": fishes, "full_numpy_bitmap_cat.npy": cats})
    assert found.classes == ("cat", "gold fish") and np.array_equal(np.bincount(found.train.labels), [12, 9])
    image = found.train.images[found.train.labels == 1][0]
    assert np.array_equal(image.reshape(-1), fishes[0])


def test_an_array_a_class_and_a_split_as_mnist_all_mat_has(read):
    arrays = {f"train{digit}": pixels(10 + digit, 64, seed=digit) for digit in range(10)}
    arrays |= {f"test{digit}": pixels(4 + digit, 64, seed=digit) for digit in range(10)}
    found = read({"mnist_all.mat": arrays})
    assert found.classes == tuple("0123456789") and np.array_equal(np.bincount(found.train.labels), np.arange(10, 20))
    assert np.array_equal(np.bincount(found.held.labels), np.arange(4, 14))


def test_names_that_say_nothing_are_told_by_shape(read):
    arrays = {"foo": pixels(30, 8, 8), "bar": np.array(["cat", "dog"] * 15), "scale": np.float64(3)}
    found = read({"set.npz": arrays})
    assert np.array_equal(found.train.images[..., 0], arrays["foo"]) and found.classes == ("cat", "dog")
    assert "images from foo, labels from bar" in found.understood


def test_what_is_not_used_is_said(read):
    arrays = {"images": pixels(30, 8, 8, 3), "masks": pixels(30, 8, 8), "target_names": np.array(["cat", "dog"])}
    assert read({"set.npz": arrays}).left_out == ("not used: masks uint8 (30, 8, 8), target_names text (2,)",)


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": pixels(30, 8, 8), "b": pixels(30, 8, 8)},
        {"arr_0": pixels(30, 8, 8), "arr_1": digits(30), "arr_2": pixels(20, 8, 8), "arr_3": digits(20)},
        {"images": pixels(30, 8, 8), "fine_labels": digits(30), "coarse_labels": digits(30)},
    ],
    ids=["two of a kind", "splits without names", "two sorts of labels"],
)
def test_where_it_is_not_clear_which_is_meant_the_refusal_lists_what_there_is(read, arrays):
    with pytest.raises(DataError) as refusal:
        read({"set.npz": arrays})
    said = str(refusal.value)
    assert said.startswith(ASKED) and "is not clear" in said and "\n" not in said
    assert all(f"{name} {array.dtype} {array.shape}" in said for name, array in arrays.items())


def test_a_file_for_each_image_is_a_tree_of_images(read):
    contents = {
        f"{split}/{title}/{i:03d}.npy": np.full((6, 6, 3), level + i / 100, np.float32)
        for split, count in (("train", 12), ("test", 5))
        for title, level in (("cat", 0.2), ("dog", 0.9))
        for i in range(count)
    }
    found = read(contents)
    assert found.train.images.shape == (24, 6, 6, 3) and len(found.held.images) == 10
    assert found.classes == ("cat", "dog") and np.array_equal(np.bincount(found.train.labels), [12, 12])
    assert found.train.images[found.train.labels == 1].min() > found.train.images[found.train.labels == 0].max()
    assert found.understood[0] == "each of 34 files is an image"


# --- labels


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (digits(30)[:, None], tuple("0123456789")),
        (digits(30)[None], tuple("0123456789")),
        (np.eye(10)[digits(30)], tuple("0123456789")),
        (np.eye(10, dtype=bool)[digits(30)], tuple("0123456789")),
        (digits(30).astype(np.float32), tuple("0123456789")),
        (digits(30) > 4, ("0", "1")),
        (digits(30) - 3, tuple(map(str, range(-3, 7)))),
        (np.array([["cat"], ["dog "], ["émeu"]] * 10), ("cat", "dog", "émeu")),
        (np.array(["cat", "dog", "émeu"] * 10).astype("U9"), ("cat", "dog", "émeu")),
        (np.array([b"cat", "émeu".encode()] * 15), ("cat", "émeu")),
        (np.array([b"10", b"9"] * 15), ("9", "10")),
    ],
    ids=[
        "(N, 1)",
        "(1, N)",
        "one-hot",
        "one-hot bool",
        "floats",
        "bool",
        "negative",
        "text (N, 1)",
        "text",
        "bytes",
        "10",
    ],
)
def test_labels(read, labels, classes):
    found = read({"set.npz": {"images": pixels(30, 8, 8), "labels": labels}})
    assert found.classes == classes and found.train.labels.shape == (30,) and found.train.labels.dtype == np.int64
    assert len(set(found.train.labels.tolist())) == len(classes) and not found.left_out


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (np.ones((30, 14), int), r"shape \(30, 14\) and not one-hot"),
        (np.linspace(0, 1, 30), "numbers that are not whole"),
        (np.where(np.arange(30) == 3, np.nan, 1.0), "numbers that are not whole"),
        (np.array([b"\xff", b"a"] * 15), "bytes that are no UTF-8 text"),
    ],
    ids=["several classes an image", "ages", "missing", "bytes"],
)
def test_what_is_not_one_class_an_image_is_no_label_and_said(read, labels, reason):
    found = read({"set.npz": {"images": pixels(30, 8, 8), "labels": labels}})
    assert found.train.labels is None and found.classes == ()
    (said,) = found.left_out
    assert re.match(f"not used: labels, {reason},? instead of one class an image", said)


def test_a_name_for_each_image_is_no_class(read):
    found = read({"set.npz": {"images": pixels(300, 6, 6), "labels": np.array([f"{i}.png" for i in range(300)])}})
    assert found.classes == () and "300 different values for 300 images" in found.left_out[0]


def test_labels_of_python_objects_are_never_loaded_and_said(read):
    found = read({"set.npz": {"images": pixels(30, 8, 8), "labels": np.array(["a", "b"] * 15, object)}})
    assert found.classes == () and found.left_out == ("not used: labels Python objects (never loaded) (30,)",)


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_labels(read, count):
    with pytest.raises(DataError, match=rf"30 images but {count} labels \(images; labels\)"):
        read({"set.npz": {"images": pixels(30, 8, 8), "labels": np.zeros(count, int)}})


def test_held_out_images_without_labels_beside_labelled_ones_are_left_out(read):
    found = read({"set.npz": {"x_train": pixels(30, 8, 8), "y_train": digits(30), "x_test": pixels(10, 8, 8)}})
    assert found.held is None and found.left_out == ("left out 10 images of test (x_test), which have no labels",)


def test_where_test_has_no_labels_val_is_held_out(read):
    arrays = {"x_train": pixels(30, 8, 8), "y_train": digits(30), "x_test": pixels(10, 8, 8)}
    found = read({"set.npz": arrays | {"x_val": pixels(20, 8, 8, seed=1), "y_val": digits(20)}})
    assert len(found.held.images) == 20 and found.left_out[0].startswith("left out 10 images of test")


def test_held_out_classes_that_nothing_is_trained_on_are_refused(read):
    arrays = dict(zip(KERAS, (pixels(30, 8, 8), digits(30) % 5, pixels(10, 8, 8), digits(10)), strict=True))
    with pytest.raises(DataError, match=r"classes that those to train on lack \(5\)"):
        read({"set.npz": arrays})


# --- shapes


def images_of(count, side, channels):
    return pixels(count, side, side, channels)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (lambda images: images, None),
        (lambda images: images.transpose(0, 3, 1, 2), None),
        (lambda images: images.transpose(1, 2, 3, 0), "last axis is taken to count the images: 30 of 6x6"),
        (
            lambda images: images.transpose(0, 3, 1, 2).reshape(30, -1),
            "rows of 108 values are taken as images of 6x6, all",
        ),
        (lambda images: np.asfortranarray(images), None),
    ],
    ids=["NHWC", "NCHW", "HWCN", "rows", "Fortran"],
)
@pytest.mark.parametrize("file", ["set.npz", "set.npy", "set.mat"])
def test_arrangements_of_colour(read, kept, said, file):
    images = images_of(30, 6, 3)
    array = np.require(kept(images), requirements=["F"] if kept(images).flags.f_contiguous else ["C"])
    found = read({file: array if file == "set.npy" else {"images": array}})
    assert np.array_equal(found.train.images, images)
    assert any(said in one for one in found.understood) if said else not any("taken" in one for one in found.understood)


@pytest.mark.parametrize(
    "kept",
    [
        lambda images: images,
        lambda images: images[:, None],
        lambda images: images.transpose(1, 2, 0),
        lambda images: images.reshape(30, -1),
        lambda images: images.reshape(30, -1).T,
    ],
    ids=["NHW", "N1HW", "HWN", "rows", "columns"],
)
def test_arrangements_of_grey(read, kept):
    images = pixels(30, 6, 6)
    assert np.array_equal(read({"set.npz": {"images": kept(images)}}).train.images[..., 0], images)


def test_as_many_as_there_are_labels_are_images(read):
    """36 rows of 16 values, or 16 columns of 36."""
    images = pixels(16, 36)
    by_labels = read({"set.npz": {"images": images.T, "labels": digits(16)}}).train.images
    assert np.array_equal(by_labels.reshape(16, 36), images)
    assert read({"set.npz": {"images": images.T}}).train.images.shape == (36, 4, 4, 1)


def test_rows_of_colours_side_by_side_are_told_from_planes(read):
    y, x = np.mgrid[:16, :16] / 15
    waves = np.random.default_rng(0).uniform(0, 6, (20, 3, 1, 1))
    planes = (127 + 127 * np.sin(waves + 3 * x + 2 * y)).astype(np.uint8)
    images = planes.transpose(0, 2, 3, 1)
    for rows, said in ((planes, "all red before green"), (images, "colours side by side")):
        found = read({"set.npz": {"images": rows.reshape(20, -1)}})
        assert np.array_equal(found.train.images, images) and said in found.understood[0]


def test_rows_in_a_struct_of_matlab_lie_column_by_column(read):
    """As emnist-letters.mat does."""
    images = pixels(30, 8, 8)
    train = {"images": images.transpose(0, 2, 1).reshape(30, -1), "labels": digits(30)[:, None], "writers": digits(30)}
    found = read({"emnist.mat": {"dataset": {"train": train, "mapping": np.ones((10, 2))}}})
    assert np.array_equal(found.train.images[..., 0], images) and len(found.classes) == 10
    assert any("column by column as MATLAB" in said for said in found.understood)


@pytest.mark.parametrize("channels", [2, 4])
def test_transparency_is_laid_over_white_and_said(read, channels):
    images = images_of(30, 6, channels)
    images[0, 0, 0], images[0, 0, 1] = [9] * (channels - 1) + [0], [9] * (channels - 1) + [255]
    found = read({"set.npz": {"images": images}})
    assert found.train.images.shape[3] == channels - 1
    assert (found.train.images[0, 0, 0] == 255).all() and (found.train.images[0, 0, 1] == 9).all()
    assert f"the last of {channels} channels is taken as transparency, over white" in found.understood


def test_svhn_calls_the_digit_0_by_10_and_its_extra_images_are_left_out(read):
    contents = {
        f"{split}_32x32.mat": {"X": pixels(8, 8, 3, count), "y": digits(count)[:, None] + 1}
        for split, count in (("train", 40), ("test", 20), ("extra", 70))
    }
    found = read(contents)
    assert np.array_equal(found.train.images[7], contents["train_32x32.mat"]["X"][..., 7])
    assert found.classes == tuple("0123456789") and np.array_equal(found.train.labels, (digits(40) + 1) % 10)
    assert len(found.held.images) == 20
    assert found.left_out == ("left out 70 images of extra (extra_32x32.mat)",)


def test_a_cell_array_of_matlab_holds_labels(read):
    found = read({"set.mat": {"X": pixels(8, 8, 30), "y": np.array(["cat", "dog"] * 15, object)}})
    assert found.classes == ("cat", "dog") and len(found.train.images) == 30


@pytest.mark.parametrize(
    "shape",
    [(30, 500), (30, 2, 8, 8, 3), (30,), (), (0, 8, 8), (64, 64, 3), (256, 1100, 10), (30, 8, 40, 3), (30, 2, 8, 8)],
    ids=lambda shape: str(len(shape)),
)
def test_shapes_that_are_no_images_are_refused_with_what_there_is(read, shape):
    array = np.zeros(shape, np.uint8)
    with pytest.raises(DataError, match="has no array of images") as refusal:
        read({"set.npz": {"images": array}})
    assert f"images uint8 {shape}" in str(refusal.value)


def test_splits_of_different_sizes_are_refused(read):
    with pytest.raises(DataError, match=r"x_train .*\(30, 8, 8\) and x_test .*\(30, 9, 9\) are not images of one set"):
        read({"set.npz": {"x_train": pixels(30, 8, 8), "x_test": pixels(30, 9, 9)}})


# --- values


@pytest.mark.parametrize("file", ["set.npz", "set.npy", "set.mat"])
@pytest.mark.parametrize(
    "kept",
    [lambda v: v / 255, lambda v: (v / 127.5 - 1).astype(np.float32), lambda v: v.astype(">i4"), lambda v: v * 1.0],
    ids=["0..1", "-1..1", "big-endian", "0..255"],
)
def test_values_come_to_8_bits(read, kept, file):
    values = every_level(8, 8, 8)
    array = kept(values)
    found = read({file: array if file == "set.npy" else {"images": array}})
    assert np.array_equal(found.train.images[..., 0], values) and found.train.images.dtype == np.uint8


def test_the_range_is_that_of_training_and_held_out_images_together(read):
    train, test = np.full((20, 8, 8), 100.0), np.full((20, 8, 8), 1100.0)
    train[0, 0, 0], test[0, 0, 0] = 0, 2000
    found = read({"set.npz": {"x_train": train, "x_test": test}})
    assert (found.train.images[1] == round(100 * 255 / 2000)).all() and (found.held.images[1] == 140).all()
    assert "values from 0 to 2,000 scaled to 8 bits" in found.understood


def test_black_and_white_of_zeros_and_ones(read):
    found = read({"set.npz": {"images": pixels(30, 8, 8) % 2}})
    assert set(np.unique(found.train.images).tolist()) == {0, 255}


def test_a_run_of_the_older_reading_keeps_bytes_as_they_were(read):
    images = pixels(30, 8, 8) % 2
    assert np.array_equal(read({"set.npz": {"images": images}}, version=1).train.images[..., 0], images)


def test_a_run_of_the_older_reading_sees_the_names_that_were_read_then(read):
    images = pixels(30, 8, 8)
    found = read({"set.npz": {"images": images, "data": pixels(30, 8, 8, 3), "y": digits(30)}}, version=1)
    assert np.array_equal(found.train.images[..., 0], images) and found.train.labels is None


def test_outliers_that_leave_the_rest_dark_are_said(read):
    images = pixels(30, 8, 8).astype(np.float32)
    images[3, 3, 3] = 1e5
    assert any("outliers" in said for said in read({"set.npz": {"images": images}}).understood)


def test_values_that_are_not_finite_are_refused_and_counted(read):
    images = pixels(30, 8, 8) / 255
    images[:2, 0, 0], images[2, 0, 0] = np.nan, np.inf
    with pytest.raises(DataError, match="3 values of the images are not finite"):
        read({"set.npz": {"images": images}})


def test_a_split_of_floats_beside_one_of_bytes_is_refused(read):
    with pytest.raises(DataError, match=r"x_train uint8 .* and x_test float64 .* are not images of one set"):
        read({"set.npz": {"x_train": pixels(30, 8, 8), "x_test": pixels(30, 8, 8) / 255}})


@pytest.mark.parametrize("file", ["set.npz", "set.npy"])
def test_arrays_are_converted_some_images_at_a_time(read, monkeypatch, file):
    monkeypatch.setattr(stored, "BLOCK", 1000)  # 15 images of floats
    values = pixels(100, 8, 8)
    found = read({file: values / 255 if file == "set.npy" else {"images": values / 255}})
    assert np.array_equal(found.train.images[..., 0], values)


# --- damage


def test_objects_are_refused_and_named(read):
    with pytest.raises(DataError, match=r"images Python objects \(never loaded\) \(3,\)"):
        read({"set.npz": {"images": np.array([object(), 1, "a"])}})


def test_equal_images_are_refused(tmp_path):
    np.savez(tmp_path / "set.npz", images=np.zeros((9, 8, 8), np.uint8))
    with pytest.raises(DataError, match="all come out the same"):
        load(tmp_path / "set.npz")


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".mat"])
@pytest.mark.parametrize("content", [b"", b"PK\3\4 nonsense", b"MATLAB 5.0 MAT-file" + bytes(120)])
def test_a_file_that_is_not_what_it_is_called(tmp_path, suffix, content):
    (tmp_path / f"set{suffix}").write_bytes(content)
    with pytest.raises(DataError, match=rf"set{suffix} is not a readable \{suffix} \(.*\); replace it"):
        load(tmp_path / f"set{suffix}")


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".mat"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_file_is_refused(tmp_path, read, suffix, damage):
    array = pixels(200, 8, 8)
    read({f"set{suffix}": array if suffix == ".npy" else {"images": array}})
    file = tmp_path / "set" / f"set{suffix}"
    content = bytearray(file.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif suffix == ".npy":
        pytest.skip("has no checksum")
    else:
        content[len(content) // 2 : len(content) // 2 + 50] = bytes(50)
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"set{suffix} is not a readable"):
        read_arrays(ASKED, {file.name: file}, Reading())


def test_an_archive_of_a_kind_unknown_or_of_no_arrays_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", b"no array")
    with pytest.raises(DataError, match=r"is not a readable .npz \("):
        load(tmp_path / "set.npz")
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("readme.txt", b"no array")
    with pytest.raises(DataError, match=r"has no array of images.*holds nothing"):
        load(tmp_path / "other.npz")


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive, archive.open("images.npy", "w") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (1000, 8, 8)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(64))
    with pytest.raises(DataError, match=r"set\.npz.*shorter than it says"):
        load(tmp_path / "set.npz")


def test_arrays_that_unpack_to_more_than_memory_are_refused(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "set.npz", np.zeros((100, 8, 8), np.uint8))
    monkeypatch.setattr(stored, "memory", lambda: 10_000)
    with pytest.raises(DataError, match=r"set\.npz.*more than half of this machine's memory"):
        load(tmp_path / "set.npz")


def test_matlab_7_3_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "set.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match=r"MATLAB 7\.3, which is HDF5: in MATLAB write it with save\(\.\.\., '-v7'\)"):
        load(tmp_path / "set.mat")


# --- sample.py's --input


def test_all_images_of_a_file_are_translated(tmp_path):
    train, test = pixels(30, 8, 8), pixels(10, 8, 8)
    np.savez(tmp_path / "set.npz", x_train=train, x_test=test)
    assert np.array_equal(images_in(tmp_path / "set.npz")[..., 0], np.concatenate([train, test]))
