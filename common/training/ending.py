"""What people look at when a start has ended: the generator, curves, a film, and where to go on from here."""

import contextlib
import shlex

from common.console import SAME_LINE, clock, counted, facts
from common.pictures.films import gif
from common.pictures.plots import curves
from common.runs.finding import neighbours
from common.runs.folder import frames
from common.runs.names import AXES, FILM, GENERATOR, NO_CURVES, PLOT
from common.runs.weights import sealed_weights
from common.scoring.columns import format_score, shown, title_of
from common.scoring.subsets import FEWEST
from common.training.parts import Parts

NOT_DRAWN = (*NO_CURVES, "kernel", "density", "class_kl", "smallest_class", "worst_class_coverage")  # in losses.png
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


def sum_up(parts: Parts, end: str, is_finished: bool) -> None:
    """What came of this start and how to go on from it, on standard output."""
    path, progress = parts.folder.path, parts.progress
    title = (
        f"{path}: {end}, {counted(progress.epochs, 'epoch')}, {progress.images:,} images in {clock(progress.seconds)}"
        f" ({progress.images_per_second:,.0f} images/s)"
    )
    lines = facts(title, {**_results(parts), **_ways_on(parts, is_finished)})
    with contextlib.suppress(OSError, ValueError):  # standard output may be closed
        print("\n".join(line.replace("\n", "\\n") for line in lines), flush=True)


def _results(parts: Parts) -> dict[str, str]:
    """The scores of --evaluate-every that are in the log, and the pictures to look at."""
    found, path = {}, parts.folder.path
    for row in [row for row in parts.recorder.rows if shown([row])][-1:]:
        scores = ", ".join(f"{title_of(name)} {format_score(name, row[name])}" for name in shown([row]))
        found["scores"] = f"{scores} (epoch {row['epoch']:.4g})"
    for _, file in frames(path)[-1:]:
        found["last grid"] = shlex.quote(str(file))
    if (path / FILM).exists():
        found["film"] = shlex.quote(str(path / FILM))
    return found


def _ways_on(parts: Parts, is_finished: bool) -> dict[str, str]:
    """Lines to type next."""
    path = parts.folder.path
    here, beside = (shlex.quote(str(folder)) for folder in (path, path.parent))
    translates = "x" in parts.networks.sampled.takes
    too_few = len(parts.data.held_out) < FEWEST
    return {
        "score it": f"python evaluate.py {here}" + " --split train" * (too_few and not translates),
        **({"compare it": f"python compare.py {beside}"} if neighbours(path) else {}),
        "sample it": f"python sample.py {here} {'--input photos/ results/' if translates else '64 grid.png'}",
        "go on": SAME_LINE[parts.settings.fresh] + " with more --epochs or --images" * is_finished,
    }
