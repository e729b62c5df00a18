"""Images from a run, finished or still training.

    python sample.py out/wgan 64 grid.png              a grid
    python sample.py out/wgan 10000 samples.npz        arr_0: uint8 (N, H, W, C); arr_1: classes if the run has them
    python sample.py out/wgan 500 folder/              a PNG each
    python sample.py out/cgan 80 sevens.png --class 7
    python sample.py out/facades --input photos/ results/

The same seed gives the same images, and more of them begin with the same. A run told of classes makes all of them in
turn; in a grid each has a column, in a folder each a folder. What is written can be trained on: --dataset samples.npz.
Of pix2pix.py's runs each image of --input, a file, folder, zip or .npz, is translated; nothing is locked.
"""

import argparse
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.console import first_of, guarded
from common.errors import BadArgument, FolderError
from common.options import THREADS, Parser, name_or_path, thread_count, whole

if TYPE_CHECKING:  # --help and refusals are quick
    from common.data.pairing.pairs import Pairing

    import numpy as np
    from torch import Tensor, nn

MOST_COLUMNS = 16  # of classes side by side


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser("sample.py", __doc__, "python sample.py out/wgan 64 grid.png")
    parser.add_argument("run", type=name_or_path, help="the run's folder")
    parser.add_argument("rest", nargs="*", metavar="count result", help="how many; where to: .png, .npz or a folder")
    parser.add_argument("--class", dest="label", help="of these only (a conditional run): the class's name")
    parser.add_argument("--interpolate", action="store_true", help="each row of 8 goes from one point of z to the next")
    parser.add_argument("--input", type=name_or_path, help="what a pix2pix.py run is to translate")
    parser.add_argument(
        "--as-is",
        action="store_true",
        help="the --input is what the generator takes, such as drawn edges or one side of a pair (default: made from it"
        " as in training)",
    )
    parser.add_argument("--seed", type=whole(0, 2**32), default=0, help="of the noise (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=thread_count, help=THREADS)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    known = parser.parse_intermixed_args(argv)
    if known.input is not None:
        if len(known.rest) != 1:
            parser.error("--input takes the run and a result: python sample.py out/facades --input photos/ results/")
        known.count, known.result = None, known.rest[0]
        if known.label is not None or known.interpolate:
            parser.error("--input translates images: --class and --interpolate mean nothing to it")
    else:
        if len(known.rest) != 2:
            parser.error("the following arguments are required: count and result")
        try:
            known.count = whole(1, 10_000_000)(known.rest[0])
        except argparse.ArgumentTypeError as error:
            parser.error(f"count: {error}")
        known.result = known.rest[1]
    return known


def kind_of(result: str) -> str:
    """png, npz or folder. Raises BadArgument for another file and FolderError where something is in the way."""
    path = Path(result)
    suffix = path.suffix.lower()
    if result.endswith("/") or path.is_dir() or not suffix:
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise FolderError(f"{result}: is {'a file' if path.is_file() else 'not empty'}; give a new folder")
        return "folder"
    if suffix not in (".png", ".npz"):
        raise BadArgument(f"{result}: must end in .png (a grid), .npz, or / (a folder with a PNG each)")
    return suffix[1:]


def main(arguments: argparse.Namespace) -> int:
    kind = kind_of(arguments.result)

    from common.machine.load import Load

    load = Load()  # while torch is being imported

    from common.models import load_generator
    from common.nn.device import resolve_device
    from common.nn.threads import adapt
    from common.runs.record import read_record
    from common.storage.platforms import keep_freed_memory

    keep_freed_memory()
    G = load_generator(arguments.run, resolve_device(arguments.device))
    adapt(arguments.threads, load, "sample.py")
    record = read_record(arguments.run)
    if "x" not in G.takes and arguments.input is not None:
        raise BadArgument(f"{arguments.run}: makes images from noise: give a count in place of --input")
    if "x" in G.takes and arguments.input is None:
        raise BadArgument(f"{arguments.run}: translates images: give --input photos/ in place of a count")
    (translate if arguments.input else sample)(arguments, kind, record, G)
    return 0


def sample(arguments: argparse.Namespace, kind: str, record: Mapping[str, Any] | None, G: "nn.Module") -> None:
    """Writes `count` images from noise."""
    from common import sampling
    from common.pictures.grids import COLUMNS

    import torch

    count, columns, y, names = arguments.count, None, None, ()
    if "y" in G.takes:
        names = [str(name) for name in record["dataset"]["classes"]] if record else [str(c) for c in range(G.classes)]
        y = torch.arange(count) // (COLUMNS if arguments.interpolate else 1) % G.classes
        if arguments.label is not None:
            y = torch.full((count,), class_of(arguments.label, names))
        elif not arguments.interpolate and G.classes <= MOST_COLUMNS:
            columns = G.classes
    elif arguments.label is not None:
        raise BadArgument(f"--class {arguments.label}: {arguments.run} knows no classes, as runs of cgan.py do")
    if arguments.interpolate:
        columns = COLUMNS
        # One point more than there are rows: the walk comes back from its last to its first.
        z = sampling.walk(sampling.latents(count // COLUMNS + 2, G.z_dim, arguments.seed))[:count]
    else:
        z = sampling.latents(count, G.z_dim, arguments.seed)
    found = sampling.draw(G, z, y)
    if kind == "png":
        write_grid(arguments.result, found, columns)
    elif kind == "npz":
        write_arrays(arguments.result, found, y)
    else:
        # A name that is a path would lead out of the folder.
        plain = {name for name in names if name not in ("", ".", "..") and Path(name).name == name}
        folders = [name if name in plain else str(c) for c, name in enumerate(names)]
        places = [f"{i:05d}" if y is None else f"{folders[y[i]]}/{i:05d}" for i in range(count)]
        write_folder(arguments.result, found, places)


def class_of(text: str, names: Sequence[str]) -> int:
    """The class of that name, else of that number. Raises BadArgument."""
    if text in names:
        return list(names).index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    raise BadArgument(f"--class {text}: must be one of {first_of(names, 10)}")


def pairing_of(record: Mapping[str, Any]) -> "Pairing | None":
    """How the images that the run was trained on were pairs, wherever those may be by now.

    A path that is gone no longer says that it held pairs in files; their two images' channels, 2 or 6, do.
    """
    from common.data.pairing.pairs import FILES
    from common.models import settings_from

    pairing = settings_from(record).pairing(record["dataset"]["name"])
    two_images = record["dataset"]["shape"][0] in (2, 6)
    return replace(pairing, kind=FILES) if pairing is not None and pairing.is_made and two_images else pairing


def translate(arguments: argparse.Namespace, kind: str, record: Mapping[str, Any] | None, G: "nn.Module") -> None:
    """Writes a translation of each image of --input; in a grid beside it."""
    from common import sampling
    from common.data.pairing.inputs import Inputs
    from common.data.pairing.pair_layout import BESIDE
    from common.data.pictures import load_pictures
    from common.nn.pixels import floats, to_uint8

    import numpy as np

    if record is None:
        raise FolderError(f"{arguments.run}: run.json is missing, which says what the run translates")
    shape, pairing = record["dataset"]["shape"], pairing_of(record)
    if pairing is None:
        raise FolderError(f"{arguments.run}: {record['script']}.py does not say how an image becomes a pair")
    sides = record["dataset"].get("sides", BESIDE)  # earlier versions knew no other pairs in files
    inputs = None if arguments.as_is else Inputs(pairing, tuple(sides))
    fit = record["settings"].get("fit", "crop")
    images, names = load_pictures(arguments.input, shape[1], pairing.channels(shape), fit, inputs)
    x = floats(images.transpose(0, 3, 1, 2))
    if pairing.is_made and not arguments.as_is:
        x, _ = pairing.split(x)
    found = to_uint8(sampling.translate(G, x, arguments.seed))
    if kind == "png":
        write_grid(arguments.result, np.stack([to_uint8(x), found], 1).reshape(-1, *found.shape[1:]), 8)
    elif kind == "npz":
        write_arrays(arguments.result, found, None)
    else:
        write_folder(arguments.result, found, names)


# --- uint8 images (N, H, W, C) to files


def write_grid(result: str, found: "np.ndarray", columns: int | None) -> None:
    from common.pictures.files import png
    from common.pictures.grids import grid_of_pixels
    from common.storage.whole import write_result

    if columns is None:
        # Nearly square, and without a hole at the end where that can be.
        least = math.ceil(math.sqrt(len(found)))
        columns = next((n for n in range(least, 2 * least) if len(found) % n == 0), least)
    write_result(Path(result), png(grid_of_pixels(found, min(columns, len(found)))))
    print(f"{result}: a grid of {len(found):,} images")


def write_arrays(result: str, found: "np.ndarray", y: "Tensor | None") -> None:
    from common.storage.whole import write_result

    import numpy as np

    content = io.BytesIO()
    np.savez_compressed(content, found, *(() if y is None else (y.numpy(),)))
    write_result(Path(result), content.getvalue())
    print(f"{result}: arr_0 uint8 {found.shape}" + ("" if y is None else f", arr_1 int64 {tuple(y.shape)}"))


def write_folder(result: str, found: "np.ndarray", places: Sequence[str]) -> None:
    """All of them or none: the folder appears when it is complete."""
    from common.data.scaling import picture_of
    from common.storage.whole import scratch_folder

    path = Path(os.path.abspath(result))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(path.parent) as staging:
            for image, place in zip(found, places, strict=True):
                file = staging / f"{place}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                picture_of(image).save(file)
            staging.replace(path)  # which is empty, if it is there
    except OSError as error:
        raise FolderError(f"{result}: cannot write ({error.strerror or error}); nothing was written") from error
    print(f"{result}: {len(found):,} images")


if __name__ == "__main__":
    guarded("sample.py", parse, main)
