"""How good are a run's samples? `python bench/score.py out/gan [out/wgan ...]`

For each run: a classifier trained on the run's real training images reads 5,000 samples. Printed are the Fréchet
distance of its 128 features (Heusel et al. 2017), precision (Kynkäänniemi et al. 2019, k = 3) and coverage (Naeem et
al. 2020, k = 5), all against 5,000 training images, and the share of samples in each class. The classifier is small,
takes about a minute on two cores and is kept in the cache; its accuracy on the held-out images is printed. Real images
read by the same rule are the first line, as the mark to compare with.

Where the generator is told the class, as many samples of each: also how many are read as the class that was asked for,
and the coverage within each class, the smallest and the mean. For `stacked-mnist`: of 26,000 samples, whose channels
are read one by one, how many of the 1,000 modes there are and their KL divergence from the data's. For `pix2pix.py`:
how many held-out pairs have their own truth nearest to their translation, among all (L1 of pixels, mean and contrast
normalised).
"""

import hashlib
import inspect
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import data, device, pairs
from common.cli import Refusal
from common.images import to_uint8
from common.run import load_generator

SAMPLES = 5000


class Classifier(nn.Module):
    """Images (N, C, H, W) in [-1, 1] -> logits (N, classes); `features` gives (N, 128)."""

    def __init__(self, shape: tuple[int, int, int], classes: int):
        super().__init__()
        layers, inputs = [], shape[0]
        for outputs, stride in ((32, 1), (64, 2), (128, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU()]
            inputs = outputs
        side = min(4, -(-shape[1] // 4))
        self.features = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(128 * side**2, 128), nn.ReLU()
        )
        self.head = nn.Linear(128, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def floats(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).float().div_(127.5).sub_(1)


def classifier_of(real: data.Dataset) -> Classifier:
    """Trained once for a set, then read from the cache."""
    network = Classifier(real.shape, len(real.classes))
    code = hashlib.sha256((inspect.getsource(Classifier) + inspect.getsource(classifier_of)).encode()).hexdigest()
    file = data.cache_folder() / "classifiers" / f"{real.fingerprint[:16]}-{code[:8]}.pt"
    if file.exists():
        network.load_state_dict(torch.load(file, weights_only=True))
        return network.eval()
    torch.manual_seed(0)
    count, batch = len(real.images), 128
    steps = max(1500, 4 * (count // batch))
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    labels = torch.from_numpy(real.labels)
    device.place(network, torch.device("cpu"), device.resolve_precision("auto", torch.device("cpu")))
    for _ in range(steps):
        chosen = torch.randint(count, (batch,))
        loss = F.cross_entropy(network(floats(real.images[chosen.numpy()])), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.__dict__.pop("forward", None)  # scores are computed in float32
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), file)
    return network.eval()


def spread(count: int) -> np.ndarray:
    """SAMPLES places of `count`, from the whole of a set that may be sorted by class."""
    return np.sort(np.random.default_rng(0).permutation(count)[:SAMPLES])


@torch.no_grad()
def read(network: Classifier, images: np.ndarray) -> tuple[Tensor, Tensor]:
    """Features (N, 128) and classes (N,) of uint8 images (N, C, H, W)."""
    features = torch.cat([network.features(floats(part)) for part in np.array_split(images, -(-len(images) // 1000))])
    return features, network.head(features).argmax(1)


def radii(real: Tensor, k: int) -> Tensor:
    return torch.cdist(real, real).kthvalue(k + 1, dim=1).values  # the nearest to an image is itself


def coverage(real: Tensor, distances: Tensor) -> float:
    """Share of the real features (N, D) with a fake one nearer than their fifth real neighbour. Naeem et al. 2020.

    `distances` (N, M) are those of the real features from the fake ones.
    """
    return (distances.min(1).values < radii(real, 5)).float().mean().item()


def score(real: Tensor, fake: Tensor, classes: Tensor, count: int) -> dict[str, object]:
    """Features `fake` against `real`, each (N, D), and the shares of the fakes' classes."""
    shares = torch.bincount(classes, minlength=count) / len(classes)
    distances = torch.cdist(real, fake)
    return {
        "frechet": frechet_distance(real, fake),
        "precision": (distances < radii(real, 3)[:, None]).any(0).float().mean().item(),
        "coverage": coverage(real, distances),
        "smallest_class": shares.min().item(),
        "shares": [round(share, 3) for share in shares.tolist()],
    }


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Of the Gaussians fitted to two feature sets, each (N, D)."""
    (mean, cov), (fake_mean, fake_cov) = ((f.mean(0), np.cov(f, rowvar=False)) for f in (real.numpy(), fake.numpy()))
    # The trace of a product's root is the sum of the roots of its eigenvalues, which are real and not negative.
    root = np.sqrt(np.linalg.eigvals(cov @ fake_cov).real.clip(0)).sum()
    return float(((mean - fake_mean) ** 2).sum() + np.trace(cov) + np.trace(fake_cov) - 2 * root)


def show(name: str, found: dict[str, object]) -> None:
    numbers = "  ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in found.items() if key != "shares")
    shares = "".join(f" {share:.3f}" for share in found.get("shares", ()))
    print(f"{name:<24} {numbers}{'  classes' if shares else ''}{shares}", flush=True)


@torch.no_grad()
def samples_of(folder: str, count: int) -> tuple[np.ndarray, Tensor | None]:
    """uint8 (count, C, H, W), and the classes that were asked for, in turn, if the generator is told any."""
    G = load_generator(folder)
    torch.manual_seed(0)
    fakes, asked = [], torch.arange(count) % G.classes if hasattr(G, "classes") else None
    for start in range(0, count, 500):
        z = torch.randn(min(500, count - start), G.z_dim)
        inputs = (z,) if asked is None else (z, asked[start : start + len(z)])
        fakes.append(to_uint8(G(*inputs)))
    return np.concatenate(fakes).transpose(0, 3, 1, 2), asked


def score_classes(folder: str, real: data.Dataset) -> None:
    network = classifier_of(real)
    chosen, held = (spread(len(images)) for images in (real.images, real.held_out))
    features, _ = read(network, real.images[chosen])
    held_features, held_classes = read(network, real.held_out[held])
    accuracy = (held_classes == torch.from_numpy(real.held_out_labels[held])).float().mean().item()
    show(f"{real.name} (accuracy {accuracy:.3f})", score(features, held_features, held_classes, len(real.classes)))
    fakes, asked = samples_of(folder, SAMPLES)
    fake_features, classes = read(network, fakes)
    found = score(features, fake_features, classes, len(real.classes))
    if asked is not None:
        labels = torch.from_numpy(real.labels[chosen])
        own = ((features[labels == c], fake_features[asked == c]) for c in range(len(real.classes)))
        within = [coverage(one, torch.cdist(one, other)) for one, other in own]
        found["read_as_asked"] = (classes == asked).float().mean().item()
        found |= {"least_coverage_in_a_class": min(within), "mean_coverage_in_a_class": sum(within) / len(within)}
    show(folder, found)


def score_modes(folder: str, real: data.Dataset, data_root: str | None) -> None:
    network = classifier_of(data.load("mnist", data_root))
    fakes, _ = samples_of(folder, 26_000)
    hundreds, tens, ones = (read(network, fakes[:, [channel]])[1] for channel in range(3))
    counts = torch.bincount(hundreds * 100 + tens * 10 + ones, minlength=1000)
    p, q = counts / counts.sum(), torch.bincount(torch.from_numpy(real.labels), minlength=1000) / len(real.labels)
    kl = torch.where(p > 0, p * (p / q).log(), 0).sum().item()
    print(f"{folder:<24} modes {(counts > 0).sum()}  KL {kl:.4f}", flush=True)


@torch.no_grad()
def score_pairs(folder: str, real: data.Dataset, kind: str | None, direction: str) -> None:
    G = load_generator(folder)
    torch.manual_seed(0)  # of its dropout
    x, y = pairs.split(floats(real.held_out), pairs.kind_of(real.name, kind), direction)
    translated = torch.cat([G(one) for one in x.split(1)])
    found, truth = (
        (f - f.mean(1, keepdim=True)) / f.std(1, keepdim=True) for f in (translated.flatten(1), y.flatten(1))
    )
    own = torch.cdist(found, truth, p=1).argmin(1) == torch.arange(len(y))
    l1 = (translated - y).abs().mean().item()
    print(
        f"{folder:<24} L1 {l1:.3f}  finds its own truth {own.float().mean():.3f}, by chance {1 / len(y):.3f}",
        flush=True,
    )


def main(folders: list[str], data_root: str | None) -> None:
    for folder in folders:
        record = json.loads((Path(folder) / "run.json").read_text())
        kept, name = record["settings"], record["dataset"]["name"]
        images = (name, data_root, kept["image_size"], kept["skip_broken"])
        if record["script"] == "pix2pix":
            score_pairs(folder, pairs.load(*images, kept["pairs"]), kept["pairs"], kept["direction"])
        elif name == "stacked-mnist":
            score_modes(folder, data.load(*images), data_root)
        else:
            score_classes(folder, data.load(*images))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    root = arguments.pop(0).partition("=")[2] if arguments and arguments[0].startswith("--data-root=") else None
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__.splitlines()[0])
    try:
        main(arguments, root)
    except Refusal as refusal:
        sys.exit(str(refusal))
