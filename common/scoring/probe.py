"""How much of the classes can be read out of codes by a line."""

from collections.abc import Callable

from common.data.dataset import Dataset
from common.nn.pixels import floats
from common.scoring.subsets import SAMPLES, some_of

import numpy as np
import torch
from torch import Tensor


def linear_probe(encode: Callable[[Tensor], Tensor], real: Dataset) -> tuple[float, float]:
    """Accuracy on held-out images of a logistic regression on `encode(images)`, and of the same on raw pixels.

    Each is fitted to up to 10,000 training images, its inputs scaled to mean 0 and variance 1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = (some_of(len(images), SAMPLES) for images in (real.images, real.held_out))
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
