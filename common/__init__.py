"""What every run needs and no paper mentions: settings, data, the run folder, the loop, pictures, scores."""

import signal
import sys
from pathlib import Path

__version__ = "0.3.0"

# The scripts import this first, and torch takes seconds: whoever presses Ctrl-C meanwhile needs no traceback. What has
# something to lose takes the signal over later; a program of the user's own is left alone.
_main = Path(getattr(sys.modules["__main__"], "__file__", None) or "/").resolve()
_ours = _main.parent == Path(__file__).resolve().parent.parent and _main.is_file()
_ours = _ours and any(call in _main.read_text(errors="replace") for call in ("launch(main", "cli.guarded("))
if _ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
