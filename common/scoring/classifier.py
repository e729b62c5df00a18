"""A small network that tells a data set's classes apart; its last hidden layer is what images are compared by."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.data.cache import write_to_cache
from common.data.dataset import Dataset
from common.errors import FolderError, first_line
from common.nn.device import in_float32, place, resolve_precision
from common.nn.pixels import floats
from common.runs.weights import read_weights, sealed_weights

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 64  # of the features
STEPS, BATCH, MOST_SECONDS = 2000, 128, 90.0  # of training a network for a set of one's own


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


def train_classifier(real: Dataset, steps: int = STEPS, most_seconds: float = MOST_SECONDS) -> Classifier:
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
    return in_float32(network).eval().to(memory_format=torch.contiguous_format)


def reader(network: Classifier) -> Callable[[np.ndarray], tuple[Tensor, Tensor]]:
    """uint8 (N, C, H, W) -> what the last layer sees, (N, 64), and the classes (N,) that it finds."""

    @torch.inference_mode()
    def read(images: np.ndarray) -> tuple[Tensor, Tensor]:
        found = torch.cat([network.features(floats(part)) for part in np.array_split(images, -(-len(images) // 500))])
        return found, network.head(found).argmax(1)

    return read


def accuracy_of(network: Classifier, real: Dataset) -> float:
    """The share of held-out images whose class it finds."""
    _, found = reader(network)(real.held_out)
    return (found == torch.from_numpy(real.held_out_labels)).float().mean().item()


def write_network(file: Path, network: Classifier, real: Dataset, command: str) -> dict[str, Any]:
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
    write_to_cache(file, content)
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
