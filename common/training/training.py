"""`Training`, which a script's `main` is handed: it puts the parts of a run together."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.errors import BadArgument, DataError
from common.nn import ranks
from common.nn.augment import see_augmented
from common.nn.device import in_float32
from common.pictures.grids import COLUMNS
from common.training.loop import Loop
from common.training.preparation import Prepared

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


class Training:
    """What a run needs and no paper mentions.

    settings        the script's Settings
    data            the set: images, labels, held-out images, classes
    device          where the networks are
    precision       in which they compute: bf16 or fp32
    """

    def __init__(self, prepared: Prepared):
        parts = prepared.parts
        self.settings, self.data, self.device = parts.settings, parts.data, parts.device
        self.precision, self._script = prepared.precision, prepared.script
        self._progress, self._networks, self._recorder = parts.progress, parts.networks, parts.recorder
        self._batches = parts.batches
        self._loop = Loop(prepared)
        self._taken = 0  # batches that the script was handed
        self._has_discriminator = False

    # --- what a script calls

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        return self.data.shape

    @property
    def classes(self) -> int:
        """How many classes the images have. Raises DataError where they have no labels."""
        if self.data.labels is None:
            raise DataError(
                f"--dataset {self.data.name}: has no labels, and {self._script}.py needs the class of each"
                " image; use a set with labels, a folder with a subfolder a class, or an .npz with `labels`"
            )
        return len(self.data.classes)

    @property
    def generator_as_saved(self) -> nn.Module:
        """A copy in float32, of the average under --ema."""
        return in_float32(copy.deepcopy(self._networks.sampled))

    @property
    def images_shown(self) -> int:
        """Before this step."""
        return self._progress.images

    def network(self, name: str, network: nn.Module) -> Any:
        """The network on the run's device and in its precision, part of every checkpoint.

        What it is shown is never changed, by --augment neither. Raises ValueError for a name that is taken.
        """
        return self._networks.add(name, network)

    def discriminator(self, name: str, network: nn.Module) -> Any:
        """The same for a network that judges images: it is what --augment is about.

        Under --augment its first input, images, is augmented on its way in whenever it is called in training mode, in
        the generator's step too. A loss that compares with what D saw takes that from D's output, as ebgan.py does.
        Which network judges only the script knows: where it says so of none, --augment is refused.
        """
        self._has_discriminator, network = True, self._networks.add(name, network)
        return see_augmented(network) if self.settings.augment else network

    def generator(self, name: str, network: nn.Module) -> Any:
        """The same for the network that grids are drawn from and that is saved; it is @rebuildable.

        Under --ema both use a copy whose weights follow the mean of this one's. Raises ValueError for a second
        generator, or one that could not be built again.
        """
        return self._networks.add_generator(name, network)

    def optimizer(self, name: str, optimizer: Optimizer) -> Optimizer:
        """The optimizer of the network of that name, part of every checkpoint, in one fused kernel if torch has one.

        Raises ValueError where it does not hold that network's parameters.
        """
        return self._networks.add_optimizer(name, optimizer)

    def noise(self) -> Tensor:
        """z ~ N(0, I), (batch size, z_dim); of several processes each has its share."""
        count = self.settings.batch_size // ranks.world()
        return ranks.share_of(lambda n: torch.randn(n, self.settings.z_dim, device=self.device), count)

    def reals(self, labelled: bool = False) -> Any:
        """Further real images, (B, C, H, W) in [-1, 1], at random; `labelled`: (x, y). They do not count as shown."""
        return self._batches.labelled_others() if labelled else self._batches.others()

    def sample(self, *inputs: Tensor) -> Tensor:
        """What the generator that is saved makes of z, or of whatever else it takes."""
        return self._networks.sampled(*inputs)

    def sheet(
        self, name: str, draw: Callable[[Tensor, Tensor], Tensor], count: int = 8, columns: int = COLUMNS
    ) -> None:
        """A contact sheet beside each grid, in a folder `name`; "samples" replaces the grid of 64 samples itself.

        `draw(real, z)` gets held-out images (count, C, H, W) and noise (count, z_dim), always the same, with all
        networks in evaluation mode, and returns images (N, C, H, W) in [-1, 1].
        """
        self._loop.grids.add(name, draw, count, columns)

    def log(self, values: Mapping[str, Tensor]) -> None:
        """Adds a step's figures, tensors of no dimensions, to the means of the next row of the log. Does not wait."""
        self._recorder.add(values)

    def batches(self) -> Iterator[Tensor]:
        """Real images x (B, C, H, W) in [-1, 1], a training iteration each."""
        for reals in self.iterations():
            yield from reals

    def labelled_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(x, y): the same with each image's class, int64 (B,)."""
        for reals in self.iterations(labelled=True):
            yield from reals

    def iterations(self, critic_steps: int = 1, labelled: bool = False) -> Iterator[Iterator[Any]]:
        """Training iterations, from where the run is to its end, each the batches of its critic steps.

            for reals in run.iterations(critic_steps=5):
                for x in reals:
                    ...                     # a step of the critic
                ...                         # a step of the generator

        An iteration may span an epoch's end; a last one that would have fewer batches is not begun. `break`, after a
        step, ends the run in order. Raises DataError for classes of a set without labels, BadArgument for --augment
        without a discriminator.
        """
        if labelled:
            self.classes  # noqa: B018 (a set without labels is refused before the folder is made)
        if self.settings.augment and not self._has_discriminator:
            raise BadArgument(
                f"--augment: {self._script}.py does not say which network it is for: run.discriminator(name, network)"
            )
        self._loop.begin(critic_steps)
        self._taken = self._progress.step
        draw = self._batches.labelled if labelled else self._batches.images
        while not self._progress.is_over:
            yield self._iteration(draw, critic_steps)
            if self._taken == self._progress.step or self._taken % critic_steps:
                raise RuntimeError("take all batches of an iteration before the next one, or break out of both loops")
            self._loop.after(self._taken)

    def _iteration(self, draw: Callable[[int], Any], critic_steps: int) -> Iterator[Any]:
        """What is left of the iteration that the run is in. What is due after its last step waits for the generator."""
        for place in range(self._progress.step % critic_steps, critic_steps):
            step, self._taken = self._progress.step, self._progress.step + 1
            yield draw(step)
            if place < critic_steps - 1:
                self._loop.after(self._taken)

    # --- what launch calls

    def finish(self) -> None:
        """After `main`: the run's end, also where its script broke out of the loop. Raises RuntimeError or Refusal."""
        self._loop.finish(self._taken)

    def close(self, failure: str | None = None) -> None:
        """Gives the folder back; `failure` is what broke the run off, for run.json."""
        self._loop.close(failure)
