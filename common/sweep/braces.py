"""{a,b} on a line makes two lines of it, as in a shell."""

import re
from itertools import product

from common.errors import BadArgument

_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")


def expanded(text: str) -> list[str]:
    """Every line that a line with braces stands for, the last braces varying fastest; itself where it has none.

    A part may be empty: {--flip,} is with and without. Raises BadArgument for braces that are no list.
    """
    parts = _BRACES.split(text)  # what is between the braces, and in them, in turn
    for part in parts[::2]:
        if "{" in part or "}" in part:
            raise BadArgument(f"{text!r}: braces hold a list, as in {{1e-4,2e-4}}, and none in one another")
    choices = [part.split(",") if place % 2 else [part] for place, part in enumerate(parts)]
    return ["".join(chosen) for chosen in product(*choices)]
