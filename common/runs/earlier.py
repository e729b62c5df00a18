"""Checkpoints of 0.3.0 and before, in today's shape: runs that were begun then go on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import FolderError
from common.runs.log import generator_steps


def modernised(state: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The parts of a checkpoint of the run at `path` as they would be written today.

    Networks and optimizers of earlier versions come by their order, for they had no names. Raises FolderError for a
    checkpoint of 0.2.0 and before, which did not say how its generator was made.
    """
    if "parts" in state:
        return state["parts"]
    record = state["record"]
    if "generator" not in state:
        raise FolderError(f"{path}: its checkpoint is a version's before 0.3.0; --fresh starts anew")
    about = dict(state["generator"])
    sampled = about.pop("network")
    averaged = bool(record["settings"].get("ema"))
    # The generator came first, its average second.
    weights = [one for place, one in enumerate(state["networks"].values()) if place != 1 or not averaged]
    batches_per_epoch = record["dataset"]["images"] // record["settings"]["batch_size"]
    return {
        "progress": {
            "step": state["step"],
            "looked": state["batch"] != batches_per_epoch,
            "seconds": state["seconds"],
        },
        "networks": {
            "weights": {str(place): one for place, one in enumerate(weights)},
            "sampled": state["networks"][sampled],
            "generator": about,
            "about": {},
            "generator_steps": state.get("generator_steps", generator_steps(state["step"], record["settings"])),
            "optimizers": {str(place): one for place, one in enumerate(state["optimizers"])},
            "by_order": True,
        },
        "recorder": {"rows": state["rows"], "sums": state["sums"]},
        "random": {
            "torch": state["random"],
            "cuda": state["random_cuda"],
            "python": state.get("random_python"),
            "numpy": state.get("random_numpy"),
        },
    }
