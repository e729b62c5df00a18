"""What scores are computed on: the features that a small network, trained to tell a data set's classes apart, has of
an image; where there are no classes, the principal components of its pixels; on request those of Inception."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from common.console import say
from common.data.cache import cache_folder
from common.data.dataset import Dataset, evenly
from common.data.reading import Reading
from common.data.registry import NAMES, load
from common.errors import FolderError
from common.nn.pixels import floats
from common.scoring.classifier import MOST_SECONDS, WIDTH, read_network, reader, train_classifier, write_network
from common.scoring.inception import inception

import numpy as np
import torch
from torch import Tensor

SHIPPED = Path(__file__).parent / "networks"  # made by bench/features.py
NETWORKS = {"mnist-5k": "mnist"}  # of a set that has none of its own: its digits are MNIST's
AT_ONCE = 50_000_000  # pixels, as floats in memory


@dataclass(frozen=True)
class Features:
    """`read` takes uint8 (N, C, H, W) and gives float32 (N, D) and the classes (N,) it sees in them, or None."""

    name: str
    sha256: str  # of the weights, or of what decides them
    read: Callable[[np.ndarray], tuple[Tensor, Tensor | None]]
    accuracy: float | None = None  # on held-out images

    @property
    def about(self) -> dict[str, Any]:
        return {"name": self.name, "sha256": self.sha256, "accuracy": self.accuracy}


def features_of(
    real: Dataset, kind: str = "auto", data_root: str | None = None, device: torch.device | None = None
) -> Features:
    """The features to score images like `real` on.

    'auto' is the network that comes with this project for MNIST (mnist-5k's digits are MNIST's), Fashion-MNIST and
    digits at their own size; for stacked-mnist MNIST's on each channel; for other sets with labels one that is trained
    now, in under two minutes, and kept in the cache; PCA of the pixels without labels. All but Inception, which takes
    the device, are computed on the CPU: they are small, and the same everywhere. Raises DataError for 'inception'
    without its weights.
    """
    if kind == "inception":
        return Features("Inception", *inception(device or torch.device("cpu")))
    if kind == "auto" and real.name == "stacked-mnist":
        return _of_each_channel(real, data_root)
    name = NETWORKS.get(real.name, real.name)
    file = SHIPPED / f"{name}.safetensors"
    if kind == "auto" and real.name in NAMES and file.is_file():
        network, about = read_network(file)
        if tuple(about["shape"]) == real.shape:
            return Features(f"the {name} network", about["sha256"], reader(network), about["accuracy"])
    # Of classes with a handful of images there is nothing to learn.
    if kind == "auto" and len(real.classes) > 1 and len(real.images) >= 20 * len(real.classes):
        return _of_ones_own(real)
    return _principal_components(real)


def _of_ones_own(real: Dataset) -> Features:
    file = cache_folder() / "networks" / f"{real.fingerprint[:24]}-1.safetensors"  # 1: of this way of training
    try:
        network, about = read_network(file) if file.is_file() else (None, None)
    except FolderError as error:
        say(f"{error}; trained anew")
        network = None
    if network is None:
        say(f"{real.name}: training a classifier to score by, once, up to {MOST_SECONDS:.0f} s")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = train_classifier(real)
        about = write_network(file, network, real, "")
    return Features("a network trained on this set", about["sha256"], reader(network), about["accuracy"])


def _of_each_channel(real: Dataset, data_root: str | None) -> Features:
    size = real.shape[1]
    digits = features_of(load("mnist", Reading(data_root, None if size == 28 else size)))

    def read(images: np.ndarray) -> tuple[Tensor, Tensor]:
        found = [digits.read(images[:, [channel]]) for channel in range(3)]
        hundreds, tens, ones = (classes for _, classes in found)
        return torch.cat([features for features, _ in found], 1), hundreds * 100 + tens * 10 + ones

    return Features(f"{digits.name} on each channel", digits.sha256, read)


def _principal_components(real: Dataset) -> Features:
    """The first 64 principal components of up to 10,000 training images' pixels in [-1, 1], fewer of large images."""
    from sklearn.decomposition import PCA

    most = min(10_000, max(1000, 4 * AT_ONCE // real.images[0].size))
    some = real.images[evenly(len(real.images), most)]
    pca = PCA(min(WIDTH, len(some) - 1, some[0].size), svd_solver="randomized", random_state=0)
    pca.fit(floats(some).flatten(1).numpy())

    def read(images: np.ndarray) -> tuple[Tensor, None]:
        parts = np.array_split(images, -(-len(images) // 1000))
        found = [pca.transform(floats(part).flatten(1).numpy()) for part in parts]
        return torch.from_numpy(np.concatenate(found)).float(), None

    # Not of the components: their last digits differ from machine to machine.
    return Features(
        f"PCA of pixels ({pca.n_components_})", sha256(f"PCA 1 {real.fingerprint}".encode()).hexdigest(), read
    )
