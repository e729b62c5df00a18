"""Which scores may be compared."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Terms:
    """What two scores must share to stand in one column."""

    dataset: str
    split: str
    real: int
    samples: int
    features: str
    sha256: tuple[str, str]  # of the features and of the real images

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Terms":
        split, features = entry["split"], entry["features"]
        return cls(
            str(split["dataset"]).rstrip("/").rpartition("/")[2],
            str(split["split"]),
            int(split["images"]),
            int(entry["samples"]),
            str(features["name"]).replace("pixels, side by side", "pixels, files"),  # as 0.5.0 and before said
            (str(features["sha256"]), str(split["sha256"])),
        )

    def __str__(self) -> str:
        what = "pairs" if self.features.startswith("pixels, ") else "images"
        mark = f" {self.sha256[0][:8]}" if self.sha256[0] else ""
        return (
            f"{self.dataset}: {self.samples:,} samples, {self.real:,} {self.split} {what}"
            f" {self.sha256[1][:8]}, on {self.features}{mark}"
        )


def by_terms(entries: Iterable[Any]) -> dict[Terms, Mapping[str, Any]]:
    """The entries of a scores.json by what they may be compared with; another version's are left out."""
    found = {}
    for entry in entries:
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            numbers = [*entry["scores"].values(), *entry["reference"].values()]
            if all(value is None or isinstance(value, (int, float)) for value in numbers):
                found[Terms.of(entry)] = entry
    return found
