"""`python windows.py LINES`: runs each line of a JSON list (script, arguments ...) as on Windows, as far as Linux can.

What Windows lacks is hidden from our own modules, which are told that they run there; the libraries keep it: filelock
without fcntl would take soft locks, which it does not use on Windows. And a file that this process has open or mapped
can be neither renamed nor removed. Prints the exit codes.
"""

import builtins
import contextlib
import json
import os
import runpy
import signal
import sys
import types
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
NO_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "posix"}
NO_NAMES = {
    "os": {
        "O_DIRECTORY",
        "O_NOFOLLOW",
        "O_NONBLOCK",
        "sysconf",
        "statvfs",
        "posix_fallocate",
        "fork",
        "geteuid",
        "mkfifo",
    },
    "signal": {"SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGSTOP", "SIGCONT", "alarm", "setitimer"},
}


class Without(types.ModuleType):
    """A module that lacks some names."""

    def __init__(self, module, hidden, **changed):
        super().__init__(module.__name__)
        self.__dict__.update(_module=module, _hidden=hidden, **changed)

    def __getattr__(self, name):
        if name in self._hidden:
            raise AttributeError(f"Windows' {self.__name__} has no {name}")
        return getattr(self._module, name)


WINDOWS = {
    "os": Without(os, NO_NAMES["os"], name="nt"),
    "signal": Without(signal, NO_NAMES["signal"]),
}
really_import = builtins.__import__


def is_ours(scope):
    file = Path((scope or {}).get("__file__") or "/").resolve()
    return file.parent == HOME or HOME / "common" in file.parents


def import_as_windows_would(name, scope=None, *rest, **named):
    if is_ours(scope):
        if name in NO_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}")
        if name in WINDOWS:
            return WINDOWS[name]
    return really_import(name, scope, *rest, **named)


def opened():
    """The files that this process has open or mapped."""
    for handle in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            yield os.readlink(f"/proc/self/fd/{handle}")
    for line in Path("/proc/self/maps").read_text(errors="replace").splitlines():
        yield line.partition("/")[1] + line.partition("/")[2]


def refusing(change):
    """os.replace and its like, for what is not open."""

    def refuse_what_is_open(path, *others, **named):
        folder = f"/proc/self/fd/{named['dir_fd']}" if named.get("dir_fd") else ""
        places = {os.path.realpath(os.path.join(folder, one)) for one in (path, *others)}  # also what is replaced
        for file in opened():
            inside = any(file.startswith(f"{place}{os.sep}") for place in places)
            inside = inside and change.__name__ not in ("unlink", "remove", "rmdir")
            if (file in places and not os.path.isdir(file)) or inside:
                raise PermissionError(13, "The process cannot access the file: it is being used", str(path))
        return change(path, *others, **named)

    return refuse_what_is_open


def main(lines):
    sys.path.insert(0, str(HOME))
    for name in ("replace", "rename", "unlink", "remove", "rmdir"):
        setattr(os, name, refusing(getattr(os, name)))
    builtins.__import__ = import_as_windows_would
    codes = []
    for script, *arguments in lines:
        sys.argv = [str(HOME / f"{script}.py"), *arguments]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            codes.append(end.code or 0)
    assert "fcntl" in sys.modules, "the libraries lost it too"
    print(json.dumps(codes))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
