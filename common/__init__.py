"""What every run needs and no paper mentions; docs/architecture.md is the map."""

import signal
import sys
from pathlib import Path

__version__ = "0.8.0"

# The scripts import this first, and torch takes seconds: whoever presses Ctrl-C meanwhile needs no traceback. What has
# something to lose takes the signal over later; a program of the user's own is left alone.
_main = Path(getattr(sys.modules["__main__"], "__file__", None) or "/").resolve()
if _main.parent == Path(__file__).resolve().parent.parent and _main.is_file():
    from common.lifeline import hold_the_lifeline
    from common.scripts import is_program

    if is_program(_main):
        hold_the_lifeline()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
