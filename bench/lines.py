"""The scripts' lines in the README: LINES, the papers', which the benches run, and BEST, the best known."""

from pathlib import Path

from common.sweep.ledger import WITHOUT_END
from common.sweep.lines import readme_lines

__all__ = ["BEST", "LINES", "WITHOUT_END", "line_of"]

BEST = readme_lines()
LINES = readme_lines(of_papers=True) | {"pix2pix": BEST["pix2pix"]}  # of the paper's width one takes hours


def line_of(line: str, folder: Path, options: list[str]) -> list[str]:
    """The arguments of a line such as those in LINES, with a folder and options of one's own."""
    lr_g, lr_d, momentum, *rest = line.split()
    return [lr_g, lr_d, momentum, str(folder), *rest, *options]
