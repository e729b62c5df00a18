"""uint8 pixels, as they lie on disk and in memory, and the floats in [-1, 1] that networks see."""

import numpy as np
import torch


def to_uint8(images: torch.Tensor) -> np.ndarray:
    """Floats in [-1, 1], (N, C, H, W) -> uint8 (N, H, W, C); what is outside the range is clipped."""
    images = images.detach().float().clamp(-1, 1).add(1).mul(127.5).round()
    return images.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def floats(
    pixels: np.ndarray | torch.Tensor, memory_format: torch.memory_format = torch.preserve_format
) -> torch.Tensor:
    """uint8 (N, C, H, W) -> float32 in [-1, 1], the way back from to_uint8 except for the order of dimensions."""
    if isinstance(pixels, np.ndarray):
        pixels = torch.from_numpy(np.ascontiguousarray(pixels))
    return pixels.to(torch.float32, memory_format=memory_format).div_(127.5).sub_(1)
