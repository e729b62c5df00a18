"""A sweep as a job array of Slurm, to be looked at and submitted by its owner."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from common.scripts import HOME
from common.sweep.ledger import LOGS, Entry, Length

TEMPLATE = """\
#!/bin/bash
# Give this to sbatch; given once more, it goes on where runs were stopped. When all have ended, score and compare them:
# {again}
#SBATCH --job-name={job}
#SBATCH --array=0-{last}{at_once}
#SBATCH --cpus-per-task={threads}{gpus}
#SBATCH --output={logs}/slurm-%A-%a.txt
#SBATCH --requeue
# A minute before its time is over a run is told to stop, and saves what it has.
#SBATCH --signal=B:TERM@60
#SBATCH --time=24:00:00

lines=(
{lines}
)
cd {home}
export OMP_NUM_THREADS={threads}
eval "exec {python} ${{lines[$SLURM_ARRAY_TASK_ID]}}"
"""


def script(
    folder: Path, entries: Sequence[Entry], threads: int | None, jobs: int | None, gpus: float | None, again: str
) -> str:
    """An array of all runs, each a task of its own, which ends at once if it is through; `again` is the sweep's line.

    A GPU is whole for Slurm: a share of one is rounded up.
    """
    each = [
        shlex.join([str(HOME / f"{entry.line.script}.py"), *entry.arguments(Length(), threads or 1)])
        for entry in entries
    ]
    return TEMPLATE.format(
        again=again,
        job=folder.resolve().name or "sweep",
        last=max(0, len(each) - 1),
        at_once=f"%{jobs}" if jobs else "",
        threads=threads or 1,
        gpus=f"\n#SBATCH --gpus-per-task={max(1, round(gpus))}" if gpus else "",
        logs=shlex.quote(str((folder / LOGS).absolute())),
        lines="\n".join(f"  {shlex.quote(line)}" for line in each),
        home=shlex.quote(str(HOME)),
        python=shlex.quote(sys.executable),
    )
