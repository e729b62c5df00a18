"""A name or a path -> images as uint8 (N, C, H, W), in memory or memory-mapped, with labels if there are any."""
