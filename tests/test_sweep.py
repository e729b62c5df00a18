"""sweep.py: from lines to runs, on this machine."""

import csv
import importlib
import os
import shlex
import shutil
import signal
import subprocess
import time

from common.errors import BadArgument
from common.options import Settings, as_arguments, as_text, parse
from common.runs.names import GENERATOR, RECORD, SCORES
from common.runs.record import read_record, write_record
from common.runs.sealing import sealed_json, unsealed_json
from common.sweep import halving, local
from common.sweep.braces import expanded
from common.sweep.ledger import Entry, Length
from common.sweep.lines import lines_of, readme_lines
from common.sweep.local import LocalPool
from common.sweep.pool import Start

import hypothesis
import pytest
import torch
from conftest import HOME, SCRIPTS, command, corrupt, record_of, wait_until
from hypothesis import strategies as st

SHORT = ("--dataset", "digits", "--images", "1700", "--no-evaluate")


def lines(*texts, seeds=None, known=None, **shared):
    return lines_of(texts, shared, seeds, known or {})


# --- lines


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a b", ["a b"]),
        ("a {1,2} b", ["a 1 b", "a 2 b"]),
        ("{x,y}.py {1,2}", ["x.py 1", "x.py 2", "y.py 1", "y.py 2"]),
        ("a {--flip,}", ["a --flip", "a "]),
        ("a {1 2,3 4}", ["a 1 2", "a 3 4"]),
    ],
)
def test_braces_make_a_line_of_each_combination(text, meant):
    assert expanded(text) == meant


@pytest.mark.parametrize("text", ["a {1", "a 1}", "a {1}", "a {1,{2,3}}", "a {}"])
def test_braces_that_hold_no_list_are_refused(text):
    with pytest.raises(BadArgument, match="braces hold a list"):
        expanded(text)


def test_runs_are_named_by_what_differs():
    found = lines("dcgan.py {1e-4,2e-4} 2e-4 0.5 {--flip,}", "python3 wgan 2e-4 5e-5 0", seeds=2, dataset="digits")
    assert [line.name for line in found] == [
        *("dcgan,lr_g=1e-4,flip,seed=0", "dcgan,lr_g=1e-4,flip,seed=1", "dcgan,lr_g=1e-4,seed=0"),
        *("dcgan,lr_g=1e-4,seed=1", "dcgan,lr_g=2e-4,flip,seed=0", "dcgan,lr_g=2e-4,flip,seed=1"),
        *("dcgan,lr_g=2e-4,seed=0", "dcgan,lr_g=2e-4,seed=1", "wgan,seed=0", "wgan,seed=1"),
    ]
    assert {line.dataset for line in found} == {"digits"}


def test_a_run_keeps_its_name_when_the_sweep_grows():
    (alone,) = lines("dcgan.py 1e-4 2e-4 0.5")
    old, new = lines("dcgan.py {1e-4,2e-4} 2e-4 0.5 --images 9000", known={alone.key: alone.name})
    assert (old.name, new.name) == ("dcgan", "dcgan,lr_g=2e-4")


def test_a_folder_on_the_line_names_the_run():
    assert [line.name for line in lines("dcgan.py 1e-4 2e-4 0.5 out/mine --flip", "gan.py 1e-4 1e-4 0")] == [
        "mine",
        "gan",
    ]
    assert [line.name for line in lines("dcgan.py 1e-4 2e-4 0.5 mine", seeds=2)] == ["mine,seed=0", "mine,seed=1"]


def test_paths_that_end_alike_have_names_of_their_own():
    found = lines("gan.py 1e-4 1e-4 0.5 --dataset {/a/photos,/b/photos}")
    assert [line.name for line in found] == ["gan,dataset=photos", "gan,dataset=photos,2"]


def test_a_line_says_more_than_the_sweep():
    found = lines("gan.py 1e-4 1e-4 0 --epochs 3", "gan.py 1e-4 1e-4 0 --ema 0.9", images=100, ema=0.5)
    assert [str(line) for line in found] == [
        "gan.py 1e-4 1e-4 0 --epochs 3 --ema 0.5",
        "gan.py 1e-4 1e-4 0 --images 100 --ema 0.9",
    ]


def test_what_a_script_does_not_have_is_not_given_to_it():
    (line,) = lines("pix2pix.py 1e-4 1e-4 0.5", z_dim=10, flip=True, ema=0.9)
    assert str(line) == "pix2pix.py 1e-4 1e-4 0.5 --ema 0.9"


@pytest.mark.parametrize("of_papers", [False, True])
def test_every_variant_has_its_lines_in_the_readme(of_papers):
    table = readme_lines(of_papers)
    assert {*table} == {*SCRIPTS}
    for line in lines(*(f"{script}.py {text}" for script, text in table.items())):
        assert f"`{table[line.script]}`" in (HOME / "README.md").read_text() or not of_papers
        assert ("ema" in line.given) <= (not of_papers)


def test_the_papers_lines_stand_beside_the_best_known():
    best, papers = readme_lines(), readme_lines(of_papers=True)
    assert papers["wgan"] == "5e-5 5e-5 0" and best["wgan"] != papers["wgan"]


VALUES = st.one_of(
    st.floats(1e-12, 1e30), st.integers(0, 2**40), st.text(st.characters(categories=["L", "N", "P"]), min_size=1)
)


@hypothesis.given(value=VALUES)
def test_a_value_is_written_as_it_is_read(value):
    text = as_text(value)
    assert (text if isinstance(value, str) else float(text)) == value
    assert isinstance(value, str) or len(text) <= len(repr(value))


@pytest.mark.parametrize("script", SCRIPTS)
def test_settings_are_written_as_the_line_that_gives_them(script):
    kind = importlib.import_module(script).Settings
    line = ["1e-4", "2e-4", "0.5", "out/a b", "--dataset", "digits", "--ema", "0.999", "--time-limit", "1h30m"]
    line += ["--seed", "7", "--threads", "auto", "--quiet", "--image-size=32"]
    given = parse(kind, "", f"{script}.py", line)
    assert parse(kind, "", f"{script}.py", as_arguments(kind, given)) == given
    assert as_arguments(kind, given)[:4] == ["1e-4", "2e-4", "0.5", "out/a b"]


def test_a_value_that_looks_like_an_option_stays_a_value():
    given = parse(Settings, "", "gan.py", ["1", "1", "0", "x", "--dataset=-x"])
    assert parse(Settings, "", "gan.py", as_arguments(Settings, given)) == given


# --- refusals


GOOD = "gan.py 1e-4 1e-4 0.5 --dataset digits"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "missing folder"),
        (["F"], 2, "no lines"),
        (["F", "gan.py"], 2, "put quotes around it"),
        (["F", "gan.py 1e-4 1e-4"], 2, "missing momentum"),
        (["F", "gan.py 0 1e-4 0.5"], 2, "lr_g: must be a finite number above 0, not '0'"),
        (["F", "gan.py 1e-4 1e-4 0.5 --clip 1"], 2, "unrecognized arguments: --clip 1"),
        (["F", "gan.py 1e-4 1e-4 0.5 'a"], 2, "no closing quotation"),
        (["F", "gan.py 1e-4 1e-4 0.5 --help"], 2, "asks for help"),
        (["F", "gan.py 1e-4 1e-4 0.5 --fresh"], 2, "--fresh"),
        (["F", "mygan.py 1e-4 1e-4 0.5"], 2, "begins with none of cgan.py, dcgan.py"),
        (["F", "sample.py out/gan 64"], 2, "begins with none of"),
        (["F", GOOD, GOOD], 2, "two lines are the same run"),
        (["F", "gan.py {1e-4,0.0001} 1e-4 0.5"], 2, "two lines are the same run"),
        (["F", "gan.py 1e-4 1e-4 0.5 out/a", "dcgan.py 1e-4 1e-4 0.5 a"], 2, "two lines have the folder a"),
        (["F", f"{GOOD} --seed 1", "--seeds", "2"], 2, "has a --seed of its own"),
        (["F", "gan.py 1e-4 1e-4 0.5", "--dataset", "nowhere"], 3, "neither a data set"),
        (["F", GOOD, "--jobs", "0"], 2, "--jobs: must be a whole number, at least 1"),
        (["F", GOOD, "--threads", "0"], 2, "--threads"),
        (["F", GOOD, "--seeds", "0"], 2, "--seeds"),
        (["F", GOOD, "--gpus", "1"], 2, "this machine has no GPU"),
        (["F", GOOD, "--halve", "2"], 2, "--halve needs --time-limit or --images"),
        (["F", GOOD, "--halve", "1", "--images", "9"], 2, "--halve: must be a finite number above 1"),
        (["F", GOOD, "--halve", "2", "--epochs", "9"], 2, "--time-limit or --images"),
        (["F", GOOD, "--rounds", "3m,1m"], 2, "must be times that grow"),
        (["F", GOOD, "--rounds", "1m,3m", "--time-limit", "1m"], 2, "give one of them"),
        (["F", GOOD, "--rounds", "1m,3m", "--no-evaluate"], 2, "leave --no-evaluate out"),
        (["F", GOOD, "--rounds", "1m,3m", "--by", "beauty"], 2, "must be one of frechet"),
        (["F", f"{GOOD} --time-limit 9s", "--rounds", "1m,3m"], 2, "the rounds decide on that"),
        (["F", GOOD, "--last-seeds", "3"], 2, "--last-seeds goes with --halve or --rounds"),
        (["F", GOOD, "--rounds", "1m,3m", "--seeds", "3", "--last-seeds", "2"], 2, "at least --seeds"),
        (["F", "pix2pix.py 1e-4 1e-4 0.5", "--rounds", "1m,3m"], 2, "has no frechet to be ranked by"),
        (["F", GOOD, "--rounds", "1m,3m", "--by", "probe"], 2, "has no probe to be ranked by"),
        (["F", GOOD, "--keep", "2"], 2, "--keep goes with"),
        (["F", "--lines", "nowhere.txt"], 2, "cannot be read"),
        (["F", GOOD, "--epochs", "1", "--images", "1"], 2, "give one of them"),
        (["/dev/null/x", GOOD], 5, "is a file"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(tool, tmp_path, arguments, code, said):
    done = tool("sweep", *(str(tmp_path / "sweep") if word == "F" else word for word in arguments))
    assert done.code == code and said in done.err, done.err
    assert len(done.lines) == 1 and done.out == ""
    assert not any((tmp_path / "sweep").glob("*/run.json")) and not (tmp_path / "sweep" / "logs").exists()


def test_a_runs_own_folder_is_no_sweeps(tool, finished):
    done = tool("sweep", finished, GOOD)
    assert done.code == 5 and "holds a run" in done.err


def test_lines_are_read_from_a_file(tool, tmp_path):
    (tmp_path / "lines.txt").write_text(f"# rates\n\n{GOOD}\nlsgan.py {{1e-4,2e-4}} 1e-4 0.5  \n", encoding="utf-8-sig")
    done = tool("sweep", tmp_path / "sweep", "--lines", tmp_path / "lines.txt", "--threads", "3", "--dry-run")
    assert done.code == 0 and len(done.out.splitlines()) == 3
    assert not (tmp_path / "sweep").exists()
    for line in done.out.splitlines():
        _, script, *arguments = shlex.split(line)
        kind = importlib.import_module(script.removesuffix(".py")).Settings
        given = parse(kind, "", script, arguments)
        assert given["threads"] == 3 and given["folder"].startswith(str(tmp_path / "sweep"))


# --- how many at once


@pytest.mark.parametrize(
    ("cores", "runs", "jobs", "threads", "meant"),
    [
        (2, 18, None, None, (2, 1)),
        (2, 1, None, None, (1, 2)),
        (16, 4, None, None, (4, 4)),
        (16, 18, None, 4, (4, 4)),
        (16, 18, 3, None, (3, 5)),
        (2, 18, 5, None, (5, 1)),
        (2, 18, None, 4, (1, 4)),
    ],
)
def test_cores_are_shared_out(monkeypatch, cores, runs, jobs, threads, meant):
    monkeypatch.setattr(local, "cores", lambda: cores)
    assert local.shares(runs, jobs, threads) == meant


@pytest.mark.parametrize(
    ("visible", "jobs", "share", "meant"),
    [
        ("", None, None, ["0", "1"]),
        ("3,5", None, None, ["3", "5"]),
        ("", None, 0.5, ["0", "1", "0", "1"]),
        ("", 3, None, ["0", "1", "0"]),
        ("", 1, None, ["0"]),
    ],
)
def test_each_run_has_a_gpu_or_its_share_of_one(monkeypatch, visible, jobs, share, meant):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert local.places(jobs, share) == meant


# --- processes


SAYS = """
import os, sys, time
print(sys.argv[1:], os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """program(text): `says.py` beside no common/, which a pool starts in place of a script."""
    monkeypatch.setattr(local, "HOME", tmp_path)

    def make(text=SAYS):
        (tmp_path / "says.py").write_text(text)
        return lambda name, *arguments: Start(
            name, "says", tuple(map(str, arguments)), tmp_path / "logs" / f"{name}.txt"
        )

    return make


def until_all_ended(pool, count):
    found = []
    while len(found) < count:
        found += pool.ended()
        time.sleep(0.02)
    return dict(found)


def test_a_pool_says_how_runs_ended_and_keeps_what_they_said(program, tmp_path):
    start, pool = program(), LocalPool(["0", "1"])
    pool.start(start("a", 0))
    pool.start(start("b", 4))
    assert not pool.room()
    assert until_all_ended(pool, 2) == {"a": 0, "b": 4} and pool.room()
    pool.start(start("a", 3))
    assert until_all_ended(pool, 1) == {"a": 3}
    said = (tmp_path / "logs" / "a.txt").read_text()
    assert said.count("$ ") == 2 and "['0'] 0" in said and "['3'] " in said


HELD_TWICE = """
import pathlib, sys
file = pathlib.Path("{}")
starts = file.read_text() if file.exists() else ""
file.write_text(starts + "x")
sys.exit(0 if starts == "xx" else 75)
"""


def test_a_run_that_is_still_held_is_tried_again(program, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "AGAIN_AFTER", 0.1)
    start, pool = program(HELD_TWICE.format(tmp_path / "starts")), LocalPool([""])
    pool.start(start("held"))
    assert until_all_ended(pool, 1) == {"held": 0}
    assert (tmp_path / "starts").read_text() == "xxx"


def test_a_run_that_stays_held_is_given_up(program, monkeypatch):
    monkeypatch.setattr(local, "AGAIN_AFTER", 0.01)
    start, pool = program("import sys\nsys.exit(75)\n"), LocalPool([""])
    pool.start(start("held"))
    assert until_all_ended(pool, 1) == {"held": 75}


def test_a_killed_process_has_the_code_that_shells_give_it(program):
    start, pool = program("import os\nos.kill(os.getpid(), 9)\n"), LocalPool([""])
    pool.start(start("killed"))
    assert until_all_ended(pool, 1) == {"killed": 137}


# --- what is left to do


def entry_of(folder, text=GOOD, **record):
    """An entry whose run.json says this; without any it has not begun."""
    (line,) = lines(text)
    entry = Entry(line, folder)
    if record:
        entry.record = {"seconds": 0.0, "images": 0, "steps": 1, "message": "", **record}
    return entry


def test_a_run_is_through_when_it_has_what_its_line_asks_for(tmp_path):
    whole = Length()
    assert not entry_of(tmp_path).is_through(whole)
    assert entry_of(tmp_path, state="diverged").is_through(whole)
    assert not entry_of(tmp_path, state="stopped").is_through(whole)
    entry = entry_of(tmp_path, state="finished")
    assert not entry.is_through(whole)  # its script knows whether it is: another sweep may have made it
    entry.finished = entry._own_length
    assert entry.is_through(whole)
    longer = entry_of(tmp_path, f"{GOOD} --images 5e6", state="finished")
    longer.finished = entry.finished
    assert not longer.is_through(whole)


def test_a_time_is_had_over_all_starts(tmp_path):
    entry = entry_of(tmp_path, state="stopped", seconds=40.0)
    assert not entry.is_through(Length(60)) and entry.is_through(Length(30))
    assert entry.is_through(Length(44))  # starting takes some of it
    given = parse(entry.line.kind, "", "gan.py", entry.arguments(Length(60), 1))
    assert given["time_limit"] == 20 and given["images"] > 1e9 and given["threads"] == 1
    with_a_length = entry_of(tmp_path, f"{GOOD} --images 5000 --time-limit 50s", state="stopped", seconds=40.0)
    given = parse(entry.line.kind, "", "gan.py", with_a_length.arguments(Length(), None))
    assert given["time_limit"] == 10 and given["images"] == 5000 and "threads" not in given


def test_rounds_may_be_told_in_images(tmp_path):
    entry = entry_of(tmp_path, state="finished", images=30_000)
    assert entry.is_through(Length(images=10_000)) and not entry.is_through(Length(images=90_000))
    given = parse(entry.line.kind, "", "gan.py", entry.arguments(Length(images=90_000), 1))
    assert given["images"] == 90_000 and "time_limit" not in given


# --- successive halving


def test_rounds_grow_as_lines_are_left_out():
    assert halving.lengths(Length(60), 3, most=9, keep=1) == [Length(60), Length(180), Length(540)]
    assert halving.lengths(Length(60), 3, most=10, keep=1) == [Length(60), Length(180), Length(540), Length(1620)]
    assert halving.lengths(Length(60), 3, most=9, keep=3) == [Length(60), Length(180)]
    assert halving.lengths(Length(60), 3, most=1, keep=1) == [Length(60)]
    assert halving.lengths(Length(images=100), 2, most=4, keep=1)[-1] == Length(images=400)


def test_the_best_go_on_by_the_mean_over_their_seeds(tmp_path):
    scores = {  # of the seeds of three lines, and of one of another script
        "gan.py 1e-4 1e-4 0": (10.0, 30.0),
        "gan.py 2e-4 1e-4 0": (18.0, 19.0),
        "gan.py 3e-4 1e-4 0": (1.0, None),  # one has failed
        "lsgan.py 1e-4 1e-4 0": (90.0, 90.0),
    }
    length = Length(60)
    entries = [Entry(line, tmp_path) for line in lines(*scores, seeds=2)]
    for entry, value in zip(entries, (value for pair in scores.values() for value in pair), strict=True):
        if value is not None:
            entry.rounds[str(length)] = {"frechet": value, "recall": -value}
    left = halving.best(entries, length, "frechet", 3, 1)
    assert [entry.line.name for entry in left] == [
        *("gan,lr_g=2e-4,seed=0", "gan,lr_g=2e-4,seed=1", "lsgan,seed=0", "lsgan,seed=1")
    ]
    assert halving.best(entries, length, "recall", 3, 1) == left
    assert len(halving.best(entries, length, "frechet", 3, 9)) == 6  # what failed goes on at no time


def test_the_lines_that_are_left_have_all_their_seeds_in_the_last_round(tmp_path):
    entries = [Entry(line, tmp_path) for line in lines("gan.py {1e-4,2e-4} 1e-4 0", "lsgan.py 1e-4 1e-4 0", seeds=3)]
    left = [entry for entry in entries if entry.line.name in ("gan,lr_g=2e-4,seed=0", "lsgan,seed=0")]
    assert [entry.line.name for entry in halving.with_all_seeds(left, entries)] == [
        *(f"gan,lr_g=2e-4,seed={seed}" for seed in range(3)),
        *(f"lsgan,seed={seed}" for seed in range(3)),
    ]


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (GOOD, "frechet"),
        ("pix2pix.py 1e-4 1e-4 0.5", "ssim"),
        ("ebgan.py 1e-4 1e-4 0.5", "probe"),
        ("gan.py 1e-4 1e-4 0.5 --dataset stacked-mnist", "modes"),
    ],
)
def test_a_line_is_ranked_by_a_score_that_it_has(text, score):
    halving.refuse_unfit(lines(text), score)
    with pytest.raises(BadArgument, match="to be ranked by"):
        halving.refuse_unfit(lines(text), "held_out_l1" if score != "ssim" else "frechet")


# --- sweeps, as they are typed


def states(folder):
    return {one["name"]: one["state"] for one in unsealed_json((folder / "sweep.json").read_bytes())["runs"]}


@pytest.fixture(scope="module")
def swept(once, shell):
    """gan.py on digits by two rates, finished."""

    def make(folder):
        done = shell("sweep", folder, "gan.py {1e-4,2e-4} 1e-4 0.5", *SHORT)
        assert done.code == 0, done.err
        (folder / "out").write_text(done.out)
        (folder / "err").write_text(done.err)

    return once("swept", make)


@pytest.fixture
def copy(swept, tmp_path):
    return shutil.copytree(swept, tmp_path / "sweep")


NAMES = ("gan,lr_g=1e-4", "gan,lr_g=2e-4")


def test_a_sweep_trains_and_compares_and_says_which_run_is_which(swept):
    assert states(swept) == dict.fromkeys(NAMES, "finished")
    with (swept / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["exit_code"], row["state"]) for row in rows] == [(name, "0", "finished") for name in NAMES]
    assert rows[0]["line"] == "gan.py 1e-4 1e-4 0.5 --dataset digits --images 1700"
    assert all(name in (swept / "comparison.html").read_text() for name in NAMES)
    assert all((swept / name / GENERATOR).exists() for name in NAMES)
    assert all(name in (swept / "out").read_text() for name in NAMES)
    assert record_of(swept / NAMES[0])["threads"] == max(1, local.cores() // min(2, local.cores()))
    assert (swept / "err").read_text().splitlines()[-1].endswith("(2 of 2)")
    assert "finished, 1 epoch, 1,600 images" in (swept / "logs" / f"{NAMES[0]}.txt").read_text()
    assert f"{NAMES[0]}: finished, 1 epoch, 1,600 images in" in (swept / "err").read_text()


def test_what_is_through_is_not_run_again_and_what_is_new_joins(shell, copy):
    before = {name: (copy / name / RECORD).stat().st_mtime_ns for name in NAMES}
    page = (copy / "comparison.html").stat().st_mtime_ns
    done = shell("sweep", copy, "gan.py {1e-4,2e-4} 1e-4 0.5", *SHORT)
    assert done.code == 0 and "2 of them through already" in done.err and "begins" not in done.err
    assert (copy / "comparison.html").stat().st_mtime_ns == page
    done = shell("sweep", copy, "{gan,lsgan}.py {1e-4,2e-4} 1e-4 0.5", *SHORT, "--quiet")
    assert done.code == 0 and done.err == ""
    assert {name: (copy / name / RECORD).stat().st_mtime_ns for name in NAMES} == before
    assert states(copy) == dict.fromkeys((*NAMES, "lsgan,lr_g=1e-4", "lsgan,lr_g=2e-4"), "finished")


def test_a_damaged_sweep_json_is_made_anew_from_the_runs(shell, copy):
    corrupt(copy / "sweep.json")
    done = shell("sweep", copy, "gan.py {1e-4,2e-4} 1e-4 0.5", *SHORT)
    assert done.code == 0 and "sweep.json: damaged" in done.err
    assert states(copy) == dict.fromkeys(NAMES, "finished")
    assert "finished already" in (copy / "logs" / f"{NAMES[0]}.txt").read_text()


def test_runs_grow_with_their_line(shell, copy):
    done = shell("sweep", copy, "gan.py {1e-4,2e-4} 1e-4 0.5", *SHORT[:2], "--images", "3400", "--no-evaluate")
    assert done.code == 0, done.err
    assert {record_of(copy / name)["epochs"] for name in NAMES} == {2}


def test_what_fails_is_said_with_its_reason_and_tried_again(shell, copy):
    shutil.rmtree(copy / NAMES[0])
    (copy / NAMES[0]).write_bytes(b"")
    done = shell("sweep", copy, "gan.py {1e-4,2e-4} 1e-4 0.5", *SHORT)
    assert done.code == 5
    assert f"{NAMES[0]}: failed (5)" in done.err and "is a file; give the run a folder of its own" in done.err
    assert "1 of 2 runs are not through" in done.err
    assert states(copy) == {NAMES[0]: "failed (5)", NAMES[1]: "finished"}
    (copy / NAMES[0]).unlink()
    assert shell("sweep", copy, "gan.py {1e-4,2e-4} 1e-4 0.5", *SHORT).code == 0


def test_a_run_that_diverged_is_a_result(shell, tmp_path):
    done = shell("sweep", tmp_path / "sweep", "wgan_gp.py 1e30 1e30 0", *SHORT)
    assert done.code == 0, done.err
    assert states(tmp_path / "sweep") == {"wgan_gp": "diverged"}
    again = shell("sweep", tmp_path / "sweep", "wgan_gp.py 1e30 1e30 0", *SHORT)
    assert again.code == 0 and "1 of them through already" in again.err


def test_one_sweep_at_a_time_is_in_a_folder(shell, copy):
    from common.runs.folder import RunFolder

    folder = RunFolder(copy)
    folder.lock()
    done = shell("sweep", copy, GOOD)
    folder.release()
    assert done.code == 75 and "another process" in done.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_stops_every_run_with_a_checkpoint_and_the_same_line_goes_on(shell, tmp_path, number, code):
    folder = tmp_path / "sweep"
    line = (folder, "{gan,lsgan}.py 1e-4 1e-4 0.5", "--dataset", "digits", "--no-evaluate", "--jobs", "2", "--images")
    child = subprocess.Popen(command("sweep", *line, "2e7"), stderr=subprocess.PIPE, text=True)
    grids = [folder / script / "samples" / "epoch-0001.png" for script in ("gan", "lsgan")]
    wait_until(lambda: all(grid.exists() for grid in grids), child)
    child.send_signal(number)
    said = child.communicate(timeout=60)[1]
    assert child.returncode == code
    if code > 0:
        assert said.splitlines()[-1].endswith(f"stopped by {signal.Signals(number).name}; the same line goes on")
        assert states(folder) == {"gan": "stopped", "lsgan": "stopped"}
    done = shell("sweep", folder, "{gan,lsgan}.py 1e-4 1e-4 0.5", *line[2:5], "--time-limit", "1s", "--images", "2e7")
    assert done.code == 0, done.err
    for script in ("gan", "lsgan"):
        record, said = record_of(folder / script), (folder / "logs" / f"{script}.txt").read_text()
        assert record["state"] == "stopped" and record["checkpoint_step"] == record["steps"] > 0
        assert "stopped by SIGTERM" in said  # by its lifeline


@pytest.mark.slow
def test_halving_goes_on_with_the_best_and_a_second_start_knows_the_rounds(shell, tmp_path):
    folder, text = tmp_path / "sweep", "gan.py {1e-4,2e-4,3e-4,1e4} 2e-4 0.5"
    line = (text, "--dataset", "digits", "--images", "6800", "--halve", "2", "--samples", "100")
    done = shell("sweep", folder, *line)
    assert done.code == 0, done.err
    assert "the best 2 of 4 runs go on" in done.err and "the best 1 of 2 runs go on" in done.err
    epochs = sorted(record_of(run.parent)["epochs"] for run in folder.glob("*/run.json"))
    assert epochs == [4, 4, 8, 17]
    assert sorted(states(folder).values()) == ["finished", "left out", "left out", "left out"]
    again = shell("sweep", folder, *line)
    assert again.code == 0 and "begins" not in again.err and "goes on" not in again.err.replace("go on", "")
    assert states(folder) == states(folder)
    assert sorted(record_of(run.parent)["epochs"] for run in folder.glob("*/run.json")) == epochs


@pytest.mark.slow
def test_further_seeds_join_in_the_last_round(shell, tmp_path):
    folder, text = tmp_path / "sweep", "gan.py {1e-4,2e-4} 2e-4 0.5"
    line = (text, "--dataset", "digits", "--rounds", "1s,2s", "--keep", "1", "--last-seeds", "2", "--samples", "100")
    done = shell("sweep", folder, *line)
    assert done.code == 0, done.err
    assert "the best 1 of 2 runs go on" in done.err
    left = [name for name, state in states(folder).items() if state == "had its time"]
    assert len(left) == 2 and len({name.rpartition(",seed=")[0] for name in left}) == 1
    assert list(states(folder).values()).count("left out") == 2
    assert len([*folder.glob("*/run.json")]) == 3  # the other seed of the line that was left out has never begun
    again = shell("sweep", folder, *line)
    assert again.code == 0 and "begins" not in again.err


@pytest.mark.slow
def test_one_line_trains_scores_and_compares_every_variant(shell, tmp_path):
    line = ("--all", "--dataset", "digits", "--images", "1500", "--batch-size", "50")
    done = shell("sweep", tmp_path / "all", *line, timeout=900)
    assert done.code == 0, done.err
    assert {path.parent.name for path in (tmp_path / "all").glob(f"*/{SCORES}")} == {*SCRIPTS}
    assert (tmp_path / "all" / "comparison.html").exists()


@pytest.mark.slow
@pytest.mark.alone
def test_a_thousand_runs_that_are_through_take_seconds(python, copy):
    folder = copy.parent / "many"
    text = "gan.py {" + ",".join(f"{n}e-6" for n in range(1, 501)) + "} {1e-4,2e-4} 0.5 --dataset digits --images 1700"
    runs, record = [], read_record(copy / NAMES[0])
    for line in lines(text):
        (folder / line.name).mkdir(parents=True)
        settings = {**record["settings"], "lr_g": line.given["lr_g"], "lr_d": line.given["lr_d"]}
        write_record(folder / line.name, {**record, "settings": settings})
        entry = Entry(line, folder / line.name)
        runs.append({"name": line.name, "key": line.key, "finished": entry._own_length, "code": 0})
    (folder / "sweep.json").write_bytes(sealed_json({"runs": runs}))
    (folder / "comparison.html").write_bytes(b"")
    done = python("sweep", folder, text, "--no-evaluate")
    assert done.code == 0 and "1000 of them through already" in done.err
    assert done.seconds < 10
    assert "and 960 more in sweep.csv" in done.out


def test_a_job_array_runs_each_line(tool, tmp_path, python):
    folder = tmp_path / "a sweep"
    done = tool("sweep", folder, "{gan,lsgan}.py 1e-4 1e-4 0.5", *SHORT, "--slurm", "--jobs", 4)
    assert done.code == 0 and not folder.exists()
    assert "#SBATCH --array=0-1%4" in done.out
    script = tmp_path / "array.sh"
    script.write_text(done.out)
    subprocess.run(["bash", script], env={**os.environ, "SLURM_ARRAY_TASK_ID": "1"}, check=True, capture_output=True)
    assert record_of(folder / "lsgan")["state"] == "finished" and not (folder / "gan").exists()


def test_a_terminal_shows_bars_and_a_failure_above_them(tmp_path):
    import pty
    import termios

    main, other = pty.openpty()
    termios.tcsetwinsize(other, (24, 120))
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "lsgan").write_bytes(b"")
    line = command("sweep", folder, "{gan,lsgan}.py 1e-4 1e-4 0.5", *SHORT)
    child = subprocess.Popen(line, stderr=other, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})
    os.close(other)
    shown = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert child.wait() == 5
    assert b"/2 runs" in shown and b"lsgan: failed (5)" in shown and b"Traceback" not in shown
