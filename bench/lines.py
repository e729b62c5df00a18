"""The scripts' lines in the README, which the benches run."""

from pathlib import Path

from common.sweep.ledger import WITHOUT_END
from common.sweep.lines import readme_lines

__all__ = ["LINES", "WITHOUT_END", "line_of"]

LINES = readme_lines()


def line_of(line: str, folder: Path, options: list[str]) -> list[str]:
    """The arguments of a line such as those in LINES, with a folder and options of one's own."""
    lr_g, lr_d, momentum, *rest = line.split()
    return [lr_g, lr_d, momentum, str(folder), *rest, *options]
