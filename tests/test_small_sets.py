"""Sets of a few images: a batch that fits, few rows of the log, and everything else as for large ones."""

import signal
from itertools import pairwise

import dcgan
from bench.chaos import differences
from common.options import Settings
from common.runs.folder import frames
from common.runs.log import read_log
from common.training.plan import Plan, make_plan, with_batches_that_fit
from common.training.stopping import Stopping

import numpy as np
import pytest
from conftest import RATES, SCRIPTS, record_of


@pytest.fixture
def few(tmp_path, patterns):
    """few(12): the path of a set of so many images of 8x8 pixels in two classes."""

    def make(count, size=8):
        file = tmp_path / f"{count}-of-{size}.npz"
        np.savez(file, images=patterns(count, size), labels=np.arange(count) % 2)
        return file

    return make


def line_of(script, folder, dataset, *options):
    return script, *RATES[script], folder, "--dataset", dataset, "--precision", "fp32", *options


# --- the batch


@pytest.mark.parametrize(
    ("images", "batch"), [(2, 2), (3, 2), (4, 4), (11, 8), (45, 32), (63, 32), (64, 64), (1000, 64), (1, 64)]
)
def test_the_batch_is_the_largest_power_of_two_up_to_the_scripts_own(images, batch):
    s = Settings(1e-3, 1e-3, 0.5, "out")
    assert with_batches_that_fit(s, {"lr_g"}, images).batch_size == batch
    assert with_batches_that_fit(s, {"batch_size"}, images) is s


def test_a_small_set_gets_a_batch_that_fits_and_keeps_it(start, tmp_path, few):
    line = line_of("gan", tmp_path / "run", few(12))
    done = start(*line, "--epochs", 3)
    assert done.code == 0, done.err
    said = "in batches of 8, for 11 training images are fewer than the usual 64 of a batch; --batch-size sets another"
    assert [text for text in done.lines if "batches" in text] == [f"{tmp_path}/run: {said} number"]
    record = record_of(tmp_path / "run")
    assert record["settings"]["batch_size"] == 8 and "batch_size" not in record["given"]
    assert (record["steps"], record["images"]) == (3, 24)

    again = start(*line, "--epochs", 4)
    assert again.code == 0 and "batches of" not in again.err
    assert record_of(tmp_path / "run")["images"] == 32
    assert start(*line, "--epochs", 5, "--batch-size", 8).code == 0
    other = start(*line, "--epochs", 6, "--batch-size", 4)
    assert other.code == 5 and "batch_size 4 (was 8)" in other.err
    assert start(*line, "--epochs", 1, "--fresh", "--quiet").err.count("\n") == 1  # of where the old run is now


def test_a_batch_that_the_line_asks_for_is_never_another(start, tmp_path, few):
    refused = start(*line_of("gan", tmp_path / "run", few(12), "--batch-size", 12))
    assert refused.code == 3 and "--batch-size 12 is larger than the 11 training images" in refused.err
    assert "give --batch-size 11 or less" in refused.err and not (tmp_path / "run").exists()
    alone = start(*line_of("gan", tmp_path / "run", few(2)))
    assert alone.code == 3 and "there is one training image, and a GAN needs many; use a larger set" in alone.err


# --- what is due


def test_of_short_epochs_a_few_ends_have_a_row():
    plan = Plan(5000, 3, 64, sample_every=125, grids_per_epoch=1, watch_from=0, evaluate_every=1250)
    rows = [step for step in range(1, plan.steps + 1) if plan.row_is_due(step)]
    assert rows[:12] == [1, 3, 6, 12, 24, 48, 96, 99, 192, 198, 297, 375]
    assert max(later - step for step, later in pairwise(rows)) <= 100
    assert len(rows) < 15_000 / 99 + 50 and all(step % 3 == 0 for step in rows[1:])
    assert all(plan.row_is_due(step) for step in range(1, plan.steps + 1) if plan.grid_is_due(step))
    assert all(plan.row_is_due(step) for step in (3750, 7500, 11_250, 15_000)) and plan.scores_are_due(3750)


def test_a_long_run_on_few_images_is_said_in_a_few_hundred_lines():
    s = dcgan.Settings(2e-4, 2e-4, 0.5, "out")
    for images, rows in ((2, 6100), (12, 1600), (50, 450), (100, 250), (500, 250)):
        plan = make_plan(with_batches_that_fit(s, (), images), images, None, longer=False)
        due = [step for step in range(1, plan.steps + 1) if plan.row_is_due(step)]
        assert len(due) < rows and 200 < sum(plan.line_is_due(step) for step in due) < 550
        assert plan.line_is_due(plan.steps)


def test_nothing_changes_where_an_epoch_has_ten_batches():
    for batches in (10, 25, 99, 100, 101, 937):
        plan = Plan(12, batches, 64, sample_every=2, grids_per_epoch=1, watch_from=0)
        for step in range(1, plan.steps + 1):
            said = step % batches == 0 or step in plan.early_grids
            assert plan.line_is_due(step) == said and plan.row_is_due(step) == (said or step % 100 == 0)


# --- runs


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_trains_on_twelve_images(start, tmp_path, few, script):
    """Of which one is held out: what sheets reconstruct or translate is that one, over and over."""
    options = ("--width", 4, "--batch-size", 8) if script == "pix2pix" else ()
    done = start(
        *line_of(script, tmp_path / "run", few(12, 32 if script == "pix2pix" else 8), "--epochs", 110, *options)
    )
    assert done.code == 0, done.err
    rows = [row["step"] for row in read_log(tmp_path / "run")]
    grids = [round(epoch) for epoch, _ in frames(tmp_path / "run")]
    assert set(grids) < set(rows) and rows[-1] == grids[-1] == 110 and 100 in rows and 99 in grids
    assert (tmp_path / "run" / "samples.gif").exists() and (tmp_path / "run" / "losses.png").exists()
    assert record_of(tmp_path / "run")["settings"]["batch_size"] == 8


def test_what_too_few_held_out_images_cannot_say_the_training_images_do(start, tool, tmp_path, few):
    done = start(*line_of("gan", tmp_path / "run", few(40), "--epochs", 1))
    folder = tmp_path / "run"
    assert f"python evaluate.py {folder} --split train\n" in done.out
    refused = tool("evaluate", folder)
    said = "4 held-out images to score by, and at least 10 are needed; evaluate.py --split train takes those trained on"
    assert refused.code == 3 and said in refused.err
    scored = tool("evaluate", folder, "--split", "train")
    assert scored.code == 0 and "36 train images" in scored.out
    assert "--split" not in tool("evaluate", folder, "--samples", 4, "--split", "train").err


def test_a_resumed_run_on_few_images_ends_with_the_same_bytes(start, tmp_path, few, monkeypatch):
    whole, halved = (line_of("wgan", tmp_path / name, few(12), "--epochs", 110) for name in ("whole", "halved"))
    assert start(*whole).code == 0
    asked, looks = Stopping.signalled.fget, []

    def signalled(self):
        looks.append(1)
        return signal.SIGTERM if len(looks) == 53 else asked(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stopping, "signalled", property(signalled))
        assert start(*halved).code == 143
    assert start(*halved).code == 0
    assert differences(tmp_path / "whole", tmp_path / "halved") == []


def test_a_run_of_an_earlier_version_keeps_its_row_an_epoch_and_goes_on_with_fewer(start, tmp_path, few, monkeypatch):
    line = line_of("gan", tmp_path / "run", few(12), "--batch-size", 8, "--sample-every", 500)
    with monkeypatch.context() as patch:
        patch.setattr(Plan, "row_is_due", Plan.ends_an_epoch)
        assert start(*line, "--epochs", 30).code == 0
    assert [row["step"] for row in read_log(tmp_path / "run")] == [*range(1, 31)]
    (tmp_path / "run" / "log.csv").unlink()
    done = start(*line, "--epochs", 230)
    assert done.code == 0 and "rebuilt from the checkpoint" in done.err
    rows = [row["step"] for row in read_log(tmp_path / "run")]
    assert rows == [*range(1, 31), 32, 64, 100, 128, 200, 230]


def test_runs_on_few_images_are_scored_and_compared(start, tool, tmp_path, few, brief_classifier):
    for seed in (0, 1):
        line = line_of("gan", tmp_path / "runs" / f"gan-{seed}", few(200), "--epochs", 60, "--seed", seed)
        assert start(*line, "--evaluate-every", 27, "--sample-every", 60).code == 0
    rows = {row["step"]: row for row in read_log(tmp_path / "runs" / "gan-0")}  # of 180 images: two batches an epoch
    assert [*rows] == [1, 2, 4, 8, 16, 32, 54, 64, 100, 108, 120]
    assert [step for step, row in rows.items() if "frechet" in row] == [54, 108]
    assert tool("evaluate", tmp_path / "runs").code == 0
    done = tool("compare", tmp_path / "runs")
    assert done.code == 0 and (tmp_path / "runs" / "comparison.html").exists(), done.err
