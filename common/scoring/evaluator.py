"""Scores of a generator that makes images from noise."""

from common import sampling
from common.console import counted
from common.data.dataset import Dataset
from common.errors import DataError
from common.scoring.distances import compare_features, density_coverage, kl_divergence
from common.scoring.features import features_of
from common.scoring.subsets import FEWEST, SAMPLES, some_of, split_of

import numpy as np
import torch
from torch import Tensor, nn

MODES_SAMPLES = 26_000  # for stacked-mnist, as papers do


def _shares(classes: Tensor | np.ndarray, count: int) -> np.ndarray:
    return np.bincount(np.asarray(classes), minlength=count) / len(classes)


class Evaluator:
    """Scores generators of one data set, all against the same images on the same features.

    `about` says what must be equal for two scores to be compared.
    """

    def __init__(
        self,
        real: Dataset,
        samples: int | None = None,
        features: str = "auto",
        split: str = "held-out",
        data_root: str | None = None,
        device: torch.device | None = None,
    ):
        sets = {"held-out": (real.held_out, real.held_out_labels), "train": (real.images, real.labels)}
        images, self._labels = sets[split]
        other, _ = sets["train" if split == "held-out" else "held-out"]
        self.count = samples or min(len(images), SAMPLES)
        found = min(len(images), self.count)
        if found < FEWEST:
            few = counted(found, "held-out image" if split == "held-out" else "training image")
            hint = "; evaluate.py --split train takes those trained on" * (len(images) < FEWEST <= len(other))
            raise DataError(f"{real.name}: {few} to score by, and at least {FEWEST} are needed{hint}")
        self._real, self._features = real, features_of(real, features, data_root, device)
        chosen = some_of(len(images), self.count)
        self._read, _ = self._features.read(images[chosen])
        if self._labels is not None:
            self._labels = torch.from_numpy(self._labels[chosen])
        self.about = {
            "samples": self.count,
            "features": self._features.about,
            "split": split_of(real.name, split, images[chosen]),
        }
        self._others = other[some_of(len(other), MODES_SAMPLES if real.name == "stacked-mnist" else self.count)]

    def reference(self) -> dict[str, float | None]:
        """What as many real images of the other split score: the mark to compare with. Empty where there are fewer."""
        if len(self._others) < self.count:
            return {}
        features, classes = self._features.read(self._others)
        return compare_features(self._read, features[: self.count]) | self._balance(classes)

    def score(self, G: nn.Module, seed: int = 0) -> dict[str, float | None]:
        """Scores of a generator G(z) or G(z, y) in evaluation mode."""
        modes = self._real.name == "stacked-mnist"
        count = max(MODES_SAMPLES, self.count) if modes else self.count
        drawn, y = sampling.samples(G, count, seed, self._real.labels)
        features, classes = self._features.read(drawn)
        if classes is not None:
            classes = classes[: MODES_SAMPLES if modes else self.count]
        found = compare_features(self._read, features[: self.count]) | self._balance(classes)
        if modes and classes is not None:
            found["modes"] = len(classes.unique())
        if y is not None and classes is not None:
            found["as_asked"] = (classes == y[: len(classes)]).float().mean().item()
            found["worst_class_coverage"] = self._worst_class_coverage(features, y)
        return found

    def _balance(self, classes: Tensor | None) -> dict[str, float]:
        if classes is None:
            return {}
        count = len(self._real.classes)
        shares = _shares(classes, count)
        found = {"class_kl": kl_divergence(shares, _shares(self._real.labels, count))}
        return found if count > 100 else {**found, "smallest_class": float(shares.min())}

    def _worst_class_coverage(self, features: Tensor, y: Tensor) -> float | None:
        sets = [(self._read[self._labels == c], features[y == c]) for c in range(len(self._real.classes))]
        found = [density_coverage(real, fake)[1] for real, fake in sets if len(real) > 5 and len(fake)]
        return min(found, default=None)
