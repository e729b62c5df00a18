"""Where networks are computed, and in which precision."""

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
        raise BadArgument(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA device(s), from cuda:0")
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


class InBf16(nn.Module):
    """A network whose forward pass runs in autocast, with its own attributes in reach.

    What comes out is float32 again, so that losses, the norms of penalties and optimizers are computed in float32, and
    a script need not know. Parameters and normalisation statistics stay float32 throughout.
    """

    def __init__(self, network: nn.Module, device: torch.device):
        super().__init__()
        self.network, self._kind = network, device.type

    def forward(self, *inputs: torch.Tensor, **named: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        with torch.autocast(self._kind, torch.bfloat16):
            outputs = self.network(*inputs, **named)
        if isinstance(outputs, torch.Tensor):
            return outputs.float()
        return tuple(output.float() for output in outputs)

    def __getattr__(self, name: str) -> object:
        modules = self.__dict__.get("_modules", {})
        if name != "network" and "network" in modules:
            return getattr(modules["network"], name)
        return super().__getattr__(name)


def place(network: nn.Module, device: torch.device, precision: str) -> nn.Module:
    """The network on the device, channels last; under 'bf16' one that computes in it and has the same parameters."""
    network.to(device=device, memory_format=torch.channels_last)
    return InBf16(network, device) if precision == "bf16" else network
