"""Makes the networks that scores are computed on: `python bench/features.py mnist fashion-mnist digits`.

Each is trained on its set's training images as they are found (README, "Data") and written to
`common/scoring/networks/`; accuracy, size and SHA-256 are printed. A new network has another SHA-256, and scores by it
are not comparable with those by the one before. Sets with fewer images are shown each of them more often.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from common.data.registry import load
from common.errors import Refusal
from common.scoring.classifier import train_classifier, write_network
from common.scoring.features import SHIPPED
from common.storage.platforms import keep_freed_memory

import torch

STEPS = {"mnist": 5000, "fashion-mnist": 6000, "digits": 3000}


def main(names: list[str]) -> None:
    if not names or set(names) - set(STEPS):
        sys.exit(__doc__.splitlines()[0])
    keep_freed_memory()
    for name in names:
        real = load(name)
        torch.manual_seed(0)
        network = train_classifier(real, STEPS[name], most_seconds=float("inf"))
        file = SHIPPED / f"{name}.safetensors"
        about = write_network(file, network, real, f"python bench/features.py {name}")
        print(
            f"{name}: {about['accuracy']:.4f} of {len(real.held_out):,} held-out images, trained on"
            f" {len(real.images):,}; {file.stat().st_size / 1e6:.2f} MB; SHA-256 {about['sha256']}",
            flush=True,
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refusal as refusal:
        sys.exit(str(refusal))
