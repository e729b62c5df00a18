"""The loop: how a script's iterations nest, what is due when, how a run ends, and what a checkpoint keeps apart."""

import contextlib
import copy
import shutil
import signal

import lsgan
import wgan
from bench.chaos import differences
from common.errors import FolderError
from common.models import load_generator, load_network, load_script, settings_of
from common.nn import device
from common.nn.rebuildable import rebuildable
from common.runs.checkpoint import CheckpointFiles, read_checkpoint
from common.runs.earlier import modernised
from common.runs.folder import RunFolder, frames, grid_name
from common.runs.log import read_log
from common.runs.record import read_record, write_record
from common.training.networks import Networks
from common.training.plan import Plan, make_plan
from common.training.stopping import BrokenOff, Stopping

import numpy as np
import pytest
import torch
from conftest import HOME, record_of
from safetensors.numpy import load_file
from torch import nn
from torch.optim import Adam

RATES = ("2e-4", "2e-4", "0.5")
DIGITS = ("--dataset", "digits", "--precision", "fp32")


def small(run):
    """A generator and its optimizer: enough for a loop."""
    G = run.generator("G", lsgan.Generator(run.settings.z_dim, run.shape))
    return G, run.optimizer("G", Adam(G.parameters(), run.settings.lr_g))


def step(G, opt):
    loss = G(torch.ones(2, 100)).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    return {"g_loss": loss}


# --- iterations


def counting(seen, critic_steps=5):
    def main(run):
        G, opt = small(run)
        for reals in run.iterations(critic_steps):
            for x in reals:
                seen.append(x[:, 0, 0, 0].sum().item())
            seen.append("G")
            run.log(step(G, opt))

    return main


def test_an_iteration_has_its_critic_steps_and_then_one_of_the_generator(launch, tmp_path):
    seen = []
    assert launch(counting(seen), *RATES, tmp_path / "run", *DIGITS, "--epochs", 2).code == 0
    assert ["G" if one == "G" else "f" for one in seen] == (["f"] * 5 + ["G"]) * 10
    assert [row["generator_steps"] for row in read_log(tmp_path / "run")] == [1, 2, 5, 10]


def test_an_iteration_spans_an_epochs_end_and_the_last_one_is_whole(launch, tmp_path):
    """1,618 images in batches of 200: 8 an epoch, 24 in all, of which 20 are four whole iterations."""
    seen = []
    done = launch(counting(seen), *RATES, tmp_path / "run", *DIGITS, "--epochs", 3, "--batch-size", 200)
    assert done.code == 0 and "finished, 3 epochs" in done.out
    assert ["G" if one == "G" else "f" for one in seen] == (["f"] * 5 + ["G"]) * 4
    record = record_of(tmp_path / "run")
    assert (record["steps"], record["images"], record["epochs_done"], record["state"]) == (20, 4000, 3, "finished")
    assert [row["step"] for row in read_log(tmp_path / "run")] == [5, 8, 16, 20]
    names = ["epoch-0000.6250.png", *(f"epoch-000{i}.png" for i in (1, 2, 3)), "latest.png"]
    assert sorted(file.name for file in (tmp_path / "run" / "samples").iterdir()) == names
    again = launch(counting([]), *RATES, tmp_path / "run", *DIGITS, "--epochs", 3, "--batch-size", 200)
    assert again.code == 0 and "finished already, 3 epochs" in again.err


def test_a_run_shorter_than_an_iteration_is_refused(launch, tmp_path):
    done = launch(counting([], 9), *RATES, tmp_path / "run", *DIGITS, "--epochs", 1, "--batch-size", 200)
    assert done.code == 2 and "8 batch(es), and one iteration takes 9" in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("at", [1, 3, 4, 5, 7])
def test_a_run_stopped_between_critic_steps_goes_on_inside_the_iteration(launch, start, tmp_path, at, monkeypatch):
    """Stopped by a signal after so many batches; the generator's step and its place in the order are not lost."""
    line = (*RATES, "--dataset", "digits", "--epochs", 1, "--ema", 0.9)
    place = line[:3], line[3:]
    assert start("wgan", *place[0], tmp_path / "whole", *place[1]).code == 0
    asked = Stopping.signalled.fget
    looks = []

    def signalled(self):
        looks.append(1)
        return signal.SIGTERM if len(looks) == at else asked(self)

    with monkeypatch.context() as patch:
        patch.setattr(Stopping, "signalled", property(signalled))
        assert start("wgan", *place[0], tmp_path / "halved", *place[1]).code == 143
    assert read_checkpoint(tmp_path / "halved")["parts"]["progress"]["step"] == at
    assert start("wgan", *place[0], tmp_path / "halved", *place[1]).code == 0
    assert differences(tmp_path / "whole", tmp_path / "halved") == []


def test_an_iteration_left_half_way_is_said(launch, tmp_path):
    def careless(run):
        small(run)
        for reals in run.iterations(5):
            next(reals)

    done = launch(careless, *RATES, tmp_path / "run", *DIGITS, "--epochs", 1)
    assert done.code == 1 and "take all batches of an iteration" in done.err


def test_batches_with_classes_nest_too(launch, tmp_path):
    seen = []

    def main(run):
        G, opt = small(run)
        for reals in run.iterations(5, labelled=True):
            for x, y in reals:
                seen.append((x.shape, y.shape, y.dtype))
            run.log(step(G, opt))

    assert launch(main, *RATES, tmp_path / "run", *DIGITS, "--epochs", 1).code == 0
    assert seen == [((64, 1, 8, 8), (64,), torch.int64)] * 25


def test_further_real_images_are_other_ones_and_do_not_count(launch, tmp_path):
    def main(run):
        G, opt = small(run)
        for x in run.batches():
            others = run.reals()
            assert others.shape == x.shape and -1 <= others.min() < others.max() <= 1
            assert not torch.equal(others, x) and not torch.equal(others, run.reals())
            run.log(step(G, opt))

    assert launch(main, *RATES, tmp_path / "run", *DIGITS, "--epochs", 1).code == 0
    assert record_of(tmp_path / "run")["images"] == 1600


# --- what it says at the start


def test_a_start_says_what_it_understood_where_to_look_and_how_to_stop(start, tmp_path):
    line = ("gan", *RATES, tmp_path / "a b", *DIGITS)
    done = start(*line, "--epochs", 1, "--time-limit", "1h")
    assert done.lines[:6] == [
        f"{tmp_path}/a b: gan.py begins",
        "  data     digits: 1,618 training and 179 held-out images,"
        " 10 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 8x8 in gray",
        "  machine  CPU, 1 thread, 32-bit numbers (fp32)",
        "  length   1 epoch (times through the training images), 1,600 images in all;"
        " this start ends after 1:00:00 (--time-limit)",
        f"  watch    '{tmp_path}/a b/samples/latest.png', always the newest samples",
        "  stop     Ctrl-C, which saves first; the same line goes on from there",
    ]
    assert start(*line, "--epochs", 2).lines[0] == f"{tmp_path}/a b: gan.py goes on after epoch 1"
    assert start(*line, "--epochs", 3, "--quiet").err == ""


def test_a_start_says_how_it_reads_the_images(start, tmp_path, patterns):
    def said(script, **arrays):
        np.savez(tmp_path / "set.npz", **arrays)
        line = (
            *RATES,
            tmp_path / "run",
            "--dataset",
            tmp_path / "set.npz",
            "--epochs",
            1,
            "--batch-size",
            16,
            "--fresh",
        )
        done = start(script, *line, *(("--width", 4) if script == "pix2pix" else ()))
        assert done.code == 0, done.err
        return next(text for text in done.lines if text.startswith("  data  ")).split("held-out ", 1)[1]

    colour = patterns(300, 8, 3)
    assert said("gan", images=colour) == "images, no classes, 8x8 in colour"
    twelve = "images, 12 classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...), 8x8 in colour"
    assert said("gan", images=colour, labels=np.arange(300) % 12) == twelve
    assert said("pix2pix", images=patterns(100, 32)) == "pairs, edges into images, 32x32 in gray"


# --- the newest grid


def test_a_run_that_goes_on_shows_its_newest_grid_from_the_start(start, finished, tmp_path, monkeypatch):
    """Whatever a kill left, or an earlier version, which had no latest.png."""
    folder = shutil.copytree(finished, tmp_path / "gan")
    latest = folder / "samples" / "latest.png"
    newest = (folder / "samples" / "epoch-0003.png").read_bytes()
    assert latest.read_bytes() == newest
    monkeypatch.setattr(Stopping, "signalled", property(lambda _: signal.SIGTERM))
    for epochs, damage in ((4, latest.unlink), (5, lambda: latest.write_bytes(b"old"))):
        damage()
        assert start("gan", *RATES, folder, "--epochs", epochs).code == 143
        assert latest.read_bytes() == newest and frames(folder)[-1][0] == 3


# --- how it ends


def breaking(after):
    def main(run):
        G, opt = small(run)
        for _ in run.batches():
            run.log(step(G, opt))
            if run.images_shown + 64 >= 64 * after:
                break

    return main


@pytest.mark.parametrize("after", [3, 25, 30])
def test_a_break_ends_the_run_in_order(launch, tmp_path, after):
    line = (*RATES, tmp_path / "run", *DIGITS, "--epochs", 4)
    done = launch(breaking(after), *line)
    assert done.code == 0, done.err
    message = f"test_loop.py itself ended it after {after / 25:.4g} of 4 epochs"
    length = {3: "0.12 epochs", 25: "1 epoch", 30: "1.2 epochs"}[after]
    assert f"finished early by test_loop.py itself, {length}, {64 * after:,} images" in done.out
    record = record_of(tmp_path / "run")
    assert (record["state"], record["steps"], record["message"]) == ("finished", after, message)
    assert read_checkpoint(tmp_path / "run")["parts"]["progress"]["step"] == after
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left >= {"checkpoint.pt", "generator.safetensors", "samples", "samples.gif", "losses.png", "log.csv"}
    assert read_log(tmp_path / "run")[-1]["step"] == after
    last = {3: "epoch-0000.1200.png", 25: "epoch-0001.png", 30: "epoch-0001.20.png"}[after]
    assert frames(tmp_path / "run")[-1] == (after / 25, tmp_path / "run" / "samples" / last)
    again = launch(breaking(after), *line)
    assert again.code == 0 and f"finished already, {message}" in again.err and len(again.lines) == 1
    longer = launch(breaking(1000), *RATES, tmp_path / "run", *DIGITS, "--epochs", 5)
    assert longer.code == 0 and record_of(tmp_path / "run")["steps"] == 125


def test_a_break_out_of_a_critics_steps_ends_the_run_too(launch, tmp_path):
    def main(run):
        G, opt = small(run)
        for reals in run.iterations(5):
            for _ in reals:
                run.log(step(G, opt))
                break
            break

    done = launch(main, *RATES, tmp_path / "run", *DIGITS, "--epochs", 1)
    assert done.code == 0 and record_of(tmp_path / "run")["steps"] == 1


def test_an_exception_is_no_break(launch, tmp_path):
    def main(run):
        G, opt = small(run)
        for _ in run.batches():
            run.log(step(G, opt))
            raise ZeroDivisionError("a mistake")

    done = launch(main, *RATES, tmp_path / "run", *DIGITS, "--epochs", 1)
    assert done.code == 1 and "ZeroDivisionError: a mistake" in done.err
    assert record_of(tmp_path / "run")["state"] == "failed"
    assert not (tmp_path / "run" / "generator.safetensors").exists()


def test_a_script_that_takes_no_batch_is_told(launch, tmp_path):
    done = launch(lambda run: None, *RATES, tmp_path / "run", *DIGITS)
    assert done.code == 1 and "took no batch" in done.err and not (tmp_path / "run").exists()


def test_figures_may_be_logged_before_the_first_batch(launch, tmp_path):
    def main(run):
        G, opt = small(run)
        run.log({"before": torch.tensor(3.0)})
        for _ in run.batches():
            run.log(step(G, opt))

    assert launch(main, *RATES, tmp_path / "run", *DIGITS, "--epochs", 1).code == 0
    assert read_log(tmp_path / "run")[0]["before"] == 3


def test_a_broken_off_run_whose_generator_is_damaged_is_not_trained_further(launch, tmp_path):
    line = (*RATES, tmp_path / "run", *DIGITS, "--epochs", 4)
    assert launch(breaking(30), *line).code == 0
    before = (tmp_path / "run" / "generator.safetensors").read_bytes()
    for name in ("generator.safetensors", "log.csv"):
        (tmp_path / "run" / name).write_bytes(b"damaged")
        again = launch(breaking(30), *line)
        assert again.code == 0 and "finished early by test_loop.py itself, 1.2 epochs" in again.out
        assert record_of(tmp_path / "run")["steps"] == 30 and len(read_log(tmp_path / "run")) == 5
    assert (tmp_path / "run" / "generator.safetensors").read_bytes() == before


def test_a_break_before_the_first_batch_is_no_run(launch, tmp_path):
    def main(run):
        small(run)
        for _ in run.iterations(5):
            break

    done = launch(main, *RATES, tmp_path / "run", *DIGITS)
    assert done.code == 1 and "took no batch" in done.err


def test_a_run_has_one_loop(launch, tmp_path):
    def main(run):
        G, opt = small(run)
        for _ in range(2):
            for _ in run.batches():
                run.log(step(G, opt))
                break

    done = launch(main, *RATES, tmp_path / "run", *DIGITS)
    assert done.code == 1 and "one loop over its batches, and this is the second" in done.err


def test_a_signal_breaks_off_what_may_take_minutes_and_nothing_else():
    stopping = Stopping(0)
    stopping.enter_the_loop(None)
    with contextlib.suppress(BrokenOff), stopping.breaking_off():
        stopping.on_signal(15, None)
        pytest.fail("it went on")
    stopping.on_signal(15, None)
    assert stopping.signalled == signal.SIGTERM and stopping.is_hurried


# --- what a variant of one's own trips over


def test_a_set_without_labels_is_refused_before_the_folder_is_made(launch, tmp_path, patterns):
    np.savez(tmp_path / "set.npz", images=patterns(300, 8))

    def main(run):
        G, opt = small(run)
        for _, _ in run.labelled_batches():
            run.log(step(G, opt))

    done = launch(main, *RATES, tmp_path / "run", "--dataset", tmp_path / "set.npz")
    assert done.code == 3 and "has no labels" in done.err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", [3.0, torch.ones(2)], ids=["a number", "two of them"])
def test_a_figure_that_is_none_is_named(launch, tmp_path, value):
    done = launch(lambda run: run.log({"height": value}), *RATES, tmp_path / "run", *DIGITS)
    assert done.code == 1 and "height must be a tensor of no dimensions" in done.err


def test_a_run_without_a_generator_is_refused_before_it_trains(launch, tmp_path):
    def main(run):
        run.network("G", lsgan.Generator(run.settings.z_dim, run.shape))
        for _ in run.batches():
            pytest.fail("it trains")

    done = launch(main, *RATES, tmp_path / "run", *DIGITS)
    assert done.code == 1 and "run.generator(name, network) makes one" in done.err


# --- the plan


def test_a_plan_knows_what_is_due_at_a_step():
    plan = Plan(6, 10, 64, sample_every=2, grids_per_epoch=1, watch_from=0, evaluate_every=3)
    steps = range(1, 61)
    assert [s for s in steps if plan.usual_grid_is_due(s)] == [10, 20, 40, 60]
    assert [s for s in steps if plan.grid_is_due(s)] == [1, 10, 20, 40, 60]
    rows = [1, *range(10, 61, 10)]
    assert [s for s in steps if plan.line_is_due(s)] == [s for s in steps if plan.row_is_due(s)] == rows
    assert [s for s in steps if plan.scores_are_due(s)] == [30, 60]
    assert [s for s in steps if plan.is_last(s)] == [60]


def test_a_long_epoch_has_grids_within_it_and_a_row_every_hundred_steps():
    plan = Plan(1, 250, 64, sample_every=1, grids_per_epoch=4, watch_from=0)
    assert [s for s in range(1, 251) if plan.usual_grid_is_due(s)] == [63, 125, 188, 250]
    early = [1, 8, 16, 32]
    assert [s for s in range(1, 251) if plan.row_is_due(s)] == [*early, 63, 100, 125, 188, 200, 250]


def early_grids(epochs, batches_per_epoch, sample_every=1, grids_per_epoch=1, steps_per_iteration=1):
    plan = Plan(epochs, batches_per_epoch, 64, sample_every, grids_per_epoch, 0, None, steps_per_iteration)
    return sorted(plan.early_grids)


def test_grids_come_quickly_at_the_beginning_until_the_usual_ones_do():
    assert early_grids(40, 937) == [1, 8, 16, 32, 64, 128, 256, 512]  # MNIST; the next is at 937
    assert early_grids(40, 937, steps_per_iteration=5) == [5, 10, 20, 35, 65, 130, 260, 515]
    assert early_grids(20, 937, grids_per_epoch=2) == [1, 8, 16, 32, 64, 128, 256]  # the next at 469
    short = [1, 8, 16, *(25 * epoch for epoch in (2, 4, 8, 16))]  # digits; the next are after epochs 1 and 38
    assert early_grids(1500, 25, sample_every=38) == short
    assert early_grids(1, 25, sample_every=38) == early_grids(1500, 25) == [1, 8, 16]
    assert early_grids(10, 1) == [] and early_grids(10, 2) == [1]


def test_early_grids_are_listed_before_the_others_however_long_an_epoch_is():
    for batches in (1, 2, 25, 937, 1000, 10_000, 60_000):
        for grids_per_epoch in {min(grids, batches) for grids in (*range(1, 10), *range(50, 101))}:
            plan = Plan(2, batches, 1, sample_every=1, grids_per_epoch=grids_per_epoch, watch_from=0)
            steps = [*sorted(plan.early_grids), plan.first_usual_grid]
            names = [grid_name(plan.epochs_as_text(step)) for step in steps]
            assert names == sorted(set(names)), (batches, grids_per_epoch)


def test_a_plan_cannot_be_changed():
    with pytest.raises(AttributeError):
        Plan(1, 1, 1, 1, 1, 0).epochs = 2


def test_the_length_is_in_images_whatever_the_size_of_the_set():
    s = wgan.Settings(5e-5, 5e-5, 0.0, "out", images=10_000, batch_size=10)
    assert make_plan(s, 1000, None, longer=False).epochs == 10
    assert make_plan(s, 107, None, longer=False).epochs == 100


# --- networks


def networks(precision="fp32", ema=None):
    return Networks("lsgan", torch.device("cpu"), precision, ema, step=lambda: 0)


def test_a_copy_under_bf16_computes_with_its_own_weights():
    made = networks("bf16").add("G", lsgan.Generator(10, (1, 8, 8)))
    other = copy.deepcopy(made)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    z = torch.randn(3, 10)
    assert not other(z).any() and made(z).any()


def test_a_bf16_network_gives_float32_and_is_in_all_else_what_it_was():
    made = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    placed = device.place(made, torch.device("cpu"), "bf16")
    assert placed(torch.randn(5, 3)).dtype == torch.float32 and isinstance(placed, nn.Sequential)
    assert placed is made and len(placed) == 2 and "0.weight" in placed.state_dict()
    x, exact = torch.randn(5, 3), nn.Sequential(*placed)
    assert not torch.equal(placed(x), exact(x))
    assert torch.equal(device.in_float32(placed)(x), exact(x)) and type(placed) is nn.Sequential
    assert device.in_float32(placed) is placed


def test_a_generator_remembers_its_arguments_however_they_were_given():
    shape = (1, 8, 8)
    for made in (lsgan.Generator(10, shape), lsgan.Generator(shape=shape, z_dim=10), lsgan.Generator(10, shape=shape)):
        assert made.arguments == (10, shape) and made.takes == ("z",)


class Undecorated(lsgan.Generator):
    """Its arguments are not its parent's."""

    def __init__(self, width):
        super().__init__(width, (1, 8, 8))


@rebuildable(takes="z")
class Forgetful(nn.Linear):
    """Says that it takes z, and not how long it is."""


def test_a_generator_that_could_not_be_built_or_sampled_is_refused():
    for wrong, why in ((Undecorated(4), "needs the decorator"), (Forgetful(2, 2), "must set self.z_dim")):
        with pytest.raises(ValueError, match=why):
            networks().add_generator("G", wrong)


def test_an_optimizer_keeps_what_it_was_told():
    for told, fused in (({}, True), ({"fused": False}, False), ({"foreach": True}, None), ({"foreach": False}, None)):
        these = networks()
        G = these.add("G", lsgan.Generator(10, (1, 8, 8)))
        assert these.add_optimizer("G", Adam(G.parameters(), 1e-3, **told)).param_groups[0]["fused"] == fused
        with pytest.raises(ValueError, match="two optimizers are called G"):
            these.add_optimizer("G", Adam(G.parameters(), 1e-3))


def test_names_must_fit_one_another():
    these = networks()
    G = these.add_generator("G", lsgan.Generator(10, (1, 8, 8)))
    with pytest.raises(ValueError, match="two networks"):
        these.add("G", lsgan.Discriminator((1, 8, 8)))
    with pytest.raises(ValueError, match="G is the generator already"):
        these.add_generator("H", lsgan.Generator(10, (1, 8, 8)))
    with pytest.raises(ValueError, match="does not hold"):
        these.add_optimizer("D", Adam(G.parameters(), 1e-3))
    with pytest.raises(ValueError, match="@rebuildable"):
        networks().add_generator("G", lsgan.Discriminator((1, 8, 8)))


def test_a_checkpoint_of_other_networks_is_refused_by_their_names(launch, tmp_path):
    def main(run, name):
        G, opt = small(run)
        run.network(name, lsgan.Discriminator(run.shape))
        for _ in run.batches():
            run.log(step(G, opt))

    line = (*RATES, tmp_path / "run", *DIGITS)
    assert launch(lambda run: main(run, "D"), *line, "--epochs", 1).code == 0
    refused = launch(lambda run: main(run, "critic"), *line, "--epochs", 2)
    assert refused.code == 5 and "it has G, D, and the script G, critic" in refused.err


def test_any_network_that_remembers_its_arguments_can_be_loaded(start, tmp_path):
    line = ("1e-3", "1e-3", "0.5", tmp_path / "run", "--dataset", "digits", "--epochs", 1)
    assert start("ebgan", *line).code == 0
    D = load_network(tmp_path / "run", "D")
    assert D.encoder(torch.zeros(2, 1, 8, 8)).shape == (2, 32) and not D.training
    with pytest.raises(FolderError, match="has no E that can be built again"):
        load_network(tmp_path / "run", "E")


# --- folders of 0.3.0


@pytest.fixture
def earlier(tmp_path):
    """A run of 0.3.0's pix2pix.py with averaged weights, stopped after its first batch."""
    folder = tmp_path / "earlier"
    folder.mkdir()
    for name in ("run.json", "checkpoint.pt", "generator.safetensors"):
        shutil.copy(HOME / "tests" / "data" / "0.3.0" / name, folder)
    return folder


def test_a_run_of_0_3_0_goes_on_to_the_weights_it_would_have_had(start, earlier):
    assert load_generator(earlier)(torch.zeros(1, 1, 32, 32)).shape == (1, 1, 32, 32)
    done = start("pix2pix", *RATES, earlier)
    assert done.code == 0 and "goes on after epoch 0" in done.err, done.err
    assert record_of(earlier)["steps"] == 50
    expected = load_file(HOME / "tests" / "data" / "0.3.0" / "when-finished.safetensors")
    found = load_file(earlier / "generator.safetensors")
    assert found.keys() == expected.keys()
    for name, weights in expected.items():  # another processor adds up in another order
        np.testing.assert_allclose(found[name], weights, atol=2e-3)


def test_a_run_of_0_2_0_goes_on_and_says_what_it_lacks_until_then(start, earlier):
    """Which did not say how its generator was made, and had no generator of Python's and NumPy's random numbers."""
    state = read_checkpoint(earlier)
    for name in ("generator", "random_python", "random_numpy", "generator_steps"):
        del state[name]
    CheckpointFiles(RunFolder(earlier)).write(state)
    write_record(earlier, {**read_record(earlier), "state": "running"})
    with pytest.raises(FolderError, match="an earlier version's; the same training line writes a new one"):
        load_generator(earlier)
    done = start("pix2pix", *RATES, earlier)
    assert done.code == 0, done.err
    assert load_generator(earlier)(torch.zeros(1, 1, 32, 32)).shape == (1, 1, 32, 32)


def test_networks_of_0_3_0_are_told_from_the_average_whatever_their_order(earlier):
    state = read_checkpoint(earlier)
    G, average, D = state["networks"].values()
    for order in ({"0 UNet": G, "1 UNet": average, "2 D": D}, {"0 D": D, "1 UNet": G, "2 UNet": average}):
        sampled = [name for name, one in order.items() if one is average]
        found = modernised({**state, "networks": order, "generator": {**state["generator"], "network": sampled[0]}})
        assert found["networks"]["sampled"] is average
        assert list(found["networks"]["weights"].values()) == [one for one in order.values() if one is not average]


def test_a_run_of_0_3_0_is_sampled_as_it_is(tool, earlier, tmp_path):
    np.savez(tmp_path / "in.npz", np.zeros((2, 32, 32), np.uint8))
    done = tool("sample", earlier, "--input", tmp_path / "in.npz", tmp_path / "out.npz")
    assert done.code == 0, done.err


# --- which files are scripts

LAUNCH = "from common.training import launch\n"
MAIN = 'if __name__ == "__main__":\n    '
FORMATTED = {
    "as ours": f"{LAUNCH}{MAIN}launch(main, Settings, __doc__)\n",
    "over lines": f"{LAUNCH}{MAIN}launch(\n        main,\n        Settings,\n        doc=__doc__,\n    )\n",
    "the other way round": f"{LAUNCH}if '__main__' == __name__: launch(main, Settings, '')\n",
    "by another name": f"from common.training import launch as go\n{MAIN}go(main, Settings, '')\n",
    "by its module": f"from common import training\n{MAIN}training.launch(main, Settings, '')\n",
    "in a function": f"import common.training as t\ndef start():\n    t.launch(main, Settings, '')\n\n{MAIN}start()\n",
}
NO_SCRIPTS = {
    "at import": f"{LAUNCH}launch(main, Settings, __doc__)\n",
    "in a text": '"""launch(main, Settings, __doc__)"""\n',
    "in a comment": f'# launch(main, Settings, __doc__)\n{MAIN}print("launch(main, Settings)")\n',
    "another launch": f"from rockets import launch\n{MAIN}launch(main, Settings, __doc__)\n",
    "no Python": "launch(main, Settings, __doc__) if\n",
    "in a class": f"{LAUNCH}class A:\n    launch(1)\n{MAIN}launch(2)\n",
}


@pytest.fixture
def beside_common(tmp_path, monkeypatch):
    from common import models

    monkeypatch.setattr(models, "HOME", tmp_path)
    return tmp_path


@pytest.mark.parametrize("text", FORMATTED.values(), ids=FORMATTED)
def test_a_script_is_told_however_it_is_formatted(beside_common, text):
    (beside_common / "mine.py").write_text(f"Settings, main = 1, 2\n{text}")
    assert load_script("mine").Settings == 1


def test_a_script_may_call_its_settings_as_it_likes_and_has_one_kind(beside_common):
    own = "from common.options import Settings\nclass Options(Settings): tiles = 5\n"
    for name, text, tiles in (("named", own, 5), ("shared", "from common.options import Settings\n", 1)):
        (beside_common / f"{name}.py").write_text(f"{text}main = 1\n{FORMATTED['as ours']}")
        assert settings_of({"script": name}).tiles == tiles
    (beside_common / "two.py").write_text(f"{own}class More(Options): pass\n{FORMATTED['as ours']}")
    with pytest.raises(FolderError, match="has 2 classes of settings"):
        settings_of({"script": "two"})


def test_a_script_that_fails_when_it_is_imported_is_not_handed_out_half_made(beside_common):
    (beside_common / "failing.py").write_text(f"{FORMATTED['as ours']}1 / 0\n")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            load_script("failing")


@pytest.mark.parametrize("text", NO_SCRIPTS.values(), ids=NO_SCRIPTS)
def test_what_is_no_script_is_never_imported(beside_common, text):
    (beside_common / "other.py").write_text(f"{text}\nopen({str(beside_common / 'imported')!r}, 'w')\n")
    with pytest.raises(FolderError, match="not one of the scripts"):
        load_script("other")
    assert not (beside_common / "imported").exists()


@pytest.mark.parametrize("name", ["compare", "evaluate", "sample", "common", "tests/killed", "../gan", "", "."])
def test_tools_and_paths_are_no_scripts(name):
    with pytest.raises(FolderError, match="not one of the scripts"):
        load_script(name)
