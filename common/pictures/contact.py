"""A data set on one picture: a row for each class, training images beside held-out ones."""

from common.data.dataset import Dataset, evenly
from common.data.pairing.pairs import Pairing
from common.nn.pixels import floats, to_uint8
from common.pictures.grids import GAP, grid_of_pixels, tile_of
from common.pictures.sheets import sheet

import numpy as np
import torch
from PIL import Image

MOST_ROWS = 20  # of more classes, evenly chosen ones
ROWS = 3  # of images within each
WIDTHS = 820, 420  # pixels, about, of the training and of the held-out images


def shown_classes(data: Dataset) -> list[int]:
    """The labels that have a row, in order; empty where there are no classes."""
    return [] if data.labels is None else evenly(len(data.classes), MOST_ROWS).tolist()


def contact_sheet(data: Dataset, pairing: Pairing | None = None) -> bytes:
    """A PNG. Images are evenly chosen from the whole of a class, pairs lie side by side."""
    splits = (data.images, data.labels), (data.held_out, data.held_out_labels)
    heads = [[f"training: {len(data.images):,}"], [f"held out: {len(data.held_out):,}"]]
    rows = []
    for label in shown_classes(data) or [None]:
        cells = []
        for (images, labels), width in zip(splits, WIDTHS, strict=True):
            places = np.arange(len(images)) if label is None else np.flatnonzero(labels == label)
            cells.append((_some(images, places, width, pairing), "" if label is None else f"{len(places):,}"))
        rows.append(("" if label is None else data.classes[label], cells))
    return sheet(heads, rows)


def _some(images: np.ndarray, places: np.ndarray, width: int, pairing: Pairing | None) -> Image.Image | str:
    """Images at these places on a grid about so wide, or what to say where there are none."""
    if not len(places):
        return "none"
    columns = max(2, width // (tile_of(images.shape[2]) + GAP))
    each = 1 if pairing is None else 2
    columns = columns // each * each
    chosen = floats(images[places[evenly(len(places), ROWS * columns // each)]])
    if pairing is not None:
        chosen = torch.stack(pairing.split(chosen), 1).flatten(0, 1)
    return grid_of_pixels(to_uint8(chosen), min(columns, len(chosen)))
