"""Bad input: one line on standard error that says what is wrong and what to do, the exit code, nothing half-made."""

import contextlib
import dataclasses
import functools
import importlib
import io
import os
import sys
from pathlib import Path

from common import options
from common.data.dataset import Found, Part
from common.errors import Done
from common.storage.platforms import signals_kept

import hypothesis
import numpy as np
import pytest
from conftest import HOME, SCRIPTS
from formats import write_mnist, write_pictures
from hypothesis import strategies as st

GOOD = ("2e-4", "2e-4", "0.5")


def refused(outcome, code, *said):
    assert outcome.code == code, outcome.err
    assert len(outcome.lines) == 1, outcome.err
    for text in said:
        assert text in outcome.err
    assert outcome.out == ""


@pytest.fixture
def folder(tmp_path):
    yield tmp_path / "out" / "run"
    assert not (tmp_path / "out").exists(), "a refused line left something behind"


@pytest.mark.parametrize("rate", ["nan", "inf", "-inf", "0", "-1e-4", "-0.1", "1e999", "fast", ""])
@pytest.mark.parametrize("place", [0, 1])
def test_learning_rates(start, folder, rate, place):
    line = [*GOOD, folder]
    line[place] = rate
    refused(start("wgan", *line), 2, ("lr_g", "lr_d")[place], "must be a finite number above 0", repr(rate))


@pytest.mark.parametrize("momentum", ["1", "1.5", "-0.1", "nan"])
def test_momentum(start, folder, momentum):
    refused(start("gan", "2e-4", "2e-4", momentum, folder), 2, "momentum", "at least 0 and below 1")


@pytest.mark.parametrize("script", SCRIPTS)
def test_missing_and_extra_arguments(start, folder, script):
    refused(start(script), 2, "missing lr_g, lr_d, momentum, folder", f"for example: python {script}.py")
    refused(start(script, "2e-4", "2e-4", "0.5"), 2, "missing folder")
    refused(start(script, *GOOD, folder, "more"), 2, "more")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epoch", "3"), "--epoch"),  # no abbreviations
        (("--epochs", "0"), "--epochs: must be a whole number, at least 1"),
        (("--epochs", "-5"), "not '-5'"),
        (("--epochs", "2.5"), "not '2.5'"),
        (("--seed", "1e30"), "--seed: must be at most"),
        (("--epochs", "3", "--images", "5000"), "give one of them"),
        (("--batch-size", "1"), "at least 2"),
        (("--time-limit", "soon"), "such as 90s, 50m or 1h30m"),
        (("--device", "tpu"), "must be auto, cpu, cuda, cuda:N or mps"),
        (("--precision", "fp8"), "--precision"),
        (("--loss", "hinge"), "--loss"),
        (("--dropout", "1"), "--dropout"),
        (("--image-size", "x"), "--image-size"),
        (("--ema", "1.5"), "--ema: must be auto, or a finite number at least 0 and below 1, not '1.5'"),
        (("--ema", "car"), "--ema: must be auto, or a finite number at least 0 and below 1, not 'car'"),
        (("--ema", "1"), "--ema: must be auto, or a finite number at least 0 and below 1, not '1'"),
    ],
)
def test_options(start, folder, options, said):
    refused(start("gan", *GOOD, folder, "--dataset", "digits", *options), 2, said)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_default_that_help_names_may_be_given(script):
    module = importlib.import_module(script)
    fields = [field for field in dataclasses.fields(module.Settings) if field.name not in module.Settings.without]
    named = {field.name: field.default for field in fields if type(field.default) in (int, float, str)}
    line = [text for name, default in named.items() for text in ("--" + name.replace("_", "-"), str(default))]
    given = options.parse(module.Settings, "", script, [*GOOD, "folder", *line])
    assert {name: given[name] for name in named} == named


@pytest.mark.parametrize("option", [("--z-dim", "10"), ("--flip",), ("--augment",)])
def test_pix2pix_has_no_use_for_some_options(start, folder, option):
    refused(start("pix2pix", *GOOD, folder, "--dataset", "digits", *option), 2, option[0])


@pytest.mark.parametrize("place", ["folder", "--dataset", "--data-root"])
def test_a_name_that_is_not_utf8_is_refused(start, folder, place):
    name = os.fsdecode(b"caf\xe9")
    line = {"folder": (name, "--dataset", "digits"), "--dataset": (folder, place, name)}
    refused(start("gan", *GOOD, *line.get(place, (folder, place, name))), 2, "caf\\udce9: is not in UTF-8; rename it")


def test_the_home_folder_may_be_written_as_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.name_or_path("~/photos") == str(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    assert options.name_or_path("~") == "~" and options.name_or_path("a~") == "a~"


def test_cuda_without_cuda(start, folder, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused(start("gan", *GOOD, folder, "--dataset", "digits", "--device", "cuda"), 2, "no CUDA", "--device cpu")


def test_an_unknown_data_set(start, folder):
    refused(start("gan", *GOOD, folder, "--dataset", "minst"), 3, "minst", "fashion-mnist")


def test_a_named_set_that_is_not_there(start, folder, tmp_path, monkeypatch):
    from common.data.named import download

    monkeypatch.setattr(download, "_fetch", lambda title, staging: "no network")
    root = tmp_path / "root"
    refused(start("gan", *GOOD, folder, "--dataset", "kmnist", "--data-root", root), 3, "KMNIST", "no network")
    assert not root.exists()


def test_truncated_idx(start, folder, tmp_path):
    write_mnist(tmp_path / "MNIST")
    file = tmp_path / "MNIST" / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:5000])
    refused(start("gan", *GOOD, folder, "--dataset", "mnist", "--data-root", tmp_path), 3, file.name, "replace")


def test_truncated_zip(start, folder, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\3\4 and then nothing")
    refused(start("gan", *GOOD, folder, "--dataset", tmp_path / "a.zip"), 3, "a.zip", "replace")


def test_folders_that_hold_no_set(start, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(start("gan", *GOOD, folder, "--dataset", tmp_path / "empty"), 3, "no images found; it is empty")
    write_pictures(tmp_path / "one", 1)
    refused(start("gan", *GOOD, folder, "--dataset", tmp_path / "one"), 3, "holds 1 image")


def test_a_broken_image_is_named(start, folder, tmp_path):
    write_pictures(tmp_path / "set", 80)
    (tmp_path / "set" / "0042.png").write_bytes(b"\x89PNG")
    refused(start("gan", *GOOD, folder, "--dataset", tmp_path / "set"), 3, "0042.png", "--skip-broken")


def test_text_files_and_skipped_images_do_not_stop_a_run(start, tmp_path):
    write_pictures(tmp_path / "set", 80)
    (tmp_path / "set" / "0042.png").write_bytes(b"\x89PNG")
    (tmp_path / "set" / "notes.txt").write_text("notes")
    done = start("gan", *GOOD, tmp_path / "run", "--dataset", tmp_path / "set", "--skip-broken", "--epochs", 1)
    assert done.code == 0, done.err
    assert "left out 1 image" in done.err and "notes.txt" in done.err


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.full((80, 8, 8), np.nan), "not finite (NaN or infinity)"),
        (np.zeros((80, 65), np.uint8), "images uint8 (80, 65)"),
    ],
    ids=["not a number", "dimensions"],
)
def test_npz(start, folder, tmp_path, images, said):
    np.savez(tmp_path / "set.npz", images=images)
    refused(start("gan", *GOOD, folder, "--dataset", tmp_path / "set.npz"), 3, said)


def test_a_batch_larger_than_the_data(start, folder):
    line = (*GOOD, folder, "--dataset", "digits", "--batch-size", "5000")
    refused(start("gan", *line), 3, "larger than the 1618 training images", "--batch-size 1618")


@pytest.mark.parametrize("script", sorted({*SCRIPTS} - {"gan", "pix2pix"}))
def test_an_image_size_a_network_cannot_make(start, folder, script):
    line = (*GOOD, folder, "--dataset", "digits", "--image-size", "30")
    refused(start(script, *line), 2, "cannot make images of 30x30", "--image-size 28, 32 or 64")


def test_data_of_a_size_a_network_cannot_make(start, folder, tmp_path, patterns):
    np.savez(tmp_path / "set.npz", images=patterns(300, size=30))
    refused(start("lsgan", *GOOD, folder, "--dataset", tmp_path / "set.npz"), 3, "30x30", "--image-size")


@pytest.mark.parametrize(("script", "options"), [("cgan", ()), ("r3gan", ("--classes",))])
def test_what_is_told_the_class_needs_labels(start, folder, tmp_path, patterns, script, options):
    np.savez(tmp_path / "set.npz", images=patterns(300))
    line = (script, *GOOD, folder, *options, "--dataset")
    refused(start(*line, tmp_path / "set.npz"), 3, "set.npz: has no labels", f"{script}.py")
    write_pictures(tmp_path / "set", 80)
    refused(start(*line, tmp_path / "set"), 3, "has no labels", "a subfolder a class")


def test_an_image_size_a_u_net_cannot_halve_down_to_a_pixel(start, folder, tmp_path, patterns):
    np.savez(tmp_path / "set.npz", images=patterns(20))
    line = (*GOOD, folder, "--dataset", tmp_path / "set.npz", "--image-size", "100")
    refused(start("pix2pix", *line), 2, "--image-size 100", "64, 128 or 256")


def test_gray_pairs_of_gray_images(start, folder, tmp_path, patterns):
    np.savez(tmp_path / "set.npz", images=patterns(20))
    line = (*GOOD, folder, "--dataset", tmp_path / "set.npz", "--pairs", "gray")
    refused(start("pix2pix", *line), 3, "gray already", "--pairs edges")


def test_a_folder_that_is_a_file(start, tmp_path):
    (tmp_path / "file").write_text("x")
    refused(start("gan", *GOOD, tmp_path / "file", "--dataset", "digits"), 5, "is a file")
    refused(start("gan", *GOOD, tmp_path / "file" / "run", "--dataset", "digits"), 5, "is a file")
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission(start, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o555)
    refused(start("gan", *GOOD, tmp_path / "closed" / "run", "--dataset", "digits"), 5, "cannot be written to")


def test_a_name_that_is_too_long(start, tmp_path):
    refused(start("gan", *GOOD, tmp_path / ("x" * 300), "--dataset", "digits"), 5, "too long")


def test_a_folder_that_is_read_only(start, folder, monkeypatch):
    """Root may write anywhere, so the answer of os.access is put there for it."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    refused(start("gan", *GOOD, folder, "--dataset", "digits"), 5, "cannot be written to")


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs a file system that cannot be written to")
def test_a_file_system_that_cannot_be_written_to(start):
    refused(start("gan", *GOOD, "/proc/self/run", "--dataset", "digits"), 5, "/proc/self")


def test_an_error_has_a_traceback_only_under_debug(start, folder, monkeypatch):
    from common.data import registry

    def broken(*_):
        raise RuntimeError("something nobody thought of")

    monkeypatch.setattr(registry, "load", broken)
    refused(start("gan", *GOOD, folder), 1, "something nobody thought of", "--debug")
    assert "Traceback" in start("gan", *GOOD, folder, "--debug").err


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["--" + field.name.replace("_", "-") for field in dataclasses.fields(options.Settings)]),
    st.sampled_from(["2e-4", "0.5", "1", "3", "64", "-1", "nan", "1e400", "90s"]),
    st.sampled_from(["digits", "mnist", "cpu", "cuda:9", "meta", "bf16", "run"]),
    st.sampled_from(["-h", "--help", "--", "-", "--no", "\udcff", "a\nb", "%s", "{}", "é🌙", "x" * 300]),
    st.from_regex(r"--[a-z-]{1,14}=.{0,9}", fullmatch=True),
)
LINES = st.one_of(st.lists(WORDS, max_size=9), st.lists(WORDS, max_size=6).map(lambda words: [*GOOD, "run", *words]))


@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(line=LINES)
def test_any_line_ends_with_a_documented_code_and_writes_nothing_when_refused(tmp_path_factory, line):
    """Whatever is typed. What would train is ended before its first step."""
    from common.data.named import download
    from common.data.named.sets import SETS, Entry
    from common.training import launch

    place = tmp_path_factory.getbasetemp() / "any-line"
    (place / "in").mkdir(parents=True, exist_ok=True)
    paths = [Path(word.rpartition("=")[2]) for word in line if "\0" not in word and len(word) < 200]
    hypothesis.assume(not any(path.is_absolute() or ".." in path.parts for path in paths))  # someone's own data

    def nothing(run):
        raise Done("would train")

    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in "oe"]
    with pytest.MonkeyPatch.context() as patch, signals_kept(), contextlib.chdir(place / "in"):
        patch.setattr(sys, "argv", ["gan.py", *line])
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        patch.setattr(download, "_fetch", lambda title, staging: "no network")
        for name in ("mnist-5k", "digits"):
            patch.setitem(SETS, name, Entry(few_digits))
        with pytest.raises(SystemExit) as end:
            launch(nothing, options.Settings, "An example.")
    for stream in streams:
        stream.flush()
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    assert (end.value.code or 0) in (0, 2, 3, 4, 5, 75), err
    assert "Traceback" not in err or "--debug" in line
    said = [text for text in err.splitlines() if text.startswith("test_command_line.py: ")]
    assert "--debug" in line or len(said) == (not out)
    assert list(place.rglob("*")) == [place / "in"]


@functools.cache
def few_digits(name, reading):
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), dtype=np.uint8)
    return Found(Part(images, np.arange(300) % 10), None, tuple("0123456789"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_names_paper_and_momentum(shell, script):
    shown = shell(script, "--help")
    assert shown.code == 0 and "arXiv" in shown.out and shown.err == ""
    assert ("RMSprop" if script == "wgan" else "β1") in shown.out
    assert "--sample-every" in shown.out


def test_help_is_quick_for_it_imports_no_slow_library(python, tmp_path):
    """What --help and refusals need is torch alone, which takes under two seconds of a processor."""
    watched = tmp_path / "watched.py"
    watched.write_text(f"""
import runpy, sys
sys.argv = ["gan.py", "--help"]
sys.path.insert(0, {str(HOME)!r})
try:
    runpy.run_path({str(HOME / "gan.py")!r}, run_name="__main__")
except SystemExit:
    slow = ("torchvision", "matplotlib", "tensorboard", "sklearn", "scipy", "torch._dynamo")
    print([name for name in slow if name in sys.modules], file=sys.stderr)
""")
    shown = python(watched)
    assert shown.err.strip() == "[]" and "arXiv" in shown.out
    assert shown.seconds < 6


def test_a_start_imports_neither_the_compiler_nor_scikit_learn(python, tmp_path, patterns):
    """Up to a run's first grid, on a set that is not scikit-learn's."""
    np.savez(tmp_path / "set.npz", images=patterns(300, 8))
    watched = tmp_path / "watched.py"
    watched.write_text(f"""
import runpy, sys
sys.path.insert(0, {str(HOME)!r})
from common.training import ending
ending.leave_results = lambda *_: print([name for name in ("torch._dynamo", "sklearn", "scipy") if name in sys.modules])
sys.argv = ["gan.py", *{GOOD!r}, {str(tmp_path / "run")!r}, "--dataset", {str(tmp_path / "set.npz")!r}, "--epochs", "2"]
sys.modules["common.training.loop"].leave_results = ending.leave_results
runpy.run_path({str(HOME / "gan.py")!r}, run_name="__main__")
""")
    done = python(watched)
    assert done.code == 0 and done.out.splitlines()[0] == "[]", (done.out, done.err)
    assert (tmp_path / "run" / "samples" / "epoch-0002.png").exists()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("50m", 3000), ("1h30m", 5400), ("0.5s", 0.5), ("2h", 7200)]
)
def test_durations(text, seconds):
    assert options.duration(text) == seconds
