"""Checkpoints of 0.4.0 and before, in today's shape: runs that were begun then go on."""

from collections.abc import Mapping
from typing import Any

from common.runs.log import generator_steps


def modernised(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parts of a checkpoint as they would be written today.

    Networks and optimizers of earlier versions come by their order, for they had no names; 0.2.0 and before did not say
    how the generator was made, which is None then.
    """
    record = state["record"]
    threads = {"number": record["threads"], "most": record["threads"], "changes": []}
    if "parts" in state:
        return {"share": threads, **state["parts"]}
    averaged = bool(record["settings"].get("ema"))
    about = dict(state.get("generator") or {})
    sampled = about.pop("network", list(state["networks"])[averaged])  # the generator came first, then its average
    weights = [one for name, one in state["networks"].items() if name != sampled or not averaged]
    batches_per_epoch = record["dataset"]["images"] // record["settings"]["batch_size"]
    return {
        "progress": {
            "step": state["step"],
            "looked": state["batch"] != batches_per_epoch,
            "ended": None,
            "seconds": state["seconds"],
        },
        "networks": {
            "weights": {str(place): one for place, one in enumerate(weights)},
            "sampled": state["networks"][sampled],
            "generator": about or None,
            "about": {},
            "generator_steps": state.get("generator_steps", generator_steps(state["step"], record["settings"])),
            "optimizers": {str(place): one for place, one in enumerate(state["optimizers"])},
            "by_order": True,
        },
        "share": threads,
        "recorder": {"rows": state["rows"], "sums": state["sums"]},
        "random": {
            "torch": state["random"],
            "cuda": state["random_cuda"],
            "python": state.get("random_python"),
            "numpy": state.get("random_numpy"),
        },
    }
