"""sample.py, evaluate.py and compare.py, as they are typed."""

import csv
import os
import shutil
import signal
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

from common import models
from common.data.registry import load
from common.models import load_generator
from common.pictures import films
from common.report.run import Run, state_of
from common.runs.checkpoint import CheckpointFiles, read_checkpoint
from common.runs.folder import RunFolder
from common.runs.log import read_log
from common.runs.record import read_record, write_record
from common.runs.scores import read_scores, write_scores
from common.scoring.terms import Terms

import numpy as np
import pytest
import torch
from conftest import HOME, SCRIPTS, processor_seconds, wait_until
from formats import write_pictures
from PIL import Image

DIGITS = ("--dataset", "digits")


@pytest.fixture(scope="session")
def together(once, trained):
    """Short runs of gan.py with two seeds, cgan.py, ebgan.py and pix2pix.py, for all workers."""

    def make(home):
        lines = {
            "gan": ("gan", "--epochs", 3),
            "gan-1": ("gan", "--epochs", 3, "--seed", 1),
            "cgan": ("cgan", "--epochs", 2),
            "ebgan": ("ebgan", "--epochs", 2),
            "pairs": ("pix2pix", "--epochs", 1),
        }
        for name, line in lines.items():
            shutil.copytree(trained(*line), home / name)

    return once("together", make)


@pytest.fixture(scope="session")
def runs(together, tmp_path_factory):
    """A copy of them; tests that change one take another."""
    return shutil.copytree(together, tmp_path_factory.mktemp("runs") / "runs")


@pytest.fixture(scope="session")
def scored(once, shell, together):
    """All of them scored, and what evaluate.py said; tests that change one take a copy."""

    def make(folder):
        shutil.copytree(together, folder / "runs")
        done = shell("evaluate", folder / "runs")
        assert done.code == 0, done.err
        (folder / "said").write_text(done.out)

    folder = once("scored", make)
    return folder / "runs", (folder / "said").read_text()


def arrays(file):
    with np.load(file) as content:
        return {name: content[name] for name in content}


# --- sample.py


def test_a_grid_has_the_images_that_were_asked_for(tool, runs, tmp_path):
    done = tool("sample", runs / "gan", 64, tmp_path / "grid.png")
    assert done.code == 0, done.err
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (8 * 58 + 2, 8 * 58 + 2)


def test_an_npz_is_what_evaluators_read_and_what_the_generator_makes(tool, runs, tmp_path):
    assert tool("sample", runs / "gan", 700, tmp_path / "samples.npz").code == 0
    found = arrays(tmp_path / "samples.npz")
    assert list(found) == ["arr_0"]
    assert found["arr_0"].shape == (700, 8, 8, 1) and found["arr_0"].dtype == np.uint8
    G = load_generator(runs / "gan")
    z = torch.randn(500, G.z_dim, generator=torch.Generator().manual_seed(0))
    expected = G(z).clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).detach().numpy()
    assert np.abs(found["arr_0"][:500].astype(int) - expected).max() <= 1
    assert len(np.unique(found["arr_0"], axis=0)) > 600


def test_the_same_seed_gives_the_same_images_and_more_begin_with_them(tool, runs, tmp_path):
    for name, count, seed in (("a", 30, 5), ("b", 30, 5), ("more", 600, 5), ("other", 30, 6)):
        assert tool("sample", runs / "gan", count, tmp_path / f"{name}.npz", "--seed", seed).code == 0
    a, b, more, other = (arrays(tmp_path / f"{name}.npz")["arr_0"] for name in ("a", "b", "more", "other"))
    assert np.array_equal(a, b) and not np.array_equal(a, other)
    assert np.abs(a.astype(int) - more[:30]).max() <= 1


def test_a_folder_has_a_png_each_and_a_second_one_is_refused(tool, runs, tmp_path):
    assert tool("sample", runs / "gan", 25, f"{tmp_path}/folder/").code == 0
    files = sorted(path.name for path in (tmp_path / "folder").iterdir())
    assert files == [f"{i:05d}.png" for i in range(25)]
    assert os.stat(tmp_path / "folder").st_mode & 0o777 == 0o777 & ~current_umask()
    again = tool("sample", runs / "gan", 30, tmp_path / "folder")
    assert again.code == 5 and "not empty" in again.lines[-1]
    assert len(list((tmp_path / "folder").iterdir())) == 25
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp")]


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_class_that_was_asked_for(tool, runs, tmp_path):
    assert tool("sample", runs / "cgan", 12, tmp_path / "sevens.npz", "--class", 7).code == 0
    found = arrays(tmp_path / "sevens.npz")
    assert (found["arr_1"] == 7).all() and found["arr_1"].shape == (12,)
    G = load_generator(runs / "cgan")
    z = torch.randn(500, G.z_dim, generator=torch.Generator().manual_seed(0))[:12]
    images = G(z, torch.full((12,), 7)).clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    assert np.abs(images[:, 0].numpy().astype(int) - found["arr_0"][..., 0]).max() <= 1


def test_without_a_class_all_come_in_turn_and_folders_carry_them(tool, runs, tmp_path):
    assert tool("sample", runs / "cgan", 40, tmp_path / "all.npz").code == 0
    assert np.array_equal(arrays(tmp_path / "all.npz")["arr_1"], np.arange(40) % 10)
    assert tool("sample", runs / "cgan", 40, tmp_path / "folder").code == 0
    assert {path.name for path in (tmp_path / "folder").iterdir()} == set("0123456789")
    assert load(str(tmp_path / "folder")).classes == tuple("0123456789")
    assert tool("sample", runs / "cgan", 40, tmp_path / "grid.png").code == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.width == 10 * 58 + 2  # a class a column


def test_interpolation_goes_from_one_image_to_the_next(tool, runs, tmp_path):
    for name, count in (("walk", 20), ("more", 30)):
        assert tool("sample", runs / "gan", count, tmp_path / f"{name}.npz", "--interpolate").code == 0
    found, more = (arrays(tmp_path / f"{name}.npz")["arr_0"].astype(float) for name in ("walk", "more"))
    assert len(found) == 20 and np.abs(more[:20] - found).max() <= 1
    steps = np.abs(np.diff(found[:17], axis=0)).mean((1, 2, 3))
    ends = np.abs(found[8] - found[0]).mean()
    assert steps.max() < ends


@pytest.mark.parametrize("result", ["samples.npz", "folder"])
def test_what_was_written_can_be_trained_on(tool, shell, runs, tmp_path, result):
    assert tool("sample", runs / "cgan", 220, tmp_path / result).code == 0
    options = ("--dataset", tmp_path / result, "--epochs", 1, "--batch-size", 20)
    done = shell("cgan", "2e-4", "2e-4", "0.5", tmp_path / "run", *options)
    assert done.code == 0, done.err


def test_ten_thousand_images_can_be_one_grid(tool, runs, tmp_path):
    assert tool("sample", runs / "gan", 10_000, tmp_path / "grid.png").code == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (100 * 58 + 2, 100 * 58 + 2)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("gan", 64), 2, "missing count and result"),
        (("gan", 0, "a.png"), 2, "at least 1"),
        (("gan", "many", "a.png"), 2, "count: must be a whole number"),
        (("gan", 64, "a.jpg"), 2, "must end in .png"),
        (("gan", 64, "a.png", "--class", 7), 2, "knows no classes"),
        (("cgan", 64, "a.png", "--class", "seven"), 2, "must be one of 0, 1, 2"),
        (("gan", "--input", "x", "out/"), 2, "give a count"),
        (("pairs", 64, "a.png"), 2, "give --input"),
        (("pairs", "--input", "nothing", "out/"), 3, "no such file"),
        (("pairs", "--input", "x"), 2, "--input takes the run and a result"),
        (("nowhere", 64, "a.png"), 5, "no run there"),
    ],
)
def test_what_cannot_be_sampled_is_one_line_and_a_code(tool, runs, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    run, *others = arguments
    done = tool("sample", runs / run, *others)
    assert done.code == code and said in done.lines[-1] and len(done.lines) == 1, done.err
    assert not list(tmp_path.iterdir())


def test_r3gan_that_is_told_the_classes_is_asked_for_them(trained, tool, tmp_path):
    run = shutil.copytree(trained("r3gan", "--classes", "--epochs", 1), tmp_path / "run")
    done = tool("sample", run, 8, tmp_path / "sevens.png", "--class", 7)
    assert done.code == 0, done.err
    assert tool("evaluate", run, "--samples", 100).code == 0
    assert 0 <= read_scores(run)[-1]["scores"]["as_asked"] <= 1


@pytest.mark.parametrize("state", ["running", "killed"])
def test_a_run_that_trains_is_sampled_without_disturbing_it(tool, spawn, tmp_path, state):
    folder = tmp_path / "run"
    options = (*DIGITS, "--epochs", 100_000, "--checkpoint-every", "0.5s", "--ema", "0.9")
    training = spawn("gan", "2e-4", "2e-4", "0.5", folder, *options)
    wait_until((folder / "checkpoint.pt").exists, training)
    if state == "killed":
        training.kill()
        training.wait()
    done = tool("sample", folder, 8, tmp_path / "samples.npz")
    assert done.code == 0, done.err
    assert arrays(tmp_path / "samples.npz")["arr_0"].shape == (8, 8, 8, 1)
    assert (state == "running") == (training.poll() is None)


def test_sampling_takes_no_lock(tool, runs, tmp_path, monkeypatch):
    monkeypatch.setattr(RunFolder, "lock", None)  # whoever locks fails
    assert load_generator(runs / "gan") is not None
    before = {path: path.stat().st_mtime_ns for path in (runs / "gan").iterdir()}
    assert tool("sample", runs / "gan", 8, tmp_path / "a.png").code == 0
    assert before == {path: path.stat().st_mtime_ns for path in (runs / "gan").iterdir()}


def test_a_stopped_run_that_goes_on_is_sampled_from_its_checkpoint(runs, tmp_path):
    shutil.copytree(runs / "gan", tmp_path / "gan")
    state = read_checkpoint(tmp_path / "gan")
    for tensor in state["parts"]["networks"]["sampled"].values():
        tensor.zero_()
    CheckpointFiles(RunFolder(tmp_path / "gan")).write(state)
    assert any(p.abs().sum() > 0 for p in load_generator(tmp_path / "gan").parameters())  # it says finished
    write_record(tmp_path / "gan", {**read_record(tmp_path / "gan"), "state": "running"})
    assert all(p.abs().sum() == 0 for p in load_generator(tmp_path / "gan").parameters())


# --- sample.py --input


@pytest.mark.parametrize("source", ["folder", "zip", "npz", "file"])
def test_given_images_are_translated_one_each(tool, runs, tmp_path, source):
    photos = tmp_path / "photos"
    write_pictures(photos / "more", 3, size=(40, 30))
    shutil.copy(photos / "more" / "0000.png", photos / "single.png")
    given = {"folder": photos, "file": photos / "single.png", "zip": tmp_path / "photos.zip", "npz": tmp_path / "p.npz"}
    with zipfile.ZipFile(given["zip"], "w") as archive:
        for file in photos.rglob("*.png"):
            archive.write(file, file.relative_to(photos))
    np.savez(given["npz"], np.zeros((4, 32, 32, 3), np.uint8))
    done = tool("sample", runs / "pairs", "--input", given[source], tmp_path / "results")
    assert done.code == 0, done.err
    files = {file.relative_to(tmp_path / "results").as_posix() for file in (tmp_path / "results").rglob("*.png")}
    inside = {"single.png", *(f"more/000{i}.png" for i in range(3))}
    expected = {"file": {"single.png"}, "npz": {f"0000{i}.png" for i in range(4)}, "zip": inside}
    assert files == expected.get(source, inside)
    with Image.open(tmp_path / "results" / min(files)) as picture:
        assert picture.size == (32, 32) and picture.mode == "L"


@pytest.mark.parametrize("name", ["../../outside.png", "/absolute.png", "C:\\x.png", "..\\outside.png"])
def test_an_entry_that_leads_out_of_its_zip_is_refused(tool, start, runs, tmp_path, name):
    write_pictures(tmp_path, 1)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr(name, (tmp_path / "0000.png").read_bytes())
    refused = tool("sample", runs / "pairs", "--input", tmp_path / "photos.zip", tmp_path / "out" / "results")
    assert refused.code == 3 and "leads out of the archive" in refused.err and len(refused.lines) == 1
    refused = start("gan", "2e-4", "2e-4", "0.5", tmp_path / "out" / "run", "--dataset", tmp_path / "photos.zip")
    assert refused.code == 3 and "leads out of the archive" in refused.err and len(refused.lines) == 1
    assert not (tmp_path / "out").exists()


def test_translations_stand_beside_their_inputs_in_a_grid(tool, runs, tmp_path):
    write_pictures(tmp_path / "photos", 6, size=(32, 32))
    assert tool("sample", runs / "pairs", "--input", tmp_path / "photos", tmp_path / "grid.png", "--as-is").code == 0
    with Image.open(tmp_path / "grid.png") as picture, Image.open(tmp_path / "photos" / "0000.png") as photo:
        assert picture.size == (8 * 66 + 2, 2 * 66 + 2)
        first = np.asarray(picture)[2:66:2, 2:66:2].astype(int)
        assert np.abs(first - np.asarray(photo.convert("L")).astype(int)).max() <= 1


def test_pairs_may_have_moved_since_they_were_trained_on(tool, shell, tmp_path):
    for split, count in (("train", 6), ("val", 2)):
        write_pictures(tmp_path / "facades" / split, count, size=(64, 32))
    line = ("2e-4", "2e-4", "0.5", tmp_path / "run", "--dataset", tmp_path / "facades", "--image-size", 32)
    assert shell("pix2pix", *line, "--width", 4, "--epochs", 1, "--direction", "BtoA").code == 0
    (tmp_path / "facades").rename(tmp_path / "moved")
    done = tool("sample", tmp_path / "run", "--input", tmp_path / "moved" / "val", tmp_path / "grid.png")
    assert done.code == 0, done.err
    with Image.open(tmp_path / "grid.png") as grid, Image.open(tmp_path / "moved" / "val" / "0000.png") as pair:
        right_half = np.asarray(pair)[:, 32:]
        assert np.array_equal(np.asarray(grid)[2:66:2, 2:66:2], right_half)


def test_images_of_one_name_are_all_kept(tool, runs, tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        write_pictures(tmp_path / "photos", 1)
        for name in ("a.png", "a.jpg", "a.bmp"):
            archive.writestr(name, (tmp_path / "photos" / "0000.png").read_bytes())
    assert tool("sample", runs / "pairs", "--input", tmp_path / "photos.zip", tmp_path / "results").code == 0
    assert len(list((tmp_path / "results").iterdir())) == 3


def test_a_class_named_like_a_path_stays_in_the_folder(tool, runs, tmp_path):
    shutil.copytree(runs / "cgan", tmp_path / "cgan")
    record = read_record(tmp_path / "cgan")
    record["dataset"]["classes"] = ["../../outside", "/absolute", "..", "", *"456789"]
    write_record(tmp_path / "cgan", record)
    assert tool("sample", tmp_path / "cgan", 10, tmp_path / "results").code == 0
    assert {path.name for path in (tmp_path / "results").iterdir()} == set("0123456789")


def test_a_damaged_input_is_named(tool, runs, tmp_path):
    write_pictures(tmp_path / "photos", 2)
    (tmp_path / "photos" / "0001.png").write_bytes(b"no image")
    done = tool("sample", runs / "pairs", "--input", tmp_path / "photos", tmp_path / "results")
    assert done.code == 3 and "0001.png" in done.lines[-1]
    assert not (tmp_path / "results").exists()


# --- evaluate.py


def test_every_run_has_its_scores_and_one_table_for_what_can_be_compared(scored):
    home, out = scored
    tables = out.strip().split("\n\n")
    assert len(tables) == 2  # from noise, and translations
    assert "the digits network" in out and "gan (×2 seeds)" in out and "real images" in out
    entries = {name: read_scores(home / name) for name in ("gan", "gan-1", "cgan", "ebgan", "pairs")}
    assert all(len(found) == 1 for found in entries.values())
    scores = {name: found[0]["scores"] for name, found in entries.items()}
    assert {"frechet", "kernel", "precision", "recall", "density", "coverage", "class_kl"} <= set(scores["gan"])
    assert {"as_asked", "worst_class_coverage"} <= set(scores["cgan"])
    assert scores["ebgan"]["probe_pixels"] > 0.9 and 0.1 < scores["ebgan"]["probe"] <= 1
    assert set(scores["pairs"]) == {"held_out_l1", "psnr", "ssim", "finds_own"}
    assert entries["gan"][0]["step"] == read_record(home / "gan")["steps"]


def test_samples_stand_beside_their_nearest_training_images(scored):
    with Image.open(scored[0] / "gan" / "nearest.png") as picture:
        assert picture.size == (9 * 58 + 2, 8 * 58 + 2)
    assert not (scored[0] / "pairs" / "nearest.png").exists()


@pytest.fixture
def laboratory(runs, tmp_path, monkeypatch):
    """laboratory(lines): a folder of scripts with one of the user's own, mine.py, whose Settings have these lines."""

    def make(lines):
        folder = tmp_path / "laboratory"
        folder.mkdir(exist_ok=True)
        for script in SCRIPTS:
            shutil.copy(HOME / f"{script}.py", folder)
        (folder / "mine.py").write_text(OWN_SCRIPT.format(lines=lines))
        monkeypatch.setattr(models, "HOME", folder)
        monkeypatch.delitem(sys.modules, "mine", raising=False)

    yield make
    sys.modules.pop("mine", None)


OWN_SCRIPT = """
from dataclasses import dataclass
from typing import ClassVar
from common.options import Settings as Shared

@dataclass(frozen=True)
class Settings(Shared):
    {lines}

def main(run):
    pass

if __name__ == "__main__":
    from common.training import launch
    launch(main, Settings, __doc__)
"""


@pytest.mark.parametrize("encoder", ["D", None])
def test_an_encoder_is_probed_whatever_its_script_is_called(tool, runs, laboratory, tmp_path, encoder):
    laboratory(f"encoder: ClassVar = {encoder!r}")
    shutil.copytree(runs / "ebgan", tmp_path / "run")
    write_record(tmp_path / "run", {**read_record(runs / "ebgan"), "script": "mine"})
    done = tool("evaluate", tmp_path / "run")
    assert done.code == 0, done.err
    (entry,) = read_scores(tmp_path / "run")
    assert ("probe" in entry["scores"]) == ("probe_pixels" in entry["scores"]) == (encoder is not None)


def test_an_encoder_that_cannot_be_built_again_is_said_and_the_run_is_scored(tool, runs, laboratory, tmp_path):
    laboratory("encoder: ClassVar = 'E'")
    shutil.copytree(runs / "ebgan", tmp_path / "run")
    write_record(tmp_path / "run", {**read_record(runs / "ebgan"), "script": "mine"})
    done = tool("evaluate", tmp_path / "run")
    assert done.code == 0 and "not probed" in done.lines[0] and "has no E that can be built again" in done.lines[0]
    (entry,) = read_scores(tmp_path / "run")
    assert "frechet" in entry["scores"] and "probe" not in entry["scores"]


def test_scoring_again_gives_the_same_and_replaces_it(tool, scored, tmp_path):
    shutil.copytree(scored[0] / "gan", tmp_path / "gan")
    first = (tmp_path / "gan" / "scores.json").read_bytes()
    assert tool("evaluate", tmp_path / "gan").code == 0
    assert (tmp_path / "gan" / "scores.json").read_bytes() == first


def test_other_features_stand_beside_the_first(tool, scored, tmp_path):
    shutil.copytree(scored[0] / "gan", tmp_path / "gan")
    done = tool("evaluate", tmp_path / "gan", "--features", "pca", "--samples", 60)
    assert done.code == 0, done.err
    entries = read_scores(tmp_path / "gan")
    assert [entry["samples"] for entry in entries] == [179, 60]
    assert len({Terms.of(entry) for entry in entries}) == 2
    assert len(done.out.strip().split("\n\n")) == 2 and "PCA of pixels" in done.out


def squares(file, size=8, classes=10):
    """A set of 60 images as an .npz, with labels."""
    images = np.random.default_rng(0).integers(0, 256, (60, size, size, 1), dtype=np.uint8)
    np.savez(file, images=images, labels=np.arange(60) % classes)
    return file


@pytest.mark.parametrize("script", ["gan", "cgan"])
def test_a_run_is_scored_against_another_set_beside_its_own(tool, scored, tmp_path, script):
    shutil.copytree(scored[0] / script, tmp_path / script)
    against = ("--against", squares(tmp_path / "other.npz"), "--split", "train", "--features", "pca")
    done = tool("evaluate", tmp_path / script, *against)
    assert done.code == 0, done.err
    own, other = read_scores(tmp_path / script)
    assert (own["split"]["dataset"], other["split"]["dataset"]) == ("digits", str(tmp_path / "other.npz"))
    for what in ("features", "split"):
        assert own[what]["sha256"] != other[what]["sha256"]
    first, second = done.out.strip().split("\n\n")  # never in one table
    assert first.startswith("digits: 179 samples, 179 held-out images")
    assert second.startswith("other.npz: 54 samples, 54 train images")


@pytest.mark.parametrize(
    ("run", "other", "said"),
    [
        ("gan", {"size": 12}, "its images are 1x12x12, those of the run 1x8x8"),
        ("cgan", {"classes": 3}, "its classes are not those"),
        ("pairs", {}, "the run translates images"),
    ],
)
def test_a_set_that_a_run_cannot_be_compared_with_is_refused_in_one_line(tool, runs, tmp_path, run, other, said):
    shutil.copytree(runs / run, tmp_path / run)
    done = tool("evaluate", tmp_path / run, "--against", squares(tmp_path / "other.npz", **other))
    assert done.code == 3 and len(done.lines) == 1 and "--against" in done.lines[0] and said in done.lines[0]
    assert not (tmp_path / run / "scores.json").exists()


def test_a_set_to_compare_with_that_is_not_there_is_named_by_its_option(tool, runs):
    done = tool("evaluate", runs / "gan", "--against", "minst")
    assert done.code == 3 and len(done.lines) == 1 and "--against minst: neither a data set" in done.lines[0]


def test_parzen_is_printed_beside_the_papers(tool, scored, tmp_path):
    shutil.copytree(scored[0] / "gan", tmp_path / "gan")
    done = tool("evaluate", tmp_path / "gan", "--parzen")
    assert "225 ± 2" in done.out and "132 ± 1.8" in done.out and "gan: Parzen" in done.out
    scores = read_scores(tmp_path / "gan")[-1]["scores"]
    assert np.isfinite(scores["parzen"]) and scores["parzen_error"] > 0 and 0.1 <= scores["parzen_sigma"] <= 1


def test_a_run_that_cannot_be_scored_is_named_and_the_others_are_scored(tool, runs, tmp_path):
    shutil.copytree(runs / "gan", tmp_path / "good")
    shutil.copytree(runs / "gan", tmp_path / "bad")
    content = bytearray((tmp_path / "bad" / "generator.safetensors").read_bytes())
    content[-9] ^= 1
    (tmp_path / "bad" / "generator.safetensors").write_bytes(content)
    (tmp_path / "notes.txt").write_text("mine")
    done = tool("evaluate", *sorted(tmp_path.iterdir()))
    assert done.code == 5
    assert any("bad" in line and "SHA-256" in line for line in done.lines)
    assert "good" in done.out and not (tmp_path / "bad" / "scores.json").exists()


def test_where_no_run_can_be_scored_the_first_refusal_is_the_end(tool, runs, tmp_path):
    shutil.copytree(runs / "gan", tmp_path / "bad")
    (tmp_path / "bad" / "generator.safetensors").write_bytes(b"none")
    done = tool("evaluate", tmp_path / "bad")
    assert done.code == 5 and len(done.lines) == 1 and "damaged" in done.lines[0] and not done.out


def test_entries_of_another_version_are_replaced_without_a_word(tool, scored, tmp_path):
    shutil.copytree(scored[0] / "gan", tmp_path / "gan")
    write_scores(tmp_path / "gan", [{"frechet": 1.0}])
    assert tool("evaluate", tmp_path / "gan").code == 0
    assert len(read_scores(tmp_path / "gan")) == 1


def test_evaluate_without_a_run_is_one_line(tool, tmp_path):
    done = tool("evaluate", tmp_path)
    assert done.code == 5 and "no run there" in done.lines[-1]


def test_damaged_scores_are_passed_over_and_said(scored, tmp_path, capfd):
    shutil.copytree(scored[0] / "gan", tmp_path / "gan")
    file = tmp_path / "gan" / "scores.json"
    file.write_text(file.read_text().replace('"frechet": ', '"frechet": 1'))
    assert read_scores(tmp_path / "gan") == []
    assert "scores.json: damaged" in capfd.readouterr().err


# --- --evaluate-every


def test_scores_on_the_way_change_nothing_but_the_log(shell, runs, tmp_path):
    options = (*DIGITS, "--epochs", 3, "--sample-every", 1, "--evaluate-every", 2)
    done = shell("gan", "2e-4", "2e-4", "0.5", tmp_path / "gan", *options)
    assert done.code == 0, done.err
    plain = (runs / "gan" / "generator.safetensors").read_bytes()
    assert (tmp_path / "gan" / "generator.safetensors").read_bytes() == plain
    rows = read_log(tmp_path / "gan")
    assert [row["epoch"] for row in rows if "frechet" in row] == [2]
    assert {"precision", "recall", "coverage", "density", "class_kl"} <= set(rows[-2])
    losses = [{k: v for k, v in row.items() if k in ("epoch", "d_loss", "g_loss")} for row in rows]
    assert losses == [{k: row[k] for k in ("epoch", "d_loss", "g_loss")} for row in read_log(runs / "gan")]


def test_the_last_score_on_the_way_is_what_evaluate_says(tool, shell, tmp_path):
    options = (*DIGITS, "--epochs", 2, "--evaluate-every", 2, "--precision", "fp32", "--ema", "0.9")
    assert shell("gan", "2e-4", "2e-4", "0.5", tmp_path / "gan", *options).code == 0
    assert tool("evaluate", tmp_path / "gan").code == 0
    scores = read_scores(tmp_path / "gan")[0]["scores"]
    row = read_log(tmp_path / "gan")[-1]
    assert row["frechet"] == pytest.approx(scores["frechet"], rel=1e-3)
    assert row["coverage"] == pytest.approx(scores["coverage"], abs=0.02)


def test_translations_are_scored_on_the_way(shell, tmp_path):
    options = (*DIGITS, "--epochs", 1, "--width", 4, "--batch-size", 64, "--evaluate-every", 1)
    done = shell("pix2pix", "2e-4", "2e-4", "0.5", tmp_path / "pairs", *options)
    assert done.code == 0, done.err
    row = read_log(tmp_path / "pairs")[-1]
    assert {"psnr", "ssim", "l1", "held_out_l1"} <= set(row)
    assert f"L1 {row['held_out_l1']:.4f}, PSNR {row['psnr']:.2f}, " in done.out and "(epoch 1)" in done.out
    assert f"python sample.py {tmp_path / 'pairs'} --input photos/ results/" in done.out


# --- the end of a run, and a time limit


def test_a_run_ends_with_a_summary_and_the_lines_that_go_on_from_it(shell, tmp_path):
    line = ("2e-4", "2e-4", "0.5")
    folder = tmp_path / "a b"
    first = shell("gan", *line, folder, *DIGITS, "--epochs", 1)
    title, *facts = first.out.splitlines()
    assert title.startswith(f"{folder}: finished, 1 epoch, 1,600 images in 0:0") and title.endswith("images/s)")
    assert facts == [
        f"  last grid  '{folder}/samples/epoch-0001.png'",
        f"  film       '{folder}/samples.gif'",
        f"  score it   python evaluate.py '{folder}'",
        f"  sample it  python sample.py '{folder}' 64 grid.png",
        "  go on      the same line with more --epochs or --images",
    ]
    second = shell("gan", *line, tmp_path / "second", *DIGITS, "--epochs", 1)
    assert f"python compare.py {tmp_path}" in second.out


def test_a_run_that_the_clock_ends_has_a_grid_of_its_end(shell, tmp_path):
    options = (*DIGITS, "--images", 1e9, "--time-limit", "4s")
    done = shell("gan", "2e-4", "2e-4", "0.5", tmp_path / "gan", *options)
    assert done.code == 0 and "time limit reached" in done.out
    record = read_record(tmp_path / "gan")
    last = max(float(file.stem[6:]) for file in (tmp_path / "gan" / "samples").glob("epoch-*"))
    rows = read_log(tmp_path / "gan")
    assert last >= rows[-1]["epoch"] - 0.01
    assert record["sample_every"] < 100  # as in a run of default length


def test_a_film_of_many_grids_shows_the_beginning_closely_and_ends_with_the_last():
    for most in (20, 100):
        assert films.densely_at_first(range(most), most) == [*range(most)]
        chosen = films.densely_at_first(range(1500), most)
        assert len(chosen) <= most and chosen[0] == 0 and chosen[-1] == 1499
        assert chosen[1] <= 10 and sum(place < 150 for place in chosen) > 1.2 * most / 10
    assert films.densely_at_first(range(1500), 100)[:5] == [0, 1, 2, 4, 6]


# --- compare.py


@pytest.fixture
def compared(tool, scored, tmp_path):
    done = tool("compare", scored[0], "--output", tmp_path)
    assert done.code == 0, done.err
    return tmp_path, done.out


def test_compare_writes_a_picture_a_table_and_a_page(compared, scored):
    folder, out = compared
    assert {path.name for path in folder.iterdir()} == {"comparison.png", "comparison.csv", "comparison.html"}
    assert all(name in out for name in ("gan", "cgan", "pairs", "finished", "Fréchet", "comparison.html"))
    with Image.open(folder / "comparison.png") as picture:
        assert picture.width > 5 * 200 and picture.height > 200
    with (folder / "comparison.csv").open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"gan", "gan-1", "cgan", "ebgan", "pairs"}
    expected = read_scores(scored[0] / "gan")[0]
    assert float(rows["gan"]["frechet"]) == expected["scores"]["frechet"]
    assert rows["gan"]["features_sha256"] == expected["features"]["sha256"]
    assert rows["gan"]["--seed"] == "0" and rows["gan-1"]["--seed"] == "1"
    assert (rows["gan"]["epochs"], rows["gan"]["images"]) == ("3", str(3 * 25 * 64))
    assert (rows["cgan"]["epochs"], rows["cgan"]["--epochs"]) == ("2", "2")
    assert rows["pairs"]["frechet"] == "" and rows["pairs"]["ssim"]


def test_scores_on_other_terms_have_columns_and_captions_of_their_own(tool, scored, tmp_path):
    for name in ("gan", "gan-1", "ebgan"):
        shutil.copytree(scored[0] / name, tmp_path / name)
    (tmp_path / "ebgan" / "scores.json").unlink()
    assert tool("evaluate", tmp_path / "ebgan", "--features", "pca").code == 0
    assert tool("compare", tmp_path).code == 0
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    columns = [name for name in rows["gan"] if name.startswith("frechet")]
    assert len(columns) == 2 and all("samples" in name for name in columns)
    assert [bool(rows["gan"][name]) for name in columns] == [not rows["ebgan"][name] for name in columns]
    import compare

    runs = [Run.read(tmp_path / name, name) for name in ("gan", "gan-1", "ebgan")]
    said = [compare.main_score(run, runs) for run in runs]
    assert said[0].startswith("Fréchet") and said[1].startswith("Fréchet") and said[2] == "scored otherwise"


def test_a_seed_without_a_log_does_not_blank_the_others_curves(runs, tmp_path):
    from common.report import page

    for name in ("gan", "gan-1"):
        shutil.copytree(runs / name, tmp_path / name)
    (tmp_path / "gan-1" / "log.csv").unlink()
    group = [Run.read(tmp_path / name, name) for name in ("gan", "gan-1")]
    assert len(page._curves(group)["d_loss"]["mean"]) == 6


def test_the_picture_has_the_runs_own_samples_side_by_side(tool, runs, tmp_path):
    done = tool("compare", runs / "gan", runs / "gan-1", "--output", tmp_path)
    assert done.code == 0, done.err
    with Image.open(tmp_path / "comparison.png") as picture:
        pixels = np.asarray(picture.convert("L")).astype(int)
    for name in ("gan", "gan-1"):
        with Image.open(runs / name / "samples" / "epoch-0003.png") as grid:
            wanted = np.asarray(grid).astype(int)[:60, :60]
        places = np.argwhere((pixels[:-60, :-60] == wanted[0, 0]) & (pixels[2:-58, 2:-58] == wanted[2, 2]))
        assert any(np.array_equal(pixels[y : y + 60, x : x + 60], wanted) for y, x in places)


def test_how_many_images_belong_together_is_what_the_script_says(runs, laboratory, capfd):
    import compare

    def tiles(script):
        run = Run.read(runs / "gan", "gan")
        return compare.tiles_of(replace(run, record={**run.record, "script": script}))

    laboratory("tiles: ClassVar = 4")
    assert [tiles(script) for script in ("gan", "pix2pix", "mine", "gone")] == [1, 3, 4, 1]
    laboratory("tiles = nowhere")  # no longer runs
    assert tiles("mine") == 1 and "gan: its script fails (NameError" in capfd.readouterr().err


def test_compare_writes_beside_the_runs(tool, runs, tmp_path):
    shutil.copytree(runs / "gan", tmp_path / "out" / "gan")
    done = tool("compare", tmp_path / "out" / "gan")
    assert done.code == 0 and "no scores yet: python evaluate.py" in done.out
    assert (tmp_path / "out" / "comparison.html").exists()


def test_damaged_and_half_finished_runs_are_shown_for_what_they_are(tool, runs, tmp_path):
    home = tmp_path / "out"
    for name in ("good", "no-grids", "no-log", "broken-grid", "broken"):
        shutil.copytree(runs / "gan", home / name)
    shutil.rmtree(home / "no-grids" / "samples")
    (home / "no-log" / "log.csv").write_bytes(b"\xff\x00 no log")
    (home / "broken-grid" / "samples" / "epoch-0003.png").write_bytes(b"half")
    for name in ("run.json", "checkpoint.pt", "checkpoint.prev.pt"):
        (home / "broken" / name).write_bytes(b"{")
    (home / "begun").mkdir()
    (home / "begun" / "run.json").write_bytes((runs / "gan" / "run.json").read_bytes())
    done = tool("compare", home)
    assert done.code == 5
    assert any("left out" in line and "broken" in line for line in done.lines)
    page = (home / "comparison.html").read_text()
    assert "no grid yet" in page and page.count("<figure") == 5
    with Image.open(home / "comparison.png") as picture:
        assert picture.width > 600


def test_no_run_at_all_is_refused(tool, tmp_path):
    (tmp_path / "empty").mkdir()
    done = tool("compare", tmp_path / "empty")
    assert done.code == 5 and "no run there" in done.lines[-1]
    assert not list((tmp_path / "empty").iterdir())


def test_old_runs_are_passed_over(tool, runs, tmp_path):
    shutil.copytree(runs / "gan", tmp_path / "gan")
    shutil.copytree(runs / "gan", tmp_path / ".old" / "gan-1")
    done = tool("compare", tmp_path)
    assert done.code == 0 and "gan-1" not in done.out


def test_runs_without_a_common_epoch_are_shown_at_their_ends(tool, runs, tmp_path):
    shutil.copytree(runs / "gan", tmp_path / "a")
    shutil.copytree(runs / "gan-1", tmp_path / "b")
    for name in ("epoch-0002.png", "epoch-0003.png"):
        (tmp_path / "a" / "samples" / name).unlink()
    (tmp_path / "b" / "samples" / "epoch-0001.png").unlink()
    done = tool("compare", tmp_path)
    assert done.code == 0, done.err
    with Image.open(tmp_path / "comparison.png") as picture:
        assert picture.height > 464


def with_grids(*epochs):
    return SimpleNamespace(frames=[(epoch, None) for epoch in epochs])


def test_the_rows_of_the_picture_are_spread_over_the_run_and_not_filled_with_its_beginning():
    import compare

    early = (0.0011, 0.0085, 0.0171, 0.0342, 0.0683, 0.1366, 0.2732, 0.5464)
    assert compare.common_epochs([with_grids(*early, *range(1, 41))] * 2) == [8, 16, 24, 32, 40]
    assert compare.common_epochs([with_grids(*early, 1)] * 2) == [0.14, 0.27, 0.55, 1]
    assert compare.common_epochs([with_grids(*early, 1, 2, 3)] * 2) == [0.55, 1, 2, 3]
    stopped = [with_grids(*early, 1, 2, 5.65), with_grids(*early, 1, 2, 3, 5.92)]  # and a row of their ends
    assert compare.common_epochs(stopped) == [1, 2]
    other = with_grids(*early, 1, 2, 4, 8, 16, 41, 82)
    assert compare.common_epochs([with_grids(*early, 1, 2, 4, 8, 16, 38, 76), other]) == [8, 16]
    assert compare.common_epochs([with_grids(*early[:3]), with_grids(*early, 1)]) == [0.14, 0.27, 0.55, 1]
    assert compare.common_epochs([with_grids()]) == []


def test_the_slider_of_the_page_has_grids_from_the_whole_run(runs, tmp_path):
    """Also where there are more than it holds, most of them early ones."""
    from common.report import page

    shutil.copytree(runs / "gan", tmp_path / "gan")
    first = tmp_path / "gan" / "samples" / "epoch-0001.png"
    early = [f"epoch-0000.{epoch:04d}.png" for epoch in range(1, 100)]
    for name in [*early, *(f"epoch-{epoch:04d}.png" for epoch in range(4, 24))]:
        shutil.copy(first, first.with_name(name))
    run = Run.read(tmp_path / "gan", "gan")
    most = page.FRAMES[1]
    epochs = [frame["epoch"] for frame in page._frames(run, 1e9)]
    assert len(epochs) <= most and epochs[0] == 0.0001 and epochs[-24:] == [0.0001, *range(1, 24)]


def test_a_silent_run_is_not_called_running(tmp_path):
    record = {"state": "running", "written": "2026-01-01T00:00:00+0000"}
    run = Run(tmp_path, "x", record, [], {})
    at = 1767225600  # that moment
    assert state_of(run, at + 60) == "running"
    assert state_of(run, at + 3600) == "no sign of life for 60 min"
    (tmp_path / "log.csv").write_text("")  # checkpoints may be rare; the log is not
    assert state_of(run, (tmp_path / "log.csv").stat().st_mtime + 60) == "running"


def test_an_unwritable_output_is_one_line(tool, runs, tmp_path):
    (tmp_path / "file").write_text("")
    done = tool("compare", runs / "gan", "--output", tmp_path / "file" / "x")
    assert done.code == 5 and "cannot write" in done.lines[-1]


@pytest.mark.parametrize("tool", ["sample", "evaluate", "compare", "sweep"])
def test_help_and_refusals_are_quick_and_tidy(python, tool):
    help = python(tool, "--help")
    assert help.code == 0 and help.out.startswith("usage") and help.seconds < 1.5
    done = python(tool)
    assert done.code == 2 and "missing" in done.lines[-1] and len(done.lines) == 1


def test_ctrl_c_ends_a_tool_quietly(spawn, runs, tmp_path):
    shutil.copytree(runs / "gan", tmp_path / "gan")
    child = spawn("evaluate", tmp_path / "gan", "--samples", 200_000)
    wait_until(lambda: processor_seconds(child.pid) > 1, child)
    child.send_signal(signal.SIGINT)
    assert child.outcome().code == 130 and child.err == "" and child.out == ""
    assert not (tmp_path / "gan" / "scores.json").exists()
