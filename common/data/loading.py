"""The set as a script sees it."""

from common.data import pairs, registry
from common.data.dataset import Dataset
from common.data.reading import VERSION, Reading
from common.options import Settings


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
