"""The features of the FID that papers print."""

from collections.abc import Callable
from hashlib import sha256

from common.console import say
from common.data.named.download import weights_file
from common.errors import DataError, first_line

import numpy as np
import torch
from torch import Tensor

INCEPTION = "weights-inception-2015-12-05-6726825d.pth"  # torch-fidelity's, converted from the FID's own TensorFlow


def inception(device: torch.device) -> tuple[str, Callable[[np.ndarray], tuple[Tensor, None]]]:
    """The SHA-256 of its weights, and what reads 2,048 features out of images, uint8 (N, 1 or 3, H, W).

    Raises DataError where the weights are out of reach or damaged.
    """
    file = weights_file(INCEPTION)
    digest = sha256(file.read_bytes()).hexdigest()
    if not digest.startswith(file.stem.rpartition("-")[2]):
        raise DataError(f"{file}: damaged (its SHA-256 does not match its name); remove it")
    try:
        torch.load(file, weights_only=True)  # torch-fidelity would run what code a file holds
    except Exception as error:  # whatever torch.load makes of a file that is none
        raise DataError(f"{file}: damaged ({first_line(error)}); remove it") from error
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file))
    network.to(device).eval()

    @torch.inference_mode()
    def read(images: np.ndarray) -> tuple[Tensor, None]:
        say(f"Inception reads {len(images):,} images" + (", some 15 a second a core" if device.type == "cpu" else ""))
        found = []
        for part in np.array_split(images, -(-len(images) // 64)):
            pixels = torch.from_numpy(np.ascontiguousarray(part)).to(device)
            found.append(network(pixels.expand(-1, 3, -1, -1).contiguous())[0].cpu())
        return torch.cat(found).float(), None

    return digest, read
