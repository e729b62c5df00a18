"""Sets that have a name, in any spelling, and their files under any folder's name."""

import functools
import gzip
import hashlib
import pickle
import shutil
import struct
import sys
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from common.data.named import celeba, download, fetch, idx
from common.data.named.kept import Kept
from common.data.named.sets import SETS
from common.data.registry import NAMES, canonical
from common.errors import DataError
from common.runs.scores import read_scores

import numpy as np
import pytest
from conftest import load, record_of
from formats import python2_pickle, write_cifar_binary, write_cifar_pickles, write_idx, write_mnist
from PIL import Image


@pytest.fixture(autouse=True)
def no_network(own_cache, monkeypatch):
    monkeypatch.setattr(download, "_fetch", lambda title, staging: "no network")


# --- EMNIST

LETTER_A = np.zeros((28, 28), np.uint8)  # a stroke at the top, as it is seen upright
LETTER_A[2, 5:20] = 255


def write_emnist(folder, *parts, train=60, test=20):
    """As in NIST's gzip.zip: images on their side, the letters' labels from 1, a table of the characters."""
    for part in parts:
        first, classes = idx.EMNIST[part]
        for split, count in (("train", train), ("test", test)):
            images = np.repeat(LETTER_A.T[None], count, 0)
            images[:, 27, 27] = np.arange(count)  # so that no two are alike
            write_idx(folder / f"emnist-{part}-{split}-images-idx3-ubyte.gz", images)
            labels = np.arange(count) % len(classes) + first
            write_idx(folder / f"emnist-{part}-{split}-labels-idx1-ubyte.gz", labels)
        mapping = (f"{number + first} {ord(character)}" for number, character in enumerate(classes))
        (folder / f"emnist-{part}-mapping.txt").write_text("\n".join(mapping))


@pytest.mark.parametrize(
    ("part", "count", "some"),
    [
        ("byclass", 62, {0: "0", 9: "9", 10: "A", 35: "Z", 36: "a", 61: "z"}),
        ("bymerge", 47, {9: "9", 10: "A", 36: "a", 37: "b", 38: "d", 46: "t"}),
        ("balanced", 47, {10: "A", 39: "e", 46: "t"}),
        ("letters", 26, {0: "a", 25: "z"}),
        ("digits", 10, {0: "0", 9: "9"}),
        ("mnist", 10, {0: "0", 9: "9"}),
    ],
)
def test_emnist_is_upright_and_its_classes_are_its_characters(tmp_path, part, count, some):
    write_emnist(tmp_path / "EMNIST" / "raw", "digits", part, train=70)
    read = load(f"emnist:{part}", tmp_path)
    assert read.name == f"emnist:{part}" and read.shape == (1, 28, 28) and len(read.classes) == count
    assert {number: read.classes[number] for number in some} == some
    assert np.array_equal(read.images[0, 0], LETTER_A) and np.array_equal(read.labels, np.arange(70) % count)
    assert len(read.held_out) == 20 and read.understood == (
        "the images, which lie on their side in EMNIST's files, are turned upright",
    )


def test_the_characters_are_those_of_torchvision():
    from torchvision.datasets import EMNIST

    for part, (first, classes) in idx.EMNIST.items():
        assert list(classes) == EMNIST.classes_split_dict[part][first:]


@pytest.mark.parametrize("place", ["EMNIST/raw", "emnist", ".", "EMNIST/raw/gzip", "gzip", "gzip.zip"])
def test_emnist_is_read_from_where_people_keep_it(tmp_path, place):
    write_emnist(tmp_path / "made" / "gzip", "letters", "balanced")
    (tmp_path / "root").mkdir()
    if place.endswith(".zip"):
        shutil.make_archive(str(tmp_path / "root" / "gzip"), "zip", tmp_path / "made", "gzip")
    else:
        shutil.copytree(tmp_path / "made" / "gzip", tmp_path / "root" / place, dirs_exist_ok=True)
    read = load("emnist:letters", tmp_path / "root")
    assert len(read.images) == 60 and len(read.classes) == 26


def test_emnist_alone_is_several_sets_and_the_refusal_lists_them():
    with pytest.raises(DataError, match=r"EMNIST: is several sets; say which: emnist:byclass, .*emnist:mnist$"):
        load("EMNIST")


def test_a_folder_of_several_emnist_sets_is_refused_with_what_to_write(tmp_path):
    write_emnist(tmp_path / "set" / "raw", "letters", "balanced")
    with pytest.raises(DataError) as refused:
        load(tmp_path / "set")
    said, _, advice = str(refused.value).partition("; say which, such as --dataset ")
    assert said.endswith("holds 2 sets (raw/emnist-balanced, raw/emnist-letters)")
    name, _, root = advice.partition(" --data-root ")
    assert load(name, root).name == name
    with pytest.raises(DataError, match=r"--dataset emnist:\w+ --data-root and its folder, once unpacked$"):
        load(pack(tmp_path / "set", tmp_path / "gzip.zip"))


def test_one_emnist_set_in_a_folder_is_read_as_by_its_name(tmp_path):
    write_emnist(tmp_path / "EMNIST" / "raw", "letters")
    by_path, by_name = load(tmp_path / "EMNIST"), load("emnist:letters", tmp_path)
    assert by_path.fingerprint == by_name.fingerprint and by_path.classes == by_name.classes


def test_labels_that_are_no_class_are_refused(tmp_path):
    write_emnist(tmp_path / "EMNIST", "letters")
    write_idx(tmp_path / "EMNIST" / "emnist-letters-train-labels-idx1-ubyte.gz", np.full(60, 27))
    with pytest.raises(DataError, match=r"labels are from 1 to 27, and its 26 classes from 1 to 26"):
        load("emnist:letters", tmp_path)


# --- QMNIST


def write_qmnist(folder, train=60, test=60):
    """Labels are rows of eight 32-bit numbers, big-endian: the class, then who wrote it and where it is in NIST."""
    folder.mkdir(parents=True)
    for split, count in (("train", train), ("test", test)):
        random = np.random.default_rng(count)
        write_idx(folder / f"qmnist-{split}-images-idx3-ubyte.gz", random.integers(0, 256, (count, 28, 28)))
        rows = random.integers(0, 300_000, (count, 8)).astype(">i4")
        rows[:, 0] = np.arange(count) % 10
        content = struct.pack(">BBBB2I", 0, 0, 12, 2, *rows.shape) + rows.tobytes()
        (folder / f"qmnist-{split}-labels-idx2-int.gz").write_bytes(gzip.compress(content))


def test_qmnists_class_is_the_first_of_its_eight_labels(tmp_path):
    write_qmnist(tmp_path / "QMNIST" / "raw")
    write_mnist(tmp_path / "QMNIST" / "raw")  # another set beside it
    read = load("QMNIST", tmp_path)
    assert read.name == "qmnist" and read.labels.tolist() == (np.arange(60) % 10).tolist()
    assert len(read.held_out) == 60 and read.classes == tuple("0123456789")


# --- idx files under any folder's name


def pack(folder, archive):
    """A zip or tar.gz of a folder, wrapped in its own name."""
    if archive.suffix == ".zip":
        shutil.make_archive(str(archive.with_suffix("")), "zip", folder.parent, folder.name)
    else:
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(folder, folder.name)
    return archive


@pytest.mark.parametrize("form", ["folder", "wrapped", "set.zip", "set.tar.gz"])
def test_idx_files_are_read_under_any_folders_name(tmp_path, form):
    images, labels, test_images, _ = write_mnist(tmp_path / "data set" / "my download")
    (tmp_path / "data set" / "my download" / "README.md").write_text("the digits")
    path = {"folder": tmp_path / "data set" / "my download", "wrapped": tmp_path / "data set"}.get(form)
    read = load(path or pack(tmp_path / "data set", tmp_path / form))
    assert np.array_equal(read.images[:, 0], images) and np.array_equal(read.labels, labels)
    assert np.array_equal(read.held_out[:, 0], test_images) and read.classes == tuple("0123456789")


def test_a_set_by_its_folder_has_the_fingerprint_that_it_has_by_its_name(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw")
    assert load(tmp_path / "MNIST").fingerprint == load("mnist", tmp_path).fingerprint


def test_kaggles_mnist_with_each_file_twice_is_one_set(tmp_path):
    """`train-images.idx3-ubyte` beside a folder `train-images-idx3-ubyte` with a file of that name in it."""
    images, *_ = write_mnist(tmp_path / "made", zipped=False)
    for file in (tmp_path / "made").iterdir():
        (tmp_path / "set" / file.name).mkdir(parents=True)
        shutil.copy(file, tmp_path / "set" / file.name / file.name)
        shutil.copy(file, tmp_path / "set" / file.name.replace("-idx", ".idx"))
    read = load(tmp_path / "set")
    assert np.array_equal(read.images[:, 0], images) and len(read.held_out) == 30


def test_splits_may_have_folders_of_their_own(tmp_path):
    images, _, test_images, _ = write_mnist(tmp_path / "made")
    for file in (tmp_path / "made").iterdir():
        split, _, rest = file.name.partition("-")
        target = tmp_path / "set" / {"train": "Training", "t10k": "Testing"}[split] / rest
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    read = load(tmp_path / "set")
    assert np.array_equal(read.images[:, 0], images) and np.array_equal(read.held_out[:, 0], test_images)


def test_without_test_files_a_tenth_of_a_folder_is_held_out_but_a_named_set_is_not_whole(tmp_path):
    write_mnist(tmp_path / "MNIST", train=200)
    for file in (tmp_path / "MNIST").glob("t10k*"):
        file.unlink()
    read = load(tmp_path / "MNIST")
    assert len(read.images) == 180 and len(read.held_out) == 20
    with pytest.raises(DataError, match=r"^--dataset mnist: .*MNIST holds its training images but no test images"):
        load("mnist", tmp_path)


def test_validation_images_beside_test_images_are_left_out_and_counted(tmp_path, capsys):
    write_mnist(tmp_path / "set")
    for content in ("images-idx3", "labels-idx1"):
        shutil.copy(tmp_path / "set" / f"t10k-{content}-ubyte.gz", tmp_path / "set" / f"val-{content}-ubyte.gz")
    assert len(load(tmp_path / "set").held_out) == 30
    assert "left out 30 images in val-images-idx3-ubyte.gz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ("train-labels", r"has train-images-idx3-ubyte\.gz but no train-labels file; give a folder with both"),
        ("t10k-images", r"has t10k-labels-idx1-ubyte\.gz but no t10k-images file"),
        ("train", r"has t10k-images-idx3-ubyte\.gz but no training images"),
    ],
)
def test_a_missing_partner_is_named(tmp_path, without, said):
    write_mnist(tmp_path / "set")
    for file in (tmp_path / "set").glob(f"{without}*"):
        file.unlink()
    with pytest.raises(DataError, match=rf"^--dataset \S+set: {said}"):
        load(tmp_path / "set")


def test_one_idx_file_is_not_a_set(tmp_path):
    write_mnist(tmp_path / "set")
    with pytest.raises(DataError, match=r"but no train-labels file; give a folder with both"):
        load(tmp_path / "set" / "train-images-idx3-ubyte.gz")


def test_several_sets_in_one_tree_are_listed(tmp_path):
    for title in ("MNIST", "KMNIST"):
        write_mnist(tmp_path / "data" / title / "raw")
    with pytest.raises(DataError, match=r"holds 2 sets \(KMNIST/raw, MNIST/raw\); give the folder of one$"):
        load(tmp_path / "data")
    write_cifar_binary(tmp_path / "both" / "cifar-10-batches-bin")
    write_mnist(tmp_path / "both" / "MNIST")
    with pytest.raises(DataError, match=r"holds MNIST's idx files and CIFAR's batches; give the folder of one$"):
        load(tmp_path / "both")
    write_celeba(tmp_path / "both" / "celeba")
    with pytest.raises(DataError, match=r"holds MNIST's idx files and CIFAR's batches and CelebA; give the folder"):
        load(tmp_path / "both")


def test_what_lies_beside_a_known_set_is_left_out_and_counted(tmp_path, capsys):
    """Kaggle's Fashion-MNIST has both idx files and tables."""
    write_mnist(tmp_path / "set")
    (tmp_path / "set" / "fashion-mnist_train.csv").write_text("label,pixel1\n0,0\n")
    Image.new("L", (28, 28)).save(tmp_path / "set" / "preview.png")
    assert len(load(tmp_path / "set").images) == 120
    said = capsys.readouterr().err
    assert "left out 1 image beside MNIST's idx files (preview.png)" in said
    assert "left out 1 file beside MNIST's idx files (fashion-mnist_train.csv)" in said


def test_classes_are_the_labels_that_there_are(tmp_path):
    write_mnist(tmp_path / "set")
    for split, count in (("train", 120), ("t10k", 30)):
        write_idx(tmp_path / "set" / f"{split}-labels-idx1-ubyte.gz", np.arange(count) % 2 * 4 + 3)
    read = load(tmp_path / "set")
    assert read.classes == ("3", "7") and read.labels[:3].tolist() == [0, 1, 0]


def test_a_damaged_file_in_an_archive_is_named_as_it_is_there(tmp_path):
    write_mnist(tmp_path / "set" / "raw")
    (tmp_path / "set" / "raw" / "t10k-images-idx3-ubyte.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"set\.zip: set/raw/t10k-images-idx3-ubyte\.gz is truncated or damaged"):
        load(pack(tmp_path / "set", tmp_path / "set.zip"))


# --- CIFAR-10 and CIFAR-100

FINE = [f"class_{i:02d}" for i in range(100)]


def write_cifar100(folder, train=120, test=100):
    """As torchvision downloads it, in pickles; and in binary, beside them."""
    python, binary = folder / "cifar-100-python", folder / "cifar-100-binary"
    python.mkdir(parents=True)
    binary.mkdir()
    written = {}
    for split, count in (("train", train), ("test", test)):
        random = np.random.default_rng(count)
        images, fine = random.integers(0, 256, (count, 3072), dtype=np.uint8), np.arange(count) % 100
        content = {
            "filenames": [f"a_s_{i:06d}.png" for i in range(count)],
            "batch_label": "of one",
            "fine_labels": fine.tolist(),
            "coarse_labels": (fine // 5).tolist(),
            "data": images,
        }
        (python / split).write_bytes(python2_pickle(content))
        records = np.concatenate([(fine // 5)[:, None], fine[:, None], images], 1).astype(np.uint8)
        (binary / f"{split}.bin").write_bytes(records.tobytes())
        written[split] = images, fine
    groups = [f"group_{i}" for i in range(20)]
    (python / "meta").write_bytes(python2_pickle({"fine_label_names": FINE, "coarse_label_names": groups}))
    (python / "file.txt~").write_bytes(b"")
    (binary / "fine_label_names.txt").write_text("\n".join([*FINE, ""]))
    (binary / "coarse_label_names.txt").write_text("\n".join(groups))
    return written


def test_cifar100_has_its_fine_labels_and_their_names_from_every_form(tmp_path):
    written = write_cifar100(tmp_path / "made")
    for form in ("python", "binary"):
        for root, place in (("a", f"cifar-100-{form}"), ("b", f"CIFAR100/cifar-100-{form}")):
            shutil.copytree(tmp_path / "made" / f"cifar-100-{form}", tmp_path / form / root / place)
        (tmp_path / form / "c").mkdir()
        pack(tmp_path / "made" / f"cifar-100-{form}", tmp_path / form / "c" / f"cifar-100-{form}.tar.gz")
    sets = [load("cifar100", tmp_path / form / root) for form in ("python", "binary") for root in "abc"]
    assert len({read.fingerprint for read in sets}) == 1
    images, fine = written["train"]
    assert np.array_equal(sets[0].images.reshape(-1, 3072), images) and np.array_equal(sets[0].labels, fine)
    assert list(sets[0].classes) == FINE and len(sets[0].held_out) == 100


@pytest.mark.parametrize(
    "path", ["python/renamed", "python", "binary/renamed", "cifar-100-python.tar.gz", "any name.zip", "any name.tar"]
)
def test_cifar100_is_read_by_any_path_to_it(tmp_path, path):
    write_cifar100(tmp_path / "made")
    if "." in path:
        form = pack(tmp_path / "made" / "cifar-100-python", tmp_path / path)
    else:
        form = tmp_path / path
        shutil.copytree(tmp_path / "made" / f"cifar-100-{path[:6]}", tmp_path / path[:6] / "renamed")
    read = load(form)
    assert list(read.classes) == FINE and len(read.images) == 120 and len(read.held_out) == 100


@pytest.mark.parametrize("version", ["bin", "py"])
@pytest.mark.parametrize("form", ["renamed", "wrapped", "set.zip", "set.tar.gz"])
def test_cifar10_is_read_by_any_path_to_it(tmp_path, version, form):
    batches = write_cifar_binary(tmp_path / "made" / "cifar-10-batches-bin")
    write_cifar_pickles(tmp_path / "made" / "cifar-10-batches-py", batches)
    shutil.copytree(tmp_path / "made" / f"cifar-10-batches-{version}", tmp_path / "some" / "renamed")
    path = {"renamed": tmp_path / "some" / "renamed", "wrapped": tmp_path / "some"}.get(form)
    read = load(path or pack(tmp_path / "some", tmp_path / form))
    assert read.fingerprint == load("cifar10", tmp_path / "made").fingerprint
    assert read.classes[0] == "airplane" and len(read.images) == 100 and len(read.held_out) == 20


def test_classes_in_cifars_form_are_called_as_the_files_say(tmp_path):
    batches = write_cifar_binary(tmp_path / "set")
    (tmp_path / "set" / "batches.meta.txt").write_text("\n".join(f"fruit{i}" for i in range(10)) + "\n\n")
    assert load(tmp_path / "set").classes[3] == "fruit3"
    write_cifar_pickles(tmp_path / "py", batches)
    names = {"label_names": [f"fruit{i}" for i in range(10)], "num_vis": 3072}
    (tmp_path / "py" / "batches.meta").write_bytes(python2_pickle(names))
    assert load(tmp_path / "py").fingerprint == load(tmp_path / "set").fingerprint


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda folder: (folder / "data_batch_4.bin").unlink(),
            r"has data_batch_1\.bin of CIFAR-10 but no data_b",
        ),
        (lambda folder: (folder / "data_batch_4.bin").write_bytes(b""), r"data_batch_4\.bin has no images"),
        (
            lambda folder: (folder / "test_batch.bin").write_bytes(bytes([200]) + bytes(3072)),
            r"test_batch\.bin has the label 200, and there are 10 classes",
        ),
        (
            lambda folder: write_cifar_pickles(folder / "py", [np.zeros((4, 3073), np.uint8)] * 6),
            r"holds 2 sets \(CIFAR-10 in data_batch_1\.bin, CIFAR-10 in py/data_batch_1\)",
        ),
    ],
    ids=["a batch gone", "a batch empty", "no class", "twice"],
)
def test_cifar_files_that_are_no_whole_set(tmp_path, damage, said):
    write_cifar_binary(tmp_path / "set")
    damage(tmp_path / "set")
    with pytest.raises(DataError, match=rf"^--dataset \S+set: {said}"):
        load(tmp_path / "set")


def test_cifar_without_its_test_batch_holds_out_a_tenth_by_its_path_only(tmp_path):
    write_cifar_binary(tmp_path / "cifar-10-batches-bin")
    (tmp_path / "cifar-10-batches-bin" / "test_batch.bin").unlink()
    assert len(load(tmp_path / "cifar-10-batches-bin").held_out) == 10
    with pytest.raises(DataError, match=r"^--dataset cifar10: .* but no test images"):
        load("cifar10", tmp_path)


def test_a_list_of_classes_that_would_run_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    write_cifar100(tmp_path)
    (tmp_path / "cifar-100-python" / "meta").write_bytes(pickle.dumps({b"fine_label_names": Bomb()}, protocol=2))
    with pytest.raises(DataError, match=r"meta: damaged or not a CIFAR-100 file \(it names _?io\.open"):
        load(tmp_path / "cifar-100-python")
    assert not (tmp_path / "exploded").exists()


# --- SVHN


def write_svhn(folder, train=60, test=20):
    """As its authors' files are: X (32, 32, 3, N), y (N, 1) with 10 for the digit 0."""
    from scipy.io import savemat

    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (train + test, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(train + test, dtype=np.uint8) % 10
    for split, part in (("train", slice(0, train)), ("test", slice(train, None))):
        numbers = np.where(labels[part] == 0, 10, labels[part]).astype(np.uint8)[:, None]
        savemat(folder / f"{split}_32x32.mat", {"X": images[part].transpose(1, 2, 3, 0), "y": numbers})
    return images, labels


@pytest.mark.parametrize("place", [".", "SVHN", "svhn"])
def test_svhn_calls_ten_the_digit_0(tmp_path, place):
    images, labels = write_svhn(tmp_path / "root" / place)
    (tmp_path / "root" / place / "extra_32x32.mat").write_bytes(b"half a GB of further training images")
    read = load("svhn", tmp_path / "root")
    assert read.name == "svhn" and read.shape == (3, 32, 32) and read.classes == tuple("0123456789")
    assert np.array_equal(read.images.transpose(0, 2, 3, 1), images[:60])
    assert np.array_equal(read.labels, labels[:60]) and np.array_equal(read.held_out_labels, labels[60:])


def test_svhn_without_its_test_images_is_not_whole(tmp_path):
    write_svhn(tmp_path / "SVHN")
    (tmp_path / "SVHN" / "test_32x32.mat").unlink()
    with pytest.raises(DataError, match=r"^--dataset svhn: .*SVHN holds its training images but no test images"):
        load("svhn", tmp_path)


# --- CelebA

PARTITION = {"train": "0", "val": "1", "test": "2"}


def write_celeba(folder, form="torchvision", count=30):
    """Faces of 178x218; the first are for training, then come those for validation and those for testing."""
    faces = folder / "img_align_celeba"
    if form == "kaggle":
        faces = faces / "img_align_celeba"
    elif form == "authors":
        faces = folder / "made" / "img_align_celeba"
    faces.mkdir(parents=True)
    random, rows = np.random.default_rng(0), []
    for i in range(count):
        name = f"{i + 1:06d}.jpg"
        small = random.integers(0, 256, (11, 9, 3), dtype=np.uint8)
        Image.fromarray(small).resize((178, 218)).save(faces / name)
        rows.append((name, "0" if i < count * 0.8 else "1" if i < count * 0.9 else "2"))
    if form == "kaggle":
        lines = ["image_id,partition", *(",".join(row) for row in rows)]
        (folder / "list_eval_partition.csv").write_text("\n".join(lines) + "\n")
    else:
        (folder / "Eval").mkdir()
        place = folder / "Eval" if form == "authors" else folder
        (place / "list_eval_partition.txt").write_text("".join(f"{name} {split}\n" for name, split in rows))
    if form == "authors":
        (folder / "Img").mkdir()
        shutil.make_archive(str(folder / "Img" / "img_align_celeba"), "zip", folder / "made", "img_align_celeba")
        shutil.rmtree(folder / "made")
    (folder / "list_attr_celeba.txt").write_text(f"{count}\nSmiling\n")


@pytest.mark.parametrize("form", ["torchvision", "kaggle", "authors"])
@pytest.mark.parametrize("by", ["name", "path", "archive"])
def test_celeba_holds_out_its_test_images_and_leaves_out_those_for_validation(tmp_path, capsys, form, by):
    write_celeba(tmp_path / "celeba", form)
    asked = {"name": "CelebA", "path": tmp_path / "celeba", "archive": tmp_path / "archive.zip"}[by]
    if by == "archive":
        pack(tmp_path / "celeba", asked)
    read = load(asked, tmp_path)
    assert (len(read.images), len(read.held_out), read.shape) == (24, 3, (3, 64, 64))
    assert read.labels is None and read.classes == ()
    assert "left out 3 images for validation (" in capsys.readouterr().err


def test_celeba_without_its_list_says_how_it_is_read_otherwise(tmp_path):
    write_celeba(tmp_path / "celeba")
    (tmp_path / "celeba" / "list_eval_partition.txt").unlink()
    with pytest.raises(DataError, match=r"^--dataset celeba: has no list_eval_partition\.txt.*tenth is held out then$"):
        load("celeba", tmp_path)
    assert len(load(tmp_path / "celeba" / "img_align_celeba").held_out) == 3


def test_faces_that_are_not_listed_or_not_there_are_counted(tmp_path, capsys):
    write_celeba(tmp_path / "celeba")
    faces = tmp_path / "celeba" / "img_align_celeba"
    (faces / "000002.jpg").rename(faces / "mine.jpg")
    assert len(load("celeba", tmp_path).images) == 23
    said = capsys.readouterr().err
    assert "left out 1 image that list_eval_partition.txt does not list (img_align_celeba/mine.jpg)" in said
    assert "list_eval_partition.txt lists 1 image not there (000002)" in said


@pytest.mark.parametrize("line", ["000002.jpg 3", "000002.jpg", "\0\0", "a b c"])
def test_a_damaged_list_of_celeba_is_named_with_its_line(tmp_path, line):
    write_celeba(tmp_path / "celeba")
    file = tmp_path / "celeba" / "list_eval_partition.txt"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], line, *lines[2:]]))
    with pytest.raises(DataError, match=r"line 2 of list_eval_partition\.txt is not an image and 0, 1 or 2"):
        load("celeba", tmp_path)


# --- spelling


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("MNIST", "mnist"),
        ("CIFAR10", "cifar10"),
        ("CIFAR-10", "cifar10"),
        ("cifar_100", "cifar100"),
        ("fashion_mnist", "fashion-mnist"),
        ("FashionMNIST", "fashion-mnist"),
        ("Fashion MNIST", "fashion-mnist"),
        ("EMNIST/letters", "emnist:letters"),
        ("emnist-ByClass", "emnist:byclass"),
        ("Stacked_MNIST", "stacked-mnist"),
        ("MNIST5k", "mnist-5k"),
        ("CelebA", "celeba"),
        *((name, name) for name in NAMES),
    ],
)
def test_a_name_is_known_in_any_spelling(spelled, name):
    assert canonical(spelled) == name


@pytest.mark.parametrize("path", ["./mnist", "mnist/", "data/mnist", "C:\\photos\\mnist", "C:/mnist", "mnist.zip", ""])
def test_what_looks_like_a_path_is_one(path):
    assert canonical(path) == path
    with pytest.raises(DataError, match="nor a path that exists"):
        load(path)


def test_a_path_that_exists_wins_over_a_name_that_is_not_spelled_exactly(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_mnist(tmp_path / "Digits")
    assert load("Digits").shape == (1, 28, 28)
    assert "--dataset Digits: is the path; the set of that name is --dataset digits" in capsys.readouterr().err
    assert load("DIGITS").shape == (1, 8, 8) and capsys.readouterr().err == ""
    (tmp_path / "Digits").rename(tmp_path / "digits")
    assert load("digits").shape == (1, 8, 8)
    assert "--dataset digits: is the set of that name; the path is --dataset ./digits" in capsys.readouterr().err
    assert load("./digits").shape == (1, 28, 28)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("minst", "mnist"), ("fashon-mnist", "fashion-mnist"), ("cifar", "cifar10"), ("celeb", "celeba")],
)
def test_a_near_miss_is_asked_about(typed, meant):
    with pytest.raises(DataError, match=rf"; did you mean {meant}\?$"):
        load(typed)


def test_a_name_that_is_like_none_is_not():
    with pytest.raises(DataError, match=r"nor a path that exists$"):
        load("photographs")


def test_two_spellings_are_one_run_and_one_scoring_network(start, tool, tmp_path):
    folder, line = tmp_path / "run", ("2e-4", "2e-4", "0.5")
    assert start("gan", *line, folder, "--dataset", "Digits", "--epochs", 1).code == 0
    for spelled in ("digits", "DIGITS", "Digits"):
        again = start("gan", *line, folder, "--dataset", spelled, "--epochs", 1)
        assert again.code == 0 and "finished already" in again.err
    record = record_of(folder)
    assert record["dataset"]["name"] == record["settings"]["dataset"] == "digits"
    assert start("gan", *line, folder, "--dataset", "Digits", "--epochs", 2).code == 0
    assert start("gan", *line, folder, "--dataset", "mnist-5k").code == 5
    for against in ("DIGITS", "digits"):
        assert tool("evaluate", folder, "--against", against, "--samples", 50).code == 0
    (scored,) = read_scores(folder)
    assert scored["features"]["name"] == "the digits network"


# --- downloads


def test_the_hosts_that_are_tried_first_are_those_that_torchvision_asks():
    from torchvision import datasets

    urls = {
        "QMNIST": [url for part in datasets.QMNIST.resources.values() for url, _ in part],
        "EMNIST": [datasets.EMNIST.url],
        "CIFAR100": [datasets.CIFAR100.url],
        "SVHN": [url for url, *_ in datasets.SVHN.split_list.values()],
    }
    for title, asked in urls.items():
        assert {urlsplit(url).hostname for url in asked} == {*fetch.HOSTS[title]}


def test_every_set_that_is_kept_on_disk_can_be_fetched():
    from torchvision import datasets

    titles = {entry.read.title for entry in SETS.values() if isinstance(entry.read, Kept)} | {celeba.TITLE}
    assert titles <= {*fetch.HOSTS} and all(hasattr(datasets, title) for title in titles)
    assert fetch.PARTS.keys() <= titles


@pytest.fixture
def mirrored(tmp_path, monkeypatch):
    """mirrored(file): URL and MD5 of a file for torchvision's own download code, which runs in this process."""
    monkeypatch.setattr(download, "_fetch", lambda title, staging: fetch.fetch(title, str(staging)))
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        yield lambda file: (
            f"{place}/{file.relative_to(tmp_path).as_posix()}",
            hashlib.md5(file.read_bytes()).hexdigest(),
        )
        server.shutdown()


def test_emnist_is_downloaded_once_for_all_its_sets(tmp_path, monkeypatch, mirrored):
    from torchvision.datasets import EMNIST

    write_emnist(tmp_path / "made" / "gzip", *idx.EMNIST, train=62)
    shutil.make_archive(str(tmp_path / "gzip"), "zip", tmp_path / "made", "gzip")
    url, checksum = mirrored(tmp_path / "gzip.zip")
    monkeypatch.setattr(EMNIST, "url", url)
    monkeypatch.setattr(EMNIST, "md5", checksum)
    assert len(load("emnist:letters", tmp_path / "root").classes) == 26
    monkeypatch.setattr(download, "_fetch", lambda title, staging: pytest.fail("once more"))
    assert len(load("emnist:byclass", tmp_path / "root").classes) == 62
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["EMNIST"]


def test_both_parts_of_qmnist_and_of_svhn_are_downloaded(tmp_path, monkeypatch, mirrored):
    from torchvision.datasets import QMNIST, SVHN

    write_qmnist(tmp_path / "qmnist")
    parts = {
        split: [
            mirrored(tmp_path / "qmnist" / f"qmnist-{split}-{content}.gz")
            for content in ("images-idx3-ubyte", "labels-idx2-int")
        ]
        for split in ("train", "test")
    }
    monkeypatch.setattr(QMNIST, "resources", parts)
    assert len(load("qmnist", tmp_path / "root").held_out) == 60
    write_svhn(tmp_path / "svhn")
    files = {split: tmp_path / "svhn" / f"{split}_32x32.mat" for split in parts}
    listed = {split: [mirrored(file)[0], file.name, mirrored(file)[1]] for split, file in files.items()}
    monkeypatch.setattr(SVHN, "split_list", listed)
    assert len(load("svhn", tmp_path / "root").held_out) == 20


def test_cifar100_is_downloaded(tmp_path, monkeypatch, mirrored):
    from torchvision.datasets import CIFAR100

    write_cifar100(tmp_path / "made")
    archive = pack(tmp_path / "made" / "cifar-100-python", tmp_path / "cifar-100-python.tar.gz")
    sums = {file.name: mirrored(file)[1] for file in (tmp_path / "made" / "cifar-100-python").iterdir()}
    url, checksum = mirrored(archive)
    monkeypatch.setattr(CIFAR100, "url", url)
    monkeypatch.setattr(CIFAR100, "tgz_md5", checksum)
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": sums["meta"]})
    assert list(load("cifar100", tmp_path / "root").classes) == FINE


def test_celebas_download_says_what_to_install(tmp_path, monkeypatch):
    def trouble(title, staging):
        with pytest.raises(RuntimeError) as raised:
            fetch.fetch(title, str(staging))
        return str(raised.value)

    monkeypatch.setitem(sys.modules, "gdown", None)
    monkeypatch.setattr(download, "_fetch", trouble)
    with pytest.raises(DataError, match=r"CelebA is not in .*root.*pip install gdown.*put its files there") as raised:
        load("celeba", tmp_path / "root")
    assert "\n" not in str(raised.value) and not (tmp_path / "root").exists()
