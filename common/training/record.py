"""run.json, as a run writes it."""

import dataclasses
import platform
import time
from collections.abc import Mapping
from typing import Any

from common import __version__
from common.console import counted, say
from common.data.reading import VERSION
from common.nn import ranks
from common.options import FREE
from common.runs.folder import RunFolder
from common.runs.record import write_record
from common.training.preparation import Prepared
from common.training.progress import Progress
from common.training.settling import comparable
from common.training.share import Share

import numpy as np
import torch


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")


class Record:
    """What the run is, how it stands and how far it is; `earlier` is what an earlier start wrote."""

    def __init__(self, folder: RunFolder, progress: Progress, share: Share, earlier: Mapping[str, Any] | None):
        self._folder, self._progress, self._share, self._earlier = folder, progress, share, earlier or {}
        self.content: dict[str, Any] = {}
        self.is_begun = False  # run.json is this start's

    def begin(self, run: Prepared) -> None:
        settings, data, device = run.parts.settings, run.parts.data, run.parts.device
        so_far, plan = self._earlier, self._progress.plan
        asked = {name: value for name, value in dataclasses.asdict(settings).items() if name not in FREE}
        self.content = {
            "script": run.script,
            "state": "running",
            "settings": {**so_far.get("settings", {}), **asked},
            "given": sorted({*run.settings_given, *so_far.get("given", ())}),
            "versions": {
                "project": __version__,
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "numpy": np.__version__,
            },
            "device": str(device),
            "precision": run.precision,
            **self._processes(),
            "dataset": {
                "name": comparable("dataset", data.name),
                "fingerprint": data.fingerprint,
                "images": len(data.images),
                "held_out": len(data.held_out),
                "reading": self._earlier["dataset"].get("reading", 1) if self._earlier else VERSION,
                "shape": list(data.shape),
                "classes": list(data.classes),
                **({"sides": list(data.sides)} if data.sides else {}),
            },
            "epochs": plan.epochs,
            "sample_every": plan.sample_every,
            "watch_from": plan.watch_from,
            "collapsed": so_far.get("collapsed", ""),
            "checkpoint_step": so_far.get("checkpoint_step"),
            "checkpoints": so_far.get("checkpoints", 0),
            "checkpoint_seconds": so_far.get("checkpoint_seconds", 0.0),
            "started": so_far.get("started", _now()),
        }
        self.write("running")
        self.is_begun = True

    def _processes(self) -> dict[str, Any]:
        """How many the run has, and from which steps on it had others than before."""
        before, now, changes = self._earlier.get("ranks", 1), ranks.world(), self._earlier.get("rank_changes", [])
        if self._earlier and before != now:
            changes = [*changes, {"step": self._progress.step, "ranks": now}]
            say(f"{self._folder.path}: goes on with {counted(now, 'process', 'processes')} in place of {before}")
        return {"ranks": now, "rank_changes": changes}

    def write(self, state: str, message: str = "") -> None:
        """By the first of several processes; the others keep theirs to themselves."""
        p = self._progress
        self.content |= self._share.about
        self.content |= {
            "state": state,
            "message": message,
            "epochs_done": p.whole_epochs,
            "steps": p.step,
            "images": p.images,
            "seconds": round(p.seconds, 2),
            "images_per_second": round(p.images_per_second, 1) if p.step else None,
            "written": _now(),
        }
        if ranks.is_first():
            write_record(self._folder.path, self.content)
