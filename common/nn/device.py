"""Where networks are computed, and in which precision."""

import functools

from common.console import counted
from common.errors import BadArgument

import torch
from torch import nn

KNOWN = "auto, cpu, cuda, cuda:N or mps"


def resolve_device(name: str) -> torch.device:
    """'auto' is CUDA, else Apple's MPS, where there is one. Raises BadArgument for a device that is not there."""
    if name == "auto":
        return torch.device(
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise BadArgument(f"--device {name}: must be {KNOWN}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BadArgument(f"--device {name}: this machine has no CUDA device that torch can use; try --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        there = counted(torch.cuda.device_count(), "CUDA device")
        raise BadArgument(f"--device {name}: this machine has {there}, from cuda:0")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise BadArgument(f"--device {name}: this machine has no Apple GPU that torch can use; try --device cpu")
    return device


def _has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products run in hardware; emulated, they are slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and any(
        bool(getattr(torch.cpu, name, lambda: False)())
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )


def resolve_precision(name: str, device: torch.device) -> str:
    """'auto' -> 'bf16' where the hardware multiplies it fast, else 'fp32'."""
    return ("bf16" if _has_fast_bf16(device) else "fp32") if name == "auto" else name


@functools.cache
def _in_bf16(kind: type[nn.Module]) -> type[nn.Module]:
    """The same kind of network, whose forward pass runs in autocast.

    What comes out is float32 again, so that losses, the norms of penalties and optimizers are computed in float32, and
    a script need not know. Parameters and normalisation statistics stay float32 throughout.
    """

    class InBf16(kind):
        in_float32 = kind

        def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
            with torch.autocast(inputs[0].device.type, torch.bfloat16):
                outputs = super().forward(*inputs, **named)
            if isinstance(outputs, torch.Tensor):
                return outputs.float()
            return tuple(output.float() for output in outputs)

    InBf16.__name__, InBf16.__qualname__ = kind.__name__, kind.__qualname__
    return InBf16


def place(network: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """The same network on the device, channels last, computing in that precision.

    By its class, so that a copy computes with weights of its own, and that it is in all else what it was.
    """
    if precision == "bf16":
        network.__class__ = _in_bf16(type(network))
    return network.to(device=device, memory_format=torch.channels_last)


def in_float32(network: nn.Module) -> nn.Module:
    """The same network, computing in float32 again."""
    network.__class__ = getattr(type(network), "in_float32", type(network))
    return network
