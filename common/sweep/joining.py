"""Joins a Ray cluster, or says in one line why not."""

import os
import re
import socket
import subprocess
import sys
from typing import Any

from common import scripts
from common.errors import BadArgument, Unreachable
from common.storage.platforms import signals_kept
from common.sweep import remote

ANSWERS_WITHIN = 6.0  # seconds
HINT = "start one with `ray start --head`, or let this machine join it with `ray start --address HOST:PORT`"
# Ray waits without end for a cluster that is not there, writes on its standard error meanwhile, and may abort. What
# `auto` means is written in a file that outlives the cluster.
REHEARSAL = """import socket, sys, ray
print("imported", flush=True)
try:
    from ray._private.services import canonicalize_bootstrap_address_or_die as address_of
except ImportError:
    pass
else:
    host, _, port = address_of(sys.argv[1]).rpartition(":")
    socket.create_connection((host, int(port)), 3).close()
ray.init(sys.argv[1], log_to_driver=False, logging_level="ERROR")
print(ray.get_runtime_context().gcs_address)"""


def connect(address: str) -> str:
    """Joins the cluster at host:port, or for `auto` the one of this machine; returns its host:port.

    Raises BadArgument or Unreachable.
    """
    if address != "auto" and not re.fullmatch(r"[^:/\s]+:\d{1,5}", address):
        raise BadArgument(f"--ray {address}: must be auto or HOST:PORT, the address that `ray start --head` printed")
    ray = _import_ray()
    if address != "auto":
        refuse_what_is_closed(address)
    found = _rehearsed(address)
    with signals_kept():  # Ray takes SIGTERM over
        ray.init(found, log_to_driver=False, logging_level="ERROR")
    for sent in (remote, scripts):
        ray.cloudpickle.register_pickle_by_value(sent)
    # What Ray tells of dead workers and nodes, in many lines on standard output, has no option of its own.
    ray._private.worker._worker_logs_enabled = False
    return found


def refuse_what_is_closed(address: str) -> None:
    """Raises Unreachable where nothing listens, which is known at once."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWERS_WITHIN / 2).close()
    except (OSError, OverflowError) as error:
        raise Unreachable(f"--ray {address}: {getattr(error, 'strerror', None) or error}; {HINT}") from error


def _rehearsed(address: str) -> str:
    """The cluster's own host:port, found out by another process. Raises Unreachable."""
    command = [sys.executable, "-c", REHEARSAL, address]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tried:
        try:
            tried.stdout.readline()  # how long an import takes says nothing of the cluster
            out, err = tried.communicate(timeout=ANSWERS_WITHIN)
        except subprocess.TimeoutExpired:
            raise Unreachable(f"--ray {address}: no cluster that this machine is part of answers; {HINT}") from None
        finally:
            tried.kill()
    if tried.returncode:
        last = (err.decode(errors="replace").strip().splitlines() or ["it ended without a word"])[-1]
        is_closed = last.startswith(("ConnectionError", "ConnectionRefusedError", "TimeoutError"))
        why = "no cluster runs there" if is_closed else last[:200]
        raise Unreachable(f"--ray {address}: {why}; {HINT}")
    return out.decode().split()[-1]


def _import_ray() -> Any:
    """The library, told to send no reports. Raises BadArgument where it is not installed."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
    except ImportError as error:
        raise BadArgument("--ray needs Ray: pip install -r requirements-cluster.txt") from error
    return ray
