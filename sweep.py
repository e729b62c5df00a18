"""Many runs from one line: every combination of settings, every seed, every variant; scored and compared.

    python sweep.py out/rates "dcgan.py {1e-4,2e-4,1e-3} {2e-4,1e-3} 0.5 --dataset digits" --seeds 3 --time-limit 5m
    python sweep.py out/all --all --dataset fashion-mnist --time-limit 5m    every variant, by the README's best line
    python sweep.py out/list --lines lines.txt --time-limit 1m --halve 3     the best third goes on, for three minutes
    python sweep.py out/rates ... --ray auto                                 on a cluster

A line is a script's, without its folder, in quotes; {a,b} makes two of it. Each run has a folder of its own, named by
what differs. Options of every script may stand on the sweep's line and count for all lines that do not say otherwise.
--time-limit, --images or --epochs are the length of each run over all its starts. The same sweep again goes on: what is
through is not run again, what was stopped continues, and further values and seeds join. Ctrl-C stops all, which saves.

Writes sweep.json and sweep.csv, which say of each run its line, state, exit code and scores; comparison.html, all runs
on one page; logs/, what each run said. Ends with 0 if every run is through (that one diverged is a result), else with
the exit code of the first that failed.
"""

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from common.console import guarded, say
from common.errors import BadArgument, FolderError
from common.options import Parser, Settings, add_options, duration, name_or_path, number, whole

if TYPE_CHECKING:  # --help and refusals are quick
    from common.runs.folder import RunFolder
    from common.sweep.ledger import Ledger, Length
    from common.sweep.pool import Pool

# Options that every script has and a sweep has not, or gives another meaning.
OWN = {"seed", "threads", "time_limit", "fresh", "quiet", "debug"}
FACTOR, PAGE = 3, "comparison.html"  # of --rounds without --halve; what compare.py writes
EXAMPLE = 'python sweep.py out/sweep "dcgan.py {1e-4,2e-4} 2e-4 0.5 --dataset digits" --seeds 2'


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser("sweep.py", __doc__, EXAMPLE)
    parser.add_argument("folder", type=name_or_path, help="of the runs' folders; the same line again goes on")
    parser.add_argument("lines", nargs="*", help='lines such as "dcgan.py {1e-4,2e-4} 2e-4 0.5", each in quotes')
    parser.add_argument("--lines", dest="files", action="append", default=[], metavar="FILE", help="a file of lines")
    parser.add_argument("--all", action="store_true", help="every variant, by the best known line in the README")
    parser.add_argument("--papers", action="store_true", help="every variant, by its paper's line in the README")
    parser.add_argument("--seeds", type=whole(1, 1000), help="runs of each line, with --seed 0, 1, 2, ...")
    parser.add_argument("--time-limit", type=duration, help="training time of each run, such as 5m")
    parser.add_argument("--jobs", type=whole(1, 4096), help="runs at once (default: as many as cores, or GPUs)")
    parser.add_argument("--threads", type=whole(1, 1024), help="of each run (default: the cores, shared out)")
    parser.add_argument(
        "--gpus", type=number(above=0), help="GPUs of each run, such as 0.5 (default: 1, if there is one)"
    )
    parser.add_argument("--halve", type=number(above=1), metavar="R", help="the best 1/R go on for R times as long")
    parser.add_argument("--rounds", type=durations, metavar="TIMES", help="1m,3m,5m: training times between halvings")
    parser.add_argument("--last-seeds", type=whole(1, 1000), metavar="N", help="seeds of the lines in the last round")
    parser.add_argument("--keep", type=whole(), metavar="N", help="lines that are never left out (default: 1)")
    parser.add_argument("--by", metavar="SCORE", help="the score that ranks the lines (default: frechet)")
    parser.add_argument("--evaluate", action=argparse.BooleanOptionalAction, default=True, help="score the runs")
    parser.add_argument("--samples", type=whole(2), help="images to score by (default: as evaluate.py)")
    parser.add_argument("--ray", metavar="ADDRESS", help="on the Ray cluster at this address, or auto")
    parser.add_argument("--retries", type=whole(0, 100), default=5, help="of a run whose machine failed (default: 5)")
    parser.add_argument("--slurm", action="store_true", help="print a job array for Slurm; nothing is started")
    parser.add_argument("--dry-run", action="store_true", help="print the lines; nothing is started")
    parser.add_argument("--quiet", action="store_true", help="no progress, only results and failures")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    shared = parser.add_argument_group("options of every script")
    names = [field.name for field in dataclasses.fields(Settings) if field.name not in OWN]
    added = add_options(shared, Settings, names)
    found = parser.parse_intermixed_args(argv)
    found.shared = {name: value for name, value in vars(found).items() if name in added}
    return found


def durations(text: str) -> list[float]:
    """Seconds from '1m,3m,5m', each longer than the one before."""
    found = [duration(part) for part in text.split(",")]
    if sorted({*found}) != found:
        raise argparse.ArgumentTypeError(f"must be times that grow, such as 1m,3m,5m, not {text!r}")
    return found


def texts_of(a: argparse.Namespace) -> list[str]:
    """The lines that are asked for, with their braces. Raises BadArgument."""
    from common.sweep.lines import in_file, readme_lines

    tables = [readme_lines(of_papers) for of_papers, is_asked in ((False, a.all), (True, a.papers)) if is_asked]
    of_the_readme = [f"{script}.py {line}" for table in tables for script, line in table.items()]
    return [*a.lines, *(text for file in a.files for text in in_file(file)), *of_the_readme]


def refuse_contradictions(a: argparse.Namespace) -> None:
    """Raises BadArgument for options that do not go together."""
    has_rounds = bool(a.halve or a.rounds)
    for is_wrong, why in (
        ({"epochs", "images"} <= {*a.shared}, "--epochs and --images both set the length: give one of them"),
        (a.rounds and a.time_limit, "--rounds and --time-limit both say how long runs are: give one of them"),
        (a.rounds and {"epochs", "images"} & {*a.shared}, "--rounds are times: leave --epochs and --images out"),
        (a.halve and "epochs" in a.shared, "--halve needs a length that it can multiply: --time-limit or --images"),
        (a.halve and not (a.rounds or a.time_limit or "images" in a.shared), "--halve needs --time-limit or --images"),
        (has_rounds and not a.evaluate, "--halve and --rounds rank the runs by their scores: leave --no-evaluate out"),
        (
            has_rounds and a.slurm,
            "--slurm prints all runs at once, and --halve and --rounds wait for scores",
        ),
        (a.keep is not None and not has_rounds, "--keep goes with --halve or --rounds"),
        (a.last_seeds and not has_rounds, "--last-seeds goes with --halve or --rounds"),
        (a.last_seeds and a.last_seeds < (a.seeds or 1), "--last-seeds must be at least --seeds"),
        (a.slurm and a.ray, "--slurm and --ray are two ways to use a cluster: give one of them"),
    ):
        if is_wrong:
            raise BadArgument(why)


def rounds_of(a: argparse.Namespace, most: int) -> "list[Length]":
    """How long the runs are after each round, where `most` lines compete: one round, as their lines say, by default."""
    from common.sweep.halving import lengths
    from common.sweep.ledger import Length

    if a.rounds:
        return [Length(seconds) for seconds in a.rounds]
    if a.halve:
        return lengths(Length(a.time_limit, None if a.time_limit else a.shared["images"]), a.halve, most, a.keep or 1)
    return [Length()]


def pool_for(a: argparse.Namespace, ledger: "Ledger") -> "tuple[Pool, int | None]":
    """What the runs are started in, and each one's threads. Raises BadArgument."""
    from common.sweep import local

    if a.ray:
        from common.sweep.cluster import RayPool

        return RayPool(a.ray, Path(a.folder), a.threads or 1, a.gpus or 0, a.retries), a.threads or 1
    places = []
    if any(entry.line.given.get("device", "auto") != "cpu" for entry in ledger.entries):
        places = local.places(a.jobs, a.gpus)
    if a.gpus and not places:
        raise BadArgument("--gpus: this machine has no GPU that torch can use; leave it out")
    jobs, threads = local.shares(len(ledger.entries), a.jobs, a.threads)
    return (local.LocalPool(places), a.threads) if places else (local.LocalPool([""] * jobs), threads)


def main(a: argparse.Namespace) -> int:
    """Runs, scores and compares; returns the first exit code of a run that failed, or 0. Raises Refusal or Stopped."""
    refuse_contradictions(a)

    from common.data.registry import refuse_unknown
    from common.runs.folder import RunFolder, holds_a_run
    from common.sweep import halving, slurm
    from common.sweep.ledger import Ledger
    from common.sweep.lines import lines_of

    folder = RunFolder(a.folder)
    if holds_a_run(folder.path):
        raise FolderError(f"{folder.path}: holds a run; give the sweep a folder of its own")
    folder.check_writable()
    is_printed = a.dry_run or a.slurm
    if not is_printed:
        folder.lock()
    try:
        ledger, score = Ledger(folder), a.by or "frechet"
        limit = {} if a.halve or a.rounds or not a.time_limit else {"time_limit": a.time_limit}
        lines = lines_of(texts_of(a), a.shared | limit, a.last_seeds or a.seeds, ledger.names)
        if a.halve or a.rounds:
            halving.refuse_unfit(lines, score)
        if not a.ray:  # whose machines may have other sets
            for name in {line.dataset for line in lines if line.dataset is not None}:
                refuse_unknown(name)
        ledger.ask_for(lines)
        if a.slurm:
            again = f"python sweep.py {shlex.join(word for word in sys.argv[1:] if word != '--slurm')}"
            print(slurm.script(folder.path, ledger.entries, a.threads, a.jobs, a.gpus, again))
        elif a.dry_run:
            for entry in ledger.entries:
                print(f"python {entry.line.script}.py {shlex.join(entry.arguments(rounds_of(a, 1)[0], a.threads))}")
        else:
            return work(a, folder, ledger, score)
        return 0
    finally:
        folder.release()


def work(a: argparse.Namespace, folder: "RunFolder", ledger: "Ledger", score: str) -> int:
    """Everything is settled: trains, scores, compares and sums up."""
    from common.sweep import halving, results
    from common.sweep.display import Display
    from common.sweep.running import Sweep

    entries = ledger.entries
    rounds = rounds_of(a, max(map(len, halving.groups_of(entries))))
    folder.write(results.TABLE, results.rows(entries))  # a folder that cannot be written to is found out now
    pool, threads = pool_for(a, ledger)
    try:
        sweep = Sweep(folder, ledger, pool, Display(folder.path, a.quiet), threads)
        early = (a.seeds or 1) if a.last_seeds else None
        has_changed = sweep.run(rounds, score, a.halve or FACTOR, a.keep or 1, scoring_options(a), early)
        folder.write(results.TABLE, results.rows(entries))
        begun = [str(entry.folder) for entry in entries if entry.record]
        if begun and (has_changed or not (folder.path / PAGE).exists()):
            sweep.tool("compare", [*begun, "--output", str(folder.path)])
    finally:
        pool.close()
    print(results.by_score(entries, score))
    print(f"\n{folder.path / PAGE}\n{folder.path / results.TABLE}")
    amiss = [entry for entry in entries if not (entry.is_left_out or entry.is_through(rounds[-1]))]
    if amiss:
        say(f"{folder.path}: {len(amiss)} of {len(entries)} runs are not through; the same line tries them again")
    return next(iter([*(entry.code or 1 for entry in amiss), *sweep.codes]), 0)


def scoring_options(a: argparse.Namespace) -> list[str] | None:
    """Of evaluate.py; None where nothing is to be scored."""
    given = {"--samples": a.samples, "--data-root": a.shared.get("data_root"), "--device": a.shared.get("device")}
    found = [str(part) for name, value in given.items() if value is not None for part in (name, value)]
    return found if a.evaluate else None


if __name__ == "__main__":
    guarded("sweep.py", parse, main)
