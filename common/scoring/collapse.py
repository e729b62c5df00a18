"""Mode collapse, as the scores of a finished or stopped run show it."""

from collections.abc import Mapping

COLLAPSED = 0.05  # of what real images score


def collapse(scores: Mapping[str, float | None], reference: Mapping[str, float | None]) -> str | None:
    """What says that a generator makes but a few images or kinds of them, next to what real images score; or ''.

    None for translations, which are as varied as their inputs.
    """
    if "coverage" not in scores:
        return None
    coverage, mark = scores.get("coverage"), reference.get("coverage")
    if coverage is not None and mark and coverage < COLLAPSED * mark:
        return f"covers {coverage:.1%} of the real images"
    least, mark = scores.get("smallest_class"), reference.get("smallest_class")
    if least is not None and mark and least < COLLAPSED * mark:
        return f"a class has {least:.2%} of the samples"
    if "modes" in scores and scores["modes"] < 500:
        return f"{scores['modes']:.0f} of 1,000 modes"
    return ""
