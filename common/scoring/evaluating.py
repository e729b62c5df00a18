"""What scores a run."""

from collections.abc import Mapping
from typing import Any

from common.data.dataset import Dataset
from common.data.loading import reading_of
from common.data.registry import NAMES_OF_CLASSES, canonical, load
from common.errors import DataError
from common.options import Settings
from common.scoring.evaluator import Evaluator
from common.scoring.translations import PairEvaluator

from torch import nn


def evaluator_for(
    settings: Settings, real: Dataset, samples: int | None = None, **options: Any
) -> Evaluator | PairEvaluator:
    """The evaluator of a run with these settings on the set `real`; `options` are Evaluator's. Raises DataError."""
    pairing = settings.pairing(real.name)
    return Evaluator(real, samples, **options) if pairing is None else PairEvaluator(real, pairing, samples)


def load_against(name: str, settings: Settings) -> Dataset:
    """Another set than its own to compare a run with these settings with, at the run's image size. Raises DataError."""
    name = canonical(name)
    if settings.pairing(name) is not None:
        raise DataError(f"--against {name}: the run translates images, and is scored on its own set's pairs only")
    try:
        return load(name, reading_of(settings))
    except DataError as error:
        raise DataError(f"--against {name}: {str(error).removeprefix(f'--dataset {name}: ')}") from error


def refuse_unfit(against: Dataset, own: Mapping[str, Any], G: nn.Module) -> None:
    """Raises DataError where G, trained on the set that `own` of run.json describes, cannot be compared with another.

    A generator that takes classes is asked for those of the set that it is compared with: they must be the same.
    """
    if list(against.shape) != list(own["shape"]):
        theirs, ours = ("x".join(map(str, shape)) for shape in (against.shape, own["shape"]))
        raise DataError(f"--against {against.name}: its images are {theirs}, those of the run {ours}")
    classes = NAMES_OF_CLASSES.get(own["name"], own["classes"])  # an earlier version may have called them otherwise
    if "y" in G.takes and list(against.classes) != list(classes):
        raise DataError(f"--against {against.name}: its classes are not those that the run's generator takes")
