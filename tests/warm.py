"""A script in a process of its own without seconds of imports: forked off a server that has made them already.

The process is a real one, with a number, streams, a working directory, an environment, limits and dispositions of
signals of its own; it ends by itself or by a signal. It runs the script as `python script.py` does, but for the
libraries below, which are there already; common/ and the script are not. What a test claims of imports, of an
interpreter's start or of OMP_NUM_THREADS needs a start of Python itself: the fixture `python`.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing import forkserver, reduction
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
LIBRARIES = [
    *("torch", "torch.utils.tensorboard", "torchvision.datasets", "psutil"),
    *("sklearn.datasets", "sklearn.decomposition", "sklearn.linear_model", "sklearn.pipeline"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "safetensors.torch", "filelock", "tqdm", "PIL.Image"),
]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Outcome:
    def __init__(self, code: int, out: str, err: str, seconds: float | None = None):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def lines(self):
        return self.err.strip().splitlines()


class Stream:
    """A file descriptor that reaches the new process."""

    def __init__(self, number: int):
        self.number = number

    def __reduce__(self):
        return Stream, (reduction.DupFd(self.number),)


class Spawned:
    """A script's process, with what the tests use of subprocess.Popen.

    script      its name, or a path
    env         on top of this process's
    first       functions without arguments that the new process calls first, as Popen's preexec_fn
    out, err    file descriptors; without them what was said is kept for `out` and `err`
    """

    def __init__(
        self,
        script: str | Path,
        *arguments: object,
        env: dict[str, str] | None = None,
        cwd: str | Path | None = None,
        first: tuple[Callable[[], object], ...] = (),
        out: int | None = None,
        err: int | None = None,
    ):
        assert "OMP_NUM_THREADS" not in (env or {}), "too late: the server has loaded OpenMP"
        script = HOME / f"{script}.py" if isinstance(script, str) else script
        self._out, self._err = (tempfile.TemporaryFile() for _ in "oe")  # noqa: SIM115
        with open(os.devnull) as nothing:
            numbers = (
                nothing.fileno(),
                *(kept.fileno() if given is None else given for kept, given in ((self._out, out), (self._err, err))),
            )
            about = (str(script), [*map(str, arguments)], {**os.environ, **(env or {})}, str(cwd or os.getcwd()))
            self._process = _CONTEXT.Process(target=_become, args=(*about, first, [*map(Stream, numbers)]))
            self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    returncode = property(poll)

    def wait(self, timeout: float = 120) -> int:
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired(f"{self.pid}, which has said {self.err!r}", timeout)
        return self.poll()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    @property
    def out(self) -> str:
        """What it has said so far."""
        return _content(self._out)

    @property
    def err(self) -> str:
        return _content(self._err)

    def outcome(self, timeout: float = 300) -> Outcome:
        """Of its end, which is waited for."""
        return Outcome(self.wait(timeout), self.out, self.err)


def run(script: str | Path, *arguments: object, timeout: float = 300, **options) -> Outcome:
    """The outcome of a script; it is killed where it takes longer than `timeout` seconds."""
    spawned = Spawned(script, *arguments, **options)
    try:
        return spawned.outcome(timeout)
    finally:
        spawned.kill()


_CONTEXT = multiprocessing.get_context("forkserver")


def start_server() -> None:
    """Lets the server begin to import; what it inherits now, such as OMP_NUM_THREADS, is for good."""
    _CONTEXT.set_forkserver_preload(LIBRARIES)
    forkserver.ensure_running()


def _content(file) -> str:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode()


def _become(script, arguments, env, cwd, first, streams) -> None:
    """In the new process: what `python script arguments` does, from an interpreter's start to its end."""
    for number, stream in enumerate(streams):
        given = stream.number.detach()
        os.dup2(given, number)
        os.close(given)
    options = ("r", {}), ("w", {}), ("w", {"buffering": 1, "errors": "backslashreplace"})
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        mode, more = options[number]
        stream = open(number, mode, closefd=False, **more)  # noqa: SIM115
        setattr(sys, name, stream), setattr(sys, f"__{name}__", stream)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.path[:] = [os.path.dirname(script), *(p for p in sys.path if p and Path(p) not in (HOME, HOME / "tests"))]
    sys.argv = [script, *arguments]
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for call in first:
        call()
    code, interrupted = 0, False
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        code, interrupted = 1, isinstance(error, KeyboardInterrupt)
        sys.excepthook(*sys.exc_info())
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = code or 120  # as Python itself does
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(code)
