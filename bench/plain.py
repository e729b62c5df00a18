"""The plain way to train, to measure against: the same networks and batch, trained as tutorials do it.

Float32 in the default memory format; torch.utils.data.DataLoader over images that torchvision turns into tensors and
normalises one by one; optimizers as they come; each step computes the gradients of both networks and fetches its
figures from the device.
"""

import functools
import importlib
import itertools
import sys
import time
from collections.abc import Callable, Collection, Iterator
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

from common.data.loading import load_for
from common.nn.augment import see_augmented
from common.nn.device import resolve_device
from common.options import Settings, parse
from common.storage.platforms import keep_freed_memory
from common.training import Training
from common.training.plan import with_batches_that_fit
from common.training.preparation import prepare
from common.training.stopping import Stopping


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

    precision = "fp32"

    def __init__(self, settings: Settings, given: Collection[str]):
        self.data = load_for(settings, settings.dataset)
        self.settings = settings = with_batches_that_fit(settings, given, len(self.data.images))
        self.device = resolve_device(settings.device)
        self.images_shown = 0
        self.generator_as_saved: nn.Module | None = None
        torch.manual_seed(settings.seed)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape

    @property
    def classes(self) -> int:
        return len(self.data.classes)

    def network(self, _: str, network: nn.Module) -> nn.Module:
        return network.to(self.device)

    def discriminator(self, name: str, network: nn.Module) -> nn.Module:
        network = self.network(name, network)
        return see_augmented(network) if self.settings.augment else network

    def generator(self, name: str, network: nn.Module) -> nn.Module:
        self.generator_as_saved = self.network(name, network)
        return network

    def sample(self, *inputs: Tensor) -> Tensor:
        return self.generator_as_saved(*inputs)

    def optimizer(self, _: str, optimizer: Optimizer) -> Optimizer:
        return optimizer

    def noise(self) -> Tensor:
        return torch.randn(self.settings.batch_size, self.settings.z_dim, device=self.device)

    def reals(self) -> Tensor:
        x, _ = next(self._others)
        return x.to(self.device)

    def log(self, values: dict[str, Tensor]) -> None:
        for value in values.values():
            value.item()

    def sheet(self, *_: Any, **__: Any) -> None:
        """Draws nothing."""

    def close(self) -> None:
        """Leaves nothing."""

    batches, labelled_batches = Training.batches, Training.labelled_batches  # which ask for iterations alone

    def iterations(self, critic_steps: int = 1, labelled: bool = False) -> Iterator[Iterator[Any]]:
        batches = self._loaded()
        while True:
            yield self._iteration(batches, critic_steps, labelled)

    def _iteration(self, batches: Iterator[Any], critic_steps: int, labelled: bool) -> Iterator[Any]:
        for x, y in itertools.islice(batches, critic_steps):
            x = x.to(self.device)
            yield (x, y.to(self.device)) if labelled else x
            self.images_shown += len(x)

    @functools.cached_property
    def _others(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._loaded()

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
    given = parse(script.Settings, "", f"{name}.py", line)
    if way == "ours":
        keep_freed_memory()
        return script, Training(prepare(name, script.Settings, given, Stopping(time.monotonic())))
    script.descend = descend
    script.Flatten = nn.Flatten
    script.Unflatten = lambda *shape: nn.Unflatten(1, shape)
    script.Dropout = nn.Dropout
    return script, Plain(script.Settings(**given), given)


class Enough(Exception):
    """Raised between two steps to end a run."""


def train(script: ModuleType, run: Training | Plain, between: Callable[[], None]) -> None:
    """The script's `main`, with `between` called before each step, until that raises Enough."""

    iterations = run.iterations

    def watched(critic_steps: int = 1, labelled: bool = False) -> Iterator[Iterator[Any]]:
        for reals in iterations(critic_steps, labelled):
            yield each(reals)

    def each(reals: Iterator[Any]) -> Iterator[Any]:
        for batch in reals:
            between()
            yield batch

    run.iterations = watched
    try:
        script.main(run)
    except Enough:
        run.close()
