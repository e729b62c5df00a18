import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

# Before torch: there are as many processes as cores, and threads that wait for one another on busy cores take minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What the tests say of threads, ranks and bytes is said of CPUs; tests/test_cuda.py gives its processes the GPUs back.
# (pytest's workers inherit what the first process has set.)
os.environ.setdefault("GPUS_FOR_TESTS", os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import hypothesis
import numpy as np
import pytest
import warm
from filelock import FileLock, ReadWriteLock
from warm import Outcome

# How long an example takes says nothing on a machine that others use, too.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

HOME = Path(__file__).resolve().parent.parent
REAL_DATA = HOME.parent / "shared" / "data"
sys.path.insert(0, str(HOME))

SCRIPTS = ("gan", "dcgan", "lsgan", "wgan", "wgan_gp", "ebgan", "cgan", "pix2pix", "r3gan")
RATES = dict.fromkeys(SCRIPTS, ("2e-4", "2e-4", "0.5"))
RATES |= {"wgan": ("5e-5", "5e-5", "0.5"), "wgan_gp": ("1e-4", "1e-4", "0"), "ebgan": ("1e-3", "1e-3", "0.5")}
RATES |= {"r3gan": ("2e-4", "2e-4", "0")}
SMALL = {"pix2pix": ("--width", 4, "--batch-size", 64)}  # its own are made for hours


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)  # last, when least waits for them


@pytest.fixture(autouse=True)
def machine(request, tmp_path_factory):
    """Slow tests share the machine; one that is marked `alone` has it to itself, whatever the number of workers."""
    if request.node.get_closest_marker("slow") is None:
        yield
        return
    lock = ReadWriteLock(shared_by_workers(tmp_path_factory) / "machine.lock")
    alone = request.node.get_closest_marker("alone") is not None
    with lock.write_lock() if alone else lock.read_lock():
        yield


def shared_by_workers(tmp_path_factory):
    """The temporary folder of all of pytest's workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """Nothing of the user's own cache or data is read or written."""
    from common.data.cache import cache_folder

    os.environ["GAN_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ.pop("GAN_DATA", None)
    os.environ.pop("PYTHONUNBUFFERED", None)  # with which a closed pipe does no harm
    cache_folder.cache_clear()


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache that nothing has been read into."""
    from common.data.cache import cache_folder

    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    cache_folder.cache_clear()
    yield
    cache_folder.cache_clear()


def load(dataset, data_root=None, **reading):
    """The set of that name or path, read as these fields of Reading say."""
    from common.data import registry
    from common.data.reading import Reading

    name = None if dataset is None else str(dataset)
    return registry.load(name, Reading(data_root and str(data_root), **reading))


@pytest.fixture(scope="session")
def real_data():
    if not REAL_DATA.is_dir():
        pytest.skip(f"no real data in {REAL_DATA}")
    return REAL_DATA


@pytest.fixture
def launch(capfd, monkeypatch):
    """launch(main, *arguments): the outcome of a script whose `main` is this function, in this process."""
    from common.options import Settings
    from common.storage.platforms import signals_kept
    from common.training import launch

    def run(main, *arguments, settings=Settings, doc=""):
        monkeypatch.setattr(sys, "argv", ["script.py", *map(str, arguments)])
        capfd.readouterr()
        with signals_kept(), pytest.raises(SystemExit) as end:
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
    """The line of a script, which is a name or a path."""
    return [sys.executable, str(HOME / f"{script}.py" if isinstance(script, str) else script), *map(str, arguments)]


@pytest.fixture(scope="session")
def python():
    """python("wgan", ...) runs a script as a user does, from the interpreter's start; options are subprocess.run's.

    Its outcome has the `seconds` of processors that this took.
    """

    def run(script, *arguments, timeout=300, **options):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command(script, *arguments), capture_output=True, text=True, timeout=timeout, **options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return Outcome(done.returncode, done.stdout, done.stderr, seconds)

    return run


@pytest.fixture(scope="session")
def _server(cache_of_the_tests):
    with pytest.MonkeyPatch.context() as patch:  # what matplotlib finds out as it is imported goes there, too
        patch.setenv("MPLCONFIGDIR", os.path.join(os.environ["GAN_CACHE"], "matplotlib"))
        warm.start_server()


@pytest.fixture(scope="session")
def shell(_server):
    """shell("wgan", ...) runs a script in a process of its own, off the warm server, to its end; see warm.Spawned."""
    return warm.run


@pytest.fixture
def spawn(_server):
    """spawn("wgan", ...): the same, while it runs."""
    spawned = []

    def start(*arguments, **options):
        spawned.append(warm.Spawned(*arguments, **options))
        return spawned[-1]

    yield start
    for process in spawned:
        process.kill()
        process.wait()


def processor_seconds(pid):
    """What a process has had of the processors so far, which tells its speed also where others are busy."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(happened, process):
    """Returns when `happened()`; fails where the process, which is to bring it about, has ended before."""
    while not happened():
        ended = process.poll()
        assert ended is None or happened(), f"it ended with {ended} before: {getattr(process, 'err', '')}"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """once(name, make): the folder that `make(folder)` fills, once for all workers. Whoever changes it takes a copy."""
    shared = shared_by_workers(tmp_path_factory) / "once"

    def made(name, make):
        shared.mkdir(exist_ok=True)
        with FileLock(shared / f"{name}.lock"):
            if not (shared / name).exists():
                shutil.rmtree(shared / "begun" / name, ignore_errors=True)
                make(shared / "begun" / name)
                (shared / "begun" / name).rename(shared / name)
        return shared / name

    return made


@pytest.fixture(scope="session")
def trained(once, shell):
    """trained("gan", "--epochs", 3): a finished run on digits with a grid an epoch. Also to lock it takes a copy."""

    def run(script, *options, rates=None):
        line = (*(rates or RATES[script]), *SMALL.get(script, ()), *options)

        def make(folder):
            arguments = (*line[:3], folder, "--dataset", "digits", "--sample-every", 1, *line[3:])
            done = shell(script, *arguments)
            assert done.code == 0, done.err

        return once("_".join([script, *map(str, line)]), make)

    return run


@pytest.fixture(scope="session")
def finished(trained, tmp_path_factory):
    """A finished run of gan.py, three epochs; tests that change it take a copy."""
    return shutil.copytree(trained("gan", "--epochs", 3), tmp_path_factory.mktemp("finished") / "gan")


@pytest.fixture
def brief_classifier(monkeypatch):
    """The network that scores a labelled set of one's own is trained for 60 steps in place of thousands."""
    from common.scoring.classifier import train_classifier

    monkeypatch.setattr(train_classifier, "__defaults__", (60, 30.0))


@pytest.fixture
def patterns():
    """patterns(n, size, channels): n different uint8 images (n, size, size, channels)."""

    def make(count, size=12, channels=1, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels), dtype=np.uint8)

    return make
