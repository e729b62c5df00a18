"""What may end a program, each kind with its exit code."""

import contextlib
from collections.abc import Iterator
from pathlib import PurePosixPath


class Refusal(Exception):
    """Ends the program with one line on standard error and `code` as exit status."""

    code = 1


class BadArgument(Refusal):
    code = 2


class DataError(Refusal):
    code = 3


class Diverged(Refusal):
    code = 4


class FolderError(Refusal):
    code = 5


class Busy(Refusal):
    code = 75  # EX_TEMPFAIL: cron may try again


class Lost(Refusal):
    """One of several processes of a run has ended before the others."""

    code = 75


class Apart(Refusal):
    """The processes of a run no longer have the same networks."""


class Unreachable(Refusal):
    code = 75  # as above: the cluster may be there later


class Done(Refusal):
    """There is nothing left to do: not an error."""

    code = 0


class UnfitSize(ValueError):
    """A network cannot make images of the size that it is built for."""


class Stopped(BaseException):
    """By a signal or the time limit, after a checkpoint. No Exception: a signal may come where those are caught."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


@contextlib.contextmanager
def refusing(asked: str, name: str) -> Iterator[None]:
    """Whatever a library raises over the file `name` becomes a DataError that begins with `asked`."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # as varied as the damage
        kind = PurePosixPath(name).suffix.lower()
        raise DataError(f"{asked}: {name} is not a readable {kind} ({first_line(error)}); replace it") from error


def first_line(error: BaseException) -> str:
    """What an error says, at a length that fits into a line of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0][:80]


def described(error: Exception) -> str:
    """The kind of an error that nobody foresaw, and what it says."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
