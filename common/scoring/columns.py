"""Every score there is, and how it is shown."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Column(NamedTuple):
    """How a score is shown: its title, its digits after the point, and which way is better (1 up, -1 down)."""

    title: str
    digits: int
    better: int
    meaning: str


COLUMNS_OF_SCORES = {
    "frechet": Column("Fréchet", 2, -1, "distance of the Gaussians fitted to both sets of features"),
    "kernel": Column("kernel", 4, -1, "squared MMD with a cubic kernel, over 100 subsets of 1,000 images"),
    "precision": Column("precision", 3, 1, "share of samples within the real images' manifold (k = 3)"),
    "recall": Column("recall", 3, 1, "share of real images within the samples' manifold (k = 3)"),
    "density": Column("density", 3, 1, "real neighbourhoods that a sample lies in, by the number expected (k = 5)"),
    "coverage": Column("coverage", 3, 1, "share of real images with a sample in their neighbourhood (k = 5)"),
    "class_kl": Column("class KL", 4, -1, "KL divergence of the samples' classes from the data's"),
    "smallest_class": Column("smallest class", 4, 1, "share of samples in the class with the fewest"),
    "modes": Column("modes", 0, 1, "of 1,000, seen in 26,000 samples"),
    "as_asked": Column("as asked", 3, 1, "share of samples read as the class that was asked for"),
    "worst_class_coverage": Column("worst class", 3, 1, "coverage within the class where it is least"),
    "parzen": Column("Parzen", 1, 1, "log-likelihood of held-out images under a window on 10,000 samples, nats"),
    "probe": Column("probe", 3, 1, "accuracy of a linear classifier on the encoder's features"),
    "probe_pixels": Column("probe of pixels", 3, 1, "accuracy of the same classifier on raw pixels"),
    "held_out_l1": Column("L1", 4, -1, "mean absolute difference from the truth, of a range of 2"),
    "psnr": Column("PSNR", 2, 1, "decibels"),
    "ssim": Column("SSIM", 3, 1, "structural similarity, at most 1"),
    "finds_own": Column("finds own", 3, 1, "share of outputs whose nearest truth, of up to 1,000, is their own"),
}


MAIN_SCORES = ("frechet", "held_out_l1")  # the one that counts most, of images from noise and of translations


def title_of(name: str) -> str:
    return COLUMNS_OF_SCORES[name].title


def format_score(name: str, value: float | None, spread: float | None = None) -> str:
    """A score as a table shows it, with ± its spread over seeds; a blank one is a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    digits = COLUMNS_OF_SCORES[name].digits
    return f"{value:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


def shown(scores: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns that at least one of these has, in order."""
    scores = list(scores)
    return [name for name in COLUMNS_OF_SCORES if any(name in one for one in scores)]
