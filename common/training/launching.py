"""`launch`: a script's `main` from the command line to an exit code."""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from common.console import fall_silent, insist, let_go_of_closed_streams, say, write_any_name
from common.errors import Apart, BadArgument, DataError, Done, FolderError, Lost, Refusal, Stopped, UnfitSize, described
from common.nn import ranks
from common.nn.startup import spare_the_compiler
from common.options import Settings, parse
from common.storage.platforms import SIGNALS, keep_freed_memory
from common.training.preparation import prepare
from common.training.stopping import Stopping
from common.training.training import Training

import torch

spare_the_compiler()  # before a script makes its first optimizer


def settle_down() -> None:
    """What is left to do is short, and how it ends is decided: a further signal must not break it off."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def launch(main: Callable[[Training], None], settings: type[Settings], doc: str) -> None:
    """Runs a script's `main` with the settings on the command line, and exits as the README's table of codes says."""
    began, script, debug = time.monotonic(), Path(main.__code__.co_filename).stem, "--debug" in sys.argv
    write_any_name()
    # TensorBoard's thread ends where the disk is full; the loop hears of that with its next figures.
    threading.excepthook = lambda raised: debug and threading.__excepthook__(raised)
    keep_freed_memory()
    run: Training | None = None
    failure: str | None = None
    code, stopping = 0, Stopping(began)
    try:
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup and `&` in a script mean it
                signal.signal(number, stopping.on_signal)
        given = parse(settings, doc, f"{script}.py", sys.argv[1:])
        ranks.join(on_gpus=torch.cuda.is_available() and given.get("device") != "cpu")
        if not ranks.is_first():
            fall_silent()
        run = Training(prepare(script, settings, given, stopping))
        main(run)
        run.finish()
        settle_down()
    except (Refusal, Stopped, UnfitSize) as error:
        settle_down()
        if isinstance(error, UnfitSize):  # which the line asked for, or the data have
            error = (BadArgument if run and run.settings.image_size else DataError)(str(error))
        if debug and not isinstance(error, (Done, Stopped)):
            traceback.print_exc()
        (insist if isinstance(error, Lost) else say)(f"{script}.py: {error}")
        code = error.code
        failure = str(error) if isinstance(error, (FolderError, Lost, Apart)) else None
    except Exception as error:
        settle_down()
        if debug:
            traceback.print_exc()
        failure = described(error)
        hint = "try a smaller --batch-size or --image-size" if "memory" in failure.lower() else "--debug shows where"
        insist(f"{script}.py: failed ({failure}); {hint}")
        code = 1
    if run is not None:
        run.close(failure)
    ranks.leave()
    let_go_of_closed_streams()
    sys.exit(code)
