"""Archives, formats and depths of images: what is read, how its values become 8 bits, and what is refused."""

import gzip
import io
import os
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

from common.data.pictures import load_pictures
from common.data.reading import Reading
from common.data.trees import archives, decoding, formats, listing
from common.data.trees.folders import read_images
from common.data.trees.layout import Layout
from common.errors import DataError

import numpy as np
import pytest
from conftest import load
from formats import png_of_16_bits, tiff_of_16_bits, write_pictures
from PIL import Image

pytestmark = pytest.mark.usefixtures("own_cache")

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


# --- archives


@pytest.fixture
def photos(tmp_path):
    """A folder with splits and classes, and what it reads as."""
    write_pictures(tmp_path / "photos" / "train", 20, classes=("cat", "dog"))
    write_pictures(tmp_path / "photos" / "test", 4, classes=("cat", "dog"), seed=1)
    return tmp_path / "photos", load(tmp_path / "photos")


def pack(folder, kind):
    """shutil's name of a kind of archive -> the archive of a folder."""
    return shutil.make_archive(str(folder) + "-packed", kind, folder.parent, folder.name)


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_an_archive_reads_as_the_folder_in_it(photos, kind):
    folder, found = photos
    read = load(pack(folder, kind))
    assert read.fingerprint == found.fingerprint and read.classes == ("cat", "dog")
    assert np.array_equal(read.held_out, found.held_out)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("tar", "photos.tar.gz"), ("gztar", "photos.tar"), ("gztar", "photos.tgz"), ("tar", "photos"), ("zip", "photos")],
    ids=["tar as .tar.gz", "gz as .tar", "tgz", "tar without suffix", "zip without suffix"],
)
def test_what_an_archive_is_told_by_its_content(photos, tmp_path, kind, name):
    folder, found = photos
    (tmp_path / "elsewhere").mkdir()
    shutil.move(pack(folder, kind), tmp_path / "elsewhere" / name)
    assert load(tmp_path / "elsewhere" / name).fingerprint == found.fingerprint


def test_a_tar_that_names_its_files_from_a_dot_reads_as_the_folder(photos, tmp_path):
    folder, found = photos
    with tarfile.open(tmp_path / "dot.tar", "w") as archive:
        archive.add(folder, ".")
    assert load(tmp_path / "dot.tar").fingerprint == found.fingerprint


def test_backslashes_in_a_zip_are_folders(photos, tmp_path, capsys):
    folder, found = photos
    with zipfile.ZipFile(tmp_path / "windows.zip", "w") as archive:
        for file in folder.rglob("*"):
            entry = zipfile.ZipInfo("x")
            entry.filename = str(file.relative_to(folder)).replace("/", "\\") + "\\" * file.is_dir()
            archive.writestr(entry, b"" if file.is_dir() else file.read_bytes())
    assert load(tmp_path / "windows.zip").fingerprint == found.fingerprint
    assert "passed over" not in capsys.readouterr().err


def test_a_compressed_tar_is_unpacked_once(photos, monkeypatch):
    path = pack(photos[0], "gztar")
    first = load(path)
    monkeypatch.setattr(archives, "_read", lambda *_: pytest.fail("unpacked again"))
    assert load(path).fingerprint == first.fingerprint


def test_zstandard_is_read_where_its_package_is_and_named_where_not(photos, monkeypatch):
    """By a stand-in for it that unpacks gzip after the first bytes of zstandard."""
    start = b"\x28\xb5\x2f\xfd"
    path = Path(pack(photos[0], "tar"))
    path.with_suffix(".tar.zst").write_bytes(start + gzip.compress(path.read_bytes()))
    module = archives._PACKED[start]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=rf"compressed with {module}; pip install {module}"):
        load(path.with_suffix(".tar.zst"))
    package = SimpleNamespace(open=lambda path: io.BytesIO(gzip.decompress(path.read_bytes().removeprefix(start))))
    monkeypatch.setitem(sys.modules, module, package)
    assert load(path.with_suffix(".tar.zst")).fingerprint == photos[1].fingerprint


def test_links_and_devices_in_an_archive_are_left_out_and_said(photos, tmp_path, capsys):
    path = pack(photos[0], "tar")
    with tarfile.open(path, "a") as archive:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("device.png", tarfile.CHRTYPE)):
            entry = tarfile.TarInfo(f"photos/train/cat/{name}")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    assert load(path).fingerprint == photos[1].fingerprint
    said = capsys.readouterr().err
    assert "left out 1 link in the archive (photos/train/cat/link.png)" in said
    assert "left out 1 special file in the archive (photos/train/cat/device.png)" in said
    with zipfile.ZipFile(pack(photos[0], "zip"), "a") as archive:
        entry = zipfile.ZipInfo("photos/train/cat/link.png")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    assert load(archive.filename).fingerprint == photos[1].fingerprint
    assert "left out 1 link in the archive (photos/train/cat/link.png)" in capsys.readouterr().err


def test_a_file_with_two_names_in_a_tar_is_read_under_both(photos, tmp_path):
    folder, _ = photos
    os.link(folder / "train" / "cat" / "0000.png", folder / "train" / "cat" / "again.png")
    assert len(load(pack(folder, "tar")).images) == 21


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "photos/../../evil.png", "C:/evil.png"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_leads_out_of_itself_is_refused(photos, tmp_path, kind, name):
    path = pack(photos[0], kind)
    if kind == "zip":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, b"x")
    else:
        with tarfile.open(path, "a") as archive:
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match=rf"its entry {name} leads out of the archive"):
        load(path)


def cut_within_a_file(content):
    return content[: len(content) // 2]


def cut_between_files(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return content[: archive.getmembers()[10].offset]


def overwritten_between_files(content):
    start = len(cut_between_files(content))
    return content[:start] + b"\xff" * 512 + content[start + 512 :]


@pytest.mark.parametrize("damage", [cut_within_a_file, cut_between_files, overwritten_between_files, lambda _: b""])
def test_a_damaged_tar_is_refused_and_not_read_up_to_the_damage(photos, tmp_path, damage):
    with open(pack(photos[0], "tar"), "rb") as file:
        content = damage(file.read())
    (tmp_path / "damaged.tar").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.tar: truncated or not a tar file \(.*\); replace it"):
        load(tmp_path / "damaged.tar")


@pytest.mark.parametrize("kind", ["gztar", "bztar", "xztar"])
def test_a_truncated_compressed_tar_is_refused_and_leaves_nothing(photos, tmp_path, kind):
    path = pack(photos[0], kind)
    os.truncate(path, os.path.getsize(path) // 2)
    with pytest.raises(DataError, match=r"truncated or not a \.\w+ file \(.*\); replace it"):
        load(path)
    assert not list((tmp_path / "cache" / "unzipped").iterdir())


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"<html>no such file</html>", "but a web page"), (b"Rar!\x1a\7\0" + bytes(600), "but a RAR archive")],
)
@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz"])
def test_what_is_no_archive_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        load(tmp_path / name)


def test_a_compressed_tar_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "FREELY", 100_000)
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("bomb.png")
        entry.size = 3_000_000
        archive.addfile(entry, io.BytesIO(bytes(entry.size)))
    with pytest.raises(DataError, match=r"bomb\.tar\.gz: unpacks to more than .*over 100 times its size; if that"):
        load(tmp_path / "bomb.tar.gz")
    assert not list((tmp_path / "cache" / "unzipped").iterdir())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_a_full_disk_while_unpacking_is_one_line(photos, monkeypatch):
    real_open = Path.open
    monkeypatch.setattr(
        Path, "open", lambda path, *mode: real_open(Path("/dev/full") if path.name == "plain" else path, *mode)
    )
    with pytest.raises(DataError, match=r"cannot unpack it into .*No space left on device\); make room"):
        load(pack(photos[0], "gztar"))


@pytest.mark.parametrize(
    ("offset", "value", "said"),
    [(8, 1, "is encrypted; unpack it with its password"), (10, 9, "is compressed by deflate64, which is not read")],
)
def test_a_zip_that_python_cannot_unpack_is_refused_at_once(photos, tmp_path, offset, value, said):
    with open(pack(photos[0], "zip"), "rb") as file:
        content = bytearray(file.read())
    entry = -1
    while (entry := content.find(b"PK\1\2", entry + 1)) >= 0:
        content[entry + offset] = value
    (tmp_path / "odd.zip").write_bytes(content)
    with pytest.raises(DataError, match=said):
        load(tmp_path / "odd.zip")


def test_archives_in_an_archive_are_named(photos, tmp_path):
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.write(pack(photos[0], "zip"), "train.zip")
    with pytest.raises(DataError, match=r"no images found; .*give the archive itself, such as train\.zip, or unpack"):
        load(tmp_path / "both.zip")


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_any_file_of_an_archive_can_be_had_as_a_file(photos, kind):
    listed = listing.listing(Path(pack(photos[0], kind)))
    name = "photos/train/cat/0000.png"
    assert listed.place(name).read_bytes() == listed.read(name)


# --- formats


@pytest.mark.parametrize("suffix", ["avif", "jfif", "jpe", "jp2", "qoi", "tga", "ico", "pcx", "sgi", "webp", "pnm"])
def test_whatever_pillow_reads_is_read(tmp_path, suffix):
    write_pictures(tmp_path / "set", 6, size=(32, 32), suffix=suffix)
    read = load(tmp_path / "set")
    assert read.shape == (3, 32, 32) and len(read.images) + len(read.held_out) == 6


def test_images_without_a_suffix_are_told_by_their_first_bytes(tmp_path, capsys):
    (tmp_path / "set").mkdir()
    for number, format in enumerate(("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")):
        Image.new("RGB", (20, 20), (9 * number, 99, 0)).save(tmp_path / "set" / f"2024.01.{number:02d}", format)
    (tmp_path / "set" / "README").write_text("P1 and Python are no pictures")
    read = load(tmp_path / "set")
    assert len(read.images) + len(read.held_out) == 9
    assert "passed over 1 file beside the images (README)" in capsys.readouterr().err


def test_an_image_under_the_suffix_of_another_format_is_read(tmp_path):
    write_pictures(tmp_path / "set", 5, suffix="jpg")
    for file in (tmp_path / "set").iterdir():
        file.rename(file.with_suffix(".png"))
    assert len(load(tmp_path / "set").images) == 4


def test_files_that_share_a_suffix_with_a_rare_format_are_not_taken_for_images(tmp_path, capsys):
    write_pictures(tmp_path / "set", 5)
    (tmp_path / "set" / "scan.dds").write_text("a list of something")
    (tmp_path / "set" / "scan.pcd").write_text("# .PCD v.7 - Point Cloud Data")
    assert len(load(tmp_path / "set").images) == 4
    assert "passed over 2 files beside the images" in capsys.readouterr().err


@pytest.fixture
def without_heif(monkeypatch):
    """Without pillow-heif, wherever it is installed; what a test registers with Pillow is forgotten after it."""

    def forget():
        for cached in (formats.readable, formats.formats_for, formats._suffixes, formats._told_by_suffix):
            cached.cache_clear()

    Image.init()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(Image, "OPEN", {name: known for name, known in Image.OPEN.items() if name != "HEIF"})
    monkeypatch.setattr(Image, "EXTENSION", {end: name for end, name in Image.EXTENSION.items() if name != "HEIF"})
    forget()
    yield
    forget()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.HEIC", "HEIC image.*pip install pillow-heif"),
        ("a.jxl", "JPEG XL image.*pip install pillow-jxl-plugin"),
        ("a.nef", "camera raw file.*develop"),
        ("a.dcm", "DICOM image"),
        ("a.exr", "OpenEXR"),
        ("a.svg", "vector drawing"),
        ("a.nii.gz", "medical volume.*slices"),
    ],
)
def test_images_that_pillow_does_not_read_are_named_with_what_to_do(tmp_path, capsys, without_heif, name, said):
    write_pictures(tmp_path / "some", 12)
    (tmp_path / "some" / name).write_bytes(b"x")
    assert len(load(tmp_path / "some").images) == 11
    err = capsys.readouterr().err
    assert "not images" not in err
    (line,) = err.splitlines()
    assert line.startswith(f"{tmp_path / 'some'}: left out 1 ") and re.search(said, line)
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / name).write_bytes(b"x")
    with pytest.raises(DataError, match=f"no images found; it holds 1 {said}"):
        load(tmp_path / "all")


def test_heic_under_the_name_of_a_jpeg_is_named(tmp_path, without_heif):
    write_pictures(tmp_path / "set", 5, suffix="jpg")
    (tmp_path / "set" / "IMG_1.jpg").write_bytes(HEIC)
    with pytest.raises(DataError, match=r"IMG_1\.jpg \(is of the kind HEIC image; .*pip install pillow-heif\)"):
        load(tmp_path / "set")


def test_heic_is_read_where_its_package_is_installed(tmp_path, monkeypatch, without_heif):
    """By a stand-in for it that makes Pillow read the PNG behind the first bytes."""
    (tmp_path / "pillow_heif.py").write_text(
        "import io\n"
        "from PIL import Image, PngImagePlugin\n"
        "class Heif(PngImagePlugin.PngImageFile):\n"
        "    format = 'HEIF'\n"
        "    def _open(self):\n"
        f"        self.fp = io.BytesIO(self.fp.read().removeprefix({HEIC!r}))\n"
        "        super()._open()\n"
        "def register_heif_opener():\n"
        "    Image.register_open('HEIF', Heif, lambda start: start[4:12] == b'ftypheic')\n"
        "    Image.register_extension('HEIF', '.heic')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pillow_heif")
    write_pictures(tmp_path / "set", 5)
    for file in (tmp_path / "set").iterdir():
        file.write_bytes(HEIC + file.read_bytes())
        file.rename(file.with_suffix(".heic" if file.stem != "0000" else ""))
    assert len(all_of(load(tmp_path / "set"))) == 5


@pytest.mark.parametrize("suffix", ["gif", "png", "tif", "webp"])
def test_of_several_frames_the_first_is_taken_and_that_is_said(tmp_path, suffix):
    (tmp_path / "set").mkdir()
    for number in range(5):
        first, second = (Image.new("RGB", (20, 20), colour) for colour in ((0, 0, 50 * number), "white"))
        options = {"save_all": True, "append_images": [second]} if number else {}
        first.save(tmp_path / "set" / f"{number}.{suffix}", **options)
    read = load(tmp_path / "set")
    assert max(read.images[:, 0].max(), read.held_out[:, 0].max()) < 30
    assert read.understood == (f"of 4 images with several frames the first is taken (1.{suffix})",)


# --- depth


def values(low, high, shape=(20, 20), seed=0):
    """Random ones that take both ends of the range."""
    found = np.random.default_rng(seed).integers(low, high + 1, shape)
    found.reshape(-1)[:2] = low, high
    return found.astype(np.uint16)


def in_order(images):
    """Images of 8 bits, sorted by what is in them."""
    return sorted(images, key=lambda image: image.tobytes())


def all_of(read):
    """Training and held-out images (N, H, W, C)."""
    return in_order(np.concatenate([read.images, read.held_out]).transpose(0, 2, 3, 1))


def write_values(folder, images, suffix="png"):
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        file = folder / f"{number}.{suffix}"
        if image.ndim == 3:
            file.write_bytes((png_of_16_bits if suffix == "png" else tiff_of_16_bits)(image))
        else:
            Image.fromarray(image).save(file)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm", "jp2"])
def test_images_of_ten_bits_are_scaled_by_the_range_of_the_whole_set(tmp_path, suffix):
    images = [values(0, 1023), values(100, 400, seed=1), values(100, 400, seed=2)]
    if suffix == "pgm":  # whose 16 bits Pillow writes from 32
        images = [image.astype(np.int32) for image in images]
    write_values(tmp_path / "set", images, suffix)
    read = load(tmp_path / "set")
    assert read.understood == ("values from 0 to 1,023 scaled to 8 bits",)
    wanted = in_order(np.rint(image[..., None] * (255 / 1023)).astype(np.uint8) for image in images)
    assert np.array_equal(all_of(read), wanted)
    assert load(tmp_path / "set").understood == read.understood, "is said only when the set is decoded"


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_ten_bits_are_scaled_alike(tmp_path, channels):
    colours = 1 if channels == 2 else 3
    images = [values(0, 1023, (20, 20, colours), seed) for seed in range(4)]
    opaque = np.full((20, 20, 1), 0xFFFF, np.uint16)
    write_values(tmp_path / "set", [np.concatenate([image, opaque], 2)[..., :channels] for image in images])
    wanted = [np.broadcast_to(np.rint(image * (255 / 1023)), (20, 20, 3)).astype(np.uint8) for image in images]
    assert np.array_equal(all_of(load(tmp_path / "set")), in_order(wanted))


def test_sixteen_bits_that_are_used_lose_their_lower_byte(tmp_path):
    """As in every earlier version, so that older runs go on."""
    for name, shape in (("grey", (20, 20)), ("colour", (20, 20, 3))):
        images = [values(0, 0xFFFF, shape, seed) for seed in range(4)]
        write_values(tmp_path / name, images)
        wanted = in_order((image >> 8).astype(np.uint8).reshape(20, 20, -1) for image in images)
        assert np.array_equal(all_of(load(tmp_path / name)), wanted)


def test_sixteen_bits_with_eight_bits_of_content_stay_as_they_are(tmp_path):
    images = [values(0, 255, seed=seed) for seed in range(4)]
    write_values(tmp_path / "set", images)
    read = load(tmp_path / "set")
    assert np.array_equal(all_of(read), in_order(image[..., None].astype(np.uint8) for image in images))
    assert read.understood == ()


def test_held_out_images_are_scaled_by_the_same_range(tmp_path):
    write_values(tmp_path / "set" / "train", [values(0, 500, seed=seed) for seed in range(4)])
    write_values(tmp_path / "set" / "test", [values(0, 1000, seed=9)])
    read = load(tmp_path / "set")
    assert (read.images.max(), read.held_out.max()) == (round(255 / 2), 255)


@pytest.mark.parametrize(("top", "said"), [(1.0, ("values in [0, 1] scaled to 8 bits",)), (255.0, ())])
def test_floats_are_scaled_by_the_range_of_the_whole_set(tmp_path, top, said):
    images = [(values(0, 1000, seed=seed) * (top / 1000)).astype(np.float32) for seed in range(4)]
    write_values(tmp_path / "set", images, "tif")
    read = load(tmp_path / "set")
    assert read.understood == said and read.shape[0] == 1
    assert min(image.min() for image in all_of(read)) == 0 and max(image.max() for image in all_of(read)) == 255


def test_a_value_that_is_no_number_is_a_broken_image(tmp_path):
    images = [(values(0, 1000, seed=seed) / 1000).astype(np.float32) for seed in range(4)]
    images[2][3, 3] = np.nan
    images[2][4, 4] = np.inf
    write_values(tmp_path / "set", images, "tif")
    with pytest.raises(DataError, match=r"2\.tif \(2 of its values are not finite\)"):
        load(tmp_path / "set")
    assert len(all_of(load(tmp_path / "set", skip_broken=True))) == 3


def test_images_of_8_bits_among_deeper_ones_stay_as_they_are(tmp_path):
    write_values(tmp_path / "set", [values(0, 1023), np.full((20, 20), 50, np.uint8), np.full((20, 20), 60, np.uint8)])
    assert {int(image.max()) for image in all_of(load(tmp_path / "set"))} == {255, 50, 60}


def test_masks_of_a_few_classes_are_not_black(tmp_path):
    masks = [(values(0, 2, seed=seed)).astype(np.uint8) for seed in range(4)]
    write_values(tmp_path / "set", masks)
    read = load(tmp_path / "set")
    assert np.unique(read.images).tolist() == [0, 128, 255]
    assert read.understood == ("values from 0 to 2 scaled to 8 bits",)


def test_a_dark_image_among_others_stays_dark(tmp_path):
    write_values(tmp_path / "set", [np.full((20, 20), level, np.uint8) for level in (0, 1, 2, 200)])
    read = load(tmp_path / "set")
    assert {int(image.max()) for image in all_of(read)} == {0, 1, 2, 200} and read.understood == ()


def test_a_hot_pixel_that_leaves_the_rest_dark_is_said(tmp_path):
    images = [values(0, 999, (80, 80), seed) for seed in range(4)]
    images[1][5, 5] = 0xFFFF
    write_values(tmp_path / "set", images)
    scaled, doubt = load(tmp_path / "set", image_size=80).understood
    assert scaled == "values of 16 bits scaled to 8" and "nearly all values lie between 0 and 1,024" in doubt


def test_colours_of_which_pillow_gives_only_the_upper_byte_are_refused_unless_that_is_enough(tmp_path):
    write_values(tmp_path / "enough", [values(0, 0xFFFF, (20, 20, 3), seed) for seed in range(4)], "tif")
    assert max(image.max() for image in all_of(load(tmp_path / "enough"))) == 255
    write_values(tmp_path / "set", [values(0, 1023, (20, 20, 3), seed) for seed in range(4)], "tif")
    with pytest.raises(DataError, match=r"colours of 4 images have 16 bits .*\(0\.tif\); save them as PNG of 16"):
        load(tmp_path / "set")


def test_colours_in_planes_of_16_bits_are_refused(tmp_path):
    write_pictures(tmp_path / "set", 4)
    (tmp_path / "set" / "planes.tif").write_bytes(tiff_of_16_bits(values(0, 0xFFFF, (20, 20, 3)), planes=True))
    with pytest.raises(DataError, match=r"planes\.tif \(its colours lie in planes of 16 bits; save such images as PNG"):
        load(tmp_path / "set")


def test_deep_images_are_turned_as_their_exif_says_and_laid_over_white(tmp_path):
    (tmp_path / "set").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    top = np.zeros((20, 20), np.uint16)
    top[:5] = 1023
    Image.fromarray(top).save(tmp_path / "set" / "turned.png", exif=exif)
    Image.fromarray(top).save(tmp_path / "set" / "clear.png", transparency=0)
    clear, turned = sorted(all_of(load(tmp_path / "set")), key=lambda image: -int(image.sum()))
    assert turned[-5:].min() == 255 and turned[:-5].max() == 0
    assert clear.min() == 255, "what is transparent is white"


def test_the_sides_of_a_pair_have_ranges_of_their_own(tmp_path):
    write_values(tmp_path / "set" / "A", [values(0, 1023, seed=seed) for seed in range(4)])
    write_values(tmp_path / "set" / "B", [(values(0, 4, seed=seed)).astype(np.uint8) for seed in range(4)])
    names = [f"{number}.png" for number in range(4)]
    partner = {f"A/{name}": f"B/{name}" for name in names}
    layout = Layout([*partner], [], partner=partner, sides=("A/", "B/"))
    found = read_images("--dataset set", listing.listing(tmp_path / "set"), layout, Reading(image_size=20))
    A, B = found.train.images.transpose(3, 0, 1, 2)
    assert A.max() == 255 and np.unique(B).tolist() == [0, 64, 128, 191, 255]
    assert found.understood == (
        "A/: values from 0 to 1,023 scaled to 8 bits",
        "B/: values from 0 to 4 scaled to 8 bits",
    )


def test_what_is_to_be_translated_is_scaled_too(tmp_path, capsys):
    write_values(tmp_path / "inputs", [values(0, 1023, seed=seed) for seed in range(2)])
    images, names = load_pictures(str(tmp_path / "inputs"), 20, 1)
    assert images.max() == 255 and 120 < images.mean() < 136 and names == ("0", "1")
    assert "values from 0 to 1,023 scaled to 8 bits" in capsys.readouterr().err


def test_ordinary_images_are_decoded_once_each(tmp_path, monkeypatch):
    """But for the first, which tells that they are not all black."""
    decoded = []
    upright = decoding.upright
    write_pictures(tmp_path / "set", 10)
    monkeypatch.setattr("common.data.trees.survey.upright", lambda *_, **__: decoded.append(1) or upright(*_, **__))
    load(tmp_path / "set")
    assert len(decoded) == 1
