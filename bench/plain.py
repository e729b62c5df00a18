"""The plain way to train, to measure against: the same networks and batch, trained as tutorials do it.

Float32 in the default memory format; torch.utils.data.DataLoader over images that torchvision turns into tensors and
normalises one by one; optimizers as they come; each step computes the gradients of both networks and fetches its
figures from the device.
"""

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import VisionDataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import cli, data, device
from common.train import Training


class Images(VisionDataset):
    """Decoded images with their classes, handled one by one as torchvision's MNIST and CIFAR10 do."""

    def __init__(self, images: np.ndarray, labels: np.ndarray | None):
        middle = (0.5,) * images.shape[1]
        steps = [transforms.ToTensor(), transforms.Normalize(middle, middle)]
        super().__init__("", transform=transforms.Compose(steps))
        self._images = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
        self._labels = np.zeros(len(images), np.int64) if labels is None else labels

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        image = self._images[i]
        if image.shape[2] in (1, 3):  # a pair in colour has 6 channels, and no picture does
            image = transforms.functional.to_pil_image(image)
        return self.transform(image), int(self._labels[i])


class Plain:
    """What a script's `main` asks of Training, the plain way; its batches have no end."""

    def __init__(self, settings: cli.Settings):
        self.settings = settings
        self.data = data.load_for(settings, settings.dataset)
        self.device = device.resolve_device(settings.device)
        torch.manual_seed(settings.seed)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape

    @property
    def classes(self) -> int:
        return len(self.data.classes)

    def network(self, kind: type[nn.Module], *arguments: Any) -> Any:
        return kind(*arguments).to(self.device)

    def generator(self, kind: type[nn.Module], *arguments: Any) -> Any:
        self._generator = self.network(kind, *arguments)
        return self._generator

    def sample(self, *inputs: Tensor) -> Tensor:
        return self._generator(*inputs)

    def optimizer(self, kind: type[Optimizer], network: nn.Module, **options: Any) -> Optimizer:
        return kind(network.parameters(), **options)

    def noise(self) -> Tensor:
        return torch.randn(self.settings.batch_size, self.settings.z_dim, device=self.device)

    def log(self, values: dict[str, Tensor]) -> None:
        for value in values.values():
            value.item()

    def sheet(self, *_: Any, **__: Any) -> None:
        """Draws nothing."""

    def close(self) -> None:
        """Leaves nothing."""

    def labelled_batches(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        for step, (x, y) in enumerate(self._loaded()):
            yield step, x.to(self.device), y.to(self.device)

    def batches(self) -> Iterator[tuple[int, Tensor]]:
        for step, (x, _) in enumerate(self._loaded()):
            yield step, x.to(self.device)

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor]]:
        images = Images(self.data.images, self.data.labels)
        loader = DataLoader(images, self.settings.batch_size, shuffle=True, drop_last=True)
        while True:
            yield from loader


def descend(loss: Tensor, optimizer: Optimizer) -> None:
    """A step down the loss, with gradients of everything that it depends on."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def start(way: str, name: str, line: list[str]) -> tuple[ModuleType, Training | Plain]:
    """The script called `name`, and what its `main` is handed for a line of arguments. To be called once a process."""
    script = importlib.import_module(name)
    given = cli.parse(script.Settings, "", f"{name}.py", line)
    if way == "ours":
        device.keep_freed_memory()
        return script, Training(name, script.Settings, given, time.monotonic())
    script.descend = descend
    script.Flatten = nn.Flatten
    script.Unflatten = lambda *shape: nn.Unflatten(1, shape)
    script.Dropout = nn.Dropout
    return script, Plain(script.Settings(**given))


class Enough(Exception):
    """Raised between two steps to end a run."""


def train(script: ModuleType, run: Training | Plain, between: Callable[[], None]) -> None:
    """The script's `main`, with `between` called before each step, until that raises Enough."""

    def watched(batches: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        for batch in batches():
            between()
            yield batch

    run.batches = partial(watched, run.batches)
    run.labelled_batches = partial(watched, run.labelled_batches)
    try:
        script.main(run)
    except Enough:
        run.close()
