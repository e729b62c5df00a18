"""Where and how fast: device, precision, memory format."""

import ctypes
import sys

from common.cli import BadArgument

import torch
from torch import nn


def keep_freed_memory() -> None:
    """Tells glibc to reuse freed tensors instead of returning them to the kernel, which zeroes the pages every step."""
    if sys.platform == "linux":
        try:
            libc = ctypes.CDLL(None)
            libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
            libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD
        except (OSError, AttributeError):
            pass  # another libc: slower, not wrong


def resolve_device(name: str) -> torch.device:
    """'auto' is CUDA where there is one. Raises BadArgument for a device this machine does not have."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise BadArgument(f"--device {name}: must be auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadArgument(f"--device {name}: this machine has no CUDA device that torch can use; try --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise BadArgument(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA device(s), from cuda:0")
    return device


def _has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products run in hardware; emulated, they are slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return any(
        bool(getattr(torch.cpu, name, lambda: False)())
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


def resolve_precision(name: str, device: torch.device) -> str:
    """'auto' -> 'bf16' where the hardware multiplies it fast, else 'fp32'."""
    return ("bf16" if _has_fast_bf16(device) else "fp32") if name == "auto" else name


def place(network: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """Moves a network to the device, channels last; under 'bf16' its forward pass runs in autocast.

    What comes out is float32 again, so that losses, the norms of penalties and optimizers are computed in float32, and
    a script need not know. Parameters and normalisation statistics stay float32 throughout.
    """
    network.to(device=device, memory_format=torch.channels_last)
    if precision == "bf16":
        forward = network.forward

        def forward_in_bf16(*inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
            with torch.autocast(device.type, torch.bfloat16):
                outputs = forward(*inputs, **named)
            if isinstance(outputs, torch.Tensor):
                return outputs.float()
            return tuple(output.float() for output in outputs)

        network.forward = forward_in_bf16
    return network
