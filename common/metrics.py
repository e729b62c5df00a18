"""Scores: how near samples are to held-out images, how varied they are, and which of them may be compared."""

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from common import data, pairs, sampling
from common.cli import DataError
from common.features import features_of
from common.images import COLUMNS, floats, nearest

import numpy as np
import torch
from torch import Tensor, nn

SAMPLES = 10_000
MODES_SAMPLES = 26_000  # for stacked-mnist, as papers do
KERNEL_SUBSET = 1000  # the kernel distance is a mean over subsets of so many images
FEWEST = 10  # images, for neighbourhoods of five
FOUND_AMONG = 1000  # pairs
COLLAPSED = 0.05  # of what real images score


class Column(NamedTuple):
    """How a score is shown: its title, its digits after the point, and which way is better (1 up, -1 down)."""

    title: str
    digits: int
    better: int
    meaning: str


COLUMNS_OF_SCORES = {
    "frechet": Column("Fréchet", 2, -1, "distance of the Gaussians fitted to both sets of features"),
    "kernel": Column("kernel", 4, -1, "squared MMD with a cubic kernel, over 100 subsets of 1,000 images"),
    "precision": Column("precision", 3, 1, "share of samples within the real images' manifold (k = 3)"),
    "recall": Column("recall", 3, 1, "share of real images within the samples' manifold (k = 3)"),
    "density": Column("density", 3, 1, "real neighbourhoods that a sample lies in, by the number expected (k = 5)"),
    "coverage": Column("coverage", 3, 1, "share of real images with a sample in their neighbourhood (k = 5)"),
    "class_kl": Column("class KL", 4, -1, "KL divergence of the samples' classes from the data's"),
    "smallest_class": Column("smallest class", 4, 1, "share of samples in the class with the fewest"),
    "modes": Column("modes", 0, 1, "of 1,000, seen in 26,000 samples"),
    "as_asked": Column("as asked", 3, 1, "share of samples read as the class that was asked for"),
    "worst_class_coverage": Column("worst class", 3, 1, "coverage within the class where it is least"),
    "parzen": Column("Parzen", 1, 1, "log-likelihood of held-out images under a window on 10,000 samples, nats"),
    "probe": Column("probe", 3, 1, "accuracy of a linear classifier on the encoder's features"),
    "probe_pixels": Column("probe of pixels", 3, 1, "accuracy of the same classifier on raw pixels"),
    "held_out_l1": Column("L1", 4, -1, "mean absolute difference from the truth, of a range of 2"),
    "psnr": Column("PSNR", 2, 1, "decibels"),
    "ssim": Column("SSIM", 3, 1, "structural similarity, at most 1"),
    "finds_own": Column("finds own", 3, 1, "share of outputs whose nearest truth, of up to 1,000, is their own"),
}


# --- two sets of features, each (N, D)


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


def _evenly(count: int, most: int) -> np.ndarray:
    """Up to `most` places of `count`, from the whole of a set that may be sorted by class."""
    return np.arange(count) if count <= most else np.sort(np.random.default_rng(0).permutation(count)[:most])


def _split(dataset: str, split: str, images: np.ndarray) -> dict[str, Any]:
    """Which real images a score is against."""
    digest = hashlib.sha256(np.ascontiguousarray(images)).hexdigest()
    return {"dataset": dataset, "split": split, "images": len(images), "sha256": digest}


def _shares(classes: Tensor | np.ndarray, count: int) -> np.ndarray:
    return np.bincount(np.asarray(classes), minlength=count) / len(classes)


# --- a run's generator


class Evaluator:
    """Scores generators of one data set, all against the same images on the same features.

    `about` says what must be equal for two scores to be compared.
    """

    def __init__(
        self,
        real: data.Dataset,
        samples: int | None = None,
        features: str = "auto",
        split: str = "held-out",
        data_root: str | None = None,
        device: torch.device | None = None,
    ):
        sets = {"held-out": (real.held_out, real.held_out_labels), "train": (real.images, real.labels)}
        images, self._labels = sets[split]
        other, _ = sets["train" if split == "held-out" else "held-out"]
        self.count = samples or min(len(images), SAMPLES)
        if min(len(images), self.count) < FEWEST:
            raise DataError(
                f"{real.name}: {min(len(images), self.count)} images are too few to score by, at least {FEWEST}"
                f" are needed"
            )
        self._real, self._features = real, features_of(real, features, data_root, device)
        chosen = _evenly(len(images), self.count)
        self._read, _ = self._features.read(images[chosen])
        if self._labels is not None:
            self._labels = torch.from_numpy(self._labels[chosen])
        self.about = {
            "samples": self.count,
            "features": self._features.about,
            "split": _split(real.name, split, images[chosen]),
        }
        self._others = other[_evenly(len(other), MODES_SAMPLES if real.name == "stacked-mnist" else self.count)]

    def reference(self) -> dict[str, float | None]:
        """What as many real images of the other split score: the mark to compare with. Empty where there are fewer."""
        if len(self._others) < self.count:
            return {}
        features, classes = self._features.read(self._others)
        return compare_features(self._read, features[: self.count]) | self._balance(classes)

    def score(self, G: nn.Module, seed: int = 0) -> dict[str, float | None]:
        """Scores of a generator G(z), or G(z, y) where it has `classes`, in evaluation mode."""
        modes = self._real.name == "stacked-mnist"
        z = sampling.latents(max(MODES_SAMPLES, self.count) if modes else self.count, G.z_dim, seed)
        y = sampling.classes(self._real.labels, len(z), seed) if hasattr(G, "classes") else None
        features, classes = self._features.read(sampling.draw(G, z, y).transpose(0, 3, 1, 2))
        if classes is not None:
            classes = classes[: MODES_SAMPLES if modes else self.count]
        found = compare_features(self._read, features[: self.count]) | self._balance(classes)
        if modes and classes is not None:
            found["modes"] = len(classes.unique())
        if y is not None and classes is not None:
            found["as_asked"] = (classes == y[: len(classes)]).float().mean().item()
            found["worst_class_coverage"] = self._worst_class_coverage(features, y)
        return found

    def _balance(self, classes: Tensor | None) -> dict[str, float]:
        if classes is None:
            return {}
        count = len(self._real.classes)
        shares = _shares(classes, count)
        found = {"class_kl": kl_divergence(shares, _shares(self._real.labels, count))}
        return found if count > 100 else {**found, "smallest_class": float(shares.min())}

    def _worst_class_coverage(self, features: Tensor, y: Tensor) -> float | None:
        sets = [(self._read[self._labels == c], features[y == c]) for c in range(len(self._real.classes))]
        found = [density_coverage(real, fake)[1] for real, fake in sets if len(real) > 5 and len(fake)]
        return min(found, default=None)

    def nearest(self, G: nn.Module, seed: int = 0, count: int = 8) -> Tensor:
        """A contact sheet of 9 columns, in [-1, 1]: a sample, a gap, its 7 nearest training images by their pixels."""
        z = sampling.latents(count, G.z_dim, seed)
        y = torch.arange(count) % G.classes if hasattr(G, "classes") else None
        samples = sampling.draw(G, z, y).transpose(0, 3, 1, 2)
        found = nearest(samples, self._real.images, COLUMNS - 1)
        rows = []
        for sample, places in zip(floats(samples), found, strict=True):
            near = floats(self._real.images[places.numpy()])
            rows += [sample[None], torch.full_like(sample[None], 1 / 255), near]  # the gap is as grey as the grid
        return torch.cat(rows)

    def parzen(self, G: nn.Module, seed: int = 0) -> dict[str, float]:
        """Goodfellow et al. 2014, section 5: the mean log-likelihood of held-out images and its standard error.

        Pixels are in [0, 1], the window stands on 10,000 samples, and its width is the one that the first tenth of the
        held-out images (at most 1,000) like best; the others are what is scored.
        """
        z = sampling.latents(SAMPLES, G.z_dim, seed)
        y = sampling.classes(self._real.labels, SAMPLES, seed) if hasattr(G, "classes") else None
        samples = torch.from_numpy(sampling.draw(G, z, y).transpose(0, 3, 1, 2) / 255.0).flatten(1)
        held_out = self._real.held_out[_evenly(len(self._real.held_out), SAMPLES)]
        held_out = torch.from_numpy(np.random.default_rng(0).permutation(held_out) / 255.0).flatten(1)
        to_choose, to_score = held_out.tensor_split([min(1000, max(1, len(held_out) // 10))])
        widths = torch.logspace(-1, 0, 10, dtype=torch.float64)
        sigma = max(widths.tolist(), key=lambda width: parzen_log_likelihood(to_choose, samples, width).mean())
        likelihood = parzen_log_likelihood(to_score, samples, sigma)
        error = likelihood.std().item() / math.sqrt(len(likelihood))
        return {"parzen": likelihood.mean().item(), "parzen_error": error, "parzen_sigma": sigma}


def parzen_log_likelihood(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """log of the mean of N(x; s, sigma^2 I) over the samples s, (N,); x (N, D) and samples (M, D) float64."""
    exponents = (torch.cdist(part, samples).square() / (-2 * sigma**2) for part in x.split(1000))
    normaliser = math.log(len(samples)) + x.shape[1] * math.log(sigma * math.sqrt(2 * math.pi))
    return torch.cat([torch.logsumexp(exponent, 1) for exponent in exponents]) - normaliser


class PairEvaluator:
    """Scores translations of held-out images against their truths."""

    def __init__(self, real: data.Dataset, kind: str, direction: str, samples: int | None = None):
        chosen = _evenly(len(real.held_out), samples or SAMPLES)
        self.count = len(chosen)
        images = real.held_out[chosen]
        self._x, self._y = pairs.split(floats(images), kind, direction)
        self.about = {
            "samples": self.count,
            "features": {"name": f"pixels, {kind} {direction}", "sha256": "", "accuracy": None},
            "split": _split(real.name, "held-out", images),
        }

    def reference(self) -> dict[str, float]:
        """What the inputs themselves score, untranslated."""
        return self._compare(self._x)

    def score(self, G: nn.Module, seed: int = 0) -> dict[str, float]:
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


def evaluator_for(
    settings: Mapping[str, Any], real: data.Dataset, samples: int | None = None, **options: Any
) -> Evaluator | PairEvaluator:
    """The evaluator of a run with these settings on the set `real`; `options` are Evaluator's."""
    if "pairs" in settings:
        return PairEvaluator(real, pairs.kind_of(real.name, settings["pairs"]), settings["direction"], samples)
    return Evaluator(real, samples, **options)


def linear_probe(encode: Callable[[Tensor], Tensor], real: data.Dataset) -> tuple[float, float]:
    """Accuracy on held-out images of a logistic regression on `encode(images)`, and of the same on raw pixels.

    Each is fitted to up to 10,000 training images, its inputs scaled to mean 0 and variance 1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = (_evenly(len(images), SAMPLES) for images in (real.images, real.held_out))
    found = []
    for features in (encode, lambda images: images.flatten(1)):
        with torch.inference_mode():
            sides = [
                torch.cat([features(floats(part)) for part in np.array_split(images, -(-len(images) // 500))]).numpy()
                for images in (real.images[train], real.held_out[test])
            ]
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, tol=1e-3, max_iter=2000))
        probe.fit(sides[0], real.labels[train])
        found.append(float(probe.score(sides[1], real.held_out_labels[test])))
    return found[0], found[1]


def collapse(scores: Mapping[str, float | None], reference: Mapping[str, float | None]) -> str | None:
    """What says that a generator makes but a few images or kinds of them, next to what real images score; or ''.

    None for translations, which are as varied as their inputs.
    """
    if "coverage" not in scores:
        return None
    coverage, mark = scores.get("coverage"), reference.get("coverage")
    if coverage is not None and mark and coverage < COLLAPSED * mark:
        return f"covers {coverage:.1%} of the real images"
    least, mark = scores.get("smallest_class"), reference.get("smallest_class")
    if least is not None and mark and least < COLLAPSED * mark:
        return f"a class has {least:.2%} of the samples"
    if "modes" in scores and scores["modes"] < 500:
        return f"{scores['modes']:.0f} of 1,000 modes"
    return ""


# --- which scores may be compared


@dataclass(frozen=True)
class Terms:
    """What two scores must share to stand in one column."""

    dataset: str
    split: str
    real: int
    samples: int
    features: str
    sha256: tuple[str, str]  # of the features and of the real images

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Terms":
        split, features = entry["split"], entry["features"]
        return cls(
            str(split["dataset"]).rstrip("/").rpartition("/")[2],
            str(split["split"]),
            int(split["images"]),
            int(entry["samples"]),
            str(features["name"]),
            (str(features["sha256"]), str(split["sha256"])),
        )

    def __str__(self) -> str:
        what = "pairs" if self.features.startswith("pixels, ") else "images"
        mark = f" {self.sha256[0][:8]}" if self.sha256[0] else ""
        return (
            f"{self.dataset}: {self.samples:,} samples, {self.real:,} {self.split} {what}"
            f" {self.sha256[1][:8]}, on {self.features}{mark}"
        )


def by_terms(entries: Iterable[Any]) -> dict[Terms, Mapping[str, Any]]:
    """The entries of a scores.json by what they may be compared with; another version's are left out."""
    found = {}
    for entry in entries:
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            numbers = [*entry["scores"].values(), *entry["reference"].values()]
            if all(value is None or isinstance(value, (int, float)) for value in numbers):
                found[Terms.of(entry)] = entry
    return found
