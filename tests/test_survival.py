"""Runs that survive: kills, signals, a second start, full disks, damage, hostile folders, cron's world."""

import contextlib
import dataclasses
import functools
import json
import os
import pickle
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from bench.chaos import differences
from common.data.registry import load
from common.errors import FolderError
from common.models import load_generator, load_network, load_script
from common.nn.pixels import floats
from common.nn.rebuildable import rebuildable
from common.runs.checkpoint import CheckpointFiles, read_checkpoint, seal
from common.runs.folder import RunFolder
from common.runs.log import read_log
from common.runs.record import read_record, write_record
from common.scoring import watch
from common.storage import whole
from common.storage.whole import PREFIX, scratch_folder
from common.training import launching

import numpy as np
import psutil
import pytest
import torch
from conftest import HOME, RATES, command, corrupt, processor_seconds, record_of, wait_until
from PIL import Image
from torch import nn

RATES = RATES["gan"]
DIGITS = ("--dataset", "digits", "--sample-every", 1)


def contents(folder):
    """Every file with its bytes, but for the lock."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "gan")


# --- kill -9


def test_a_run_killed_in_the_midst_of_its_writes_ends_with_the_same_bytes(start, shell, tmp_path):
    """Seven kills, one after the other, each at a place in the order of writes that a random one would hardly hit."""
    options = (*DIGITS, "--epochs", 4, "--ema", 0.9, "--flip", "--evaluate-every", 2)
    line = (*RATES, tmp_path / "killed", *options, "--checkpoint-every", "0.01s")
    points = [("before:run.json", 1), ("within:checkpoint.pt", 1), ("after:checkpoint.prev.pt", 1)]
    points += [("after:checkpoint.pt", 3), ("within:epoch-0002.png", 1), ("within:log.csv", 1)]
    points += [("before:generator.safetensors", 1)]
    for point, count in points:
        killed = shell(HOME / "tests" / "killed.py", point, count, HOME / "lsgan.py", *line)
        assert killed.code == -signal.SIGKILL, (point, killed.err)
        leftovers = list((tmp_path / "killed").rglob(f"{PREFIX}*"))
        assert len(leftovers) == (0 if point.startswith("after:checkpoint.pt") else 1), (point, leftovers)
    assert start("lsgan", *line).code == 0
    assert start("lsgan", *RATES, tmp_path / "whole", *options).code == 0
    assert differences(tmp_path / "whole", tmp_path / "killed") == []


def test_every_random_generator_goes_on_where_it_was(launch, tmp_path):
    """Also Python's and NumPy's, which a variant of one's own may draw from, wherever they were left."""

    def drawing(run):
        generator(run)
        for _ in run.batches():
            drawn = random.random(), np.random.normal(), torch.randn(()).item()
            run.log({name: torch.tensor(value) for name, value in zip("abc", drawn, strict=True)})

    line = (*DIGITS, "--epochs", 4)
    assert launch(drawing, *RATES, tmp_path / "whole", *line).code == 0
    random.seed(9), np.random.seed(9)
    for epochs in (2, 4):
        assert launch(drawing, *RATES, tmp_path / "halved", *DIGITS, "--epochs", epochs).code == 0
    rows = [[{n: row[n] for n in "abc"} for row in read_log(tmp_path / name)] for name in ("whole", "halved")]
    assert rows[0] == rows[1] and len(rows[0]) == 3 + 4  # of early grids and of epochs


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(start, copy):
    for folder in (copy, copy / "samples"):
        (folder / f"{PREFIX}dead").write_bytes(b"half")
    (copy / f"{PREFIX}dead-folder").mkdir()
    with scratch_folder(copy) as living:
        assert start("gan", *RATES, copy, "--epochs", 4).code == 0
        assert living.exists()
    assert not list(copy.rglob(f"{PREFIX}*"))


@pytest.mark.slow
def test_chaos_finds_no_difference(tmp_path):
    """The bench itself: real kills from outside. docs/reliability.md has the figures of many.

    One thread, as if there were as many jobs as cores: two beside a busy process take minutes.
    """
    options = ("--kills", "4", "--scripts", "gan", "--jobs", str(os.cpu_count()), "--cost", "0")
    chaos = [sys.executable, HOME / "bench" / "chaos.py", tmp_path / "chaos", *options]
    done = subprocess.run(chaos, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "chaos" / "chaos.json").read_text())
    assert report["kills"] == 4 and report["differences"] == [] and "4 kills survived" in done.stdout


def test_chaos_would_find_a_difference(copy, finished):
    assert differences(finished, copy) == []
    corrupt(copy / "samples" / "epoch-0002.png")
    state = read_checkpoint(copy)
    state["parts"]["random"]["torch"][0] ^= 1
    CheckpointFiles(RunFolder(copy)).write(state)
    (copy / f"{PREFIX}left").write_bytes(b"")
    assert differences(finished, copy) == [f"{PREFIX}left", "samples/epoch-0002.png", "checkpoint.pt"]


# --- signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_stops_with_a_checkpoint_and_a_second_one_damages_nothing(spawn, tmp_path, number, code):
    folder = tmp_path / "run"
    child = spawn("gan", *RATES, folder, "--dataset", "digits")
    wait_until((folder / "samples" / "epoch-0001.png").exists, child)
    began = used = processor_seconds(child.pid)
    while child.poll() is None:  # as somebody does who cannot wait
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            child.send_signal(number)
            used = processor_seconds(child.pid)
        time.sleep(0.01)
    assert child.returncode == code and used - began < 5
    assert "is saved; the same line goes on" in child.err and "Traceback" not in child.err
    assert record_of(folder)["state"] == "stopped" and record_of(folder)["checkpoint_step"] > 0
    assert (
        read_checkpoint(folder)["parts"]["progress"]["step"] == record_of(folder)["steps"]
        and load_generator(folder) is not None
    )
    assert not list(folder.rglob(f"{PREFIX}*"))


def test_ctrl_c_while_torch_is_imported_needs_no_traceback(tmp_path):
    child = subprocess.Popen(
        command("gan", *RATES, tmp_path / "run", "--dataset", "digits"),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_until(lambda: "libtorch" in Path(f"/proc/{child.pid}/maps").read_text(), child)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode in (130, -signal.SIGINT) and "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_a_second_signal_while_the_first_is_answered_changes_nothing(start, tmp_path, monkeypatch):
    said = []

    def interrupted(message):
        os.kill(os.getpid(), signal.SIGTERM)
        said.append(message)

    monkeypatch.setattr(launching, "say", interrupted)
    done = start("gan", *RATES, tmp_path / "run", "--dataset", "nowhere/")
    assert done.code == 3 and len(said) == 1 and not done.err


def test_a_signal_that_was_ignored_stays_ignored(spawn, tmp_path):
    """nohup's way: the run goes on to its end."""
    ignoring = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    options = ("--dataset", "digits", "--epochs", 3)
    child = spawn("gan", *RATES, tmp_path / "run", *options, first=(ignoring,))
    wait_until((tmp_path / "run" / "run.json").exists, child)
    child.send_signal(signal.SIGHUP)
    assert child.wait() == 0


def test_a_signal_breaks_off_scoring_and_the_log_has_the_scores_after_all(start, tmp_path, monkeypatch):
    """Scores may take minutes. The epoch's end, which they are part of, is left to the next start."""
    from common.scoring.evaluator import Evaluator

    line = ("gan", *RATES)
    options = (*DIGITS, "--epochs", 3, "--evaluate-every", 2)
    assert start(*line, tmp_path / "whole", *options).code == 0
    score, scored = Evaluator.score, []

    def interrupted(self, G, seed=0):
        torch.randn(3)
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):  # a handler runs between two of these
            time.sleep(0.01)
        scored.append(score(self, G, seed))
        return scored[0]

    with monkeypatch.context() as patch:
        patch.setattr(Evaluator, "score", interrupted)
        stopped = start(*line, tmp_path / "stopped", *options)
    assert stopped.code == 143 and not scored
    assert start(*line, tmp_path / "stopped", *options).code == 0
    assert differences(tmp_path / "whole", tmp_path / "stopped") == []


def test_a_signal_among_the_data_is_not_taken_for_a_broken_image(start, tmp_path, monkeypatch):
    from common.data.trees import decoding

    from formats import write_pictures

    write_pictures(tmp_path / "set", 8)
    monkeypatch.setattr(decoding, "upright", lambda *_: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(1))
    done = start("gan", *RATES, tmp_path / "run", "--dataset", tmp_path / "set", "--skip-broken")
    assert done.code == 143 and "before the first step" in done.lines[-1]
    assert not (tmp_path / "run").exists()


# --- two at once


def test_a_second_process_gets_75_within_5_seconds_and_touches_nothing(spawn, shell, python, tmp_path):
    """5 seconds of a processor, for it may be busy with other things."""
    folder = tmp_path / "run"
    line = ("gan", *RATES, folder, "--dataset", "digits", "--quiet", "--checkpoint-every", "1h")
    first = spawn(*line, "--sample-every", "100000")
    wait_until((folder / "log.csv").exists, first)
    first.send_signal(signal.SIGSTOP)  # it holds the run, and changes nothing of its own meanwhile
    wait_until(lambda: psutil.Process(first.pid).status() == psutil.STATUS_STOPPED, first)
    before = {path: path.stat() for path in folder.rglob("*")}
    for run, options in ((python, ()), (shell, ("--fresh",)), (shell, ("--epochs", "9000"))):
        second = run(*line, *options)
        assert second.code == 75 and len(second.lines) == 1 and "another process holds this run" in second.err
        assert run is shell or second.seconds < 5
    assert {path: path.stat()[:9] for path in folder.rglob("*")} == {p: s[:9] for p, s in before.items()}


def test_a_lock_left_by_a_dead_process_does_not_block(start, copy):
    """Also where its number is another program's by now: the lock is the kernel's, not the file's."""
    (copy / ".lock").write_text(str(os.getpid()))
    assert start("gan", *RATES, copy, "--epochs", 4).code == 0


# --- no room


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 60 MB where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs here; the test with a file-size limit runs instead")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place, leave):
    state = os.statvfs(place)
    (place / "other").write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - leave)))


@pytest.mark.parametrize("leave", [0, 5_000, 40_000_000], ids=["nothing", "a few rows", "two checkpoints"])
def test_a_disk_that_fills_up_costs_nothing_and_the_same_line_goes_on(start, finished, small_disk, leave):
    line = ("gan", *RATES, small_disk / "gan", *DIGITS, "--epochs", 3)
    fill(small_disk, leave)
    full = start(*line, "--checkpoint-every", "0.01s")
    assert full.code == 5 and "No space left" in full.lines[-1] and "Traceback" not in full.err
    assert len([text for text in full.lines if text.startswith("gan.py: ")]) == 1
    assert not list(small_disk.rglob(f"{PREFIX}*"))
    state = read_checkpoint(small_disk / "gan")
    assert state["parts"]["progress"]["step"] >= 2 if leave > 16_000_000 else state is None
    (small_disk / "other").unlink()
    again = start(*line)
    assert again.code == 0 and "damaged" not in again.err
    assert differences(finished, small_disk / "gan") == []


def test_a_file_size_limit_is_as_a_full_disk(shell, copy):
    """Where nothing may be mounted: the checkpoint does not fit, all else does."""
    good = (copy / "checkpoint.pt").read_bytes()
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))
    done = shell("gan", *RATES, copy, "--epochs", 4, first=(limit,))
    assert done.code == 5 and "File too large" in done.err and "Traceback" not in done.err
    assert (copy / "checkpoint.pt").read_bytes() == good
    assert record_of(copy)["state"] == "failed" and "cannot write" in record_of(copy)["message"]


def test_a_folder_that_turns_read_only_in_the_middle(launch, tmp_path):
    folder = tmp_path / "run"
    if subprocess.run(["chattr", "+i", tmp_path], capture_output=True).returncode:
        pytest.skip("may not make a folder unchangeable here")
    subprocess.run(["chattr", "-i", tmp_path], check=True)

    def closing(run):
        G = generator(run)
        for i, _ in enumerate(run.batches(), run.images_shown // 64):
            run.log({"d_loss": G.bias.mean()})
            if i == 30:
                subprocess.run(["chattr", "+i", folder, folder / "samples"], check=True)

    line = (*RATES, folder, *DIGITS, "--epochs", 3)
    try:
        broken = launch(closing, *line, "--checkpoint-every", "0.01s")
    finally:
        subprocess.run(["chattr", "-i", folder, folder / "samples"], check=True)
    assert broken.code == 5 and "cannot write" in broken.lines[-1] and "Traceback" not in broken.err
    assert read_checkpoint(folder)["parts"]["progress"]["step"] >= 25
    assert launch(training, *line).code == 0


# --- damage


DAMAGE = {
    "flipped in the middle": corrupt,
    "flipped at the end": lambda file: corrupt(file, 0.9999999),
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "cut by a byte": lambda file: os.truncate(file, file.stat().st_size - 1),
    "empty": lambda file: file.write_bytes(b""),
}


@pytest.fixture(scope="module")
def with_previous(once, finished, shell):
    """`finished` gone on with, which leaves a previous checkpoint; tests that change it take a copy."""

    def make(folder):
        shutil.copytree(finished, folder)
        assert shell("gan", *RATES, folder, "--epochs", 4).code == 0

    return once("gan-4-after-3", make)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_found_and_the_previous_one_used(start, with_previous, tmp_path, damage):
    copy = shutil.copytree(with_previous, tmp_path / "gan")
    DAMAGE[damage](copy / "checkpoint.pt")
    previous = (copy / "checkpoint.prev.pt").read_bytes()
    again = start("gan", *RATES, copy, "--epochs", 5, "--time-limit", "0.01s")
    assert again.code == 0 and "checkpoint.pt: damaged" in again.err and "looking for checkpoint.prev.pt" in again.err
    # What is damaged must not take the place of the good one while the new one is written.
    assert (copy / "checkpoint.prev.pt").read_bytes() == previous
    assert start("gan", *RATES, copy, "--epochs", 5).code == 0


@pytest.mark.parametrize("damage", [*DAMAGE, "gone"])
def test_with_both_checkpoints_damaged_or_gone_nothing_is_overwritten(start, copy, damage):
    shutil.copy(copy / "checkpoint.pt", copy / "checkpoint.prev.pt")
    for name in ("checkpoint.pt", "checkpoint.prev.pt"):
        DAMAGE.get(damage, Path.unlink)(copy / name)
    before = contents(copy)
    for epochs in (3, 4):  # also where there is nothing left to train
        refused = start("gan", *RATES, copy, "--epochs", epochs)
        assert refused.code == 5 and "--fresh starts anew" in refused.lines[-1]
    assert contents(copy) == before
    assert start("gan", *RATES, copy, "--dataset", "digits", "--epochs", 1, "--fresh").code == 0


def test_fresh_helps_where_everything_is_damaged(start, copy):
    for name in ("run.json", "checkpoint.pt", "checkpoint.prev.pt"):
        (copy / name).write_bytes(b"damaged")
    line = ("gan", *RATES, copy, "--dataset", "digits", "--epochs", 1)
    refused = start(*line)
    assert refused.code == 5 and "no checkpoint to rebuild it from; --fresh starts anew" in refused.err
    assert start(*line, "--fresh").code == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"nonsense", b"[" * 100_000, None], ids=lambda c: repr(c)[:9])
def test_a_damaged_or_missing_run_json_is_rebuilt_from_the_checkpoint(start, copy, content):
    if content is None:
        (copy / "run.json").unlink()
    else:
        (copy / "run.json").write_bytes(content)
    again = start("gan", *RATES, copy, "--dataset", "digits", "--epochs", 4)
    assert again.code == 0 and "run.json: missing or damaged; rebuilt from the checkpoint" in again.err
    assert "goes on after epoch 3" in again.err and record_of(copy)["state"] == "finished"


@pytest.mark.parametrize("epochs", [3, 4], ids=["finished", "going on"])
@pytest.mark.parametrize("damage", ["changed", "cut", "empty", "gone"])
def test_a_damaged_log_is_said_and_rebuilt(start, copy, finished, damage, epochs):
    log = copy / "log.csv"
    text = log.read_text()
    changed = {"changed": text.replace("50,", "60,", 1), "cut": text[: len(text) // 2], "empty": ""}
    log.unlink() if damage == "gone" else log.write_text(changed[damage])
    again = start("gan", *RATES, copy, "--dataset", "digits", "--epochs", epochs)
    assert again.code == 0 and again.err.count("log.csv: missing or damaged; rebuilt from the checkpoint") == 1
    assert log.read_text().startswith(text)


def test_a_resume_without_damage_says_nothing_of_the_log(start, copy):
    assert "damaged" not in start("gan", *RATES, copy, "--dataset", "digits", "--epochs", 4).err


def test_a_damaged_generator_is_written_again(start, copy, finished):
    corrupt(copy / "generator.safetensors", 0.9)
    again = start("gan", *RATES, copy)
    assert again.code == 0 and "generator.safetensors: missing or damaged" in again.err
    assert (copy / "generator.safetensors").read_bytes() == (finished / "generator.safetensors").read_bytes()
    assert "finished already" in start("gan", *RATES, copy).err


def test_a_finished_run_whose_checkpoint_is_damaged_ends_once_more_from_the_previous_one(start, tmp_path, finished):
    line = ("gan", *RATES, tmp_path / "gan", *DIGITS, "--epochs", 3)
    assert start(*line, "--checkpoint-every", "0.1s").code == 0
    corrupt(tmp_path / "gan" / "checkpoint.pt")
    again = start(*line)
    assert again.code == 0 and "checkpoint.pt: damaged" in again.err and "goes on" in again.err
    assert differences(finished, tmp_path / "gan") == []


def test_a_damaged_grid_does_not_keep_a_run_from_ending(start, copy):
    (copy / "samples" / "epoch-0001.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (copy / "samples" / "epoch-first.png").write_bytes(b"")
    Image.new("1", (15_000, 15_000)).save(copy / "samples" / "epoch-0000.50.png")
    assert start("gan", *RATES, copy, "--epochs", 4).code == 0
    with Image.open(copy / "samples.gif") as film:
        assert film.n_frames == 6


# --- divergence and collapse


@rebuildable(takes="z")
class Constant(nn.Module):
    """z -> one of the `kinds` images for each z, at random, and a weight that an optimizer can hold."""

    def __init__(self, z_dim, kinds):
        super().__init__()
        self.z_dim = z_dim
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("kinds", images_of(kinds))

    def forward(self, z):
        which = (z[:, 0].sigmoid() * 0.9999 * len(self.kinds)).long()
        return self.kinds[which] + 0 * self.bias


def images_of(kinds):
    """Training images of digits: the first of class 3, or all of the classes that are named."""
    digits = load("digits")
    if kinds == "one image":
        return floats(digits.images[digits.labels == 3][:1])
    return floats(digits.images[np.isin(digits.labels, [int(digit) for digit in kinds])])


def generator(run, kinds="0123456789"):
    G = run.generator("G", Constant(run.settings.z_dim, kinds))
    run.optimizer("G", torch.optim.Adam(G.parameters(), run.settings.lr_g))
    return G


def training(run, kinds="0123456789"):
    G = generator(run, kinds)
    for _ in run.batches():
        run.log({"d_loss": G.bias.mean()})


@pytest.mark.parametrize("what", ["loss", "weight"])
def test_divergence_names_the_quantity_and_the_epoch_and_keeps_the_last_good_state(launch, tmp_path, what):
    def diverging(run):
        G = generator(run)
        for i, _ in enumerate(run.batches()):
            if what == "weight" and i == 40:
                G.bias.data.fill_(float("nan"))
            run.log({"d_loss": torch.tensor(float("inf") if what == "loss" and i == 40 else 0.5)})

    line = (*RATES, tmp_path / "run", *DIGITS, "--epochs", 4, "--checkpoint-every", "0.001s")
    broke = launch(diverging, *line)
    named = "d_loss is" if what == "loss" else "the weight G.bias is not finite"
    assert broke.code == 4 and f"diverged in epoch 2: {named}" in broke.lines[-1]
    assert record_of(tmp_path / "run")["state"] == "diverged"
    state = read_checkpoint(tmp_path / "run")["parts"]
    assert 25 <= state["progress"]["step"] <= 40
    assert torch.isfinite(state["networks"]["weights"]["G"]["bias"]).all()
    before = contents(tmp_path / "run")
    again = launch(diverging, *line)
    assert again.code == 4 and len(again.lines) == 1 and named in again.err
    assert contents(tmp_path / "run") == before


def test_too_large_rates_make_a_script_diverge(start, tmp_path):
    line = ("wgan", "1e30", "1e30", "0", tmp_path / "run", "--dataset", "digits", "--epochs", 8, "--clip", "1e30")
    broke = start(*line)
    assert broke.code == 4 and "diverged in epoch 1: " in broke.err and "last good" in broke.err
    assert start(*line).code == 4


@pytest.mark.parametrize("kinds", ["one image", "147", "389", "0123456789"])
@pytest.mark.parametrize("labels", [True, False], ids=["labels", "no labels"])
def test_mode_collapse_is_told_from_variety_whatever_the_noise(kinds, labels):
    """A generator of real digits: of one of them, of three classes, or of all."""
    digits = load("digits")
    must = kinds == "one image" or (len(kinds) == 3 and labels)  # which classes there are, only labels say
    for seed in range(20):
        set_ = digits if labels else dataclasses.replace(digits, labels=None)
        found = watch.Watch(set_, 100, seed).look(Constant(100, kinds), batch_size=128)
        assert set(found) == ({"variety", "class_variety"} if labels else {"variety"})
        assert any(share < watch.LEAST[name] for name, share in found.items()) == must, (seed, found)


@pytest.mark.parametrize("kinds", ["147", "0123456789"])
def test_mode_collapse_is_said_once_and_not_before_a_twentieth_of_the_run(launch, tmp_path, kinds):
    options = (*DIGITS[:2], "--epochs", 100, "--batch-size", 128, "--sample-every", 2)
    done = launch(lambda run: training(run, kinds), *RATES, tmp_path / "run", *options)
    assert done.code == 0, done.err
    said = [text for text in done.lines if "MODE COLLAPSE" in text]
    rows = {row["epoch"]: row["collapsed"] for row in read_log(tmp_path / "run") if "collapsed" in row}
    assert min(rows) >= max(5, watch.STEPS / (1618 // 128)) and len(rows) > 20
    must = len(kinds) == 3
    assert set(rows.values()) == {must}
    assert len(said) == must and bool(record_of(tmp_path / "run")["collapsed"]) == must


def test_the_watch_for_mode_collapse_goes_by_the_usual_grids(launch, tmp_path):
    """Not by the early ones, of which that after epoch 32 would be its first."""
    options = (*DIGITS[:2], "--epochs", 100, "--sample-every", 100)
    assert launch(training, *RATES, tmp_path / "run", *options).code == 0
    assert (tmp_path / "run" / "samples" / "epoch-0064.png").exists()
    assert [row["epoch"] for row in read_log(tmp_path / "run") if "variety" in row] == [100]


def test_a_healthy_run_is_not_said_to_collapse(start, tmp_path):
    """docs/reliability.md has all scripts at length."""
    done = start("gan", *RATES, tmp_path / "run", "--dataset", "digits", "--epochs", 21, "--sample-every", 21)
    assert done.code == 0 and "collapse" not in done.err.lower()
    assert record_of(tmp_path / "run")["collapsed"] == ""


def test_a_run_too_short_to_tell_is_judged_at_its_end_alone(launch, tmp_path):
    done = launch(lambda run: training(run, "one image"), *RATES, tmp_path / "run", *DIGITS, "--epochs", 4)
    (said,) = [text for text in done.lines if "collapse" in text]
    assert "mode collapse, or too short a run to tell, in epoch 4" in said


# --- hostile folders


class Bomb:
    def __reduce__(self):
        return os.system, ("touch exploded",)


def sealed(body):
    return body + seal(body)


def test_a_checkpoint_of_pickled_code_runs_none(start, copy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = torch.load(copy / "checkpoint.pt", weights_only=True)
    torch.save({**state, "bomb": Bomb()}, tmp_path / "bomb.pt")
    for body in ((tmp_path / "bomb.pt").read_bytes(), pickle.dumps(Bomb())):
        (copy / "checkpoint.pt").write_bytes(sealed(body))
        (copy / "checkpoint.prev.pt").write_bytes(sealed(body))
        refused = start("gan", *RATES, copy, "--epochs", 4)
        assert refused.code == 5 and "no checkpoint is whole" in refused.lines[-1]
        with pytest.raises(FolderError):
            load_network(copy, "D")
    (copy / "generator.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FolderError):
        load_generator(copy)
    assert not (tmp_path / "exploded").exists()


def test_a_checkpoint_that_unpacks_to_more_than_itself_is_refused(start, copy):
    body = (copy / "checkpoint.pt").read_bytes()
    packed = copy / "packed.zip"
    with zipfile.ZipFile(copy / "checkpoint.pt") as archive, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in archive.namelist():
            new.writestr(name, archive.read(name))
    assert packed.stat().st_size < len(body)
    (copy / "checkpoint.pt").write_bytes(sealed(packed.read_bytes()))
    refused = start("gan", *RATES, copy, "--epochs", 4)
    assert refused.code == 5 and "it is packed" in refused.err


@pytest.mark.parametrize(
    "name", ["os", "compare", "evaluate", "tests/killed", "../main/gan", "common/train", "", "gan.py"]
)
def test_a_run_json_that_names_another_module_is_refused(start, tool, copy, tmp_path, name):
    record = read_record(copy)
    write_record(copy, {**record, "script": name})
    refused = start("gan", *RATES, copy, "--epochs", 4)
    assert refused.code == 5 and len(refused.lines) == 1 and f"holds a run of {name}.py" in refused.err
    with pytest.raises(FolderError, match="not one of the scripts"):
        load_script(name)
    refused = tool("evaluate", copy)
    assert refused.code == 5 and "not one of the scripts" in refused.err


def test_a_run_json_that_makes_no_sense_is_taken_for_damaged(start, copy):
    record = read_record(copy)
    for change in ({"threads": 10**9}, {"dataset": []}, {"settings": "x"}, {"epochs": "many"}, {"message": None}):
        write_record(copy, {**record, **change})
        again = start("gan", *RATES, copy, "--dataset", "digits", "--epochs", 3)
        assert again.code == 0 and "run.json: missing or damaged" in again.err


@pytest.mark.parametrize("name", ["samples", "tensorboard", "log.csv", ".lock"])
def test_nothing_is_written_through_a_link_out_of_the_folder(start, copy, tmp_path, name):
    outside = tmp_path / "outside"
    whole = copy / name
    shutil.rmtree(whole) if whole.is_dir() else whole.unlink()
    if "." in name:
        outside.write_text("mine")
    else:
        outside.mkdir()
    whole.symlink_to(outside)
    done = start("gan", *RATES, copy, "--epochs", 4)
    assert done.code == (0 if name == "log.csv" else 5), done.err  # a file that is written whole takes the link's place
    assert outside.read_text() == "mine" if "." in name else not list(outside.iterdir())


def test_a_link_under_a_temporary_name_is_not_followed(copy, tmp_path, monkeypatch):
    (tmp_path / "outside").write_text("mine")
    monkeypatch.setattr(whole.secrets, "token_hex", lambda _: "known")
    (copy / f"{PREFIX}known").symlink_to(tmp_path / "outside")
    with pytest.raises(FolderError, match="cannot write"):
        RunFolder(copy).write("losses.png", b"new")
    assert (tmp_path / "outside").read_text() == "mine"


# --- cron's world


def test_without_a_home_an_environment_or_a_writable_directory(python, tmp_path):
    """The folder's name has a space, quotes, a newline and an emoji; everything is private to the user."""
    folder = tmp_path / 'the "night\'s"\nrun 🌙'
    line = ("gan", *RATES, folder, *DIGITS, "--epochs", 2)
    before = {path for path in Path("/tmp").iterdir() if path.name.startswith(PREFIX)}
    threads = {"OMP_NUM_THREADS": "1"}  # two on a busy machine would take minutes
    for said in ("epoch 2/2", "finished already, 2 epochs"):
        done = python(*line, cwd="/proc", env=threads, umask=0o077, stdin=subprocess.DEVNULL)
        assert done.code == 0 and said in done.err, done.err
        assert all("\\n" in text for text in done.lines if "night" in text)
    assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
    assert {path for path in Path("/tmp").iterdir() if path.name.startswith(PREFIX)} <= before


def test_a_relative_folder(start, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert start("gan", *RATES, "../out/ü 🌙", *DIGITS, "--epochs", 1).code == 0
    assert record_of(tmp_path / "out" / "ü 🌙")["state"] == "finished"


def test_neither_clock_nor_time_zone_matters(start, finished, tmp_path, monkeypatch):
    """Each reading of the clock on the wall is a day before the last one."""
    now = [2e9]

    def backwards():
        now[0] -= 86_400
        return now[0]

    line = ("gan", *RATES, tmp_path / "run", *DIGITS, "--epochs", 3)
    monkeypatch.setattr(time, "time", backwards)
    for zone in ("Asia/Tokyo", "America/St_Johns"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert start(*line, "--time-limit", "0.01s").code == 0
        assert record_of(tmp_path / "run")["state"] == "stopped"
    assert start(*line, "--time-limit", "1h").code == 0
    monkeypatch.undo()
    time.tzset()
    found = differences(finished, tmp_path / "run")
    assert all(name.startswith("samples") for name in found)  # a time limit ends with a grid of that moment
