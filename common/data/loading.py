"""The set as a script sees it."""

from common.data import pairs, registry
from common.data.dataset import Dataset
from common.options import Settings


def load_for(settings: Settings, dataset: str | None) -> Dataset:
    """The set as a script with these settings sees it: its images, or what they are pairs of. Raises DataError.

    Of pairs, also BadArgument for a size that is no power of two.
    """
    where = settings.data_root, settings.image_size, settings.skip_broken
    pairing = settings.pairing(dataset)
    if pairing is not None:
        return pairs.load(dataset, pairing, *where)
    return registry.load(dataset, *where)
