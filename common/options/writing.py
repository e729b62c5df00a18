"""Settings -> the line that gives them, the inverse of `parse`."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from common.options.parser import metadata
from common.options.settings import Settings


def as_arguments(kind: type[Settings], given: Mapping[str, Any]) -> list[str]:
    """The arguments that `parse` makes `given` of: those by place first, then --name value in the settings' order."""
    places, options = [], []
    for field in dataclasses.fields(kind):
        if field.name not in given:
            continue
        value, name = given[field.name], f"--{field.name.replace('_', '-')}"
        if metadata(kind, field.name).get("positional"):
            places.append(as_text(value))
        elif value is True:
            options.append(name)
        elif isinstance(value, list):
            options += [name, *map(as_text, value)]
        else:
            text = as_text(value)  # argparse takes a value such as -x for an option
            options += [f"{name}={text}"] if text.startswith("-") else [name, text]
    return [*places, *options]


def as_text(value: Any) -> str:
    """A value as people give it: 2e-4, 0.5, 50000, 2e6, mnist."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1_000_000:
        value = int(value)
    if not isinstance(value, float | int) or (0 <= value < 1_000_000 and isinstance(value, int)):
        return str(value)
    number = Decimal(repr(value)).normalize()
    sign, digits, exponent = number.as_tuple()
    first, rest = str(digits[0]), "".join(map(str, digits[1:]))
    scientific = f"{'-' * sign}{first}{'.' * bool(rest)}{rest}e{exponent + len(digits) - 1}"
    return min(f"{number:f}", scientific, key=len)
