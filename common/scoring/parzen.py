"""The log-likelihood of held-out images under a Parzen window, as the first papers scored."""

import math

from common import sampling
from common.data.dataset import Dataset
from common.scoring.subsets import SAMPLES, some_of

import numpy as np
import torch
from torch import Tensor, nn


def parzen(G: nn.Module, real: Dataset, seed: int = 0) -> dict[str, float]:
    """Goodfellow et al. 2014, section 5: the mean log-likelihood of held-out images and its standard error.

    Pixels are in [0, 1], the window stands on 10,000 samples, and its width is the one that the first tenth of the
    held-out images (at most 1,000) like best; the others are what is scored.
    """
    drawn, _ = sampling.samples(G, SAMPLES, seed, real.labels)
    window = torch.from_numpy(drawn / 255.0).flatten(1)
    held_out = real.held_out[some_of(len(real.held_out), SAMPLES)]
    held_out = torch.from_numpy(np.random.default_rng(0).permutation(held_out) / 255.0).flatten(1)
    to_choose, to_score = held_out.tensor_split([min(1000, max(1, len(held_out) // 10))])
    widths = torch.logspace(-1, 0, 10, dtype=torch.float64)
    sigma = max(widths.tolist(), key=lambda width: parzen_log_likelihood(to_choose, window, width).mean())
    likelihood = parzen_log_likelihood(to_score, window, sigma)
    error = likelihood.std().item() / math.sqrt(len(likelihood))
    return {"parzen": likelihood.mean().item(), "parzen_error": error, "parzen_sigma": sigma}


def parzen_log_likelihood(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """log of the mean of N(x; s, sigma^2 I) over the samples s, (N,); x (N, D) and samples (M, D) float64."""
    exponents = (torch.cdist(part, samples).square() / (-2 * sigma**2) for part in x.split(1000))
    normaliser = math.log(len(samples)) + x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))
    return torch.cat([torch.logsumexp(exponent, 1) for exponent in exponents]) - normaliser
