"""argv -> the settings that were given on the line."""

import argparse
import dataclasses
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from common.errors import BadArgument
from common.options.settings import Settings


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

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        for text in sys.argv[1:] if args is None else args:
            try:
                text.encode()
            except UnicodeEncodeError:  # what is written of it, in JSON or on a picture, would not be its name
                raise BadArgument(f"{text}: is not in UTF-8; rename it") from None
        return super().parse_known_args(args, namespace)

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
        if about.get("positional") and field.name not in kind.without:
            parser.add_argument(field.name, type=about["type"], help=about["help"].replace("%", "%%"))
    add_options(parser, kind, [field.name for field in dataclasses.fields(kind)])
    # argparse takes -1e-4 for an option; with a space in front it is read as the number it is and refused by name.
    argv = [f" {text}" if re.fullmatch(r"-(\.?\d.*|inf|infinity|nan)", text, re.IGNORECASE) else text for text in argv]
    given = vars(parser.parse_args(argv))
    if "epochs" in given and "images" in given:
        raise BadArgument("--epochs and --images both set the length: give one of them")
    return given


def add_options(parser: argparse.ArgumentParser, kind: type[Settings], names: list[str]) -> list[str]:
    """Lets the parser know those of these settings that are given as --name; returns which.

    What is not on the line is not in what the parser returns.
    """
    added = []
    for field in dataclasses.fields(kind):
        about = metadata(kind, field.name)
        if field.name not in names or field.name in kind.without or about.get("positional"):
            continue
        default, text = field.default, about["help"]
        if default is not None and default is not False:
            text += f" (default: {default:g})" if isinstance(default, float) else f" (default: {default})"
        extra: dict[str, Any] = {"action": "store_true"} if default is False else {"metavar": field.name.upper()}
        if default is not False:
            extra |= {"choices": about["choices"]} if about["choices"] else {"type": about["type"]}
        if about.get("choices"):
            extra["metavar"] = "{" + ",".join(about["choices"]) + "}"
        if about.get("values"):
            extra |= {"metavar": about["values"], "nargs": len(about["values"])}
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, default=argparse.SUPPRESS, help=text.replace("%", "%%"), **extra)
        added.append(field.name)
    return added
