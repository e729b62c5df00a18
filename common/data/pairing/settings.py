"""The settings of a script that translates images."""

from collections.abc import Sequence
from dataclasses import dataclass

from common import options
from common.data.pairing.pairs import DIRECTIONS, KINDS, Pairing, pairing


@dataclass(frozen=True)
class PairSettings(options.Settings):
    """What such a script is told besides: what is a pair, and which side of it is translated."""

    direction: str = options.option("AtoB", "which side of a pair is translated into which", choices=DIRECTIONS)
    pairs: str | None = options.option(
        None,
        "a picture holds both sides of a pair, or how pairs are made of single images"
        " (default: what a folder holds is found out; edges of other sets)",
        choices=KINDS,
    )
    pairs_from: Sequence[str] | None = options.option(
        None, "the two folders that hold A and B, matched by name", options.name_or_path, values=("A", "B")
    )

    def pairing(self, dataset: str | None) -> Pairing:
        return pairing(dataset, self.pairs, self.direction, self.pairs_from)
