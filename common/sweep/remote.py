"""What Ray runs on a node.

These functions are sent to the node as they are, for the scripts may be missing there or be others; so they use nothing
but Python's own library, and `digest_of`, which is sent with them.
"""

import importlib.metadata
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.scripts import digest_of

TOKEN = "token"  # the driver's file; a node's answer beside it is called by the node's ID
PAUSE = 0.05  # seconds between two looks at a run
# A worker that ends, because its node or the sweep does, sends SIGKILL to its children, not to theirs.
BETWEEN = ("sh", "-c", '"$@"; exit $?', "sh")


@dataclass(frozen=True)
class Order:
    """A run as a node begins it.

    script        the file
    arguments     the script's
    log           where what the run says is appended
    environment   on top of the node's
    attempt       from 1 on
    """

    script: str
    arguments: tuple[str, ...]
    log: str
    environment: dict[str, str]
    attempt: int


def version_of_torch() -> str | None:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def examine(home: str, shared: str, node: str) -> tuple[str | None, str | None, str]:
    """Reads the driver's token in the folder `shared` and answers it there.

    Returns the digest of the node's scripts, its version of torch, and why it could not read or answer, or "".
    """
    why = ""
    try:
        token = (Path(shared) / TOKEN).read_bytes()
        (Path(shared) / node).write_bytes(token[::-1])
    except OSError as error:
        why = error.strerror or str(error)
    try:
        return digest_of(Path(home)), version_of_torch(), why
    except OSError:  # scripts that cannot be read are none
        return None, version_of_torch(), why


def attempt(order: Order) -> Iterator[str | int]:
    """Runs it to its end: yields the ID of the node as it begins, then its exit code.

    ray.cancel, or whatever else breaks this off, ends the run with a checkpoint, which is waited for.
    """
    import ray

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, children have no exit codes
    # It is ignored where a shell has started Ray in the background, and then ray.cancel does nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, order.script, *order.arguments]
    environment = os.environ | order.environment
    node = ray.get_runtime_context().get_node_id()
    Path(order.log).parent.mkdir(parents=True, exist_ok=True)
    with open(order.log, "ab") as log:
        told = f"$ {shlex.join(command)}  # attempt {order.attempt}, on {platform.node()}\n"
        log.write(told.encode("utf-8", "backslashreplace"))
        log.flush()
        # In a session of its own: Ray sends SIGKILL to the process group of a worker that was killed.
        run = subprocess.Popen(
            [*BETWEEN, *command], stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        yield node
        while run.poll() is None:
            time.sleep(PAUSE)  # in which, unlike in a wait, Ray's KeyboardInterrupt arrives
    finally:
        run.stdin.close()  # its lifeline
        run.wait()
    yield run.returncode if run.returncode >= 0 else 128 - run.returncode
