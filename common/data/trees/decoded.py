"""Sets of image files in the cache: decoded once, into arrays that can be mapped into memory."""

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from common.data.dataset import held_by_pixels
from common.data.reading import Reading
from common.data.scaling import same_shape, target_size
from common.data.trees.decoding import Form, with_picture
from common.data.trees.layout import Layout, left_out_of
from common.data.trees.survey import Survey
from common.errors import DataError
from common.storage.platforms import reserve_room
from common.storage.whole import scratch_folder, write_whole

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image  # imported where it is used: a refusal is quick


def is_whole(folder: Path) -> bool:
    """Whether a decoded set is in the cache as it was written; what is not, as after a power cut, is removed."""
    try:
        kept = json.loads((folder / "complete.json").read_text())
        if all(_length(folder / f"{split}.npy") == len(kept[split]) for split in ("train", "held") if kept[split]):
            return True
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    return False


def decode(decoder: "Decoder", folder: Path) -> None:
    """Fills `folder` with train.npy, held.npy (N, size, size, C) and complete.json: the names kept, and what to say.

    Where the layout names no held-out images, they are chosen here. Raises DataError.
    """
    form = decoder.form()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder.parent) as staging:
            decoder.fill(staging, form)
            if not folder.exists():  # another process may have been quicker
                os.replace(staging, folder)
    except OSError as error:
        raise DataError(
            f"{decoder.asked}: cannot write the decoded images to the cache in {folder.parent}"
            f" ({error.strerror}); make room or point $GAN_CACHE elsewhere"
        ) from error


class Decoder:
    """Reads the images of a layout; one that cannot be read is refused or, with `skip_broken`, left out."""

    def __init__(self, asked: str, read: Callable[[str], bytes], layout: Layout, reading: Reading):
        self.asked, self._read, self._layout, self._reading = asked, read, layout, reading
        self._broken: dict[str, str] = {}  # name: why
        self._understood: list[str] = []
        self._counts = np.zeros((1, 256), np.int64)  # of each level, of A and of B where they are files of their own

    def form(self) -> Form:
        """What these become, told by their sizes and modes. Raises DataError."""
        layout = self._layout
        names = [*layout.train, *layout.held]
        if layout.partner:
            files = names, [*layout.partner.values()]
            surveys = [self._survey(those, f"{side}: ") for those, side in zip(files, layout.sides, strict=True)]
        else:
            surveys = [self._survey(names)]
        sizes = surveys[0].sizes
        if not sizes:
            raise DataError(f"{self.asked}: none of its {len(names):,} images can be read")
        if layout.sides is not None and not layout.partner:
            sizes = self._halved(sizes)
        what = "images" if layout.sides is None else "sides"
        size, said = target_size({*sizes.values()}, self._reading, what)
        self._understood += [said] if said else []
        self._understood += self._stretched(sizes, surveys[-1].sizes, size)
        grey = all(survey.grey for survey in surveys)
        depths = tuple(survey.depths() for survey in surveys)
        return Form(size, grey, layout.sides is not None, self._reading.fit, depths)

    def _survey(self, names: list[str], which: str = "") -> Survey:
        """Of those of these images that can be read; `which` begins what is said of them. Raises DataError."""
        survey = Survey(turned=self._layout.sides is not None)
        for name in names:
            self._attempt(name, partial(survey.look, name))
        try:
            self._understood += [which + said for said in survey.understood()]
        except ValueError as error:
            raise DataError(f"{self.asked}: {error}") from error
        return survey

    def _halved(self, sizes: dict[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
        """Of pictures that hold both sides of a pair, the sizes of a side. Raises DataError for one that may not."""
        for name, (width, height) in sizes.items():
            if self._layout.unless_wide and width < 2 * height:
                raise DataError(
                    f"{self.asked}: {name} is {width}x{height} pixels, not twice as wide as high as a picture of both"
                    f" sides of a pair would be; {self._layout.unless_wide}"
                )
        return {name: (width // 2, height) for name, (width, height) in sizes.items()}

    def _stretched(self, A: dict[str, tuple[int, int]], B: dict[str, tuple[int, int]], size: int) -> list[str]:
        """What is to be said of pairs whose B has another shape than A, by the sizes of both."""
        pairs = [(one, other) for one, other in self._layout.partner.items() if one in A and other in B]
        differ = [(one, other) for one, other in pairs if not same_shape(A[one], B[other], size)]
        for one, other in differ[:1]:
            (width, height), (wide, high) = A[one], B[other]
            example = f"{one} is {width}x{height}, {other} {wide}x{high}"
            return [f"in {len(differ):,} of {len(pairs):,} pairs B is stretched to the shape of A ({example})"]
        return []

    def fill(self, staging: Path, form: Form) -> None:
        """Writes what `decode` promises. Raises DataError, and OSError where there is no room for it."""
        kept: dict[str, list[str]] = {"train": [], "held": []}
        raw, splits = staging / "raw", {"train": self._layout.train, "held": self._layout.held}
        for split, names in splits.items():
            if not names:
                continue
            good = self._write_raw(raw, names, form)
            sides = {split: np.ones(len(good), bool)}
            # Without held-out images of its own, the set is split here, on disk: it may not fit into memory.
            if split == "train" and not splits["held"]:
                with raw.open("rb") as file:
                    images = _images(file, len(good), form.shape)
                    held = held_by_pixels(self.asked.removeprefix("--dataset "), images, self._reading)
                sides = {"train": ~held, "held": held}
            for side, chosen in sides.items() if good else ():
                _write_chosen(staging / f"{side}.npy", raw, chosen, form.shape)
                kept[side] = [good[i] for i in np.flatnonzero(chosen)]
            raw.unlink()
        if not kept["train"]:
            raise DataError(f"{self.asked}: none of its {len(splits['train']):,} training images can be read")
        left_out = [left_out_of(self._broken, "that cannot be read")] if self._broken else []
        doubts = [one.doubt(n) for n, depths in zip(self._counts, form.depths, strict=False) for one in depths.values()]
        said = {"understood": [*self._understood, *filter(None, doubts)], "left_out": left_out}
        write_whole(staging / "complete.json", [json.dumps(kept | said).encode()])

    def _write_raw(self, raw: Path, names: list[str], form: Form) -> list[str]:
        """The pixels of one image after the other; returns the names of those that could be read.

        By ordinary writes, not into a memory map: a full disk is an error then on every system, not the process's end,
        and Windows renames and removes no file that is still mapped.
        """
        good = []
        with raw.open("wb") as file:
            file.truncate(len(names) * math.prod(form.shape))
            reserve_room(raw)  # a full disk is found out now, not after an hour of decoding
            for name in names:
                image = self._image(name, form)
                if image is not None:
                    file.write(image.tobytes())
                    good.append(name)
                    if form.scaled:
                        sides = np.split(image, len(form.depths), 2)
                        self._counts = self._counts + [np.bincount(side.ravel(), minlength=256) for side in sides]
        return good

    def _image(self, name: str, form: Form) -> np.ndarray | None:
        """An image or a pair; None where it, or a side of it, is broken. Raises DataError."""
        partner = self._layout.partner.get(name)
        if self._broken.keys() & {name, partner}:
            return None
        if partner is None:
            return self._attempt(name, form.of)
        sides = [
            self._attempt(one, lambda picture, side=side: form.upright(picture, side=side))
            for side, one in enumerate((name, partner))
        ]
        return None if any(side is None for side in sides) else form.of_two(*sides)

    def _attempt(self, name: str, work: "Callable[[Image], Any]") -> Any | None:
        """work(picture) of this file; None where it is broken and may be left out. Raises DataError."""
        try:
            return with_picture(name, self._read(name), work)
        except Exception as error:  # what Pillow and zipfile raise for damaged files is as varied as the damage
            trouble = error
        if not self._reading.skip_broken:
            raise DataError(
                f"{self.asked}: cannot read the image {name} ({str(trouble)[:120]});"
                " repair or remove it, or leave such images out with --skip-broken"
            ) from trouble
        self._broken[name] = str(trouble)
        return None


def _images(raw: BinaryIO, count: int, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    return (np.frombuffer(raw.read(math.prod(shape)), np.uint8).reshape(shape) for _ in range(count))


def _write_chosen(target: Path, raw: Path, chosen: np.ndarray, shape: tuple[int, int, int]) -> None:
    """An .npy of those images in `raw` that are chosen."""
    size = math.prod(shape)
    with raw.open("rb") as source, target.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (int(chosen.sum()), *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for place in np.flatnonzero(chosen).tolist():
            source.seek(place * size)
            file.write(source.read(size))
        file.flush()
        os.fsync(file.fileno())  # complete.json must not outlast a power cut that these do not


def _length(file: Path) -> int:
    """How many images an .npy has, its last one included. Raises OSError, ValueError or EOFError for a damaged one."""
    images = np.load(file, mmap_mode="r")
    try:
        return len(images)
    finally:
        images._mmap.close()  # Windows removes no file that is mapped
