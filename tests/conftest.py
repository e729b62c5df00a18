import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch: as many processes as cores, one thread each

import numpy as np
import pytest

HOME = Path(__file__).resolve().parent.parent
REAL_DATA = HOME.parent / "shared" / "data"
sys.path.insert(0, str(HOME))

SCRIPTS = ("gan", "dcgan", "lsgan", "wgan", "wgan_gp", "ebgan", "cgan", "pix2pix", "r3gan")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Nothing of the user's own cache or data is read or written."""
    from common.data.cache import cache_folder

    os.environ["GAN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("GAN_DATA", None)
    cache_folder.cache_clear()


@pytest.fixture(scope="session")
def real_data():
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data in {REAL_DATA}")
    return REAL_DATA


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self):
        return self.err.strip().splitlines()


@contextlib.contextmanager
def handlers_kept():
    """What a script does with signals in this process ends with it."""
    from common.storage.platforms import SIGNALS

    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.fixture
def launch(capfd, monkeypatch):
    """launch(main, *arguments): the outcome of a script whose `main` is this function, in this process."""
    from common.options import Settings
    from common.training import launch

    def run(main, *arguments, settings=Settings, doc=""):
        monkeypatch.setattr(sys, "argv", ["script.py", *map(str, arguments)])
        capfd.readouterr()
        with handlers_kept(), pytest.raises(SystemExit) as end:
            launch(main, settings, doc)
        out, err = capfd.readouterr()
        return Outcome(end.value.code, out, err)

    return run


@pytest.fixture
def start(launch):
    """start("wgan", ...) runs a script with these arguments in this process: quick, for what ends before training."""

    def run(script, *arguments):
        module = importlib.import_module(script)
        return launch(module.main, *arguments, settings=module.Settings, doc=module.__doc__)

    return run


@pytest.fixture
def tool(capfd, monkeypatch):
    """tool("sample", ...) runs sample.py and its like with these arguments in this process."""

    def run(name, *arguments):
        from common.console import guarded

        module = importlib.import_module(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            guarded(f"{name}.py", module.parse, module.main)
        out, err = capfd.readouterr()
        return Outcome(end.value.code or 0, out, err)

    return run


def record_of(folder):
    return json.loads((folder / "run.json").read_text())


def corrupt(file, where=0.5):
    """Flips a bit at this part of the file."""
    content = bytearray(file.read_bytes())
    content[int(len(content) * where)] ^= 1
    file.write_bytes(content)


def command(script, *arguments):
    return [sys.executable, str(HOME / f"{script}.py"), *map(str, arguments)]


@pytest.fixture
def shell():
    """shell("wgan", ...) runs a script as a user does, in a process of its own."""

    def run(script, *arguments, env=None, timeout=120):
        done = subprocess.run(
            command(script, *arguments),
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def patterns():
    """patterns(n, size, channels): n different uint8 images (n, size, size, channels)."""

    def make(count, size=12, channels=1, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), dtype=np.uint8)

    return make
