"""Writes data sets in their real formats."""

import gzip
import io
import json
import pickle
import struct
import zlib
from typing import ClassVar

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet


def write_idx(path, array, zipped=True):
    """LeCun's idx: two zero bytes, 8 for uint8, the number of dimensions, the sizes big-endian, the bytes."""
    content = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if zipped else content)


def write_mnist(folder, train=120, test=30, size=28, zipped=True, seed=0):
    """The four files; returns training images and labels."""
    random = np.random.default_rng(seed)
    ending = ".gz" if zipped else ""
    written = []
    for split, count in (("train", train), ("t10k", test)):
        images, labels = random.integers(0, 256, (count, size, size)), np.arange(count) % 10
        write_idx(folder / f"{split}-images-idx3-ubyte{ending}", images, zipped)
        write_idx(folder / f"{split}-labels-idx1-ubyte{ending}", labels, zipped)
        written += [images.astype(np.uint8), labels]
    return written


def write_cifar_binary(folder, count=20):
    """CIFAR-10's binary version: a label byte, then 1,024 red, green and blue ones."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    batches = []
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        records = random.integers(0, 256, (count, 3073), dtype=np.uint8)
        records[:, 0] = np.arange(count) % 10
        (folder / name).write_bytes(records.tobytes())
        batches.append(records)
    return batches


class _Python2(pickle._Pickler):
    """Writes text and bytes as the one type of string that Python 2 had."""

    dispatch: ClassVar = {**pickle._Pickler.dispatch}

    def save_string(self, text):
        content = text.encode("latin1") if isinstance(text, str) else text
        short = len(content) < 256
        size = struct.pack("<B" if short else "<i", len(content))
        self.write((pickle.SHORT_BINSTRING if short else pickle.BINSTRING) + size + content)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(content):
    """The bytes that Python 2 and the NumPy of its time made of this."""
    file = io.BytesIO()
    _Python2(file, protocol=2).dump(content)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_cifar_pickles(folder, batches):
    """The same images as the pickles that torchvision downloads."""
    folder.mkdir(parents=True)
    for name, records in zip([f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"], batches, strict=True):
        content = {"batch_label": "x", "labels": records[:, 0].tolist(), "data": records[:, 1:].copy()}
        (folder / name).write_bytes(python2_pickle(content))


def write_pictures(folder, count, size=(20, 20), suffix="png", mode="RGB", seed=0, classes=()):
    """Random pictures; spread over the folders `classes` if there are any."""
    random = np.random.default_rng(seed)
    for i in range(count):
        target = folder / classes[i % len(classes)] if classes else folder
        target.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(target / f"{i:04d}.{suffix}")


def png_of_16_bits(values):
    """The file that an image of uint16 (H, W, 1 to 4) is; Pillow writes none with colours."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def tiff_of_16_bits(values, planes=False):
    """The file that an image of uint16 (H, W, 3) is, pixel by pixel or in three planes."""
    height, width, channels = values.shape
    content = (values.transpose(2, 0, 1) if planes else values).astype("<u2").tobytes()
    strips = channels if planes else 1
    size = len(content) // strips
    tags = {256: [width], 257: [height], 258: [16] * 3, 259: [1], 262: [2], 273: [8 + size * i for i in range(strips)]}
    tags |= {277: [3], 278: [height], 279: [size] * strips, 284: [2 if planes else 1]}
    entries, beside = b"", b""
    for tag, numbers in tags.items():
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(packed) > 4:
            packed, beside = struct.pack("<I", 8 + len(content) + len(beside)), beside + packed
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + packed
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(content) + len(beside)) + content + beside + directory


def png(pixels):
    """The file that an image (H, W) or (H, W, 3) is."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return content.getvalue()


def hugging_face_table(images, labels=None, names=None, column="image", label="label", paths=None):
    """A table as `datasets` makes it: structs of bytes and path, and features in the schema's metadata.

    `images` are the contents of files; `names` of a ClassLabel, without which the labels are plain values.
    """
    paths = paths or [f"{i}.png" for i in range(len(images))]
    cells = [{"bytes": content, "path": path} for content, path in zip(images, paths, strict=True)]
    columns = {column: pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}
    features = {column: {"_type": "Image"}}
    if labels is not None:
        columns[label] = pa.array(labels)
        features[label] = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table(columns).replace_schema_metadata(about)


def write_parquet(path, table, rows_a_group=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=rows_a_group)


def write_arrow(path, table, rows_a_batch=1000):
    """A stream, as `save_to_disk` writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=rows_a_batch)
