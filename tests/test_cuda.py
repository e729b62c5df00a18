"""Every script on a GPU of NVIDIA's; without one these tests skip. All others hide the GPUs from what they start."""

import csv
import math
import os
import shutil
import subprocess
import sys

from common.runs.names import GENERATOR

import pytest
from conftest import RATES, SCRIPTS, SMALL
from PIL import Image

WITH_GPUS = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
if os.environ["GPUS_FOR_TESTS"] != "all":
    WITH_GPUS["CUDA_VISIBLE_DEVICES"] = os.environ["GPUS_FOR_TESTS"]
FIND = "import sys, torch; sys.exit(not torch.cuda.is_available())"


def there_is_one():
    return subprocess.run([sys.executable, "-c", FIND], env=WITH_GPUS, stderr=subprocess.DEVNULL).returncode == 0


pytestmark = pytest.mark.skipif(not shutil.which("nvidia-smi") or not there_is_one(), reason="no GPU of NVIDIA's")


@pytest.fixture
def train(python, tmp_path):
    """train("gan", "a", ...): the outcome and folder of a script's run on the GPU, on digits."""

    def run(script, name, *options, device="cuda"):
        line = (*RATES[script], tmp_path / name, *SMALL.get(script, ()), "--dataset", "digits", "--device", device)
        return python(script, *line, *options, env=WITH_GPUS), tmp_path / name

    return run


def rows_of(folder):
    with (folder / "log.csv").open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.parametrize("precision", ["auto", "fp32"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_trains_on_the_gpu(train, script, precision):
    done, folder = train(script, "run", "--epochs", 2, "--precision", precision)
    assert done.code == 0, done.err
    assert "(cuda)" in done.err and ("bf16" in done.err) == (precision == "auto")
    last = rows_of(folder)[-1]
    assert last["epoch"] == 2 and all(map(math.isfinite, last.values())) and len(last) > 5
    with Image.open(folder / "samples" / "latest.png") as grid:
        low, high = grid.convert("L").getextrema()
        assert high - low > 100  # not of one gray


@pytest.mark.parametrize("script", ["dcgan", "cgan", "r3gan"])
def test_a_stopped_run_goes_on_to_the_byte(train, script):
    at_once, a = train(script, "at-once", "--images", 9600)
    stopped, b = train(script, "stopped", "--images", 4800)
    goes_on, b = train(script, "stopped", "--images", 9600)
    assert (at_once.code, stopped.code, goes_on.code) == (0, 0, 0), goes_on.err
    assert (a / GENERATOR).read_bytes() == (b / GENERATOR).read_bytes()


def test_what_a_gpu_began_a_cpu_can_sample_score_and_go_on_with(train, python, tmp_path):
    done, folder = train("dcgan", "run", "--epochs", 1)
    assert done.code == 0, done.err
    for device in ("cuda", "cpu"):
        assert python("sample", folder, 16, tmp_path / f"{device}.png", "--device", device, env=WITH_GPUS).code == 0
        scored = python("evaluate", folder, "--device", device, env=WITH_GPUS)
        assert scored.code == 0 and "Fréchet" in scored.out, scored.err
    goes_on, _ = train("dcgan", "run", "--epochs", 2, device="cpu")
    assert goes_on.code == 0, goes_on.err
    assert rows_of(folder)[-1]["epoch"] == 2


def test_runs_share_a_gpu(python, tmp_path):
    line = "dcgan.py {1e-3,2e-3} 1e-3 0.5 --dataset digits --epochs 1"
    done = python("sweep", tmp_path / "sweep", line, "--gpus", "0.5", env=WITH_GPUS)
    assert done.code == 0, done.err
    with (tmp_path / "sweep" / "sweep.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["finished"] * 2


def test_one_rank_of_torchrun_has_the_gpu(tmp_path):
    line = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "1", "gan.py", *RATES["gan"]]
    line += [str(tmp_path / "run"), "--dataset", "digits", "--epochs", "1", "--device", "cuda"]
    done = subprocess.run(line, env=WITH_GPUS, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "(cuda)" in done.stderr, done.stderr


def test_too_large_a_batch_is_one_line(train):
    done, _ = train("dcgan", "run", "--batch-size", 1024, "--image-size", 1024, "--epochs", 1)
    assert done.code not in (0, 2) and "smaller --batch-size" in done.lines[-1], done.err
    assert "Traceback" not in done.err
