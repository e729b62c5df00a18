"""The set as a script sees it."""

from common.console import counted, first_of
from common.data import registry
from common.data.dataset import Dataset
from common.data.pairing import pairs
from common.data.pairing.pairs import Pairing
from common.data.reading import VERSION, Reading
from common.options import Settings

MOST_CLASSES = 10  # that are named
COLOURS = {1: "in gray", 3: "in colour"}  # by the number of channels


def reading_of(settings: Settings, version: int = VERSION) -> Reading:
    """How a script with these settings reads a set, by the rules of that version."""
    s = settings
    return Reading(s.data_root, s.image_size, s.fit, s.held_out, s.skip_broken, version)


def load_for(settings: Settings, dataset: str | None, version: int = VERSION) -> Dataset:
    """The set as a script with these settings sees it: its images, or what they are pairs of. Raises DataError.

    Of pairs, also BadArgument for a size that is no power of two.
    """
    reading = reading_of(settings, version)
    pairing = settings.pairing(dataset)
    return registry.load(dataset, reading) if pairing is None else pairs.load(dataset, pairing, reading)


def in_words(data: Dataset, pairing: Pairing | None = None) -> str:
    """What a set is: `photos: 4,512 training and 501 held-out images, 3 classes (cat, dog, fox), 64x64 in colour`."""
    channels, height, width = data.shape
    channels = channels if pairing is None else pairing.channels(data.shape)
    held = counted(len(data.held_out), "held-out image" if pairing is None else "held-out pair")
    what = _classes(data) if pairing is None else pairing.in_words(data.sides)
    colour = COLOURS.get(channels, f"in {channels} channels")
    return f"{data.name}: {len(data.images):,} training and {held}, {what}, {width}x{height} {colour}"


def _classes(data: Dataset) -> str:
    if data.labels is None:
        return "no classes"
    count = len(data.classes)
    return f"{count:,} class{'es' * (count != 1)} ({first_of(data.classes, MOST_CLASSES)})"
