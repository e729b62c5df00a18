"""The run folder and the loop: resuming, refusing, stopping, and what is left behind."""

import os
import re
import shutil
import signal
import subprocess
import zipfile
from dataclasses import dataclass

from bench.chaos import differences, log_of
from common.errors import FolderError
from common.models import load_generator
from common.runs.record import read_record, write_record
from common.training import plan

import numpy as np
import pytest
import torch
from conftest import RATES, SCRIPTS, SMALL, command, corrupt, record_of, wait_until
from PIL import Image
from safetensors.numpy import load_file
from torch.optim import Adam

SHEETS = {"dcgan": "walk", "ebgan": "reconstructions"}


def weights(folder):
    return {name: array.tobytes() for name, array in load_file(folder / "generator.safetensors").items()}


def grids(folder):
    return {file.name: file.read_bytes() for file in sorted((folder / "samples").glob("epoch-*.png"))}


# --- end to end


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_end_to_end_on_digits(start, tmp_path, script):
    folder = tmp_path / "run"
    options = ("--dataset", "digits", "--epochs", 2, *SMALL.get(script, ()))
    done = start(script, *RATES[script], folder, *options)
    assert done.code == 0, done.err
    assert "finished, 2 epochs" in done.out
    left = {path.name for path in folder.iterdir()}
    assert left >= {"run.json", "log.csv", "samples", "samples.gif", "losses.png", "checkpoint.pt", "tensorboard"}
    assert {"walk", "reconstructions"} & left == ({SHEETS[script]} if script in SHEETS else set())

    record = record_of(folder)
    assert (record["state"], record["epochs_done"], record["script"]) == ("finished", 2, script)
    assert record["dataset"]["held_out"] >= 179 and record["images"] == 2 * 25 * 64
    rows = log_of(folder)
    early = {"wgan": ["5", "10"], "wgan_gp": ["5", "10"]}.get(script, ["1", "8", "16"])
    assert [row["step"] for row in rows] == [*early, "25", "50"]
    shown = [*(f"epoch-{int(step) / 25:09.4f}.png" for step in early), "epoch-0001.png", "epoch-0002.png"]
    for sheet in {"samples", *{SHEETS.get(script, "samples")}}:
        assert sorted(file.name for file in (folder / sheet).glob("epoch-*")) == shown
    assert Image.open(folder / "samples.gif").n_frames == len(shown)
    assert (folder / "samples" / "latest.png").read_bytes() == (folder / "samples" / shown[-1]).read_bytes()
    assert ("wasserstein_estimate" in rows[0]) == (script in ("wgan", "wgan_gp"))

    pixels = np.asarray(Image.open(folder / "samples" / "epoch-0002.png"))
    assert pixels.std() > 10, "the grid is of one colour"
    G = load_generator(folder)
    size = 32 if script == "pix2pix" else 8
    inputs = torch.zeros(5, 1, 32, 32) if script == "pix2pix" else torch.randn(5, G.z_dim)
    images = G(inputs, torch.arange(5)) if script == "cgan" else G(inputs)
    assert images.shape == (5, 1, size, size) and not G.training
    assert images.abs().max() <= 1
    # Elsewhere than on a terminal: one plain line an epoch, and one for each grid before.
    said = [line.split()[1] for line in done.lines if re.match(r"epoch [\d.]+/2  .*images/s", line)]
    assert said == [*(f"{int(step) / 25:.4f}/2" for step in early), "1/2", "2/2"]
    assert "\r" not in done.err and "\x1b" not in done.err


def test_wgan_runs_straight_in_out(python, tmp_path):
    """`python wgan.py 5e-5 5e-5 0.5 out/` as it stands, also where out/ already holds runs."""
    (tmp_path / "out" / "gan").mkdir(parents=True)
    done = python("wgan", *RATES["wgan"], f"{tmp_path}/out/", "--dataset", "digits", "--epochs", 1)
    assert done.code == 0 and (tmp_path / "out" / "run.json").exists()


def test_a_long_epoch_has_grids_and_lines_within_it(start, tmp_path, monkeypatch, patterns):
    """With grids a hundred times as often as usual gan.py draws about every 600 images: of 1,206, twice an epoch.

    Not so with --sample-every.
    """
    monkeypatch.setattr(plan, "GRIDS", 100 * plan.GRIDS)
    np.savez(tmp_path / "large.npz", images=patterns(1_340, 8))
    line = (*RATES["gan"], tmp_path / "run", "--dataset", tmp_path / "large.npz", "--batch-size", 20)
    done = start("gan", *line, "--epochs", 1)
    assert done.code == 0, done.err
    early = ["0.0167", "0.1333", "0.2667"]
    shown = [f"epoch-000{epoch}.png" for epoch in (*early, "0.50", "1.00")]
    assert sorted(grids(tmp_path / "run")) == shown
    assert [line.split()[1] for line in done.lines if line.startswith("epoch ")] == [
        f"{epoch}/1" for epoch in (*early, "0.50", "1.00")
    ]
    assert start("gan", *line, "--epochs", 2).code == 0
    assert len(grids(tmp_path / "run")) == Image.open(tmp_path / "run" / "samples.gif").n_frames == 7

    assert start("gan", *line, "--fresh", "--epochs", 1, "--sample-every", 1).code == 0
    early = ["epoch-0000.0167.png", "epoch-0000.1333.png", "epoch-0000.2667.png", "epoch-0000.5333.png"]
    assert sorted(grids(tmp_path / "run")) == [*early, "epoch-0001.png"]


@pytest.fixture(scope="module")
def colour(tmp_path_factory, real_data):
    """A few of CIFAR-10's images as a zip with a class a folder."""
    small = tmp_path_factory.mktemp("sets") / "colour.zip"
    with zipfile.ZipFile(real_data / "cifar10-jpeg.zip") as archive, zipfile.ZipFile(small, "w") as copy:
        for name in archive.namelist():
            if name.endswith("00.jpg"):
                copy.writestr(name, archive.read(name))
    return small


@pytest.mark.parametrize("script", SCRIPTS)
def test_colour_images_train(start, tmp_path, colour, script):
    options = (*SMALL["pix2pix"], "--pairs", "gray") if script == "pix2pix" else ("--flip",)
    done = start(script, *RATES[script], tmp_path / "run", "--dataset", colour, "--epochs", 1, *options)
    assert done.code == 0, done.err
    assert Image.open(tmp_path / "run" / "samples" / "epoch-0001.png").mode == "RGB"
    assert len(record_of(tmp_path / "run")["dataset"]["classes"]) == 10


@pytest.mark.parametrize("line", [("cgan", "1e-3", "1e-3", "0.5"), ("r3gan", "3e-3", "3e-3", "0", "--classes")])
def test_a_row_of_a_conditional_grid_is_a_class(shell, tmp_path, patterns, line):
    """Class 0 is black, class 1 white: after a little training the rows tell."""
    labels = np.arange(400) % 2
    pixels = (patterns(400, 8) // 8 + 224 * labels[:, None, None, None]).astype(np.uint8)
    np.savez(tmp_path / "two.npz", images=pixels, labels=labels)
    options = ("--dataset", tmp_path / "two.npz", "--epochs", 40, "--batch-size", 16, "--ema", "auto")
    done = shell(*line[:4], tmp_path / "run", *options, *line[4:])
    assert done.code == 0, done.err
    picture = np.asarray(Image.open(tmp_path / "run" / "samples" / "latest.png")).astype(float)
    tile = (picture.shape[1] - 2) // 8
    assert picture.shape[0] == 2 * tile + 2
    assert picture[tile + 4 : -2].mean() > picture[2 : tile - 2].mean() + 100


# --- averaged weights


@pytest.mark.parametrize(
    ("ema", "decay"),
    [
        ("0.7", lambda i: min(0.7, (1 + i) / (10 + i))),
        ("auto", lambda i: 0.5 ** (20 / (i + 1))),  # halves within a twentieth of the steps so far
    ],
)
def test_the_saved_generator_is_the_average_of_the_trained_one(launch, tmp_path, ema, decay):
    """Worked out here: mean <- d mean + (1 - d) weights, with d of step i = 0, 1, ..."""
    import lsgan

    seen = []

    def main(run):
        s = run.settings
        G = run.generator("G", lsgan.Generator(s.z_dim, run.shape))
        D = run.network("D", lsgan.Discriminator(run.shape))
        seen.append({name: tensor.clone() for name, tensor in G.state_dict().items()})
        opt_G, opt_D = (run.optimizer(name, Adam(N.parameters(), 1e-2)) for name, N in (("G", G), ("D", D)))
        for x in run.batches():
            run.log(lsgan.discriminator_step(D, G, opt_D, x, run.noise(), 0, 1))
            run.log(lsgan.generator_step(D, G, opt_G, run.noise(), 1))
            seen.append({name: tensor.clone() for name, tensor in G.state_dict().items()})

    line = (
        *RATES["lsgan"],
        tmp_path / "run",
        "--dataset",
        "digits",
        "--epochs",
        2,
        "--precision",
        "fp32",
        "--ema",
        ema,
    )
    assert launch(main, *line, settings=lsgan.Settings).code == 0
    mean = {name: tensor for name, tensor in seen[0].items() if tensor.is_floating_point()}  # not the batch counts
    for i, now in enumerate(seen[1:]):
        mean = {k: decay(i) * m + (1 - decay(i)) * now[k] for k, m in mean.items()}
    assert len(seen) == 51
    saved = load_file(tmp_path / "run" / "generator.safetensors")
    assert saved.keys() == seen[0].keys()
    for name, tensor in mean.items():
        np.testing.assert_allclose(saved[name], tensor.numpy(), rtol=1e-4, atol=1e-6)
    assert any(not np.allclose(saved[name], seen[-1][name].numpy(), rtol=1e-2) for name in mean)


def test_averaged_weights_outlast_a_stop(start, tmp_path):
    line = ("lsgan", *RATES["lsgan"])
    options = ("--dataset", "digits", "--ema", 0.9)
    assert start(*line, tmp_path / "whole", *options, "--epochs", 4).code == 0
    for epochs in (2, 4):
        assert start(*line, tmp_path / "halved", *options, "--epochs", epochs).code == 0
    assert weights(tmp_path / "halved") == weights(tmp_path / "whole")


# --- the same line again


def test_a_finished_run_says_so_and_exits_0(start, finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "gan")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = start("gan", *RATES["gan"], folder, "--dataset", "digits", "--epochs", 3)
    assert again.code == 0 and "finished already" in again.err and len(again.lines) == 1
    assert {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"
    }.items() <= before.items()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(start, finished, trained, tmp_path):
    options = ("--dataset", "digits", "--epochs", 3, "--sample-every", 1)
    assert start("gan", *RATES["gan"], tmp_path / "same", *options).code == 0
    assert weights(tmp_path / "same") == weights(finished)
    assert grids(tmp_path / "same") == grids(finished)
    assert log_of(tmp_path / "same") == log_of(finished)
    assert weights(trained("gan", "--epochs", 3, "--seed", 1)) != weights(finished)


def steps_saved(folder):
    """Of which run.json tells, once there is a checkpoint."""
    whole = (folder / "checkpoint.pt").exists() and (folder / "run.json").exists()
    return record_of(folder)["steps"] if whole else 0


@pytest.mark.parametrize("script", sorted({*SCRIPTS} - {"gan", "lsgan"}))  # which test_survival.py kills
def test_resumed_run_ends_with_the_same_bytes(trained, shell, spawn, tmp_path, script):
    """Killed with signal 9 twice, at moments that fall where they may, with a checkpoint every few steps."""
    options = ("--dataset", "digits", "--epochs", 4, "--sample-every", 1, *SMALL.get(script, ()))
    line = (script, *RATES[script], tmp_path / "killed", *options, "--checkpoint-every", "0.05s")
    for steps in (8, 60):
        child = spawn(*line)
        wait_until(lambda steps=steps: steps_saved(tmp_path / "killed") >= steps, child)
        child.kill()
        assert child.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert record_of(tmp_path / "killed")["state"] == "running"
    done = shell(*line)
    assert done.code == 0 and "goes on" in done.err, done.err
    assert differences(trained(script, "--epochs", 4), tmp_path / "killed") == []


def test_time_limit_exits_0_and_the_next_start_goes_on(start, finished, tmp_path):
    line = ("gan", *RATES["gan"], tmp_path / "run", "--dataset", "digits", "--epochs", 3, "--sample-every", 1)
    first = start(*line, "--time-limit", "0.01s")
    assert first.code == 0 and "time limit reached" in first.err
    assert record_of(tmp_path / "run")["state"] == "stopped"
    assert start(*line).code == 0
    assert weights(tmp_path / "run") == weights(finished)


def test_epochs_may_grow_also_on_a_finished_run(start, finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "gan")
    line = ("gan", *RATES["gan"], folder, "--dataset", "digits")
    assert start(*line, "--epochs", 4).code == 0
    assert record_of(folder)["epochs_done"] == 4
    assert start(*line, "--images", 5 * 1600).code == 0
    assert record_of(folder)["epochs_done"] == 5
    fewer = start(*line, "--epochs", 2)
    assert fewer.code == 5 and "may grow, not shrink" in fewer.err


def test_what_was_not_given_comes_from_run_json(start, finished, tmp_path, monkeypatch):
    import gan

    @dataclass(frozen=True)
    class newer(gan.Settings):  # a later version with another default
        images: int = 9_000_000
        dropout: float = 0.9

    folder = shutil.copytree(finished, tmp_path / "gan")
    monkeypatch.setattr(gan, "Settings", newer)
    again = start("gan", *RATES["gan"], folder)  # neither --dataset nor --epochs
    assert again.code == 0 and "finished already, 3 epochs" in again.err


def test_a_run_goes_on_with_the_set_that_stood_in_for_mnist_when_it_began(start, finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "gan")
    record = read_record(folder)
    record["settings"]["dataset"] = None  # 0.4.0's stand-in were digits
    write_record(folder, record)
    assert start("gan", *RATES["gan"], folder, "--epochs", 4).code == 0
    assert record_of(folder)["dataset"] == record["dataset"] and record_of(folder)["epochs_done"] == 4


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("1e-3", "2e-4", "0.5"), "lr_g 0.001 (was 0.0002)"),
        (("2e-4", "2e-4", "0.5", "--batch-size", "32"), "batch_size 32 (was 64)"),
        (("2e-4", "2e-4", "0.5", "--loss", "minimax"), "loss minimax (was non-saturating)"),
        (("2e-4", "2e-4", "0.5", "--dataset", "mnist"), "dataset mnist (was digits)"),
    ],
)
def test_another_runs_folder_is_refused_with_the_settings_that_differ(start, finished, change, named):
    before = (finished / "run.json").read_bytes()
    lr_g, lr_d, momentum, *options = change
    refused = start("gan", lr_g, lr_d, momentum, finished, *options)
    assert refused.code == 5 and named in refused.err and len(refused.lines) == 1
    assert (finished / "run.json").read_bytes() == before


def test_another_scripts_folder_is_refused(start, finished):
    refused = start("wgan", *RATES["wgan"], finished)
    assert refused.code == 5 and "holds a run of gan.py" in refused.err


def test_fresh_starts_anew_and_moves_what_was_there(start, finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "gan")
    (folder / "notes.txt").write_text("mine")
    again = start("gan", *RATES["gan"], folder, "--dataset", "digits", "--epochs", 1, "--fresh")
    assert again.code == 0
    (attic,) = (tmp_path / ".old").iterdir()
    assert weights(attic) == weights(finished) and grids(attic) == grids(finished)
    assert max(grids(folder)) == "epoch-0001.png" and (folder / "notes.txt").exists()


def test_fresh_with_a_refused_line_moves_nothing(start, finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "gan")
    assert start("gan", *RATES["gan"], folder, "--dataset", "nowhere/", "--fresh").code == 3
    assert not (tmp_path / ".old").exists() and weights(folder) == weights(finished)


def test_a_data_set_may_be_named_from_another_directory(start, tmp_path, patterns, monkeypatch):
    np.savez(tmp_path / "in$put_$.npz", images=patterns(300, size=8))  # dollars are mathematics to matplotlib
    monkeypatch.chdir(tmp_path)
    assert start("gan", *RATES["gan"], "run", "--dataset", "in$put_$.npz", "--epochs", 1).code == 0
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    again = start("gan", *RATES["gan"], "../run", "--dataset", "../in$put_$.npz", "--epochs", 2)
    assert again.code == 0, again.err


def test_on_a_terminal_there_is_a_progress_bar(tmp_path):
    import fcntl
    import pty
    import struct
    import termios

    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    line = command("gan", *RATES["gan"], tmp_path / "run", "--dataset", "digits", "--epochs", 1)
    child = subprocess.Popen(line, stderr=inner, stdout=subprocess.DEVNULL)
    os.close(inner)
    shown = b""
    while True:
        try:
            shown += os.read(outer, 65536)
        except OSError:  # the other end is closed
            break
    os.close(outer)
    assert child.wait() == 0
    assert b"\r" in shown and b"img/s" in shown and b"d_loss=" in shown


def test_a_closed_terminal_does_not_lose_the_run(spawn, tmp_path):
    """Both streams are pipes that nobody reads any more, as after a closed window."""
    reader, writer = os.pipe()
    child = spawn("gan", *RATES["gan"], tmp_path / "run", "--dataset", "digits", "--epochs", 3, out=writer, err=writer)
    os.close(writer)
    os.close(reader)
    assert child.wait() == 0, "Python's own way with what it could not write is 120"
    assert record_of(tmp_path / "run")["state"] == "finished"


# --- a generator for other programs


def test_load_generator_refuses_what_is_damaged_or_foreign(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "gan")
    file = folder / "generator.safetensors"
    whole = file.read_bytes()
    corrupt(file)
    with pytest.raises(FolderError, match="SHA-256 does not match"):
        load_generator(folder)
    file.write_bytes(whole.replace(b'\\"script\\": \\"gan\\"', b'\\"script\\": \\"os.\\"'))
    with pytest.raises(FolderError, match="not one of the scripts"):
        load_generator(folder)
    with pytest.raises(FolderError, match="no run there"):
        load_generator(tmp_path)


def test_a_variant_of_ones_own_needs_nothing_but_its_file(shell, tmp_path):
    """A script copied under another name trains, resumes and loads, with nothing else touched."""
    from conftest import HOME

    def passed_over(folder, names):
        here = {"data", "out", "docs", "tests"} if folder == str(HOME) else set()
        return [name for name in names if name.startswith(".") or name in here]

    copy = shutil.copytree(HOME, tmp_path / "lab", ignore=passed_over)
    (copy / "mine.py").write_text((copy / "lsgan.py").read_text().replace("0.5 * (fake", "2.0 * (fake"))
    done = shell(copy / "mine.py", *RATES["lsgan"], "out/mine", "--dataset", "digits", "--epochs", 1, cwd=copy)
    assert done.code == 0, done.err
    (copy / "use.py").write_text("""
import torch
from common.models import load_generator
print(load_generator("out/mine")(torch.randn(2, 100)).shape)
""")
    used = shell(copy / "use.py", cwd=copy)
    assert "torch.Size([2, 1, 8, 8])" in used.out, used.err
