"""How a set is to be read: what the options say of it, and by which version's rules."""

from dataclasses import dataclass

VERSION = 2  # of these rules; run.json keeps it, and a run without it was begun under 1


@dataclass(frozen=True)
class Reading:
    """What decides, beside the set itself, which images it comes to.

    data_root       folder with the named sets
    image_size      pixels a side; None keeps images of one square size up to 64
    fit             how an image that is not square becomes so: crop, pad or stretch
    held_out        the share of a set without a split of its own that is held out; None is a tenth
    skip_broken     leave out images that cannot be read instead of refusing the set
    version         of these rules, for a run that began under older ones
    """

    data_root: str | None = None
    image_size: int | None = None
    fit: str = "crop"
    held_out: float | None = None
    skip_broken: bool = False
    version: int = VERSION

    def wanted(self, total: int) -> int:
        """How many of so many images are held out where the set does not say which."""
        if self.version < 2:
            return max(total // 10, 100 if total >= 200 else 1)
        return max(1, total // 10 if self.held_out is None else round(total * self.held_out))


AS_IT_IS = Reading()
