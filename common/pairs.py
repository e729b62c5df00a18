"""Pairs of images for translation: read side by side from files, or made from any image set."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import data
from common.cli import DataError
from common.data import Dataset

KINDS = ("edges", "gray", "halves")
EDGE = 0.25  # of an image's steepest slope: what is as steep is drawn as an edge


def load(
    dataset: str | None,
    data_root: str | None = None,
    image_size: int | None = None,
    skip_broken: bool = False,
    kind: str | None = None,
    direction: str = "AtoB",
) -> Dataset:
    """A Dataset of pairs: uint8 (N, 2C, H, W), first the C channels to translate, then those of the truth.

    A folder or zip without `kind` holds pairs side by side (A left, B right), 256 pixels unless `image_size` says
    otherwise. Of any other set, and under `kind`, B is the image and A what is made of it; images up to 32 pixels are
    scaled to 32, others to 64, which a U-Net can halve down to one pixel. Raises DataError where the set is missing,
    unreadable or no such pairs can be had from it.
    """
    path = None if dataset in (None, *data.NAMES) else Path(dataset)
    if kind is None and path and (path.is_dir() or path.is_file() and path.suffix.lower() == ".zip"):
        found = data.load_side_by_side(dataset, image_size or 256, skip_broken)
        parts = [found.images, found.held_out]
        what = "side by side"
    else:
        found = data.load(dataset, data_root, image_size, skip_broken)
        size = image_size or (32 if found.shape[1] <= 32 else 64)
        if found.shape[1] != size:
            found = data.load(found.name, data_root, size, skip_broken)
        what = kind or "edges"
        if what == "gray" and found.shape[0] == 1:
            raise DataError(f"--dataset {found.name}: is gray already; try --pairs edges or --pairs halves")
        parts = [np.concatenate([make(images, what), images], 1) for images in (found.images, found.held_out)]
    if direction == "BtoA":
        parts = [np.roll(part, part.shape[1] // 2, 1) for part in parts]
    identity = f"{found.fingerprint} {what} {direction}".encode()
    return replace(
        found,
        images=parts[0],
        held_out=parts[1],
        labels=None,
        held_out_labels=None,
        classes=(),
        fingerprint=hashlib.sha256(identity).hexdigest(),
    )


def load_for(dataset: str | None, settings: Any) -> Dataset:
    """The pairs that a script's settings, with `pairs` and `direction`, ask for."""
    s = settings
    return load(dataset, s.data_root, s.image_size, s.skip_broken, s.pairs, s.direction)


def make(images: np.ndarray, kind: str) -> np.ndarray:
    """What the image is to be made from again, uint8 (N, C, H, W) like the images.

    edges: black lines on white where brightness changes steeply. gray: without colour. halves: the right half gray.
    """
    if kind == "halves":
        made = images.copy()
        made[..., images.shape[3] // 2 :] = 128
        return made
    made = np.empty_like(images)
    for start in range(0, len(images), 1000):
        part = images[start : start + 1000]
        light = part[:, 0].astype(np.float32)
        if part.shape[1] == 3:
            light = 0.299 * part[:, 0] + 0.587 * part[:, 1] + 0.114 * part[:, 2]  # ITU-R BT.601
        if kind == "edges":
            across, down = np.gradient(light, axis=(1, 2))
            slope = np.hypot(across, down)
            steepest = slope.max((1, 2), keepdims=True)
            light = np.where((slope > EDGE * steepest) & (steepest > 0), 0, 255)
        made[start : start + 1000] = np.round(light)[:, None].astype(np.uint8)
    return made
