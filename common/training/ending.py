"""What people look at when a start has ended: the generator, curves, a film, and where to go on from here."""

import contextlib
import shlex
from pathlib import Path

from common.console import clock
from common.pictures.films import gif
from common.pictures.plots import curves
from common.runs.finding import neighbours
from common.runs.folder import frames
from common.runs.names import AXES, FILM, GENERATOR, PLOT, SAMPLES
from common.runs.weights import sealed_weights
from common.training.parts import Parts
from common.training.progress import Progress

NOT_DRAWN = ("collapsed", "kernel", "density", "class_kl", "smallest_class", "worst_class_coverage")  # in losses.png
DRAWN_TOGETHER = (("precision", "recall", "coverage"), ("variety", "class_variety"))
FRAMES, HURRIED_FRAMES = 100, 20  # of a film at most; a signal has 5 seconds


def leave_results(parts: Parts, title: str) -> None:
    """The generator, its curves and the film."""
    folder, networks, rows = parts.folder, parts.networks, parts.recorder.rows
    content, _ = sealed_weights(networks.sampled, "generator", networks.about_generator)
    folder.write(GENERATOR, content)
    if rows:
        folder.write(PLOT, curves(rows, panels_of(dict.fromkeys(name for row in rows for name in row)), title))
    hurried = parts.stopping.is_hurried
    film = gif([file for _, file in frames(folder.path)], HURRIED_FRAMES if hurried else FRAMES)
    if film is not None:
        folder.write(FILM, film)


def panels_of(names: dict[str, None]) -> list[list[str]]:
    """Which of the log's columns share a plot."""
    figures = [name for name in names if name not in AXES]
    losses = [name for name in figures if name.endswith("_loss")]
    groups = [[name for name in group if name in figures] for group in DRAWN_TOGETHER]
    apart = [[name] for name in figures if not any(name in group for group in (losses, *groups, NOT_DRAWN))]
    return [group for group in (losses, *apart, *groups) if group]


def sum_up(path: Path, progress: Progress, end: str) -> None:
    """What came of this start and how to go on from it, on standard output."""
    lines = [
        f"{path}: {end}, {progress.epochs:.4g} epochs, {progress.images:,} images in {clock(progress.seconds)}"
        f" ({progress.images_per_second:,.0f} images/s); samples are in {path / SAMPLES}",
        f"its scores: python evaluate.py {shlex.quote(str(path))}",
    ]
    if neighbours(path):
        lines.append(f"beside its neighbours: python compare.py {shlex.quote(str(path.parent))}")
    with contextlib.suppress(OSError, ValueError):  # standard output may be closed
        print("\n".join(line.replace("\n", "\\n") for line in lines), flush=True)
