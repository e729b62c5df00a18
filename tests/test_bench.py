"""What the figures of bench/ rest on: both ways train the same, operations and rates are counted right."""

import importlib
import json
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

from bench import augment, plain, quality, share, speed
from common import options
from common.data.registry import load
from common.errors import BadArgument, Refusal

import numpy as np
import psutil
import pytest
import torch
from conftest import HOME, SCRIPTS, wait_until
from torch import nn

DIGITS = ["--dataset", "digits", "--device", "cpu"]


def bench(name, *arguments):
    done = subprocess.run(
        [sys.executable, str(HOME / "bench" / f"{name}.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return done


class Steps:
    """Ends a run after so many steps."""

    def __init__(self, count):
        self.left = count

    def __call__(self):
        if not self.left:
            raise plain.Enough
        self.left -= 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_trains_the_plain_way(name, monkeypatch):
    line = speed.line_of(speed.LINES[name], "unused", [*DIGITS, "--batch-size", "20"])
    module = importlib.import_module(name)
    for attribute in ("descend", "Flatten", "Unflatten", "Dropout"):
        monkeypatch.setattr(module, attribute, getattr(module, attribute, None), raising=False)
    script, run = plain.start("plain", name, line)
    made, before = [], []

    def network(name, network):
        made.append(network)
        before.append([p.detach().clone() for p in network.parameters()])
        return plain.Plain.network(run, name, network)

    run.network = network
    plain.train(script, run, Steps(5))
    assert len(made) == 2
    for network, old in zip(made, before, strict=True):
        assert any(not torch.equal(p, q) for p, q in zip(network.parameters(), old, strict=True))
        assert all(p.dtype == torch.float32 and p.is_contiguous() for p in network.parameters())


def test_plain_images_are_those_of_the_set_in_minus_one_to_one(patterns):
    pixels = patterns(5, 8).transpose(0, 3, 1, 2)
    x, label = plain.Images(pixels, None)[3]
    assert label == 0
    torch.testing.assert_close(x, torch.from_numpy(pixels[3]).float() / 127.5 - 1)


def test_pairs_in_colour_are_tensors_too(patterns):
    x, _ = plain.Images(patterns(2, 8, 6).transpose(0, 3, 1, 2), None)[0]
    assert x.shape == (6, 8, 8)


def test_operations_are_those_of_the_products():
    with speed.operations() as counted:
        torch.ones(3, 4) @ torch.ones(4, 5)
    assert counted.total == 2 * 3 * 4 * 5


def test_operations_of_a_penalty_are_counted():
    layer, x = nn.Conv2d(2, 3, 3, bias=False), torch.randn(4, 2, 5, 5, requires_grad=True)
    one = 2 * 4 * 3 * 3 * 3 * (2 * 3 * 3)  # operations of the convolution, and of each of its gradients
    with speed.operations() as counted:
        (gradient,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    assert counted.total == 2 * one
    with speed.operations() as counted:
        gradient.square().sum().backward(inputs=list(layer.parameters()))
    assert counted.total in (one, 2 * one)  # torch may add the gradient by the output, needed or not


@pytest.mark.slow
def test_speed_writes_what_it_measured(tmp_path):
    line = [tmp_path / "out", "--scripts", "wgan", *DIGITS, "--rounds", 1, "--seconds", 0.2, "--batch-size", 20]
    done = bench("speed", *line)
    found = json.loads((tmp_path / "out" / "speed.json").read_text())
    row = found["scripts"]["wgan"]
    assert row["batch_size"] == 20 and row["images"] == 1618
    assert row["ratio"] == pytest.approx(row["ours"] / row["plain"])
    assert row["share"] == pytest.approx(row["ours"] * row["operations"] / row["rate"])
    assert row["seconds_an_epoch"] == pytest.approx(1618 / row["ours"])
    assert row["seconds_to_first_grid"] > 0.5 and row["peak_memory"] > 1e8
    text = (tmp_path / "out" / "speed.md").read_text()
    assert text in done.stdout and "| `wgan.py` | 20 of 8x8 |" in text
    assert found["machine"]["torch"] == torch.__version__


@pytest.mark.slow
def test_quality_scores_every_line_at_each_moment(tmp_path):
    line = [tmp_path / "out", "dcgan", *DIGITS, "--plain", "--ours", "1e-3 1e-3 0.5 --ema 0.9", "--at", "8s", "9s"]
    done = bench("quality", *line)
    rows = json.loads((tmp_path / "out" / "quality.json").read_text())["rows"]
    ways = ("plain 2e-4 2e-4 0.5", "ours 1e-3 1e-3 0.5 --ema 0.9")
    assert [(row["way"], row["seconds"]) for row in rows] == [(way, s) for way in ways for s in (8, 9)]
    for first, second in (rows[:2], rows[2:]):
        assert first["images"] < second["images"]
        assert 0 < first["frechet"] != second["frechet"] > 0
    assert (tmp_path / "out" / "quality.md").read_text() in done.stdout
    assert (tmp_path / "out" / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_a_script_that_ends_early_is_said(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["quality.py", str(tmp_path), "cgan", "--dataset", str(tmp_path / "none")])
    assert quality.main() == 1
    assert "cgan.py, ours: its process ended" in capfd.readouterr().err


# --- how runs share the machine


def seen(*figures):
    """At so many seconds of the clock: images shown, seconds trained."""
    return [share.Seen(at, images, seconds, threads=2) for at, images, seconds in figures]


def test_a_rate_is_of_the_first_and_last_figures_in_the_window():
    figures = seen((0, 0, 0.0), (11, 500, 4.0), (13, 700, 6.0), (19, 1100, 8.0), (21, 9000, 10.0))
    assert share.rate(figures, 10, 20) == {"rate": 150, "threads": 2, "images": 600, "seconds": 4}


def test_a_starved_run_is_waited_for_beyond_the_window():
    figures = seen((0, 0, 0.0), (11, 64, 30.0), (40, 128, 62.0), (70, 192, 90.0))
    assert share.rate(figures[:2], 10, 20) is None
    assert share.rate(figures[:1], 10, 20) is None
    assert share.rate(figures, 10, 20)["rate"] == 2  # the first figures after the window, and no others


def turn(case, *rates, code="new", threads=1):
    runs = [{"rate": rate, "threads": threads} for rate in rates]
    return {"case": case, "code": code, "device": "cpu", "precision": "bf16", "runs": runs}


def test_each_run_has_its_share_of_one_thread_alone():
    turns = [turn("one", 100), turn("two", 90, 80), turn("late", 50, 120)]
    assert share.shares(turns, "two", "new", "new") == [0.9, 0.8]
    assert share.shares(turns, "late", "new", "new") == [0.5, 1.2]
    assert share.shares(turns, "one", "new", "new") == share.shares(turns, "four", "new", "new") == []


def test_four_runs_together_have_a_share_of_two():
    turns = [turn("two-one", 100, 60), turn("four", 30, 40, 35, 23)]
    assert share.shares(turns, "four", "new", "new") == [0.8]


def test_shares_of_several_turns_are_those_of_their_medians():
    turns = [turn("busy", 1), turn("busy-one", 10), turn("busy", 9), turn("busy-one", 20), turn("busy", 12)]
    assert share.shares(turns, "busy", "new", "new") == [9 / 15]


def test_alone_is_a_share_of_the_first_checkouts():
    turns = [turn("alone", 100, code="old"), turn("alone", 98)]
    assert share.shares(turns, "alone", "old", "old") == []
    assert share.shares(turns, "alone", "new", "old") == [0.98]


def test_a_share_is_of_the_same_checkouts_one_thread():
    turns = [turn("one", 10, code="old"), turn("one", 20), turn("two", 5, 5, code="old"), turn("two", 5, 5)]
    assert share.shares(turns, "two", "old", "old") == [0.5, 0.5]
    assert share.shares(turns, "two", "new", "old") == [0.25, 0.25]


def test_cases_bring_what_they_are_measured_by():
    assert list(share.schedule(["two"], ["new"], 5, 2)) == [*[("one", "new")] * 2, *[("two", "new")] * 2]
    assert list(share.schedule(["alone"], ["new"], 5, 1)) == [("alone", "new")]


def test_what_is_compared_closely_alternates():
    assert list(share.schedule(["alone"], ["old", "new"], 3, 1)) == [
        ("alone", code) for code in ("old", "new", "new", "old", "old", "new")
    ]
    assert [case for case, _ in share.schedule(["busy"], ["new"], 2, 1)] == ["busy-one", "busy", "busy", "busy-one"]


def test_the_table_says_what_was_asked_and_what_was_measured():
    about = {"processor": "EPYC", "torch": "2.14", "date": "2026-11-25", "gpu": None}
    found = {"machine": about, "cores": 2, "line": "dcgan.py", "seconds": 20.0, "command": "python bench/share.py out"}
    found |= {"codes": ["new"], "turns": [turn("one", 1200), turn("two", 1080, 900, threads=2)]}
    head, _, command, _, *rows = share.table(found).splitlines()
    assert head == "EPYC, 2 CPU cores, bf16, torch 2.14, 2026-11-25; `dcgan.py`, windows of 20 s."
    assert command == "    python bench/share.py out"
    assert rows[2:] == [
        "| one thread, alone | 1,200 | 1 |  |  |",
        "| two at once | 1,080 / 900 | 2 / 2 | 85% | 90% / 75% |",
    ]
    several = share.table({**found, "codes": ["old", "new"]}).splitlines()
    assert several[-1] == "| two at once | `new` | 1,080 / 900 | 2 / 2 | 85% | 90% / 75% |"


STEADY = """
import json, os, sys, time
from pathlib import Path

folder, began, images = Path(sys.argv[4]), time.monotonic(), 0
folder.mkdir()
while True:
    record = {"images": images, "seconds": time.monotonic() - began, "device": "cpu", "precision": "fp32"}
    (folder / "new").write_text(json.dumps({**record, "threads": int(os.environ.get("OMP_NUM_THREADS", 7))}))
    os.replace(folder / "new", folder / "run.json")
    time.sleep(0.1)
    images += SO_MANY
"""


@pytest.fixture
def checkout(tmp_path):
    """checkout(name, images): a folder whose dcgan.py says that it trains on so many every tenth of a second."""

    def make(name, images):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dcgan.py").write_text(STEADY.replace("SO_MANY", str(images)))
        return tmp_path / name

    return make


def test_runs_of_several_checkouts_are_watched_from_outside(checkout, tmp_path):
    codes, times = [checkout("old", 10), checkout("new", 20)], ["--seconds", 0.5, "--settle", 0, "--rounds", 1]
    times += ["--lead", 0.3, "--after", 0.3]
    done = bench("share", tmp_path / "out", "--code", *codes, "--cases", "alone", "late", *times)
    found = json.loads((tmp_path / "out" / "share.json").read_text())
    assert [one["case"] for one in found["turns"]] == ["one", "one", "alone", "alone", "late", "late"]
    assert [len(one["runs"]) for one in found["turns"]] == [1, 1, 1, 1, 2, 2]
    assert [one["runs"][-1]["threads"] for one in found["turns"]] == [1, 1, 7, 7, 7, 7]
    assert 1.5 < share.shares(found["turns"], "alone", *map(str, codes[::-1]))[0] < 2.5
    text = (tmp_path / "out" / "share.md").read_text()
    assert text == share.table(found) == done.stdout
    assert "6 of 6: a start while another runs" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whatever_ends_the_bench_ends_what_it_started(checkout, tmp_path, number):
    line = [sys.executable, HOME / "bench" / "share.py", tmp_path / "out", "--code", checkout("new", 10)]
    with subprocess.Popen([*line, "--cases", "busy"], stderr=subprocess.DEVNULL) as child:
        process = psutil.Process(child.pid)
        wait_until(lambda: len(process.children()) == 2, child)  # the run, and the busy process
        started = process.children()
        time.sleep(0.2)
        child.send_signal(number)
        assert child.wait(30) == 128 + number
    assert not any(one.is_running() for one in started)


def test_a_run_that_ends_by_itself_ends_the_bench_with_its_last_line(tmp_path):
    script = tmp_path / "dcgan.py"
    script.write_text("import sys\nprint('a warning\\ndcgan.py: no images\\n', file=sys.stderr)\nsys.exit(3)")
    with pytest.raises(Refusal, match=r"^dcgan.py ended by itself with exit code 3: dcgan.py: no images$"):
        share.measure(share.CASES["two"], lambda folder: [sys.executable, str(script)], SimpleNamespace())


def test_a_checkout_without_the_script_is_refused(tmp_path):
    with pytest.raises(BadArgument, match=r"has no dcgan\.py"):
        share.parse([str(tmp_path / "out"), "--code", str(HOME), str(tmp_path)])


@pytest.mark.slow
def test_share_measures_the_scripts_themselves(tmp_path):
    bench("share", tmp_path / "out", *DIGITS, "--cases", "two", "--seconds", 1, "--settle", 0)
    one, two = json.loads((tmp_path / "out" / "share.json").read_text())["turns"]
    assert (len(one["runs"]), len(two["runs"])) == (1, 2)
    assert all(run["rate"] > 0 and run["images"] >= 64 for run in one["runs"] + two["runs"])
    assert one["runs"][0]["threads"] == 1


# --- what --augment brings


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.mark.parametrize("count", [10, 95, 500])
def test_a_subset_is_of_the_training_images_evenly_by_class_and_always_the_same(digits, count):
    arrays = augment.subset(digits, count)
    train, test = (arrays[f"{part}_images"] for part in ("train", "test"))
    assert train.shape == (count, 8, 8, 1) and test.shape == (100, 8, 8, 1)
    assert {*np.bincount(arrays["train_labels"])} <= {count // 10, -(-count // 10)}
    assert [*np.bincount(arrays["test_labels"])] == [10] * 10
    of = {image.tobytes(): label for image, label in zip(digits.images, digits.labels, strict=True)}
    for images, labels in ((train, arrays["train_labels"]), (test, arrays["test_labels"])):
        assert [of[image.tobytes()] for image in images] == labels.tolist()  # of images that no two are alike of
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}
    assert all(np.array_equal(array, arrays[name]) for name, array in augment.subset(digits, count).items())


def test_a_subset_that_the_set_does_not_have_is_refused(digits):
    with pytest.raises(BadArgument, match="1,600 images would be 160 of a class that has"):
        augment.subset(digits, 1600)


def test_runs_differ_in_what_is_compared_and_in_nothing_else(tmp_path):
    known, extra = augment.parse([str(tmp_path), "--counts", "50", "--seeds", "3", "4", "--ema", "0.9"])
    runs = [*augment.runs_of(known)]
    assert [run["folder"].name for run in runs] == [f"dcgan-50-{end}" for end in ("3", "3-augment", "4", "4-augment")]
    kind = importlib.import_module("dcgan").Settings
    lines = [options.parse(kind, "", "dcgan.py", augment.training_line(known, run, extra)[2:]) for run in runs]
    assert [(line.pop("seed"), line.pop("augment", False)) for line in lines] == [
        (s, a) for s in (3, 4) for a in (0, 1)
    ]
    assert {line.pop("folder") for line in lines} == {str(run["folder"]) for run in runs}
    assert lines[0] == lines[1] == lines[2] == lines[3]
    assert lines[0]["dataset"] == str(tmp_path / "sets" / "fashion-mnist-50.npz") and lines[0]["ema"] == 0.9


def test_so_many_run_at_once_and_none_begins_after_a_failure(monkeypatch, capfd):
    begun, at_once = [], []

    class Process:
        """Ends with its code after so many looks."""

        def __init__(self, command, **_):
            self.looks, self.code, self.returncode = *command, None
            begun.append(self)
            at_once.append(sum(one.returncode is None for one in begun))

        def poll(self):
            self.looks -= 1
            self.returncode = self.code if self.looks <= 0 else None
            return self.returncode

    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    commands = [(f"run {i}", command) for i, command in enumerate([(1, 0), (3, 0), (1, 0), (2, 7), (4, 0), (1, 0)])]
    assert augment.run_all(commands, 2) == 7
    assert len(begun) == 5 and max(at_once) == 2 and all(one.returncode is not None for one in begun)
    said = capfd.readouterr().err
    assert "5 of 6: run 4" in said and "run 3: ended with exit code 7, see above" in said and "run 5" not in said
    begun.clear()
    assert augment.run_all(commands[:3], 3) == 0 and at_once[-1] == len(begun) == 3


def test_what_ends_it_ends_its_runs(monkeypatch):
    started, popen = [], subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    monkeypatch.setattr(time, "sleep", lambda _: sys.exit(143))
    with pytest.raises(SystemExit):
        augment.run_all([("one", [sys.executable, "-c", "import time; time.sleep(100)"])] * 3, 2)
    assert [process.poll() for process in started] == [-signal.SIGTERM] * 2


def test_the_table_has_means_over_the_seeds_and_the_spread_of_the_first():
    rows = [
        {"count": 100, "augment": with_it, "frechet": value, "precision": 0.5, "recall": value / 100, "coverage": None}
        for with_it, value in ((False, 40), (False, 44), (True, 20), (True, 23))
    ]
    about = {"processor": "EPYC", "torch": "2.14", "date": "2026-11-25"}
    found = {"machine": about, "line": "dcgan.py", "images": 400_000, "seeds": [0, 1], "counts": [100], "command": "go"}
    head, _, command, _, *lines = augment.table({**found, "rows": rows}).splitlines()
    assert head == "EPYC, torch 2.14, 2026-11-25; `dcgan.py`, 400,000 images shown, seeds 0, 1." and command == "    go"
    assert lines[2:] == [
        "| 100 | without | 42.00 ± 2.83 | 0.500 | 0.420 | – |",
        "| 100 | with | 21.50 ± 2.12 | 0.500 | 0.215 | – |",
    ]


@pytest.mark.slow
def test_augment_measures_the_script_itself(tmp_path):
    try:
        load("fashion-mnist")
    except Refusal as refusal:
        pytest.skip(str(refusal))
    done = bench("augment", tmp_path / "out", "--counts", 20, "--seeds", 0, 1, "--images", 200)
    found = json.loads((tmp_path / "out" / "augment.json").read_text())
    assert [(row["seed"], row["augment"]) for row in found["rows"]] == [(s, a) for s in (0, 1) for a in (False, True)]
    assert found["about"]["samples"] == 10_000 and all(row["frechet"] > 0 for row in found["rows"])
    assert {row["images"] for row in found["rows"]} == {192}  # in batches of 16
    assert (tmp_path / "out" / "augment.md").read_text() in done.stdout
