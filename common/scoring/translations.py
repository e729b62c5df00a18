"""Scores of translations: held-out images against their truths."""

from common import sampling
from common.data.dataset import Dataset
from common.data.pairing.pairs import Pairing
from common.nn.pixels import floats
from common.scoring.subsets import SAMPLES, some_of, split_of

import torch
from torch import Tensor, nn

FOUND_AMONG = 1000  # pairs


class PairEvaluator:
    """Scores translations of held-out images against their truths."""

    def __init__(self, real: Dataset, pairing: Pairing, samples: int | None = None):
        chosen = some_of(len(real.held_out), samples or SAMPLES)
        self.count = len(chosen)
        images = real.held_out[chosen]
        self._x, self._y = pairing.split(floats(images))
        self.about = {
            "samples": self.count,
            "features": {"name": f"pixels, {pairing}", "sha256": "", "accuracy": None},
            "split": split_of(real.name, "held-out", images),
        }

    def reference(self) -> dict[str, float]:
        """What the inputs themselves score, untranslated."""
        return self._compare(self._x)

    def score(self, G: nn.Module, seed: int = 0) -> dict[str, float]:
        """Scores of a generator G(x) in evaluation mode; `seed` is that of its dropout."""
        return self._compare(sampling.translate(G, self._x, seed))

    def _compare(self, found: Tensor) -> dict[str, float]:
        from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

        # SSIM compares brightness too: its pixels count from black, 0.
        zero_to_one = ((images + 1) / 2 for images in (found, self._y))
        parts = zip(*(images.split(500) for images in zero_to_one), strict=True)
        ssim = [structural_similarity_index_measure(*part, data_range=1.0, reduction="none") for part in parts]
        psnr = peak_signal_noise_ratio(found, self._y, data_range=2.0, reduction="none", dim=(1, 2, 3))
        few = min(len(found), FOUND_AMONG)
        some, truth = (
            (images - images.mean(1, keepdim=True)) / images.std(1, keepdim=True).clamp(min=1e-6)
            for images in (found[:few].flatten(1), self._y[:few].flatten(1))
        )
        own = torch.cdist(some, truth, p=1).argmin(1) == torch.arange(few)
        return {
            "held_out_l1": (found - self._y).abs().mean().item(),
            "psnr": psnr.mean().item(),
            "ssim": torch.cat([values.flatten() for values in ssim]).mean().item(),
            "finds_own": own.float().mean().item(),
        }
