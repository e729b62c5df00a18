"""How long a run is, and what is due at which of its steps. Everything here is decided before the first of them."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from common.errors import BadArgument, DataError, FolderError
from common.options import Settings

LOG_EVERY = 100  # steps between rows of log.csv within an epoch
MANY_BATCHES = 10  # in an epoch: each end has a row of the log, which is said
LINES = 10  # that are said between two grids, about, where an epoch has fewer
GRIDS = 40  # grids of samples in a run of default length
SECOND_GRID = 8  # steps; the first comes after one iteration, each further one after twice as many
WATCHED_AFTER = 0.05  # of the run: a generator that has only just begun makes few kinds of images


def doubled(start: int, end: int) -> Iterator[int]:
    """start, 2 start, 4 start, ... below end."""
    while start < end:
        yield start
        start *= 2


@dataclass(frozen=True)
class Plan:
    """A run in steps, one a batch. An iteration has one or more of them; a last one that would be cut is not begun."""

    epochs: int
    batches_per_epoch: int
    batch_size: int
    sample_every: int  # epochs between grids
    grids_per_epoch: int  # more than one where an epoch alone is long
    watch_from: int  # the step from which mode collapse is looked for
    evaluate_every: int | None = None  # epochs between scores
    steps_per_iteration: int = 1

    @property
    def steps(self) -> int:
        """Of the whole run, in whole iterations."""
        return self.epochs * self.batches_per_epoch // self.steps_per_iteration * self.steps_per_iteration

    def refuse_if_empty(self) -> None:
        """Raises BadArgument for a run without a whole iteration."""
        if not self.steps:
            raise BadArgument(
                f"the run has {self.epochs * self.batches_per_epoch} batch(es), and one iteration takes"
                f" {self.steps_per_iteration}; give more --epochs or a smaller --batch-size"
            )

    def epochs_done(self, step: int) -> float:
        """After so many steps. What is left of the last epoch behind the last whole iteration counts as done."""
        return float(self.epochs) if self.is_last(step) else step / self.batches_per_epoch

    def is_last(self, step: int) -> bool:
        return step >= self.steps

    def ends_an_epoch(self, step: int) -> bool:
        return step % self.batches_per_epoch == 0 or self.is_last(step)

    @property
    def first_usual_grid(self) -> int:
        """The step it comes after."""
        return min(math.ceil(self.batches_per_epoch / self.grids_per_epoch), self.steps)

    @cached_property
    def early_grids(self) -> frozenset[int]:
        """The steps after which there is a grid at the beginning, before the usual ones are as close together.

        After the first iteration, 8 steps, 16, 32, ... in whole iterations; then, where only every so many epochs have
        a grid, after 2, 4, 8, ... of them. None falls into the last third of the way to a usual one.
        """
        first, every = self.first_usual_grid, min(self.sample_every, self.epochs)
        iterations = {math.ceil(step / self.steps_per_iteration) for step in (1, *doubled(SECOND_GRID, first))}
        within = {iteration * self.steps_per_iteration for iteration in iterations}
        epochs = {epoch * self.batches_per_epoch for epoch in doubled(2, every) if 3 * epoch <= 2 * every}
        return frozenset({step for step in within if 3 * step <= 2 * first} | epochs)

    def grid_is_due(self, step: int) -> bool:
        return step in self.early_grids or self.usual_grid_is_due(step)

    def usual_grid_is_due(self, step: int) -> bool:
        """At the first epoch's end, the last's and every so many between; within epochs where these are long."""
        if self.ends_an_epoch(step):
            epoch = round(self.epochs_done(step))
            return epoch in (1, self.epochs) or epoch % self.sample_every == 0
        return step % self.batches_per_epoch * self.grids_per_epoch % self.batches_per_epoch < self.grids_per_epoch

    def line_is_due(self, step: int) -> bool:
        """A row of the log that is also said."""
        return self.grid_is_due(step) or step % self.steps_between_lines == 0

    def row_is_due(self, step: int) -> bool:
        return self.line_is_due(step) or self.scores_are_due(step) or step % self.steps_between_rows == 0

    @property
    def steps_between_rows(self) -> int:
        """Whole epochs, where these are short: a row at each end would be one a step, and wait for the device."""
        return LOG_EVERY - (LOG_EVERY % self.batches_per_epoch if self.batches_per_epoch < MANY_BATCHES else 0)

    @property
    def steps_between_lines(self) -> int:
        """An epoch; where these are short as many steps as between rows, or in a long run a multiple of them."""
        if self.batches_per_epoch >= MANY_BATCHES:
            return self.batches_per_epoch
        most = self.sample_every * self.batches_per_epoch // LINES
        return self.steps_between_rows * max(1, most // self.steps_between_rows)

    def epochs_as_text(self, step: int) -> str:
        """As they are said and name a grid: 3; 2.25 within an epoch, or 3.00 where that has grids; 0.0011 early on."""
        is_whole = self.grids_per_epoch == 1 and self.ends_an_epoch(step)
        decimals = self.most_decimals if step < self.first_usual_grid else 0 if is_whole else 2
        return f"{self.epochs_done(step):.{decimals}f}"

    @property
    def most_decimals(self) -> int:
        """With these the epochs after any two steps differ."""
        return max(4, len(str(self.batches_per_epoch)))

    def scores_are_due(self, step: int) -> bool:
        every = self.evaluate_every
        return bool(every) and self.ends_an_epoch(step) and round(self.epochs_done(step)) % every == 0


def with_batches_that_fit(s: Settings, given: Collection[str], images: int) -> Settings:
    """The settings for a set of so many images, of what is `given` on the line.

    Where the script's own batch is larger than the set, it is the largest power of two that is not. A --batch-size that
    is larger stays, for `make_plan` to refuse; so does a set of one image.
    """
    if "batch_size" in given or not 2 <= images < s.batch_size:
        return s
    return replace(s, batch_size=1 << (images.bit_length() - 1))


def make_plan(s: Settings, images: int, record: Mapping[str, Any] | None, longer: bool) -> Plan:
    """The plan for a set of so many images. What a run was started with, by its record, outlives another default.

    `longer`: the line asks for a length of its own, which may be more than the record's. Raises DataError where there
    are fewer images than in a batch, FolderError where the length would shrink.
    """
    batches_per_epoch = images // s.batch_size
    if not batches_per_epoch:
        if images == 1:
            raise DataError("there is one training image, and a GAN needs many; use a larger set, or hold out fewer")
        raise DataError(
            f"--batch-size {s.batch_size} is larger than the {images} training images;"
            f" give --batch-size {images} or less"
        )

    def epochs_of(images_shown: int) -> int:
        return max(1, round(images_shown / (batches_per_epoch * s.batch_size)))

    epochs = s.epochs or epochs_of(s.images)
    # A run that the clock will end has its grids as often as one of default length.
    length = min(epochs, epochs_of(type(s).images)) if s.time_limit else epochs
    sample_every = s.sample_every or max(1, round(length / GRIDS))
    watch_from = math.ceil(WATCHED_AFTER * length * batches_per_epoch)
    if record:
        watch_from = record.get("watch_from", watch_from)
        epochs, sample_every = epochs if longer else record["epochs"], record["sample_every"]
        if epochs < record["epochs"]:
            raise FolderError(
                f"{s.folder}: was started for {record['epochs']} epochs; they may grow, not shrink to {epochs}"
            )
    # Where an epoch alone is long there are grids within it.
    within = 1 if s.sample_every or sample_every > 1 else images * GRIDS // type(s).images
    grids_per_epoch = min(max(1, within), batches_per_epoch, 100)
    return Plan(epochs, batches_per_epoch, s.batch_size, sample_every, grids_per_epoch, watch_from, s.evaluate_every)
