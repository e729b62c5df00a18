"""What scores a run."""

from typing import Any

from common.data.dataset import Dataset
from common.options import Settings
from common.scoring.evaluator import Evaluator
from common.scoring.translations import PairEvaluator


def evaluator_for(
    settings: Settings, real: Dataset, samples: int | None = None, **options: Any
) -> Evaluator | PairEvaluator:
    """The evaluator of a run with these settings on the set `real`; `options` are Evaluator's. Raises DataError."""
    pairing = settings.pairing(real.name)
    return Evaluator(real, samples, **options) if pairing is None else PairEvaluator(real, pairing, samples)
