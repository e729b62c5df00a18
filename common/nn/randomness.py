"""Every random generator there is: a variant of one's own may draw from Python's or NumPy's."""

import contextlib
import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch


class Randomness:
    """Seeded once, part of every checkpoint, and left as they were by whatever looks at the run."""

    def __init__(self, device: torch.device):
        self._device = device

    def seed(self, seed: int) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)

    def state_dict(self) -> dict[str, Any]:
        kind, keys, *rest = np.random.get_state()
        state = {"torch": torch.get_rng_state(), "python": random.getstate(), "numpy": (kind, keys.tolist(), *rest)}
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        if self._device.type == "mps":
            state["mps"] = torch.mps.get_rng_state()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        torch.set_rng_state(state["torch"])
        if state.get("cuda") is not None:
            torch.cuda.set_rng_state(state["cuda"], self._device)
        if state.get("mps") is not None:
            torch.mps.set_rng_state(state["mps"])
        if state.get("python") is not None:  # 0.3.0 had none
            random.setstate(state["python"])
            np.random.set_state(state["numpy"])

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Whatever is drawn in this block changes nothing after it."""
        state = self.state_dict()
        try:
            yield
        finally:
            self.load_state_dict(state)
