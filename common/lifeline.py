"""A run that another program started ends with it, however that ends.

A killed program runs no `finally`, and the runs that it has started would train on and hold their folders. So it keeps
the other end of their standard input, which the system closes with it.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Mapping

ASKED_BY = "GAN_LIFELINE"  # an environment variable


def on_a_lifeline(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a run that is to end, with a checkpoint, when its standard input, a pipe, is closed."""
    return {**environment, ASKED_BY: "stdin"}


def hold_the_lifeline() -> None:
    """SIGTERM for this process when its standard input ends, if whoever started it asked for that."""
    if os.environ.pop(ASKED_BY, "") == "stdin":  # not for programs that this one starts
        threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    signal.raise_signal(signal.SIGTERM)
