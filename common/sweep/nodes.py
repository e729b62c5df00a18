"""The nodes of a Ray cluster, and which of them may have runs."""

import contextlib
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.console import first_of, say
from common.errors import BadArgument, FolderError, Refusal, Unreachable
from common.scripts import HOME, digest_of
from common.storage.whole import scratch_folder
from common.sweep import remote
from common.sweep.joining import refuse_what_is_closed

EXAMINED_WITHIN = 60.0  # seconds: the first worker of a node takes some to start
LOOK_EVERY = 1.0  # seconds between two looks at which nodes there are
LOST_AFTER = 10.0  # seconds without a word of the head


@dataclass(frozen=True)
class Node:
    id: str
    name: str  # the machine's, and how its ID begins, as several nodes may share a machine
    places: int  # runs that it takes at once


class Nodes:
    """Those that see the sweep's folder and have the same code and torch: the others have no runs.

    folder   of the sweep
    head     host:port of the cluster
    threads, gpus   of each run
    """

    def __init__(self, folder: Path, head: str, threads: int, gpus: float):
        self._head = head
        self._silent_since: float | None = None  # by time.monotonic(), where the head does not answer
        self._folder, self._threads, self._gpus = folder.absolute(), threads, gpus
        self._fit: dict[str, Node] = {}
        self._names: dict[str, str] = {}  # also of those that are gone
        self._asked: dict[str, tuple[Node, Any]] = {}  # examined just now, and where its answer will be
        self._refused: set[str] = set()
        self._looked = -math.inf  # by time.monotonic()
        self._token, self._here = secrets.token_bytes(16), (digest_of(HOME), remote.version_of_torch())
        self._undo = contextlib.ExitStack()
        try:
            self._shared = self._undo.enter_context(scratch_folder(self._folder))
            (self._shared / remote.TOKEN).write_bytes(self._token)
        except OSError as error:
            raise FolderError(f"{folder}: cannot write ({error.strerror or error}); give another folder") from error

    def examine(self) -> None:
        """All that there are now. Raises FolderError, BadArgument or Unreachable over the first that is unfit."""
        import ray

        self._ask()
        asked = list(self._asked)
        waiting = [answer for _, answer in self._asked.values()]
        ray.wait(waiting, num_returns=len(waiting), timeout=EXAMINED_WITHIN)
        self._ask()  # those that have died meanwhile are forgotten
        for id in asked:
            if id in self._asked:
                node, answer = self._asked.pop(id)
                self._judge(node, answer)
                self._fit[id] = node
        if not self.places:
            wanted = f"{self._threads} cores" + f" and {self._gpus:g} GPUs" * bool(self._gpus)
            raise BadArgument(f"no node of the cluster has {wanted} for a run; `ray status` shows what they have")

    def close(self) -> None:
        self._undo.close()

    def look(self) -> None:
        """Which there are now. One that has joined is examined first, which is not waited for.

        Raises Unreachable where the head has not answered for a while.
        """
        if time.monotonic() - self._looked >= LOOK_EVERY and self._is_there():
            self._ask()
            for node, answer in list(self._asked.values()):
                self._take_in(node, answer)

    def _is_there(self) -> bool:
        """Whether the head answers. Ray would wait for it a minute, and then end this process."""
        self._looked = time.monotonic()
        try:
            refuse_what_is_closed(self._head)
        except Unreachable as error:
            self._silent_since = self._silent_since or self._looked
            if time.monotonic() - self._silent_since > LOST_AFTER:
                raise Unreachable(
                    f"the head of the cluster, {self._head}, is lost; every run ends with a checkpoint, and the same"
                    " line goes on when there is a cluster again"
                ) from error
            return False
        self._silent_since = None
        return True

    @property
    def fit(self) -> list[Node]:
        """Those that may have runs."""
        return list(self._fit.values())

    def __contains__(self, id: str) -> bool:
        return id in self._fit

    def __str__(self) -> str:
        return first_of([node.name for node in self._fit.values()], 8)

    @property
    def places(self) -> int:
        """Runs that they take at once."""
        return sum(node.places for node in self._fit.values())

    def name_of(self, id: str | None) -> str:
        return self._names.get(id or "", "its node")

    def lose(self, id: str | None) -> None:
        """It has no runs any more; Ray itself takes some seconds to call it dead."""
        if id is not None:
            self._fit.pop(id, None)
            self._refused.add(id)

    def _ask(self) -> None:
        """Forgets the nodes that are dead, and has those that are new examined."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._looked = time.monotonic()
        there = {about["NodeID"]: about for about in ray.nodes() if about["Alive"]}
        self._fit = {id: node for id, node in self._fit.items() if id in there}
        self._asked = {id: asked for id, asked in self._asked.items() if id in there}
        for id in there.keys() - self._fit.keys() - self._asked.keys() - self._refused:
            here = NodeAffinitySchedulingStrategy(id, soft=False)
            task = ray.remote(remote.examine).options(num_cpus=0, max_retries=0, scheduling_strategy=here)
            self._names[id] = _name_of(there[id])
            node = Node(id, self._names[id], self._places_of(there[id]["Resources"]))
            self._asked[id] = node, task.remote(str(HOME), str(self._shared), id)

    def _take_in(self, node: Node, answer: Any) -> None:
        """Gives it runs if it has answered well, and says so if it has not."""
        import ray

        if not ray.wait([answer], timeout=0)[0]:
            return
        del self._asked[node.id]
        try:
            self._judge(node, answer)
            self._fit[node.id] = node
            say(f"node {node.name} has joined")
        except Refusal as refusal:
            self._refused.add(node.id)
            say(f"node {node.name} has joined and gets no runs: {refusal}")

    def _judge(self, node: Node, answer: Any) -> None:
        """Raises FolderError, BadArgument or Unreachable for one that is not fit to have runs."""
        import ray

        try:
            digest, torch, why = ray.get(answer, timeout=0)
        except ray.exceptions.RayError as error:
            kind = "does not answer" if isinstance(error, ray.exceptions.GetTimeoutError) else "cannot run a task"
            raise Unreachable(f"node {node.name} {kind}; stop Ray there, or see `ray status`") from error
        told = self._shared / node.id
        if why or not told.exists() or told.read_bytes() != self._token[::-1]:
            because = f" ({why})" if why else ""
            raise FolderError(
                f"{self._folder}: node {node.name} does not share this folder{because}; give one that all nodes have"
                " under the same path, such as on NFS"
            )
        if digest != self._here[0]:
            other = "other code" if digest else "no scripts"
            raise BadArgument(f"node {node.name} has {other} in {HOME}; copy this folder there, or share it")
        if torch != self._here[1]:
            raise BadArgument(
                f"node {node.name} has torch {torch}, and this machine {self._here[1]}; install the same version there"
            )

    def _places_of(self, resources: Mapping[str, float]) -> int:
        by_cores = math.floor(resources.get("CPU", 0) / self._threads)
        if not self._gpus:
            return by_cores
        devices = math.floor(resources.get("GPU", 0))
        # A share of a GPU is one of a single GPU.
        on_gpus = devices * math.floor(1 / self._gpus + 1e-9) if self._gpus <= 1 else devices // self._gpus
        return min(by_cores, math.floor(on_gpus))


def _name_of(about: Mapping[str, Any]) -> str:
    is_named = about["NodeName"] not in ("", about["NodeManagerAddress"])  # by `ray start --node-name`
    return f"{about['NodeName'] if is_named else about['NodeManagerHostname']}/{about['NodeID'][:6]}"
