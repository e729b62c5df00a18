"""argv -> one frozen settings object, and the errors a script may end with.

A script subclasses `Settings`, adds its paper's constants as fields and overrides what its paper does otherwise:

    @dataclass(frozen=True)
    class Settings(cli.Settings):
        clip: float = option(0.01, "the critic's weights stay in [-clip, clip]", number(above=0))
        images: int = 2_000_000
"""

import argparse
import contextlib
import dataclasses
import math
import re
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn


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


class Done(Refusal):
    """There is nothing left to do: not an error."""

    code = 0


class Stopped(BaseException):
    """By a signal or the time limit, after a checkpoint. No Exception: a signal may come where those are caught."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


def say(message: object) -> None:
    """One line on standard error, whatever is in a file's name."""
    line = str(message).replace("\r", "\\r").replace("\n", "\\n")
    with contextlib.suppress(OSError, ValueError):  # a closed terminal must not end a run that can still be saved
        print(line, file=sys.stderr, flush=True)


def first_line(error: BaseException) -> str:
    """What an error says, at a length that fits into a line of ours."""
    return (str(error).splitlines() or [type(error).__name__])[0][:80]


# --- the types of arguments: text -> value, or a sentence saying what would be right


def number(
    above: float = -math.inf, least: float = -math.inf, below: float = math.inf, most: float = math.inf
) -> Callable[[str], float]:
    """A finite float with above < x < below and least <= x <= most."""
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in (("above", above), ("at least", least), ("below", below), ("at most", most))
        if math.isfinite(bound)
    ]

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and above < value < below and least <= value <= most):
            raise argparse.ArgumentTypeError(
                f"must be a finite number {' and '.join(bounds)}, not {text.strip()!r}".replace("  ", " ")
            )
        return value

    return parse


def whole(least: int = 1, most: int = 2**40) -> Callable[[str], int]:
    """A whole number with least <= n <= most; 2e6 and 2_000_000 are fine."""

    def parse(text: str) -> int:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (least <= value <= most and value == int(value)):
            raise argparse.ArgumentTypeError(
                f"must be a whole number, at least {least}, not {text.strip()!r}"
                if not value > most
                else f"must be at most {most}, not {text.strip()}"
            )
        return int(value)

    return parse


def duration(text: str) -> float:
    """Seconds from '90', '90s', '50m', '1h30m'."""
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", text.strip())
    hours, minutes, seconds = (float(part or 0) for part in (match.groups() if match else ("", "", "")))
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise argparse.ArgumentTypeError(f"must be a time above 0 such as 90s, 50m or 1h30m, not {text.strip()!r}")
    return total


def clock(seconds: float) -> str:
    """1:05 or 2:03:04"""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def name_or_path(text: str) -> str:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"must be a name or a path, not {text!r}")
    return text


# --- a tool beside the training scripts


def guarded(prog: str, parse: Callable[[list[str]], Any], main: Callable[[Any], int]) -> NoReturn:
    """Exits with what `main(parse(arguments))` returns; whatever it raises is one line and an exit code."""
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the caller closed it
        stream.reconfigure(errors="backslashreplace")
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
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # `| head`
        sys.stdout = None
        code = 0
    except Exception as error:
        reason = str(error).splitlines()[0][:200] if str(error) else ""
        if "--debug" in sys.argv:
            traceback.print_exc()
        say(f"{prog}: failed ({type(error).__name__}: {reason}); --debug shows where")
    sys.exit(code)


# --- settings


def argument(help: str, type: Callable[[str], Any]) -> Any:
    """A field of `Settings` that is given by its place on the line."""
    return dataclasses.field(metadata={"help": help, "type": type, "positional": True})


def option(default: Any, help: str, type: Callable[[str], Any] | None = None, choices: tuple = ()) -> Any:
    """A field of `Settings` that is given as --name. A default of False makes it a switch."""
    return dataclasses.field(default=default, metadata={"help": help, "type": type, "choices": choices})


@dataclass(frozen=True)
class Settings:
    """What every script is told: four arguments by place, the rest by name.

    Where data.load does not do, a script's Settings have a method `load(dataset) -> data.Dataset` of their own.
    """

    without: ClassVar[frozenset[str]] = frozenset()  # options that mean nothing to a script

    lr_g: float = argument("learning rate of the generator's optimizer", number(above=0))
    lr_d: float = argument("learning rate of the discriminator's optimizer", number(above=0))
    momentum: float = argument("β1 of both Adam optimizers", number(least=0, below=1))
    folder: str = argument("this run's own folder, made if missing; the same line again goes on", name_or_path)

    dataset: str | None = option(
        None,
        "mnist, fashion-mnist, kmnist, stacked-mnist, cifar10, digits, or a path: a folder of images, a .zip of one,"
        " an .npz (default: mnist, or digits where mnist is out of reach)",
        name_or_path,
    )
    data_root: str | None = option(None, "folder with the named sets (default: $GAN_DATA, then data/)", name_or_path)
    image_size: int | None = option(None, "scale images to this many pixels square (default: as they are)", whole())
    flip: bool = option(False, "mirror half of the images at random")
    skip_broken: bool = option(False, "leave unreadable images out instead of refusing the set")
    epochs: int | None = option(None, "length in epochs (default: from --images)", whole())
    images: int = option(2_000_000, "length in images shown, rounded to epochs", whole())
    batch_size: int = option(64, "images in a batch", whole(2))
    z_dim: int = option(100, "dimensions of the noise z", whole())
    ema: float | None = option(
        None,
        "draw and save the generator with weights averaged over its steps with this decay, such as 0.999; 0 does not",
        number(least=0, below=1),
    )
    seed: int = option(0, "seed of weights, noise and order of the data", whole(0, 2**32))
    device: str = option("auto", "auto, cpu, cuda or cuda:N", name_or_path)
    precision: str = option(
        "auto", "of the networks; auto takes bf16 where the hardware has it", choices=("auto", "bf16", "fp32")
    )
    sample_every: int | None = option(None, "epochs between grids of samples (default: about 40 in all)", whole())
    evaluate_every: int | None = option(None, "epochs between scores in log.csv (default: none)", whole())
    checkpoint_every: float = option(60.0, "time between checkpoints (such as 60s, 5m)", duration)
    time_limit: float | None = option(None, "stop with a checkpoint after this time (such as 50m, 2h)", duration)
    fresh: bool = option(False, "start anew; what was in the folder moves to .old/ beside it")
    quiet: bool = option(False, "no progress, only warnings and errors")
    debug: bool = option(False, "show the traceback of an error")


# What may differ from one start of a run to the next; epochs and images may also grow.
FREE = frozenset({"folder", "data_root", "time_limit", "checkpoint_every", "evaluate_every", "fresh", "quiet", "debug"})


def metadata(kind: type, name: str) -> dict:
    """What `option` said of a field, also where a subclass gave it only a new default."""
    for ancestor in kind.__mro__:
        field = ancestor.__dict__.get("__dataclass_fields__", {}).get(name)
        if field is not None and field.metadata:
            return dict(field.metadata)
    raise TypeError(f"{kind.__qualname__}.{name} needs argument(...) or option(...)")


class Parser(argparse.ArgumentParser):
    """argparse's, with errors as BadArgument; `example` is shown where an argument is missing."""

    def __init__(self, prog: str, doc: str, example: str):
        super().__init__(
            prog, description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        self._example = example

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"^argument ", "", message)
        if message.startswith("the following arguments are required: "):
            message = f"missing {message.partition(': ')[2]}; for example: {self._example}"
        raise BadArgument(f"{message} (python {self.prog} --help lists everything)")


def parse(kind: type[Settings], doc: str, prog: str, argv: list[str]) -> dict[str, Any]:
    """The settings that were given on the line, by field name. `--help` exits 0; raises BadArgument."""
    parser = Parser(prog, doc, f"python {prog} 2e-4 2e-4 0.5 out/first")
    for field in dataclasses.fields(kind):
        about = metadata(kind, field.name)
        if field.name in kind.without:
            continue
        if about.get("positional"):
            parser.add_argument(field.name, type=about["type"], help=about["help"].replace("%", "%%"))
            continue
        default, text = field.default, about["help"]
        if default is not None and default is not False:
            text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
        extra: dict[str, Any] = {"action": "store_true"} if default is False else {"metavar": field.name.upper()}
        if default is not False:
            extra |= {"choices": about["choices"]} if about["choices"] else {"type": about["type"]}
        if about.get("choices"):
            extra["metavar"] = "{" + ",".join(about["choices"]) + "}"
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, default=argparse.SUPPRESS, help=text.replace("%", "%%"), **extra)
    # argparse takes -1e-4 for an option; with a space in front it is read as the number it is and refused by name.
    argv = [f" {text}" if re.fullmatch(r"-(\.?\d.*|inf|infinity|nan)", text, re.IGNORECASE) else text for text in argv]
    given = vars(parser.parse_args(argv))
    if "epochs" in given and "images" in given:
        raise BadArgument("--epochs and --images both set the length: give one of them")
    return given
