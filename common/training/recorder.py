"""The figures of a run: their means, log.csv, TensorBoard, and what is said of them."""

import contextlib
import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from common.console import clock, say
from common.nn import ranks
from common.runs.board import Board
from common.runs.folder import RunFolder
from common.runs.log import Log, log_agrees
from common.runs.names import LOG
from common.training.networks import Networks
from common.training.progress import Progress
from common.training.stopping import Stopping

import torch
from torch import Tensor

TELLING_STEPS = 32  # of which the first, slow one no longer decides how long a run seems to take


class Recorder:
    """Adds up the figures of the steps, and writes a row of their means when that is due."""

    def __init__(self, folder: RunFolder, progress: Progress, networks: Networks, device: torch.device):
        self._folder, self._progress, self._networks, self._device = folder, progress, networks, device
        self._log, self.board = Log(folder), Board(folder)
        self._sums: dict[str, tuple[Any, int]] = {}
        self.rows: list[dict[str, Any]] = []

    def add(self, values: Mapping[str, Tensor]) -> None:
        """A step's figures, tensors of no dimensions; raises TypeError for others. Does not wait for the device."""
        for name, value in values.items():
            if not isinstance(value, Tensor) or value.dim():
                raise TypeError(f"run.log: {name} must be a tensor of no dimensions, such as a mean")
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value.detach(), count + 1)

    def tensors(self) -> dict[str, Tensor]:
        """The sums since the last row."""
        return {name: torch.as_tensor(total, device=self._device) for name, (total, _) in self._sums.items()}

    def write_row(self, found: Mapping[str, float]) -> dict[str, Any]:
        """The means since the last row and what was `found`; returns them. Waits for the device."""
        names, p = list(self._sums), self._progress
        means = [total.float() / count for total, count in self._sums.values()]
        self._sums = {}
        values: dict[str, Any] = dict(zip(names, ranks.mean(torch.stack(means)).tolist() if means else [], strict=True))
        values = {
            name: value if isinstance(value, int) else float(f"{value:.6g}") for name, value in (values | found).items()
        }
        row = {
            "epoch": round(p.epochs, p.plan.most_decimals),
            "step": p.step,
            "generator_steps": self._networks.generator_steps,
            "images": p.images,
            "seconds": round(p.seconds, 2),
            "threads": torch.get_num_threads(),
        }
        self.rows.append(row | values)
        self._log.append(self.rows)
        return values

    def state_dict(self) -> dict[str, Any]:
        sums = {name: [ranks.mean(torch.as_tensor(total)), count] for name, (total, count) in self._sums.items()}
        return {"rows": json.dumps(self.rows), "sums": sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rows = json.loads(state["rows"])
        self._sums = {name: (total.to(self._device), count) for name, (total, count) in state["sums"].items()}

    def rewrite_the_log(self) -> None:
        """log.csv back to the rows that the checkpoint knows."""
        if not log_agrees(self._folder.path, self.rows):
            say(f"{self._folder.path / LOG}: missing or damaged; rebuilt from the checkpoint")
        self._log.write(self.rows)


def wrong_figure(values: Mapping[str, Any]) -> str | None:
    """The first that is not finite, as an error says it."""
    return next((f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)), None)


class Display:
    """A bar on a terminal; elsewhere a plain line for each row that is to be said."""

    def __init__(self, progress: Progress, stopping: Stopping, quiet: bool):
        self._progress, self._stopping, self._quiet = progress, stopping, quiet
        self._bar: Any = None

    def open(self) -> None:
        if sys.stderr.isatty() and not self._quiet:
            from tqdm import tqdm

            p = self._progress
            total = p.plan.steps * p.plan.batch_size
            self._bar = tqdm(total=total, initial=p.images, unit="img", unit_scale=True, dynamic_ncols=True)

    def show(self, values: Mapping[str, Any], as_a_line: bool) -> None:
        p = self._progress
        if self._bar is not None:
            with contextlib.suppress(OSError):  # the terminal may be gone; SIGHUP is then on its way
                self._bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()}, refresh=False)
                self._bar.update(p.images - self._bar.n)
        elif as_a_line and not self._quiet:
            rate = p.images_per_second
            left = max(0, min((p.plan.steps - p.step) * p.plan.batch_size / rate, self._stopping.seconds_left))
            figures = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name != "collapsed")
            done = f"{p.plan.epochs_as_text(p.step)}/{p.plan.epochs}"
            to_go = f"  {clock(left)} left" if p.step >= TELLING_STEPS else ""
            say(f"epoch {done}  {figures}  {rate:,.0f} images/s{to_go}")

    def close(self) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()
