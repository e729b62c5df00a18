"""What is said on standard error, and how a program ends."""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from common.errors import Refusal, Stopped, described

SAME_LINE = {False: "the same line", True: "the same line without --fresh"}  # goes on; by whether it has it


_silent: list[bool] = []  # with something in it: another process of the run speaks for this one


def fall_silent() -> None:
    """From now on nothing is said but by `insist`."""
    _silent.append(True)


def say(message: object) -> None:
    """One line on standard error, whatever is in a file's name."""
    if not _silent:
        insist(message)


def insist(message: object) -> None:
    """The same, also by a process for which another one speaks."""
    with contextlib.suppress(OSError, ValueError):  # a closed terminal must not end a run that can still be saved
        print(one_line(str(message)), file=sys.stderr, flush=True)


def let_go_of_closed_streams() -> None:
    """What could not be written to a pipe whose reader has gone is dropped; Python would end with code 120 over it."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def one_line(text: str) -> str:
    """A name with ends of lines, and what is not UTF-8, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\r", "\\r").replace("\n", "\\n")


def counted(number: float, noun: str, several: str | None = None) -> str:
    """1 image, 1,234 images, 1.25 epochs or 2 processes"""
    told = f"{number:,}" if isinstance(number, int) else f"{number:.4g}"
    return f"{told} {noun if told == '1' else several or f'{noun}s'}"


def first_of(names: Sequence[str], most: int) -> str:
    """The first of these: a, b, c, ..."""
    return ", ".join(names[:most]) + ", ..." * (len(names) > most)


def last_line(log: Path) -> str:
    """What a program has said last, whose words go into this file."""
    with contextlib.suppress(OSError):
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"
    return "its log cannot be read"


def clock(seconds: float) -> str:
    """1:05 or 2:03:04"""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def facts(title: str, found: Mapping[str, str | Sequence[str]]) -> list[str]:
    """A title, and a line below it for each fact behind its name; of several facts the first has the name before it."""
    width, lines = max(map(len, found)), [title]
    for name, told in found.items():
        first, *more = (told,) if isinstance(told, str) else told
        lines += [f"  {name:<{width}}  {first}", *(f"  {'':<{width}}  {fact}" for fact in more)]
    return lines


def write_any_name() -> None:
    """Lets both streams write whatever a file may be called; they are None where the caller closed them."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors="backslashreplace")


def guarded(prog: str, parse: Callable[[list[str]], Any], main: Callable[[Any], int]) -> NoReturn:
    """Exits with what `main(parse(arguments))` returns; whatever it raises is one line and an exit code."""
    write_any_name()
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # see common/__init__.py
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        code = main(parse(sys.argv[1:]))
        if sys.stdout is not None:
            sys.stdout.flush()
    except Refusal as refusal:
        if "--debug" in sys.argv:
            traceback.print_exc()
        say(f"{prog}: {refusal}")
        code = refusal.code
    except Stopped as stopped:
        say(f"{prog}: {stopped}")
        code = stopped.code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # `| head`
        sys.stdout = None
        code = 0
    except Exception as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        say(f"{prog}: failed ({described(error)}); --debug shows where")
    let_go_of_closed_streams()
    sys.exit(code)
