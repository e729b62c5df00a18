"""How good are a run's samples? `python bench/score.py out/gan [out/wgan ...]`

For each run: a classifier trained on the run's real training images reads 5,000 samples. Printed are the share of
samples in each class, precision (Kynkäänniemi et al. 2019, k = 3) and coverage (Naeem et al. 2020, k = 5), both
against 5,000 training images on the classifier's 128 features. The classifier is small, takes about a minute on two
cores and is kept in the cache; its accuracy on the held-out images is printed. Real images read by the same rule are
the first line, as the mark to compare with.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common import data, device
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
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
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


@torch.no_grad()
def read(network: Classifier, images: np.ndarray) -> tuple[Tensor, Tensor]:
    """Features (N, 128) and classes (N,) of uint8 images (N, C, H, W)."""
    features = torch.cat([network.features(floats(part)) for part in np.array_split(images, -(-len(images) // 1000))])
    return features, network.head(features).argmax(1)


def score(real: Tensor, fake: Tensor, classes: Tensor, count: int) -> dict[str, object]:
    """Shares of the classes, precision and coverage of features `fake` against `real`, each (N, D)."""

    def radii(k: int) -> Tensor:
        return torch.cdist(real, real).kthvalue(k + 1, dim=1).values  # the nearest to an image is itself

    distances = torch.cdist(real, fake)
    shares = torch.bincount(classes, minlength=count) / len(classes)
    return {
        "precision": (distances < radii(3)[:, None]).any(0).float().mean().item(),
        "coverage": (distances.min(1).values < radii(5)).float().mean().item(),
        "smallest_class": shares.min().item(),
        "shares": [round(share, 3) for share in shares.tolist()],
    }


def show(name: str, found: dict[str, object]) -> None:
    numbers = "  ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in found.items() if key != "shares")
    print(f"{name:<24} {numbers}  classes {' '.join(f'{share:.3f}' for share in found['shares'])}", flush=True)


def main(folders: list[str], data_root: str | None) -> None:
    for folder in folders:
        record = json.loads((Path(folder) / "run.json").read_text())
        settings = record["settings"]
        real = data.load(record["dataset"]["name"], data_root, settings["image_size"], settings["skip_broken"])
        network = classifier_of(real)
        chosen = np.random.default_rng(0).permutation(len(real.images))[:SAMPLES]
        features, _ = read(network, real.images[np.sort(chosen)])
        held_features, held_classes = read(network, real.held_out[:SAMPLES])
        accuracy = (held_classes == torch.from_numpy(real.held_out_labels[:SAMPLES])).float().mean().item()
        show(f"{real.name} (accuracy {accuracy:.3f})", score(features, held_features, held_classes, len(real.classes)))
        G = load_generator(folder)
        torch.manual_seed(0)
        with torch.no_grad():
            fakes = np.concatenate([to_uint8(G(torch.randn(500, G.z_dim))) for _ in range(SAMPLES // 500)])
        show(folder, score(features, *read(network, fakes.transpose(0, 3, 1, 2)), len(real.classes)))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    root = arguments.pop(0).partition("=")[2] if arguments and arguments[0].startswith("--data-root=") else None
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__.splitlines()[0])
    try:
        main(arguments, root)
    except Refusal as refusal:
        sys.exit(str(refusal))
