"""The score over the settings that vary, on numbers worked out by hand."""

import itertools
from pathlib import Path

from common.report import scales
from common.report.landscape import landscapes, varying
from common.report.lineplot import HEIGHT, LEFT, WIDTH
from common.report.run import Run
from common.report.tables import best_runs, fold, score_tables, tables
from common.scoring.terms import Terms

import pytest

TERMS = Terms("digits", "held-out", 179, 179, "the digits network", ("a" * 64, "b" * 64))


def run(frechet=None, state="finished", seed=0, more=(), script="mine", images=3200, record=(), **settings):
    """A run with these settings; `more` are its other scores."""
    about = {
        "script": script,
        "state": state,
        "settings": {"seed": seed, **settings},
        "dataset": {"name": "digits", "fingerprint": "f", "shape": [1, 8, 8]},
        "device": "cpu",
        "precision": "fp32",
        "threads": 1,
        "versions": {"torch": "2"},
        "steps": 50,
        **dict(record),
    }
    entry = {"scores": {"frechet": frechet, **dict(more)}, "reference": {}, "images": images, "step": 50}
    entry["features"] = {"accuracy": None}
    name = "-".join(map(str, [*settings.values(), seed]))
    return Run(Path(name), name, about, [], {} if frechet is None else {TERMS: entry})


def only_view(runs, score="frechet"):
    (found,) = landscapes(runs)
    return next(view for view in found["views"] if view["score"] == score)


def cells(view):
    """{(row, column): the cell} of a heat map."""
    heat = view["heat"]
    return {
        (row, column): cell for row, line in heat["rows"] for column, cell in zip(heat["columns"], line, strict=True)
    }


def test_seeds_are_one_point_with_mean_and_spread():
    grid = [(1e-4, 10, 14), (1e-3, 20, 20), (1e-2, 30, 36)]
    runs = [run(score, seed=seed, lr_g=rate) for rate, *scores in grid for seed, score in enumerate(scores)]
    line = only_view(runs)["line"]
    assert [dot["text"] for dot in line["dots"]] == ["12.00", "20.00", "33.00"]
    # Of 10 and 14 the standard deviation is 2.83.
    assert line["dots"][0]["title"] == "lr g 1e-4: Fréchet 12.00 ± 2.83 over 2 seeds"
    assert [dot["best"] for dot in line["dots"]] == [True, False, False]
    assert line["logarithmic"] == ["lr g"]
    xs = [dot["x"] for dot in line["dots"]]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2) and xs[0] > LEFT and xs[2] < WIDTH
    assert all(0 < dot["high"] <= dot["y"] <= dot["low"] < HEIGHT for dot in line["dots"])


def test_two_settings_make_a_table_with_blanks_and_what_went_wrong():
    runs = [
        *(run(30, lr_g=0.1, lr_d=1), run(20, lr_g=0.1, lr_d=2), run(10, lr_g=0.2, lr_d=1)),
        *(run(state="diverged", lr_g=0.2, lr_d=2), run(lr_g=0.3, lr_d=1)),
        *(run(15, lr_g=0.3, lr_d=2), run(state="diverged", lr_g=0.3, lr_d=2, seed=1), run(25, lr_g=0.4, lr_d=2)),
    ]
    view = only_view(runs)
    assert (view["heat"]["side"], view["heat"]["top"]) == ("lr g", "lr d")  # more values down the side
    found = cells(view)
    assert {place: cell and (cell["text"], cell["trouble"]) for place, cell in found.items()} == {
        ("0.1", "1"): ("30.00", ""),
        ("0.1", "2"): ("20.00", ""),
        ("0.2", "1"): ("10.00", ""),
        ("0.2", "2"): ("", "diverged"),
        ("0.3", "1"): ("", "not scored"),
        ("0.3", "2"): ("15.00", "1 of 2 diverged"),
        ("0.4", "1"): None,
        ("0.4", "2"): ("25.00", ""),
    }
    assert [place for place, cell in found.items() if cell and cell["best"]] == [("0.2", "1")]
    assert view["best"] == "lr g 0.2, lr d 1: Fréchet 10.00" and view["better"] == "lower"
    assert view["heat"]["scale"] == ["30.00", "10.00"]
    assert found["0.2", "1"]["ground"] == scales.VIRIDIS[-1] and found["0.1", "1"]["ground"] == scales.VIRIDIS[0]
    assert found["0.1", "2"]["ground"] == scales.VIRIDIS[4]  # 20 is half way


def test_of_more_settings_the_two_with_the_largest_spread_are_chosen_and_cells_are_the_best_over_the_others():
    # The mean differs by 100 over c, by 10 over a, by 1 over b.
    runs = [run(100 + 100 * c + 10 * a + b, a=a, b=b, c=c) for a, b, c in itertools.product((0, 1), (0, 1), (0, 1))]
    view = only_view(runs)
    assert (view["axes"], view["others"]) == (["c", "a"], ["b"])
    assert {place: cell["text"] for place, cell in cells(view).items()} == {
        ("0", "0"): "100.00",
        ("0", "1"): "110.00",
        ("1", "0"): "200.00",
        ("1", "1"): "210.00",
    }
    assert cells(view)["1", "1"]["title"] == "a 1, b 0, c 1: Fréchet 210.00"
    assert view["best"] == "a 0, b 0, c 0: Fréchet 100.00"
    assert view["effects"] == [
        ("c", [("0", "105.50"), ("1", "205.50")]),
        ("a", [("0", "150.50"), ("1", "160.50")]),
        ("b", [("0", "155.00"), ("1", "156.00")]),
    ]


def test_higher_is_better_where_it_is():
    runs = [run(10 * a, more={"recall": a / 10}, a=a) for a in (1, 2, 3)]
    assert only_view(runs)["best"].startswith("a 1:")
    view = only_view(runs, "recall")
    assert view["better"] == "higher" and view["best"] == "a 3: recall 0.300"


def test_what_says_nothing_of_the_score_does_not_count_as_a_setting():
    silent = [run(10 + i, record={"threads": i, "versions": {"torch": str(i)}}, seed=i, a=1) for i in range(4)]
    assert landscapes(silent) == []
    assert landscapes([run(10, a=1), run(11, a=2), run(12, a=2)]) == []  # two points, one of them copied
    assert landscapes([run(10, a=i, script=f"script{i}") for i in range(3)]) == []
    assert landscapes([run(a=i) for i in range(3)]) == []


def test_a_setting_that_varies_only_with_another_is_named_with_it():
    assert varying([{"a": 1, "b": "x", "c": 5}, {"a": 2, "b": "y", "c": 5}, {"a": 3, "b": "y", "c": 5}]) == {"a": ["b"]}
    grid = [{"a": a, "b": b} for a in (1, 2) for b in (1, 2)]
    assert varying(grid) == {"a": [], "b": []}


def test_the_length_is_no_setting_where_halving_gave_it():
    halved = [{"a": 1, "images": 100}, {"a": 2, "images": 100}, {"a": 3, "images": 900}]
    assert varying(halved) == {"a": []}
    assert varying([{"images": 100}, {"images": 900}]) == {"images": []}
    assert set(varying([{"a": a, "images": n} for a in (1, 2) for n in (100, 900)])) == {"a", "images"}
    view = only_view([run(10 + a, images=n, a=a) for a, n in ((1, 100), (2, 100), (3, 900))])
    assert view["lengths"] == (100, 900)


def test_categories_are_an_axis_without_a_line_and_divergence_is_marked():
    runs = [run(10, loss="hinge"), run(20, loss="least-squares"), run(state="diverged", loss="wasserstein")]
    line = only_view(runs)["line"]
    assert line["path"] == "" and len(line["dots"]) == 2
    assert [cross["title"] for cross in line["crosses"]] == ["loss wasserstein: diverged"]
    names = ["hinge", "least-squares", "wasserstein", "saturating", "relativistic", "pearson"]
    marks = only_view([run(10, loss=name) for name in names])["line"]["marks"]
    assert {mark["text"] for mark in marks} == {*names}  # there is room for all
    assert scales.ordered(["b", 3, "a", 1, None, 3]) == [1, 3, "b", "a", None]


def test_an_absurd_value_does_not_press_the_others_together():
    runs = [run(10, a=1.0), run(11, a=2.0), run(12, a=3.0), run(state="diverged", a=1e30)]
    line = only_view(runs)["line"]
    xs = [dot["x"] for dot in line["dots"]]
    assert line["crosses"][0]["title"] == "a 1e30: diverged"
    assert xs[1] - xs[0] > 80 and xs[2] < line["crosses"][0]["x"] < WIDTH


def test_axes_are_logarithmic_beyond_a_factor_of_four():
    assert not scales.is_logarithmic([1, 2, 4]) and scales.is_logarithmic([1, 5])
    assert not scales.is_logarithmic([0, 1, 100])
    assert scales.share(10, 1, 100, True) == pytest.approx(0.5) and scales.share(3, 4, 0, False) == 0.25
    assert scales.ticks(0, 10, False) == [0, 5, 10] and scales.ticks(1, 1000, True) == [1, 10, 100, 1000]


def test_every_colour_can_be_read():
    def luminance(colour):
        parts = [part / 255 for part in bytes.fromhex(colour[1:])]
        red, green, blue = (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for i in range(101):
        ground, ink = scales.viridis(i / 100)
        ratio = (luminance(ground) + 0.05) / 0.05 if ink == "#000" else 1.05 / (luminance(ground) + 0.05)
        assert ratio > 4.5


# --- many runs in the tables and in the picture


def many(count):
    """Two seeds of each; the later, the better."""
    return [run(100 - i + seed, seed=seed, a=i) for i in range(count) for seed in (0, 1)]


def test_tables_of_more_than_twelve_runs_are_sorted_and_say_so():
    (few,) = tables(fold(many(6)))
    assert [line["cells"][0]["text"].split()[0] for line in few["lines"]] == [f"{100.5 - i:.2f}" for i in range(6)]
    (sorted_table,) = tables(fold(many(7)))
    assert [line["group"] for line in sorted_table["lines"]] == [6, 5, 4, 3, 2, 1, 0]
    assert "; best Fréchet first" in score_tables(many(7)) and "best" not in score_tables(many(6))
    assert sorted_table["best"]["frechet"] == 6


def test_the_best_runs_are_one_of_each_group_of_seeds_the_unscored_last():
    score, best = best_runs([run(a=9), *many(3)])
    assert score == "frechet" and [one.name for one in best] == ["2-0", "1-0", "0-0", "9-0"]
    assert best_runs([run(a=1)]) is None
