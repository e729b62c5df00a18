"""How many cores this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
MOST_THREADS = 1024  # that a process may have


def allowed() -> frozenset[int]:
    """The cores that this process may run on, by number: those of its affinity, else all."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def quota(root: Path = ROOT) -> float:
    """Cores' worth of time that a container's limit leaves this process; infinity without one.

    The CPU controller of cgroup v2 or v1: the least limit of this process's group and of those around it.
    """
    limits = [
        limit
        for group in _groups(root)
        for limit in (_v2_limit(group), _v1_limit(group))
        if limit is not None and limit > 0
    ]
    return min(limits, default=math.inf)


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's control groups and of all around them.

    Inside a container the path may be the host's, where only the last folder, the container's own, is to be seen.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _, _, about = line.partition(":")
        controllers, _, path = about.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [controllers, "cpu", "cpu,cpuacct", "cpuacct,cpu"] if controllers else ["", "unified"]
        for mount in dict.fromkeys(mounts):
            top = root / "sys/fs/cgroup" / mount
            group = top / path.lstrip("/")
            while group != top and top in group.parents:
                yield group
                group = group.parent
            yield top


def _v2_limit(group: Path) -> float | None:
    """`cpu.max`: "max 100000" or microseconds and a period."""
    try:
        most, period = (group / "cpu.max").read_text().split()
        return None if most == "max" else int(most) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _v1_limit(group: Path) -> float | None:
    """`cpu.cfs_quota_us`, -1 without a limit, of `cpu.cfs_period_us`."""
    try:
        most, period = (int((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return most / period
    except (OSError, ValueError, ZeroDivisionError):
        return None
