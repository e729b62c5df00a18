"""The loop: epochs, batches, when to log, sample, checkpoint and stop. A script's `main(run)` talks to `Training`."""

import contextlib
import dataclasses
import functools
import json
import math
import os
import platform
import random
import shlex
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from common import __version__, cli, collapse, data, device, images
from common.cli import BadArgument, DataError, Diverged, Done, FolderError, Refusal, Stopped, first_line, say
from common.run import AXES, GENERATOR, LOG, RunFolder, generator_steps, neighbours

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

LOG_EVERY = 100  # steps between rows of log.csv within an epoch
NOT_DRAWN = ("collapsed", "kernel", "density", "class_kl", "smallest_class", "worst_class_coverage")  # in losses.png
CHECKPOINTS_SHARE = 0.025  # of a run's time, at most, that checkpoints of large networks take
WATCHED_AFTER = 0.05  # of the run: a generator that has only just begun makes few kinds of images
DRAWN_TOGETHER = (("precision", "recall", "coverage"), ("variety", "class_variety"))
GRIDS = 40  # grids of samples in a run of default length
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def descend(loss: Tensor, optimizer: Optimizer) -> None:
    """One step of `optimizer` down the gradient of `loss`.

    Gradients are computed for the optimizer's own parameters only, so the generator's step neither touches nor pays
    for the discriminator's.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.zero_grad()
    loss.backward(inputs=parameters)
    optimizer.step()


def scores_and_gradients(D: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (N,) and their gradients by the images, (N, pixels), which a penalty may differentiate by D's weights."""
    images = images.detach().requires_grad_()
    scores = D(images)
    (gradients,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return scores, gradients.flatten(1)


def cosine(start: float, end: float, progress: float) -> float:
    """A schedule from `start` at progress 0 to `end` at 1 and beyond."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1))) / 2


class _BrokenOff(BaseException):
    """A signal came while the run was scored."""


class Training:
    """What a run needs and no paper mentions. Made by `launch`, handed to a script's `main`.

    settings        the script's Settings
    shape           (C, H, W) of the images
    """

    def __init__(self, script: str, kind: type[cli.Settings], given: dict[str, Any], clock: float):
        self._script, self._clock = script, clock
        self._signal: int | None = None
        self._in_loop = False  # a signal then waits for the pause between two steps
        self._scoring = False  # which a signal breaks off, for it may take minutes
        self._recorded = False  # run.json is this start's
        self._networks: dict[str, nn.Module] = {}
        self._trained: nn.Module | None = None  # the generator, of which --ema keeps another one
        self._optimizers: list[Optimizer] = []
        self._sheets: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int, int]] = {}
        self.sheet("samples", lambda real, z: self.sample(z), count=64)
        self._bar = None

        self._folder = RunFolder(given["folder"])
        self._on_the_line = frozenset(given)
        self._fresh, self._given = bool(given.get("fresh")), sorted(set(given) - cli.FREE)
        self._folder.check_writable()
        try:
            self._prepare(kind, given)
        except BaseException:
            self._folder.release()
            raise

    def _prepare(self, kind: type[cli.Settings], given: dict[str, Any]) -> None:
        """Settings, data and device, from the line or the run that is there."""
        if self._folder.holds_a_run():
            self._folder.lock()
        self._record = None if self._fresh else self._folder.record()
        self.settings = self._settle(kind, given)

        known = self._record
        name = known["dataset"]["name"] if known else self.settings.dataset
        s = self.settings
        if known:
            self._folder.check_checkpoints(known)
            self._plan(given, known["dataset"]["images"])  # a finished run answers before its data are read
        self.data = data.load_for(s, name)
        if known and known["dataset"]["fingerprint"] != self.data.fingerprint:
            raise DataError(f"{name} is not what this run began with (its images changed); give the run another folder")
        self.device = device.resolve_device(known["device"] if known else s.device)
        self.precision = known["precision"] if known else device.resolve_precision(s.precision, self.device)
        if known:
            torch.set_num_threads(known["threads"])  # results depend on how sums are split
        else:
            self._plan(given, len(self.data.images))
        torch.manual_seed(s.seed)
        random.seed(s.seed)
        np.random.seed(s.seed % 2**32)

    # --- what the line and run.json say

    def _settle(self, kind: type[cli.Settings], given: dict[str, Any]) -> cli.Settings:
        """The line over run.json over the defaults; refuses a line that contradicts run.json."""
        record = self._record
        if record is None:
            return kind(**given)
        path = self._folder.path
        if record["script"] != self._script:
            raise FolderError(f"{path}: holds a run of {record['script']}.py; give this one a folder of its own")
        stored = record["settings"]
        resolved = {"device": record["device"], "precision": record["precision"], "dataset": record["dataset"]["name"]}
        differing = [
            f"{name} {value} (was {stored.get(name)})"
            for name, value in given.items()
            if name not in cli.FREE | {"epochs", "images"}
            and _comparable(name, value) not in (_comparable(name, stored.get(name)), resolved.get(name))
        ]
        if differing:
            raise FolderError(
                f"{path}: holds a run with other settings: {', '.join(differing)};"
                " give this one its own folder, or --fresh to start anew"
            )
        if record["state"] == "diverged":
            raise Diverged(f"{path}: {record['message']}; --fresh starts anew")
        fields = {field.name for field in dataclasses.fields(kind)}
        kept = {name: value for name, value in stored.items() if name in fields and name not in cli.FREE}
        if "images" in given:
            kept["epochs"] = None  # the new length counts
        return kind(**{**kept, **given})

    def _plan(self, given: dict[str, Any], count: int) -> None:
        """Epochs, batches an epoch and epochs between grids for `count` images; ends here if the run has them all."""
        s, path, known = self.settings, self._folder.path, self._record
        self._batches_per_epoch = count // s.batch_size
        if not self._batches_per_epoch:
            raise DataError(
                f"--batch-size {s.batch_size} is larger than the {count} training images;"
                f" {'use a larger set' if count < 2 else f'give --batch-size {count} or less'}"
            )

        def epochs_of(images_shown: int) -> int:
            return max(1, round(images_shown / (self._batches_per_epoch * s.batch_size)))

        self._epochs = s.epochs or epochs_of(s.images)
        # A run that the clock will end has its grids as often as one of default length.
        length = min(self._epochs, epochs_of(type(s).images)) if s.time_limit else self._epochs
        self._sample_every = s.sample_every or max(1, round(length / GRIDS))
        self._watch_from = math.ceil(WATCHED_AFTER * length * self._batches_per_epoch)  # steps
        if known:
            self._watch_from = known.get("watch_from", self._watch_from)
            asked = self._epochs if {"epochs", "images"} & set(given) else known["epochs"]
            if asked < known["epochs"]:
                raise FolderError(
                    f"{path}: was started for {known['epochs']} epochs; they may grow, not shrink to {asked}"
                )
            self._epochs, self._sample_every = asked, known["sample_every"]
            if known["state"] == "finished" and asked == known["epochs"]:
                amiss = self._folder.amiss()
                if amiss is None:
                    raise Done(f"{path}: finished already, {asked} epochs; samples are in {path / 'samples'}")
                if amiss == GENERATOR:  # the others are said where they are read
                    say(f"{path / amiss}: missing or damaged; rebuilt from the checkpoint")
        # Where an epoch alone is long there are grids within it.
        within = 1 if s.sample_every or self._sample_every > 1 else count * GRIDS // type(s).images
        self._grids_per_epoch = min(max(1, within), self._batches_per_epoch, 100)

    # --- what a script calls

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.data.shape

    @property
    def classes(self) -> int:
        """How many classes the images have. Raises DataError where they have no labels."""
        if self.data.labels is None:
            raise DataError(
                f"--dataset {self.data.name}: has no labels, and {self._script}.py needs the class of each image;"
                " use a set with labels, a folder with a subfolder a class, or an .npz with `labels`"
            )
        return len(self.data.classes)

    def network(self, kind: type[nn.Module], *arguments: Any) -> Any:
        """`kind(*arguments)` on the run's device, in its precision, part of every checkpoint."""
        try:
            network = kind(*arguments)
        except ValueError as error:  # an image size it cannot make
            raise (BadArgument if self.settings.image_size else DataError)(str(error)) from error
        self._networks[f"{len(self._networks)} {kind.__name__}"] = network
        return device.place(network, self.device, self.precision)

    def generator(self, kind: type[nn.Module], *arguments: Any) -> Any:
        """The network that grids are drawn from and that is saved, to be built again from the same arguments.

        Under --ema both use a copy whose weights follow the mean of this one's.
        """
        G = self._trained = self._generator = self.network(kind, *arguments)
        if self.settings.ema:
            with torch.random.fork_rng([]):
                self._generator = self.network(kind, *arguments).requires_grad_(False)
            self._generator.load_state_dict(G.state_dict())
            states = (network.state_dict().values() for network in (self._generator, G))
            self._means, self._weights = ([t for t in state if t.is_floating_point()] for state in states)
        self._generator_about = {
            "script": self._script,
            "class": kind.__name__,
            "arguments": arguments,
            "network": list(self._networks)[-1],  # its name in a checkpoint
        }
        return G

    def sample(self, *inputs: Tensor) -> Tensor:
        """What the generator that is saved makes of z, or of whatever else it takes."""
        return self._generator(*inputs)

    def optimizer(self, kind: type[Optimizer], network: nn.Module, **options: Any) -> Optimizer:
        """`kind(parameters, **options)`, in one fused kernel where torch has one; part of every checkpoint."""
        if "fused" in kind.__init__.__code__.co_varnames and not {"foreach", "differentiable"} & set(options):
            options.setdefault("fused", True)
        optimizer = kind(network.parameters(), **options)
        self._optimizers.append(optimizer)
        if network is self._trained:
            optimizer.register_step_post_hook(lambda *_: self._generator_stepped())
        return optimizer

    def noise(self) -> Tensor:
        """z ~ N(0, I), (batch size, z_dim)."""
        return torch.randn(self.settings.batch_size, self.settings.z_dim, device=self.device)

    def sheet(
        self, name: str, draw: Callable[[Tensor, Tensor], Tensor], count: int = 8, columns: int = images.COLUMNS
    ) -> None:
        """A contact sheet beside each grid, in a folder `name`; "samples" replaces the grid of 64 samples itself.

        `draw(real, z)` returns images. It gets `count` held-out images and as many noise vectors, always the same,
        with all networks in evaluation mode.
        """
        self._sheets[name] = (draw, count, columns)

    def log(self, values: Mapping[str, Tensor]) -> None:
        """Adds a step's figures, tensors of no dimensions, to the means of the next row of the log. Does not wait."""
        for name, value in values.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = (total + value.detach(), count + 1)

    def batches(self) -> Iterator[tuple[int, Tensor]]:
        """(i, x): the step, counted through epochs and resumes, and real images (B, C, H, W) in [-1, 1].

        An epoch shows every training image once, in an order that depends on seed and epoch alone, but for a last
        incomplete batch.
        """
        for step, chosen in self._chosen():
            yield step, self._real(chosen)

    def labelled_batches(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """(i, x, y): the same with each image's class, int64 (B,)."""
        for step, chosen in self._chosen():
            yield step, self._real(chosen), self._labels[chosen].to(self.device, non_blocking=True)

    # --- the loop's parts

    def _chosen(self) -> Iterator[tuple[int, Tensor]]:
        """(step, the batch's places in the data), from where the run is to its end."""
        self._begin()
        size = self.settings.batch_size
        while self._epoch < self._epochs:
            generator = torch.Generator().manual_seed((self.settings.seed + 1) * 1_000_003 + self._epoch)
            order = torch.randperm(len(self._images), generator=generator).to(self._images.device)
            while self._batch < self._batches_per_epoch:
                yield self._step, order[self._batch * size : (self._batch + 1) * size]
                self._step += 1
                self._batch += 1
                if self._batch < self._batches_per_epoch:
                    if self._batch * self._grids_per_epoch % self._batches_per_epoch < self._grids_per_epoch:
                        self._write_row(say_it=True, found=self._look_for_collapse())
                        self._draw()
                    elif self._step % LOG_EVERY == 0:
                        self._write_row()
                    self._pause()
            # Stopped while it is scored, the run goes on from here: the epoch's steps are done, its end is not.
            scores = self._evaluate()
            self._epoch, self._batch = self._epoch + 1, 0
            grid = self._epoch in (1, self._epochs) or self._epoch % self._sample_every == 0
            self._write_row(say_it=True, found=scores | (self._look_for_collapse() if grid else {}))
            if grid:
                self._draw()
            if self._epoch < self._epochs:
                self._pause()
        self._save("finished")
        self._sum_up("finished")

    def _begin(self) -> None:
        """From here on the folder exists and is ours."""
        s, known = self.settings, self._record
        # First, for it may refuse the data, or take a minute in which a signal ends the run.
        self._evaluator = self._prepare_evaluator() if s.evaluate_every else None
        self._in_loop = True
        if not self._folder.locked:
            self._folder.lock()
            if not self._fresh and self._folder.holds_a_run():
                raise cli.Busy(f"{self._folder.path}: another process began this run just now; try again")
        data.point_caches_here()
        if self._fresh:
            self._folder.move_aside()
        state = self._folder.restore() if known else None
        self._epoch = self._batch = self._step = self._generator_steps = 0
        self._drawn: int | None = None  # the step of the last grids
        self._rows: list[dict[str, float]] = []
        self._sums: dict[str, tuple[Any, int]] = {}
        self._spent = 0.0  # seconds in earlier starts
        self._started = self._saved = time.monotonic()
        self._between_checkpoints = s.checkpoint_every

        latents = torch.Generator().manual_seed(s.seed)
        most = max(count for _, count, _ in self._sheets.values())
        self._latents = torch.randn(most, s.z_dim, generator=latents).to(self.device)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a memory-mapped set is read-only, and nothing writes to it
            pixels = torch.from_numpy(self.data.images)
        free = torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else math.inf
        self._images = pixels.to(self.device) if pixels.nbytes < free / 2 else pixels
        if self.data.labels is not None:
            self._labels = torch.from_numpy(self.data.labels).to(self._images.device)
        if state is not None:
            self._load(state)
        now, so_far = time.strftime("%Y-%m-%dT%H:%M:%S%z"), known or {}
        self._record = {
            "script": self._script,
            "state": "running",
            "settings": {
                **so_far.get("settings", {}),
                **{k: v for k, v in dataclasses.asdict(s).items() if k not in cli.FREE},
            },
            "given": sorted({*self._given, *so_far.get("given", ())}),
            "versions": {
                "project": __version__,
                "python": platform.python_version(),
                "torch": str(torch.__version__),
                "numpy": np.__version__,
            },
            "device": str(self.device),
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "dataset": {
                "name": _comparable("dataset", self.data.name),
                "fingerprint": self.data.fingerprint,
                "images": len(self.data.images),
                "held_out": len(self.data.held_out),
                "shape": list(self.shape),
                "classes": list(self.data.classes),
            },
            "epochs": self._epochs,
            "sample_every": self._sample_every,
            "watch_from": self._watch_from,
            "collapsed": so_far.get("collapsed", ""),
            "checkpoint_step": so_far.get("checkpoint_step"),
            "checkpoints": so_far.get("checkpoints", 0),
            "checkpoint_seconds": so_far.get("checkpoint_seconds", 0.0),
            "started": so_far.get("started", now),
        }
        self._write_record("running")
        self._recorded = True
        if not s.quiet:
            where = f"{self.device}, {self.precision}, {torch.get_num_threads()} threads"
            what = f"{self.data.name}, {len(self.data.images):,} images of {'x'.join(map(str, self.shape))}"
            again = f"; goes on after epoch {self._epoch}" if known else ""
            say(f"{self._folder.path}: {what}, {self._epochs} epochs, {where}{again}")
        if sys.stderr.isatty() and not s.quiet:
            from tqdm import tqdm

            total = self._epochs * self._batches_per_epoch * s.batch_size
            self._bar = tqdm(total=total, initial=self._images_shown, unit="img", unit_scale=True, dynamic_ncols=True)

    def _real(self, chosen: Tensor) -> Tensor:
        x = self._images[chosen].to(self.device, non_blocking=True)
        x = images.floats(x, torch.channels_last)
        if self.settings.flip:
            mirrored = torch.rand(len(x), 1, 1, 1, device=self.device) < 0.5
            x = torch.where(mirrored, x.flip(3), x)
        return x

    @property
    def _images_shown(self) -> int:
        return self._step * self.settings.batch_size

    @property
    def _epochs_done(self) -> float:
        return self._epoch + self._batch / self._batches_per_epoch

    @property
    def _seconds(self) -> float:
        return self._spent + time.monotonic() - self._started

    def _write_row(self, say_it: bool = False, found: Mapping[str, float] | None = None) -> None:
        """The means since the last row, and what was `found`, to log, TensorBoard and terminal; waits for the device.

        Where there is no terminal, only a row that is to be said is printed, as a line.
        """
        names = list(self._sums)
        means = torch.stack([total.float() / count for total, count in self._sums.values()]).tolist() if names else []
        self._sums = {}
        values = {name: float(f"{value:.6g}") for name, value in zip(names, means, strict=True)}
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        for name, value in (found or {}).items():
            values[name] = value if isinstance(value, int) else float(f"{value:.6g}")
        row = {
            "epoch": round(self._epochs_done, 4),
            "step": self._step,
            "generator_steps": self._generator_steps,
            "images": self._images_shown,
            "seconds": round(self._seconds, 2),
            **values,
        }
        self._rows.append(row)
        self._folder.append_log(self._rows)
        if wrong:
            self._diverge(f"{wrong[0]} is {values[wrong[0]]}")
        self._refuse_what_is_not_finite()
        self._folder.board(self._step, values)
        if self._bar is not None:
            with contextlib.suppress(OSError):  # the terminal may be gone; SIGHUP is then on its way
                self._bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()}, refresh=False)
                self._bar.update(self._images_shown - self._bar.n)
        elif say_it and not self.settings.quiet:
            rate = self._images_shown / self._seconds
            left = (self._epochs * self._batches_per_epoch - self._step) * self.settings.batch_size / rate
            if self.settings.time_limit is not None:
                left = max(0, min(left, self.settings.time_limit - (time.monotonic() - self._clock)))
            figures = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name != "collapsed")
            done = f"{self._epochs_done:.{0 if self._grids_per_epoch == 1 else 2}f}/{self._epochs}"
            say(f"epoch {done}  {figures}  {rate:,.0f} images/s  {cli.clock(left)} left")

    def _refuse_what_is_not_finite(self) -> None:
        """Ends the run where a weight, or a figure since the last row of the log, is NaN or infinite."""
        found = {
            f"the weight {name.partition(' ')[2]}.{key}": tensor
            for name, network in self._networks.items()
            for key, tensor in network.state_dict().items()
        }
        found |= {name: torch.as_tensor(total, device=self.device) for name, (total, _) in self._sums.items()}
        finite = torch.stack([tensor.isfinite().all() for tensor in found.values()]).tolist()
        if not all(finite):
            self._diverge(f"{list(found)[finite.index(False)]} is not finite")

    def _diverge(self, what: str) -> None:
        message = f"diverged in epoch {max(1, math.ceil(self._epochs_done))}: {what}"
        self._write_record("diverged", message)
        raise Diverged(
            f"{self._folder.path}: {message}; the last good checkpoint and samples, if it got that far, are kept."
            " Try smaller learning rates, with --fresh or another folder"
        )

    def _draw(self) -> None:
        """The grid and the contact sheets of this moment; leaves the random generators as they were."""
        with self._aside(), torch.no_grad():
            torch.manual_seed(self.settings.seed)
            pictures = {}
            for name, (draw, count, columns) in self._sheets.items():
                # Evenly from the whole set, which may be sorted by class; a small one holds out fewer.
                chosen = np.arange(count) * len(self.data.held_out) // count
                held_out = torch.from_numpy(np.ascontiguousarray(self.data.held_out[chosen]))
                real = images.floats(held_out.to(self.device), torch.channels_last)
                pictures[name] = images.grid(draw(real, self._latents[:count]), columns)
        whole = self._grids_per_epoch == 1 and not self._batch
        file = f"epoch-{self._epochs_done:{'04.0f' if whole else '07.2f'}}.png"
        for name, picture in pictures.items():
            self._folder.write(f"{name}/{file}", images.png(picture))
        self._folder.board(self._step, {}, pictures["samples"])
        self._drawn = self._step

    @contextlib.contextmanager
    def _aside(self) -> Iterator[None]:
        """What looks at the run: all networks in evaluation mode, and the random generators left as they were."""
        training, state = [network for network in self._networks.values() if network.training], self._random_state()
        for network in training:
            network.eval()
        try:
            yield
        finally:
            for network in training:
                network.train()
            self._set_random_state(state)

    def _prepare_evaluator(self) -> Any:
        from common import metrics

        settings = dataclasses.asdict(self.settings)
        with self._aside():
            return metrics.evaluator_for(settings, self.data, data_root=self.settings.data_root)

    def _evaluate(self) -> dict[str, float]:
        """What evaluate.py would say, where it is time for that. Touches neither random generators nor the clock."""
        every = self.settings.evaluate_every
        if not every or (self._epoch + 1) % every:
            return {}
        self._refuse_what_is_not_finite()
        began, scores = time.monotonic(), {}
        with self._aside(), contextlib.suppress(_BrokenOff):
            self._scoring = True
            scores = self._evaluator.score(self._generator)
            self._scoring = False
        self._started += time.monotonic() - began
        self._stop_if_asked()
        return {name: value for name, value in scores.items() if value is not None}

    @functools.cached_property
    def _watch(self) -> collapse.Watch | None:
        """None where images are not made from noise, or too few are held out to compare with."""
        if not hasattr(self._generator, "z_dim") or len(self.data.held_out) < collapse.FEWEST:
            return None
        return collapse.Watch(self.data, self._generator.z_dim, self.settings.seed)

    def _look_for_collapse(self) -> dict[str, float]:
        """How varied the samples are next to real images, and whether that is too little, which is said once."""
        if self._step < self._watch_from or (self._step < collapse.STEPS and self._epoch < self._epochs):
            return {}
        if self._watch is None:
            return {}
        self._refuse_what_is_not_finite()
        with self._aside():
            found = self._watch.look(self._generator, self.settings.batch_size)
        few = [name for name, share in found.items() if share < collapse.LEAST[name]]
        what = " and ".join(f"{found[name]:.2f} of the {name.replace('_', ' ')} of real images" for name in few)
        if few and not any(row.get("collapsed") for row in self._rows):
            name = "MODE COLLAPSE" if self._step >= collapse.STEPS else "mode collapse, or too short a run to tell,"
            say(f"{self._folder.path}: {name} in epoch {math.ceil(self._epochs_done)}: samples have {what}")
        self._record["collapsed"] = what
        return {**found, "collapsed": int(bool(few))}

    def _random_state(self) -> dict[str, Any]:
        """Of every generator there is: a variant of one's own may draw from Python's or NumPy's."""
        kind, keys, *rest = np.random.get_state()
        return {
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "random_python": random.getstate(),
            "random_numpy": (kind, keys.tolist(), *rest),
        }

    def _set_random_state(self, state: Mapping[str, Any]) -> None:
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"], self.device)
        if "random_python" in state:  # 0.3.0 had none
            random.setstate(state["random_python"])
            np.random.set_state(state["random_numpy"])

    def _generator_stepped(self) -> None:
        self._generator_steps += 1
        if self.settings.ema:
            self._average()

    def _average(self) -> None:
        """One step of --ema: the averaged generator, batch norm's statistics included, follows the trained one.

        Early in the loop the mean is over few weights, so that the random first ones are soon forgotten.
        """
        decay = min(self.settings.ema, (1 + self._step) / (10 + self._step))
        with torch.no_grad():
            get_ema_multi_avg_fn(decay)(self._means, self._weights, None)

    def _pause(self) -> None:
        """Between two steps: a checkpoint, or the end if a signal or the time limit asks for it."""
        now = time.monotonic()
        self._stop_if_asked()
        if self.settings.time_limit is not None and now - self._clock >= self.settings.time_limit:
            if self._drawn != self._step:
                self._draw()
            self._stop("time limit reached", 0)
        elif now - self._saved >= self._between_checkpoints:
            self._checkpoint()

    def _stop_if_asked(self) -> None:
        if self._signal is not None:
            self._stop(f"stopped by {signal.Signals(self._signal).name}", 128 + self._signal)

    def _stop(self, why: str, code: int) -> None:
        self._save("stopped", why)
        self._sum_up(why)
        done = f"epoch {self._epochs_done:.1f} of {self._epochs} is saved"
        raise Stopped(f"{self._folder.path}: {why}, {done}; the same line goes on", code)

    def _sum_up(self, end: str) -> None:
        """What came of this run and how to go on from it, on standard output."""
        path, shown = self._folder.path, self._images_shown
        lines = [
            f"{path}: {end}, {self._epochs_done:.4g} epochs, {shown:,} images in {cli.clock(self._seconds)}"
            f" ({shown / self._seconds:,.0f} images/s); samples are in {path / 'samples'}",
            f"its scores: python evaluate.py {shlex.quote(str(path))}",
        ]
        if neighbours(path):
            lines.append(f"beside its neighbours: python compare.py {shlex.quote(str(path.parent))}")
        with contextlib.suppress(OSError, ValueError):  # standard output may be closed
            print("\n".join(line.replace("\n", "\\n") for line in lines), flush=True)

    def _save(self, state: str, message: str = "") -> None:
        """The end of this start: a checkpoint first, then what people look at."""
        self._checkpoint()
        self._folder.write_generator(self._generator, self._generator_about)
        hurried = state == "stopped" and self._signal is not None
        if self._rows:
            figures = [name for name in dict.fromkeys(k for row in self._rows for k in row) if name not in AXES]
            together = [[name for name in figures if name.endswith("_loss")]]
            together += [[name for name in group if name in figures] for group in DRAWN_TOGETHER]
            apart = [[name] for name in figures if not any(name in group for group in (*together, NOT_DRAWN))]
            panels = [group for group in (together[0], *apart, *together[1:]) if group]
            title = f"{self._script}.py on {self.data.name}"
            self._folder.write("losses.png", images.curves(self._rows, panels, title))
        self._folder.write_film(20 if hurried else 100)  # a signal has 5 seconds
        self._write_record(state, message)

    def _checkpoint(self) -> None:
        """Everything that decides how the run goes on; touches no random generator."""
        began = time.monotonic()
        self._refuse_what_is_not_finite()
        self._folder.write_checkpoint(
            {
                "record": {**self._record, "checkpoint_step": self._step},
                "networks": {name: network.state_dict() for name, network in self._networks.items()},
                "generator": self._generator_about,
                "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
                **self._random_state(),
                "epoch": self._epoch,
                "batch": self._batch,
                "step": self._step,
                "generator_steps": self._generator_steps,
                "rows": json.dumps(self._rows),
                "sums": {name: [torch.as_tensor(total), count] for name, (total, count) in self._sums.items()},
                "seconds": self._seconds,
            }
        )
        self._saved = time.monotonic()
        took = self._saved - began
        if "checkpoint_every" not in self._on_the_line:  # by default they cost little
            self._between_checkpoints = max(self.settings.checkpoint_every, min(took / CHECKPOINTS_SHARE, 300))
        self._record["checkpoint_step"] = self._step
        self._record["checkpoints"] += 1
        self._record["checkpoint_seconds"] = round(self._record["checkpoint_seconds"] + took, 3)
        self._write_record("running")

    def _load(self, state: dict[str, Any]) -> None:
        try:
            for name, network in self._networks.items():
                network.load_state_dict(state["networks"][name])
            for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self._set_random_state(state)
            self._epoch, self._batch, self._step = state["epoch"], state["batch"], state["step"]
            uncounted = generator_steps(self._step, dataclasses.asdict(self.settings))
            self._generator_steps = state.get("generator_steps", uncounted)
            self._rows = json.loads(state["rows"])
            self._sums = {name: (total.to(self.device), count) for name, (total, count) in state["sums"].items()}
            self._spent = state["seconds"]
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise FolderError(
                f"{self._folder.path}: its checkpoint does not fit the networks of {self._script}.py as it is now"
                f" ({first_line(error)}); --fresh starts anew"
            ) from error
        if not self._folder.log_agrees(self._rows):
            say(f"{self._folder.path / LOG}: missing or damaged; rebuilt from the checkpoint")
        self._folder.write_log(self._rows)

    def _write_record(self, state: str, message: str = "") -> None:
        self._record |= {
            "state": state,
            "message": message,
            "epochs_done": self._epoch,
            "steps": self._step,
            "images": self._images_shown,
            "seconds": round(self._seconds, 2),
            "images_per_second": round(self._images_shown / self._seconds, 1) if self._step else None,
            "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        self._folder.write_record(self._record)

    def on_signal(self, number: int, frame: object) -> None:
        """Asks the loop to stop after this step; before it has begun there is nothing to save."""
        self._signal = number
        if not self._in_loop:
            raise Stopped(f"stopped by {signal.Signals(number).name} before the first step", 128 + number)
        if self._scoring:
            self._scoring = False
            raise _BrokenOff

    def close(self, failure: str | None = None) -> None:
        """Gives the folder back; a run that broke off says so in run.json, where that can still be written."""
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.close()
        if failure and self._recorded:
            with contextlib.suppress(FolderError):  # the failure may be that nothing can be written
                self._write_record("failed", failure)
        self._folder.release()


def _comparable(name: str, value: Any) -> Any:
    """A setting as it is, but a path to a data set whatever the working directory, and --ema 0 as what it means."""
    if name == "dataset" and value is not None and value not in data.NAMES:
        return os.path.abspath(value)
    return (value or None) if name == "ema" else value


def launch(main: Callable[[Training], None], settings: type[cli.Settings], doc: str) -> None:
    """Runs a script's `main` with the settings on the command line, and exits as the README's table of codes says."""
    clock = time.monotonic()
    script = Path(main.__code__.co_filename).stem
    debug = "--debug" in sys.argv
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the caller closed it
        stream.reconfigure(errors="backslashreplace")
    # TensorBoard's thread ends where the disk is full; the loop hears of that with its next figures.
    threading.excepthook = lambda raised: debug and threading.__excepthook__(raised)
    device.keep_freed_memory()
    run: Training | None = None
    failure: str | None = None
    code = 0

    def on_signal(number: int, frame: object) -> None:
        if run is None:
            raise Stopped(f"stopped by {signal.Signals(number).name} before the first step", 128 + number)
        run.on_signal(number, frame)

    def settle() -> None:
        """What is left to do is short, and how it ends is decided: a further signal must not break it off."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    try:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup and `&` in a script mean it
                signal.signal(number, on_signal)
        given = cli.parse(settings, doc, f"{script}.py", sys.argv[1:])
        run = Training(script, settings, given, clock)
        main(run)
        settle()
    except (Refusal, Stopped) as refusal:
        settle()
        if debug and not isinstance(refusal, (Done, Stopped)):
            traceback.print_exc()
        say(f"{script}.py: {refusal}")
        code = refusal.code
        failure = str(refusal) if isinstance(refusal, FolderError) else None
    except Exception as error:
        settle()
        if debug:
            traceback.print_exc()
        reason = str(error).splitlines()[0][:200] if str(error) else ""
        failure = f"{type(error).__name__}: {reason}"
        hint = "try a smaller --batch-size or --image-size" if "memory" in failure.lower() else "--debug shows where"
        say(f"{script}.py: failed ({failure}); {hint}")
        code = 1
    if run is not None:
        run.close(failure)
    sys.exit(code)
