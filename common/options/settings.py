"""The settings that every script shares, as one frozen object.

A script subclasses `Settings`, adds its paper's constants as fields and overrides what its paper does otherwise:

    @dataclass(frozen=True)
    class Settings(options.Settings):
        clip: float = options.option(0.01, "the critic's weights stay in [-clip, clip]", options.number(above=0))
        images: int = 2_000_000
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from common.options.types import decay, duration, name_or_path, number, thread_count, whole

if TYPE_CHECKING:
    from common.data.pairing.pairs import Pairing


def argument(help: str, type: Callable[[str], Any]) -> Any:
    """A field of `Settings` that is given by its place on the line."""
    return dataclasses.field(metadata={"help": help, "type": type, "positional": True})


def option(
    default: Any,
    help: str,
    type: Callable[[str], Any] | None = None,
    choices: tuple = (),
    values: tuple[str, ...] = (),
) -> Any:
    """A field of `Settings` that is given as --name. A default of False makes it a switch.

    `values` are what --help calls the values of one that takes several, which come as a list.
    """
    about = {"help": help, "type": type, "choices": choices, "values": values}
    return dataclasses.field(default=default, metadata=about)


THREADS = (
    "threads on the CPU: a number, or auto, which leaves cores to whatever else is running"
    " (default: $OMP_NUM_THREADS, else auto)"
)


@dataclass(frozen=True)
class Settings:
    """What every script is told: four arguments by place, the rest by name; and what a script says of itself."""

    without: ClassVar[frozenset[str]] = frozenset()  # options that mean nothing to a script
    tiles: ClassVar[int] = 1  # images that belong together in its grids
    encoder: ClassVar[str | None] = None  # its network whose `encoder` makes codes (N, D), to be probed

    lr_g: float = argument("learning rate of the generator's optimizer", number(above=0))
    lr_d: float = argument("learning rate of the discriminator's optimizer", number(above=0))
    momentum: float = argument("β1 of both Adam optimizers", number(least=0, below=1))
    folder: str = argument("this run's own folder, made if missing; the same line again goes on", name_or_path)

    dataset: str | None = option(
        None,
        "mnist, fashion-mnist, kmnist, qmnist, emnist:letters and its like, stacked-mnist, cifar10, cifar100, svhn,"
        " celeba, mnist-5k, digits; or a path: a folder or archive of images, .npz, .npy, .mat, .csv or .parquet"
        " (default: mnist, or mnist-5k where mnist is out of reach)",
        name_or_path,
    )
    data_root: str | None = option(None, "folder with the named sets (default: $GAN_DATA, then data/)", name_or_path)
    image_size: int | None = option(None, "scale images to this many pixels square (default: as they are)", whole())
    fit: str = option("crop", "how images that are not square become so", choices=("crop", "pad", "stretch"))
    held_out: float | None = option(
        None,
        "share of the images that is held out, such as 0.2 (default: the set's test images, else a tenth)",
        number(above=0, below=1),
    )
    flip: bool = option(False, "mirror half of the images at random")
    augment: bool = option(False, "for small sets: D sees all images with other colours, moved and with a hole")
    skip_broken: bool = option(False, "leave unreadable images out instead of refusing the set")
    epochs: int | None = option(None, "length in epochs (default: from --images)", whole())
    images: int = option(2_000_000, "length in images shown, rounded to epochs", whole())
    batch_size: int = option(64, "images in a batch", whole(2))
    z_dim: int = option(100, "dimensions of the noise z", whole())
    ema: float | str | None = option(
        None,
        "draw and save the generator with weights averaged over its steps: auto, or a decay such as 0.999; 0 does not",
        decay,
    )
    seed: int = option(0, "seed of weights, noise and order of the data", whole(0, 2**32))
    device: str = option("auto", "auto, cpu, cuda, cuda:N or mps", name_or_path)
    precision: str = option(
        "auto", "of the networks; auto takes bf16 where the hardware has it", choices=("auto", "bf16", "fp32")
    )
    threads: int | str | None = option(None, THREADS, thread_count)
    sample_every: int | None = option(
        None, "epochs between grids of samples, which come quicker at first (default: about 40 in all)", whole()
    )
    evaluate_every: int | None = option(None, "epochs between scores in log.csv (default: none)", whole())
    checkpoint_every: float = option(60.0, "time between checkpoints (such as 60s, 5m)", duration)
    time_limit: float | None = option(None, "stop with a checkpoint after this time (such as 50m, 2h)", duration)
    world_changed: bool = option(False, "go on although torchrun starts another number of processes than before")
    fresh: bool = option(False, "start anew; what was in the folder moves to .old/ beside it")
    quiet: bool = option(False, "no progress, only warnings and errors")
    debug: bool = option(False, "show the traceback of an error")

    def pairing(self, dataset: str | None) -> "Pairing | None":
        """How an image of the set becomes a pair to translate; None for a script that makes images from noise."""
        return None


# What may differ from one start of a run to the next; epochs and images may also grow.
FREE = frozenset({"folder", "data_root", "time_limit", "checkpoint_every", "evaluate_every", "threads"})
FREE |= {"world_changed", "fresh", "quiet", "debug"}
