"""Runs as tasks of a Ray cluster, on the machines that see the sweep's folder.

What a run needs to go on elsewhere is in its folder, so that a run whose machine is lost is simply started again.
"""

import time
from collections import Counter
from pathlib import Path

from common.console import counted, say
from common.errors import BadArgument
from common.sweep import remote
from common.sweep.joining import connect
from common.sweep.nodes import Node, Nodes
from common.sweep.pool import Start
from common.sweep.tasks import TERMINATED, Attempt, Loss, begin, outcome

KILLED, BUSY = 137, 75
VERDICT_WITHIN = 10.0  # seconds in which Ray says of a run that was terminated whether its node was, too
ENDS_WITHIN = 30.0  # seconds that runs are waited for when the pool is closed


class RayPool:
    """On the nodes of the cluster at `address`, each run with so many `threads` and `gpus`, which may be a fraction.

    A run whose worker or node dies is started again, on another node if one has room, up to `retries` times. Raises
    BadArgument, FolderError or Unreachable; see `Nodes`.
    """

    def __init__(self, address: str, folder: Path, threads: int, gpus: float, retries: int):
        if gpus > 1 and gpus % 1:
            raise BadArgument(f"--gpus {gpus:g}: more than one is a whole number on a cluster")
        head = connect(address)
        self._threads, self._gpus, self._retries = threads, gpus, retries
        self._attempts: dict[str, Attempt] = {}
        self._is_stopping = self._is_waiting = False
        self._nodes = Nodes(folder, head, threads, gpus)
        try:
            self._nodes.examine()
        except BaseException:
            self.close()
            raise
        at_once = counted(self._nodes.places, "run")
        say(f"--ray {address}: {at_once} at once on {counted(len(self._nodes.fit), 'node')} ({self._nodes})")

    def room(self) -> bool:
        return not self._is_stopping and len(self._attempts) < self._nodes.places

    def start(self, start: Start) -> None:
        self._attempts[start.name] = attempt = Attempt(start)
        self._begin(attempt)

    def ended(self) -> list[tuple[str, int]]:
        """Raises Unreachable when the cluster's head is lost, and all runs with it."""
        if not self._is_stopping:
            self._nodes.look()
        codes = {name: self._followed(attempt) for name, attempt in self._attempts.items()}
        self._attempts = {name: attempt for name, attempt in self._attempts.items() if codes[name] is None}
        return [(name, code) for name, code in codes.items() if code is not None]

    def stop(self) -> None:
        import ray

        if self._is_stopping:
            return
        self._is_stopping = True
        for attempt in self._attempts.values():
            if attempt.stream is not None:
                ray.cancel(attempt.stream)

    def close(self) -> None:
        import ray

        self.stop()
        until = time.monotonic() + ENDS_WITHIN
        while self._attempts and time.monotonic() < until:
            self.ended()
            time.sleep(remote.PAUSE)
        self._nodes.close()
        ray.shutdown()

    def _begin(self, attempt: Attempt) -> None:
        """Once a node has room, later attempts on another one than before if there is one."""
        if not self._nodes.places and not self._is_waiting:
            say("no node is left that can take a run: waiting for one to join (`ray start --address ...` there)")
        self._is_waiting = not self._nodes.places
        nodes = self._nodes_with_room()
        if not nodes:
            return
        nodes = [node for node in nodes if node.id != attempt.node] or nodes
        begin(attempt, nodes, self._threads, self._gpus)

    def _nodes_with_room(self) -> list[Node]:
        """Those for one run more than there are, as far as this sweep knows. Ray knows of other programs' tasks."""
        taken = Counter(attempt.node for attempt in self._attempts.values() if attempt.is_running)
        unplaced = sum(attempt.stream is not None and not attempt.is_running for attempt in self._attempts.values())
        nodes = [node for node in self._nodes.fit if taken[node.id] < node.places]
        return nodes if sum(node.places - taken[node.id] for node in nodes) > unplaced else []

    def _followed(self, attempt: Attempt) -> int | None:
        """The exit code of a run that has ended for good."""
        if attempt.stream is not None:
            told = outcome(attempt, self._is_stopping)
            if isinstance(told, Loss):
                if told.of_the_node:
                    self._nodes.lose(attempt.node)
                return self._again(attempt, KILLED, f"{self._nodes.name_of(attempt.node)} {told.why}")
            return None if told is None else self._counted(attempt, told)
        if self._is_stopping:
            return attempt.code or TERMINATED
        if attempt.code == TERMINATED and attempt.node not in self._nodes:
            return self._again(attempt, KILLED, f"{self._nodes.name_of(attempt.node)} went down")
        if time.monotonic() < attempt.due:
            return None
        if attempt.code == TERMINATED:
            return TERMINATED
        self._begin(attempt)
        return None

    def _counted(self, attempt: Attempt, code: int) -> int | None:
        """The exit code, unless the run is started again or may have to be."""
        where = self._nodes.name_of(attempt.node)
        if code == TERMINATED and not self._is_stopping:
            attempt.stream, attempt.is_running, attempt.code = None, False, code
            attempt.due = time.monotonic() + VERDICT_WITHIN
            return None
        if code == KILLED:
            return self._again(attempt, code, f"was killed on {where}")
        if code == BUSY:
            wait = 2.0**attempt.number
            return self._again(attempt, code, "its folder is held by another process, as one that just ends", wait)
        return code

    def _again(self, attempt: Attempt, code: int, why: str, wait: float = 0.0) -> int | None:
        """Has it started again after so many seconds. The code, where it is not."""
        if self._is_stopping:
            return code
        if attempt.number > self._retries:
            say(f"{attempt.start.name}: {why}; given up after {counted(attempt.number, 'attempt')}")
            return code
        say(f"{attempt.start.name}: {why}; attempt {attempt.number + 1} of {self._retries + 1} follows")
        attempt.stream, attempt.is_running, attempt.code = None, False, code
        attempt.due = time.monotonic() + wait
        return None
