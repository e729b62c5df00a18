"""Networks that can be built again from a file: they remember the arguments they were made with."""

import functools
import inspect
from collections.abc import Callable
from typing import TypeVar

from torch import nn

Network = TypeVar("Network", bound=type[nn.Module])


def rebuildable(takes: str) -> Callable[[Network], Network]:
    """Class decorator: `network.arguments` are those of the call that made it, and `network.takes` its inputs in order.

    takes       a letter each: z, noise of `network.z_dim` numbers; y, one of `network.classes` classes; x, images

    The arguments are saved beside the weights, so they must be plain: numbers, text, and tuples of these.
    """

    def decorate(kind: Network) -> Network:
        made = kind.__init__
        signature = inspect.signature(made)

        @functools.wraps(made)
        def __init__(self: nn.Module, *arguments: object, **named: object) -> None:
            made(self, *arguments, **named)
            self.arguments = signature.bind(self, *arguments, **named).args[1:]

        __init__.remembers = True
        kind.__init__, kind.takes = __init__, tuple(takes)
        return kind

    return decorate


def is_rebuildable(network: nn.Module) -> bool:
    """Whether its own class is decorated, or a class whose `__init__` it has."""
    return getattr(type(network).__init__, "remembers", False)
