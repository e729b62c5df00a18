"""What scores are computed on: the features that a small network, trained to tell a data set's classes apart, has of
an image; where there are no classes, the principal components of its pixels; on request those of Inception."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from common import data
from common.cli import DataError, FolderError, first_line, say
from common.device import place, resolve_precision
from common.images import floats
from common.run import read_weights, sealed_weights

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

SHIPPED = Path(__file__).parent / "networks"  # made by bench/features.py
WIDTH = 64  # of the networks' features, and the number of principal components
AT_ONCE = 50_000_000  # pixels, as floats in memory
STEPS, BATCH, MOST_SECONDS = 2000, 128, 90.0  # of training a network for a set of one's own
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's, converted from the FID's own TensorFlow


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
    real: data.Dataset, kind: str = "auto", data_root: str | None = None, device: torch.device | None = None
) -> Features:
    """The features to score images like `real` on.

    'auto' is the network that comes with this project for MNIST, Fashion-MNIST and digits at their own size; for
    stacked-mnist MNIST's on each channel; for other sets with labels one that is trained now, in under two minutes,
    and kept in the cache; PCA of the pixels without labels. All but Inception, which takes the device, are computed on
    the CPU: they are small, and the same everywhere. Raises DataError for 'inception' without its weights.
    """
    if kind == "inception":
        return _inception(device or torch.device("cpu"))
    if kind == "auto" and real.name == "stacked-mnist":
        return _of_each_channel(real, data_root)
    file = SHIPPED / f"{real.name}.safetensors"
    if kind == "auto" and real.name in data.NAMES and file.is_file():
        network, about = read_network(file)
        if tuple(about["shape"]) == real.shape:
            return Features(f"the {real.name} network", about["sha256"], _reader(network), about["accuracy"])
    # Of classes with a handful of images there is nothing to learn.
    if kind == "auto" and len(real.classes) > 1 and len(real.images) >= 20 * len(real.classes):
        return _of_ones_own(real)
    return _principal_components(real)


# --- a network that knows the classes


class Classifier(nn.Module):
    """Images (N, C, H, W) in [-1, 1] -> logits (N, classes); `features` gives what the last layer sees, (N, 64)."""

    def __init__(self, shape: tuple[int, int, int], classes: int):
        super().__init__()
        layers, inputs = [], shape[0]
        for outputs, stride in ((32, 1), (64, 2), (64, 1), (96, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        side = min(4, -(-shape[1] // 4))
        self.features = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(inputs * side**2, WIDTH), nn.ReLU()
        )
        self.head = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def train_classifier(real: data.Dataset, steps: int = STEPS, most_seconds: float = MOST_SECONDS) -> Classifier:
    """Trained on the training images, each batch shifted by up to a twelfth of its size; never beyond the time."""
    network, began = Classifier(real.shape, len(real.classes)), time.monotonic()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.02)
    labels, reach = torch.from_numpy(real.labels), real.shape[1] // 12
    place(network, torch.device("cpu"), resolve_precision("auto", torch.device("cpu")))
    progress, step = 0.0, 0
    while progress < 1:
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(10 * progress, (1 - progress) / 0.9) + 1e-6
        chosen = torch.randint(len(labels), (BATCH,))
        x = F.pad(floats(real.images[chosen.numpy()]), (reach,) * 4, value=-1.0 if real.shape[0] == 1 else 0.0)
        top, left = torch.randint(2 * reach + 1, (2,)).tolist()
        x = x[:, :, top : top + real.shape[1], left : left + real.shape[2]].contiguous(
            memory_format=torch.channels_last
        )
        loss = F.cross_entropy(network(x), labels[chosen], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        progress = max(step / steps, (time.monotonic() - began) / most_seconds)
    network.__dict__.pop("forward", None)  # scores are computed in float32
    return network.eval().to(memory_format=torch.contiguous_format)


def accuracy_of(network: Classifier, real: data.Dataset) -> float:
    """The share of held-out images whose class it finds."""
    _, found = _reader(network)(real.held_out)
    return (found == torch.from_numpy(real.held_out_labels)).float().mean().item()


def write_network(file: Path, network: Classifier, real: data.Dataset, command: str) -> dict[str, Any]:
    """Writes weights and what is to be known of them; returns the latter."""
    about = {
        "dataset": real.name,
        "shape": list(real.shape),
        "classes": len(real.classes),
        "trained_on": len(real.images),
        "accuracy": round(accuracy_of(network, real), 4),
        "command": command,
    }
    content, digest = sealed_weights(network, "classifier", about)
    data.write_to_cache(file, content)
    return {**about, "sha256": digest}


def read_network(file: Path) -> tuple[Classifier, dict[str, Any]]:
    """The network and what its file says of it. Raises FolderError for a damaged file."""
    try:
        about, weights = read_weights(file, "classifier")
        with torch.random.fork_rng([]):  # weights are drawn, to be overwritten
            network = Classifier(tuple(about["shape"]), about["classes"])
        network.load_state_dict(weights)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise FolderError(f"{file}: damaged ({first_line(error)}); remove it or fetch it anew") from error
    return network.eval(), about


def _reader(network: Classifier) -> Callable[[np.ndarray], tuple[Tensor, Tensor]]:
    @torch.inference_mode()
    def read(images: np.ndarray) -> tuple[Tensor, Tensor]:
        found = torch.cat([network.features(floats(part)) for part in np.array_split(images, -(-len(images) // 500))])
        return found, network.head(found).argmax(1)

    return read


def _of_ones_own(real: data.Dataset) -> Features:
    file = data.cache_folder() / "networks" / f"{real.fingerprint[:24]}-1.safetensors"  # 1: of this way of training
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
    return Features("a network trained on this set", about["sha256"], _reader(network), about["accuracy"])


def _of_each_channel(real: data.Dataset, data_root: str | None) -> Features:
    size = real.shape[1]
    digits = features_of(data.load("mnist", data_root, None if size == 28 else size))

    def read(images: np.ndarray) -> tuple[Tensor, Tensor]:
        found = [digits.read(images[:, [channel]]) for channel in range(3)]
        hundreds, tens, ones = (classes for _, classes in found)
        return torch.cat([features for features, _ in found], 1), hundreds * 100 + tens * 10 + ones

    return Features(f"{digits.name} on each channel", digits.sha256, read)


# --- without labels


def _principal_components(real: data.Dataset) -> Features:
    """The first 64 principal components of up to 10,000 training images' pixels in [-1, 1], fewer of large images."""
    from sklearn.decomposition import PCA

    most = min(10_000, max(1000, 4 * AT_ONCE // real.images[0].size))
    some = real.images[data.evenly(len(real.images), most)]
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


# --- ImageNet's


def _inception(device: torch.device) -> Features:
    """The 2,048 features of the FID that papers print. Raises DataError where its weights are out of reach."""
    file = data.weights_file(INCEPTION)
    digest = sha256(file.read_bytes()).hexdigest()
    if not digest.startswith(file.stem.rpartition("-")[2]):
        raise DataError(f"{file}: damaged (its SHA-256 does not match its name); remove it")
    try:
        torch.load(file, weights_only=True)  # torch-fidelity would run what code a file holds
    except Exception as error:  # whatever torch.load makes of a file that is none
        raise DataError(f"{file}: damaged ({first_line(error)}); remove it") from error
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file))
    network.to(device).eval()

    @torch.inference_mode()
    def read(images: np.ndarray) -> tuple[Tensor, None]:
        say(f"Inception reads {len(images):,} images" + (", some 15 a second a core" if device.type == "cpu" else ""))
        found = []
        for part in np.array_split(images, -(-len(images) // 64)):
            pixels = torch.from_numpy(np.ascontiguousarray(part)).to(device)
            found.append(network(pixels.expand(-1, 3, -1, -1).contiguous())[0].cpu())
        return torch.cat(found).float(), None

    return Features("Inception", digest, read)
