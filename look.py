"""What would a script train on? Reads a data set as the scripts do, says what it understood, and trains nothing.

    python look.py photos/                       counts, classes, what was left out; and out/look/photos.png
    python look.py photos.zip look.png --image-size 32 --fit pad
    python look.py facades/ --script pix2pix     as pix2pix.py reads it: pairs

The picture has a row for each class: training images, and beside them those that are held out. Whatever `--dataset`
takes can be looked at: docs/data.md says what that is.
"""

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

from common.console import guarded
from common.errors import BadArgument, FolderError
from common.options import Parser, Settings, add_options, name_or_path

OF_THE_DATA = ("data_root", "image_size", "fit", "held_out", "skip_broken")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser("look.py", __doc__, "python look.py photos/")
    parser.add_argument("dataset", type=name_or_path, help="what --dataset would say")
    parser.add_argument("picture", nargs="?", type=name_or_path, help="where to (default: out/look/ and its name)")
    parser.add_argument("--script", help="read it as this script does, such as pix2pix, whose options are then known")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    kind = kind_of(argv)
    own = {field.name for field in dataclasses.fields(kind)} - {field.name for field in dataclasses.fields(Settings)}
    names = add_options(parser, kind, [*OF_THE_DATA, *sorted(own)])
    known = parser.parse_intermixed_args(argv)
    given = {name: value for name, value in vars(known).items() if name in names}
    known.settings = kind(lr_g=1.0, lr_d=1.0, momentum=0.0, folder="", dataset=known.dataset, **given)
    return known


def kind_of(argv: list[str]) -> type[Settings]:
    """The Settings of the script that the line names, or those that all share. Raises BadArgument."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--script")
    script = early.parse_known_args(argv)[0].script
    if script is None:
        return Settings

    from common.models import settings_of

    try:
        return settings_of({"script": script.removesuffix(".py")})
    except FolderError as error:
        raise BadArgument(f"--script {error}") from error


def main(arguments: argparse.Namespace) -> int:
    from common.data.loading import in_words, load_for
    from common.pictures.contact import contact_sheet, shown_classes
    from common.storage.whole import write_result

    settings = arguments.settings
    data = load_for(settings, settings.dataset)
    pairing = settings.pairing(data.name)
    print("\n  ".join([in_words(data, pairing), *data.understood]))
    for line in table(data):
        print(line)
    picture = Path(arguments.picture or f"out/look/{file_name(data.name)}.png")
    write_result(picture, contact_sheet(data, pairing))
    rows = len(shown_classes(data))
    shown = f"{rows} of {len(data.classes):,} classes, a row each" if rows else "some of both splits"
    print(f"{picture}: {shown}")
    return 0


def table(data: Any) -> list[str]:
    """How many images each class has, training and held-out."""
    if data.labels is None:
        return []

    import numpy as np

    counts = [np.bincount(labels, minlength=len(data.classes)) for labels in (data.labels, data.held_out_labels)]
    width = max(len("class"), *map(len, data.classes))
    lines = [f"{'class':<{width}}  training  held out"]
    return lines + [f"{name:<{width}}  {a:>8,}  {b:>8,}" for name, a, b in zip(data.classes, *counts, strict=True)]


def file_name(dataset: str) -> str:
    """A path's last part without its suffixes, or a name as it is: photos of some/photos.tar.gz."""
    last = os.path.basename(os.path.abspath(dataset)) if os.path.lexists(dataset) else dataset.replace(":", "-")
    return last.lstrip(".").partition(".")[0] or "data"


if __name__ == "__main__":
    guarded("look.py", parse, main)
