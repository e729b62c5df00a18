"""An attempt at a run, as a task of Ray: how it is begun, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from common.console import say
from common.errors import FolderError, described
from common.lifeline import on_a_lifeline
from common.scripts import HOME
from common.sweep import remote
from common.sweep.nodes import Node
from common.sweep.pool import Start

TERMINATED = 143  # the exit code of what SIGTERM stopped


@dataclass
class Attempt:
    """A run that has not ended for good, and its newest attempt.

    stream   Ray's, of what the task yields; None between two attempts and while a code is in doubt
    node     that it runs on, or ran on last
    code     that it ended with last; TERMINATED is in doubt
    due      by time.monotonic(), when the next attempt is begun, or what is in doubt counts
    """

    start: Start
    number: int = 0
    stream: Any = None
    node: str | None = None
    is_running: bool = False
    code: int | None = None
    due: float = 0.0


@dataclass(frozen=True)
class Loss:
    """The task has ended without the run's exit code.

    why           as one says after the node's name
    of_the_node   it is the node that is lost
    """

    why: str
    of_the_node: bool = False


def begin(attempt: Attempt, nodes: Sequence[Node], threads: int, gpus: float) -> None:
    """The next attempt, on one of these nodes."""
    import ray

    attempt.number += 1
    attempt.stream = (
        ray.remote(remote.attempt)
        .options(
            name=attempt.start.name,
            num_cpus=threads,
            num_gpus=gpus,
            num_returns="streaming",
            max_retries=0,
            scheduling_strategy="SPREAD",
            label_selector={"ray.io/node-id": f"in({','.join(node.id for node in nodes)})"},
        )
        .remote(_order(attempt, threads, gpus))
    )


def _order(attempt: Attempt, threads: int, gpus: float) -> remote.Order:
    start = attempt.start
    # A task that asked for no GPU may see one nevertheless.
    is_on_cpu = not gpus and not any(word.split("=")[0] == "--device" for word in start.arguments)
    arguments = (*start.arguments, *("--device", "cpu") * is_on_cpu)
    environment = on_a_lifeline({"OMP_NUM_THREADS": str(threads)})
    script = str(HOME / f"{start.script}.py")
    return remote.Order(script, arguments, str(start.log.absolute()), environment, attempt.number)


def outcome(attempt: Attempt, is_cancelled: bool) -> int | Loss | None:
    """The exit code, if the task has told it or cannot have one; None while it is at work.

    The stream of a task that has been cancelled is over at once; to read on waits until the task has ended, too.
    """
    import ray
    from ray import exceptions

    try:
        ready = attempt.stream.completed() if is_cancelled else attempt.stream
        while ray.wait([ready], timeout=0, fetch_local=False)[0]:
            told = ray.get(next(attempt.stream))
            if isinstance(told, int):
                return told
            attempt.node, attempt.is_running = told, True
    except exceptions.TaskCancelledError:
        return TERMINATED
    except exceptions.RayTaskError as error:
        say(f"{attempt.start.name}: cannot be started ({described(error.cause)})")
        return FolderError.code if isinstance(error.cause, OSError) else 1
    except (exceptions.NodeDiedError, exceptions.TaskUnschedulableError):
        return Loss("is gone", of_the_node=True)
    except exceptions.OutOfMemoryError:
        return Loss("is short of memory, and Ray killed its worker")
    except exceptions.RayError as error:
        return Loss(f"has lost its worker ({type(error).__name__})")
    return None
