"""How near two sets of features are to one another, each (N, D), and two distributions over classes."""

import numpy as np
import torch
from torch import Tensor

KERNEL_SUBSET = 1000  # the kernel distance is a mean over subsets of so many images


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Of the Gaussians fitted to two feature sets, each (N, D). Heusel et al. 2017, eq. 6, by torch-fidelity."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

    one, other = (fid_features_to_statistics(features.double()) for features in (real, fake))
    return fid_statistics_to_metric(one, other, verbose=False)[KEY_METRIC_FID]


def kernel_distance(real: Tensor, fake: Tensor) -> float | None:
    """Squared MMD with the kernel (x y / D + 1)^3, the mean over 100 subsets. Bińkowski et al. 2018, by torch-fidelity.

    None where a set has fewer than 1,000 rows.
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    if min(len(real), len(fake)) < KERNEL_SUBSET:
        return None
    features = real.double(), fake.double()
    return kid_features_to_metric(*features, kid_subset_size=KERNEL_SUBSET, verbose=False)[KEY_METRIC_KID_MEAN]


def precision_recall(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """Kynkäänniemi et al. 2019, eq. 1 and 2, k = 3, by torch-fidelity, which takes the fakes first."""
    from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

    found = prc_features_to_metric(fake, real, save_cpu_ram=True, prc_batch_size=2000, verbose=False)
    return found[KEY_METRIC_PRECISION], found[KEY_METRIC_RECALL]


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> tuple[float, float]:
    """Naeem et al. 2020, eq. 3 and 4: a real image's neighbourhood reaches to its k-th nearest real one.

    Raises ValueError where there are not more than k real ones.
    """
    if len(real) <= k:
        raise ValueError(f"{len(real)} images have no {k}-th nearest neighbour")
    inside = torch.zeros(len(fake))
    covered = 0
    for some in real.split(1000):
        radii = torch.cdist(some, real).kthvalue(k + 1, dim=1, keepdim=True).values  # the nearest to it is itself
        within = torch.cdist(some, fake) < radii
        inside += within.sum(0)
        covered += within.any(1).sum().item()
    return inside.mean().item() / k, covered / len(real)


def kl_divergence(shares: np.ndarray, of_data: np.ndarray) -> float:
    """KL(shares || of_data) of two distributions over classes, in nats."""
    seen = shares > 0
    with np.errstate(divide="ignore"):
        return float((shares[seen] * np.log(shares[seen] / of_data[seen])).sum())


def compare_features(real: Tensor, fake: Tensor) -> dict[str, float | None]:
    precision, recall = precision_recall(real, fake)
    density, coverage = density_coverage(real, fake)
    return {
        "frechet": frechet_distance(real, fake),
        "kernel": kernel_distance(real, fake),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
    }
