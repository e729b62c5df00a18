"""What looks at a run from time to time, each answering "is it time?" and "look". None of them changes the run.

Of several processes of a run the first looks, for all.
"""

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

from common.console import say
from common.nn import ranks
from common.nn.pixels import floats
from common.pictures.files import png
from common.pictures.grids import COLUMNS, grid
from common.runs.folder import frames, grid_name
from common.runs.names import LATEST, SAMPLES
from common.scoring import watch
from common.training.parts import Parts
from common.training.stopping import BrokenOff

import numpy as np
import torch
from torch import Tensor

# Held-out images (count, C, H, W) and z (count, z_dim) -> images (N, C, H, W) in [-1, 1].
Draw = Callable[[Tensor, Tensor], Tensor]


class Grids:
    """The grid of samples and the contact sheets beside it, from the same noise and held-out images every time."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._sheets: dict[str, tuple[Draw, int, int]] = {}
        self._latents: Tensor | None = None
        self._drawn: int | None = None  # the step of the last ones
        self.add(SAMPLES, lambda real, z: parts.networks.sampled(z), 64, COLUMNS)

    def add(self, name: str, draw: Draw, count: int, columns: int) -> None:
        self._sheets[name] = (draw, count, columns)

    def is_due(self) -> bool:
        return self._parts.progress.plan.grid_is_due(self._parts.progress.step)

    @property
    def are_of_this_step(self) -> bool:
        return self._drawn == self._parts.progress.step

    def look(self) -> None:
        if not ranks.is_first():
            return
        p = self._parts.progress
        with self._parts.aside():
            torch.manual_seed(self._parts.settings.seed)
            pictures = {
                name: grid(draw(*self._inputs(n)), columns) for name, (draw, n, columns) in self._sheets.items()
            }
        folder, file = self._parts.folder, grid_name(p.plan.epochs_as_text(p.step))
        contents = {name: png(picture) for name, picture in pictures.items()}
        for name, content in contents.items():
            folder.write(f"{name}/{file}", content)
        folder.show(LATEST, contents[SAMPLES])
        self._parts.recorder.board.add(p.step, {}, pictures[SAMPLES])
        self._drawn = p.step

    def show_the_newest(self) -> None:
        """As the latest one, which a kill may have kept from being written, or an earlier version did not write."""
        folder = self._parts.folder
        for _, file in frames(folder.path)[-1:]:
            with folder.trouble():
                content = file.read_bytes()
            folder.show(LATEST, content)

    def _inputs(self, count: int) -> tuple[Tensor, Tensor]:
        """So many held-out images and noise vectors."""
        if self._latents is None:
            most = max(count for _, count, _ in self._sheets.values())
            generator = torch.Generator().manual_seed(self._parts.settings.seed)
            self._latents = torch.randn(most, self._parts.settings.z_dim, generator=generator).to(self._parts.device)
        # Evenly from the whole set, which may be sorted by class; a small one holds out fewer.
        chosen = np.arange(count) * len(self._parts.data.held_out) // count
        held_out = torch.from_numpy(np.ascontiguousarray(self._parts.data.held_out[chosen]))
        return floats(held_out.to(self._parts.device), torch.channels_last), self._latents[:count]


class Evaluation:
    """What evaluate.py would say, in the log. Touches neither random generators nor the clock."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._evaluator: Any = None

    def prepare(self) -> None:
        """May refuse the data, or take a minute."""
        if self._parts.settings.evaluate_every:
            from common.scoring.evaluating import evaluator_for

            with self._parts.randomness.aside():
                self._evaluator = evaluator_for(
                    self._parts.settings, self._parts.data, data_root=self._parts.settings.data_root
                )

    def is_due(self) -> bool:
        return self._parts.progress.plan.scores_are_due(self._parts.progress.step)

    def look(self) -> dict[str, float]:
        """Nothing where a signal broke it off."""
        if not ranks.is_first():
            return {}
        began, scores, parts = time.monotonic(), {}, self._parts
        with contextlib.suppress(BrokenOff), parts.aside(), parts.stopping.breaking_off():
            scores = self._evaluator.score(parts.networks.sampled)
        self._parts.progress.leave_out(time.monotonic() - began)
        return {name: value for name, value in scores.items() if value is not None}


class CollapseWatch:
    """How varied the samples are next to real images, and whether that is too little, which is said once."""

    def __init__(self, parts: Parts, said: str):
        self._parts = parts
        self._watch: watch.Watch | None = None  # made at its first look
        self.said = said  # of the newest look: what is too little

    def is_due(self) -> bool:
        """Not before a generator has begun to learn, except at the run's end, nor where there is little to compare."""
        p = self._parts.progress
        return (
            p.plan.usual_grid_is_due(p.step)
            and p.step >= p.plan.watch_from
            and (p.step >= watch.STEPS or p.is_over)
            and "z" in self._parts.networks.sampled.takes
            and len(self._parts.data.held_out) >= watch.FEWEST
        )

    def look(self) -> dict[str, float]:
        if not ranks.is_first():
            return {}
        p, G = self._parts.progress, self._parts.networks.sampled
        if self._watch is None:
            self._watch = watch.Watch(self._parts.data, G.z_dim, self._parts.settings.seed)
        with self._parts.aside():
            found = self._watch.look(G, self._parts.settings.batch_size)
        few = [name for name, share in found.items() if share < watch.LEAST[name]]
        self.said = " and ".join(f"{found[name]:.2f} of the {name.replace('_', ' ')} of real images" for name in few)
        if few and not any(row.get("collapsed") for row in self._parts.recorder.rows):
            name = "MODE COLLAPSE" if p.step >= watch.STEPS else "mode collapse, or too short a run to tell,"
            say(f"{self._parts.folder.path}: {name} in epoch {math.ceil(p.epochs)}: samples have {self.said}")
        return {**found, "collapsed": int(bool(few))}
