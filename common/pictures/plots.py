"""A run's figures as curves."""

import io
from collections.abc import Mapping, Sequence


def curves(
    rows: Sequence[Mapping[str, float]], panels: Sequence[Sequence[str]], title: str, over: str = "images"
) -> bytes:
    """Curves over images shown, or "seconds", one panel above the other for each group of names."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 0.6 + 2.6 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, names in zip(axes, panels, strict=True):
        for name in names:
            points = [(row[over], row[name]) for row in rows if name in row]
            axis.plot(*zip(*points, strict=True), label=name.replace("_", " "), linewidth=1.2)
        axis.grid(alpha=0.3)
        axis.legend(loc="best", frameon=False)
    axes[-1].set_xlabel("real images shown" if over == "images" else over)
    axes[0].set_title(title, parse_math=False)  # a path may hold dollar signs
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
