"""The loop: what comes before the first step, after each of them, and at the end."""

import contextlib
import dataclasses
import math
import signal
from collections.abc import Mapping
from typing import NoReturn

from common.console import SAME_LINE, say
from common.errors import Diverged, FolderError, Stopped
from common.nn import ranks
from common.training.agreement import Agreement, not_finite
from common.training.beginning import introduction
from common.training.checkpoints import Checkpoints
from common.training.ending import leave_results, sum_up
from common.training.observers import CollapseWatch, Evaluation, Grids
from common.training.preparation import Prepared, take_possession
from common.training.record import Record
from common.training.recorder import Display, wrong_figure


class Loop:
    """Asks each part between two steps whether it is time, and lets it do what is due."""

    def __init__(self, prepared: Prepared):
        self._prepared, parts = prepared, prepared.parts
        self._parts, self._folder, self._progress = parts, parts.folder, parts.progress
        self._record = Record(parts.folder, parts.progress, parts.share, prepared.record)
        self.grids, self._evaluation = Grids(parts), Evaluation(parts)
        self._watch = CollapseWatch(parts, said=(prepared.record or {}).get("collapsed", ""))
        self._agreement = Agreement(parts.stopping)
        self._display = Display(parts.progress, parts.stopping, parts.settings.quiet)
        self._checkpoints = Checkpoints(prepared, self._record, parts.with_a_state)

    # --- the beginning

    def begin(self, steps_per_iteration: int) -> None:
        """From here on the folder exists and is ours. Raises Refusal."""
        if self._record.is_begun:
            raise RuntimeError("a run has one loop over its batches, and this is the second")
        progress, s = self._progress, self._parts.settings
        self._parts.networks.sampled  # noqa: B018 (a run without a generator is refused before it trains)
        progress.plan = dataclasses.replace(progress.plan, steps_per_iteration=steps_per_iteration)
        progress.plan.refuse_if_empty()
        # Early, for it may refuse the data, or take a minute in which a signal ends the run.
        ranks.first(self._evaluation.prepare)
        self._parts.stopping.enter_the_loop(s.time_limit)
        ranks.first(lambda: take_possession(self._folder, s.fresh))
        progress.start_the_clock()
        self._checkpoints.start_the_clock()
        if self._prepared.record is not None and self._checkpoints.load() and ranks.is_first():
            self._parts.recorder.rewrite_the_log()
            self.grids.show_the_newest()
        ranks.make_equal([*self._parts.networks.tensors().values()])
        self._agreement.begin(progress.step)
        self._parts.share.begin()
        self._record.begin(self._prepared)
        if not s.quiet:
            for line in introduction(self._prepared):
                say(line)
        self._display.open()
        if not progress.looked:  # a signal broke off what was due at an epoch's end
            self._look()

    # --- between two steps

    def after(self, step: int) -> None:
        """So many batches are trained on."""
        self._progress.step, self._progress.looked = step, False
        self._look()
        if self._parts.share.look():
            self._record.write("running")
        if not self._progress.is_over:
            self._pause()

    def _look(self) -> None:
        """What is due after a step: scores, the watch for mode collapse, a row of the log, grids."""
        found: dict[str, float] = {}
        for observer in (self._evaluation, self._watch):
            if observer.is_due():
                self._stop_if_signalled()
                self._refuse_what_is_not_finite()
                found |= observer.look()
                self._stop_if_signalled()  # what was broken off is left to the next start
        if self._progress.plan.row_is_due(self._progress.step):
            self._write_row(found)
        if self.grids.is_due():
            self.grids.look()
        self._progress.looked = True

    def _write_row(self, found: Mapping[str, float]) -> None:
        recorder, progress = self._parts.recorder, self._progress
        self._record.content["collapsed"] = self._watch.said
        values = recorder.write_row(found)
        wrong = wrong_figure({name: value for name, value in values.items() if name not in found})
        if wrong:
            self._diverge(wrong)
        self._refuse_what_is_not_finite()
        recorder.board.add(progress.step, values)
        self._display.show(values, as_a_line=progress.plan.line_is_due(progress.step))

    def _pause(self) -> None:
        """The end if a signal or the time limit asks for it, or a checkpoint."""
        asked = self._agreement.ask(self._progress.step, self._checkpoints.is_due())
        self._obey(asked.signal)
        if asked.time_is_up:
            if not self.grids.are_of_this_step:
                self.grids.look()
            self._stop("time limit reached", 0)
        if asked.checkpoint:
            self._refuse_what_is_not_finite()
            self._checkpoints.save()

    def _refuse_what_is_not_finite(self) -> None:
        """Ends the run where a weight, or a figure since the last row of the log, is NaN or infinite."""
        wrong = not_finite(self._parts.networks.tensors() | self._parts.recorder.tensors())
        if wrong:
            self._diverge(f"{wrong} is not finite")

    # --- the end

    def _stop_if_signalled(self) -> None:
        self._obey(self._agreement.ask(self._progress.step, at_once=True).signal)

    def _obey(self, number: int | None) -> None:
        if number is not None:
            self._stop(f"stopped by {signal.Signals(number).name}", 128 + number)

    def _stop(self, why: str, code: int) -> NoReturn:
        self._end("stopped", why, said=why)
        done = f"epoch {self._progress.epochs:.1f} of {self._progress.plan.epochs} is saved"
        raise Stopped(f"{self._folder.path}: {why}, {done}; {SAME_LINE[self._parts.settings.fresh]} goes on", code)

    def _diverge(self, what: str) -> NoReturn:
        message = f"diverged in epoch {max(1, math.ceil(self._progress.epochs))}: {what}"
        self._record.write("diverged", message)
        raise Diverged(
            f"{self._folder.path}: {message}; the last good checkpoint and samples, if it got that far, are kept."
            " Try smaller learning rates, with --fresh or another folder"
        )

    def _end(self, state: str, message: str, said: str) -> None:
        """A checkpoint first, then what people look at."""
        self._refuse_what_is_not_finite()
        self._checkpoints.save()
        if ranks.is_first():
            leave_results(self._parts, f"{self._prepared.script}.py on {self._parts.data.name}")
            self._record.write(state, message)
            sum_up(self._parts, said, is_finished=state == "finished")

    def finish(self, step: int) -> None:
        """The script's `main` has ended, after so many batches: all of them, or it broke out of the loop.

        Raises RuntimeError where it took none.
        """
        progress, script = self._progress, self._prepared.script
        if not self._record.is_begun or not step:
            raise RuntimeError("its main(run) took no batch: it must loop over run.batches() or run.iterations()")
        if not progress.is_over:
            is_new, progress.step, progress.ended = step > progress.step, step, progress.plan.epochs
            if is_new:
                self._write_row({})
                self.grids.look()
        if progress.is_cut_short:
            message = f"{script}.py itself ended it after {progress.epochs:.4g} of {progress.plan.epochs} epochs"
            self._end("finished", message, said=f"finished early by {script}.py itself")
        else:
            self._end("finished", "", said="finished")

    def close(self, failure: str | None) -> None:
        """Gives the folder back; a run that broke off says so in run.json, where that can still be written."""
        self._display.close()
        try:
            if failure and self._record.is_begun:
                with contextlib.suppress(FolderError):  # the failure may be that nothing can be written
                    self._record.write("failed", failure)
            self._parts.recorder.board.close()
        finally:
            self._folder.release()
