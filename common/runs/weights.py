"""A network's weights as a safetensors file, with what is to be known of them and their SHA-256."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {weights[name].dtype} {tuple(weights[name].shape)}".encode())
        digest.update(weights[name].flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def sealed_weights(network: nn.Module, name: str, about: Mapping[str, Any]) -> tuple[bytes, str]:
    """A safetensors file with what is to be known of the network under `name`, and the weights' SHA-256 in it."""
    from safetensors.torch import save

    weights = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    digest = weights_digest(weights)
    header = json.dumps({**about, "sha256": digest}, sort_keys=True)
    return save(weights, metadata={name: header}), digest


def read_weights(file: Path, name: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What sealed_weights put into the file. Raises OSError, ValueError, KeyError or TypeError where it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as content:
            about = json.loads((content.metadata() or {})[name])
            weights = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if about["sha256"] != weights_digest(weights):
        raise ValueError("its SHA-256 does not match")
    return about, weights
