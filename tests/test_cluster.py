"""Runs on a Ray cluster: two nodes on this machine."""

import contextlib
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.chaos import differences
from common.errors import BadArgument, FolderError, Unreachable
from common.runs.folder import RunFolder
from common.storage.platforms import signals_kept
from common.sweep import cluster as cluster_module
from common.sweep.pool import Start

import psutil
import pytest
from conftest import HOME, RATES, record_of

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="no Ray: pip install -r requirements-cluster.txt")
CAN_MOUNT = (
    bool(shutil.which("unshare")) and not subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode
)
LENGTH = ("--dataset", "digits", "--images", "9000", "--threads", "1")
LONG = ("--dataset", "digits", "--images", "10000000", "--threads", "1")
NODE = {"object_store_memory": 10**8, "num_gpus": 0}


@contextlib.contextmanager
def ctrl_c_ignored():
    with signals_kept():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        yield


@contextlib.contextmanager
def two_nodes(**second):
    """A cluster with one core at its head and such a second node, begun as in the background: Ctrl-C is ignored."""
    folder = tempfile.mkdtemp(prefix="ray-")  # short, as names of sockets have to be
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)  # also of the file that says which cluster is `auto`
        head = {**NODE, "num_cpus": 1, "include_dashboard": False}
        with ctrl_c_ignored():
            cluster = cluster_utils.Cluster(initialize_head=True, connect=False, head_node_args=head)
        try:
            with ctrl_c_ignored(), pytest.MonkeyPatch.context() as shown:
                shown.delenv("CUDA_VISIBLE_DEVICES")  # Ray refuses a GPU that it is told of where all are hidden
                cluster.second = cluster.add_node(**NODE | second)
            cluster.wait_for_nodes()
            yield cluster
        finally:
            cluster.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster():
    with two_nodes(num_cpus=2, num_gpus=1) as cluster:
        yield cluster


@pytest.fixture
def pool(tmp_path):
    """pool(address): on that cluster, for runs below the test's folder."""
    with contextlib.ExitStack() as undo:

        def make(address, gpus=0, retries=5):
            made = cluster_module.RayPool(address, tmp_path, 1, gpus, retries)
            undo.callback(made.close)
            return made

        yield make


@pytest.fixture
def run_of(tmp_path):
    """run_of("name", *options): a start of gan.py below the test's folder."""

    def make(name, *options, rates=RATES["gan"]):
        arguments = (*rates, tmp_path / name, *options)
        return Start(name, "gan", tuple(map(str, arguments)), tmp_path / "logs" / f"{name}.txt")

    return make


def said_by(start):
    return start.log.read_text() if start.log.exists() else ""


def attempts_of(start):
    return said_by(start).count("# attempt")


def trains(start, epochs=2):
    """Whether its log has rows of whole epochs by now."""
    return sum(line.startswith("epoch ") for line in said_by(start).splitlines()) > epochs


def process_of(start):
    """Of the run itself."""
    (found,) = [
        process
        for process in psutil.process_iter(["cmdline", "name"])
        if start.arguments[3] in (process.info["cmdline"] or ()) and process.info["name"].startswith("python")
    ]
    return found


def train(pool, starts, each=lambda: None, limit=300):
    """Runs them all; their exit codes by name. `each` is called between two looks."""
    waiting, codes, until = list(starts), {}, time.monotonic() + limit
    while len(codes) < len(starts):
        while waiting and pool.room():
            pool.start(waiting.pop(0))
        codes |= dict(pool.ended())
        each()
        assert time.monotonic() < until, (codes, [said_by(start) for start in starts])
        time.sleep(0.02)
    return codes


def wait_for(happened, limit=60):
    until = time.monotonic() + limit
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_exit_codes_of_the_lines_are_theirs_and_no_reason_to_try_again(cluster, pool, run_of, tmp_path):
    starts = {
        2: run_of("wrong", "--epochs", 0),
        3: run_of("no data", "--dataset", tmp_path / "nowhere"),
        4: run_of("diverged", *LENGTH, rates=("1e30", "1e30", "0.5")),
    }
    codes = train(pool(cluster.address), starts.values())
    assert codes == {start.name: code for code, start in starts.items()}
    assert {attempts_of(start) for start in starts.values()} == {1}


def test_a_run_goes_on_after_it_or_its_worker_was_killed_and_ends_with_the_same_bytes(
    cluster, pool, run_of, shell, tmp_path, capfd
):
    """Nothing of what Ray says of it is on the terminal."""
    run, worker = run_of("run", *LENGTH, "--checkpoint-every", "1s"), run_of("worker", *LENGTH)
    victims = {run: process_of, worker: lambda start: process_of(start).parent().parent()}

    def kill():
        for start in [start for start in victims if trains(start)]:
            victims.pop(start)(start).kill()

    assert train(pool(cluster.address), [run, worker], kill) == {"run": 0, "worker": 0}
    out, err = capfd.readouterr()
    assert shell("gan", *RATES["gan"], tmp_path / "whole", *LENGTH, "--device", "cpu").code == 0
    assert not victims and out == ""
    assert attempts_of(run) == attempts_of(worker) == said_by(run).count("--device cpu  #") == 2
    assert "stopped by SIGTERM" in said_by(worker) and "stopped" not in said_by(run)
    first, *others = err.splitlines()
    assert "3 runs at once on 2 nodes" in first
    assert sorted(line.split(":")[0] for line in others) == ["run", "worker"]
    assert all("attempt 2 of 6 follows" in line for line in others)
    for start in (run, worker):
        assert differences(tmp_path / "whole", tmp_path / start.name) == []


def test_a_run_that_is_killed_again_and_again_is_given_up(cluster, pool, run_of, capfd):
    start, killed = run_of("run", *LONG), set()

    def kill():
        if attempts_of(start) > len(killed):
            with contextlib.suppress(ValueError, psutil.Error):  # it has not begun, or has just ended
                process = process_of(start)
                process.kill()
                killed.add(process.pid)

    assert train(pool(cluster.address, retries=1), [start], kill) == {"run": 137}
    assert attempts_of(start) == 2 and "given up after 2 attempts" in capfd.readouterr().err


def test_a_folder_that_is_held_is_waited_for(cluster, pool, run_of, tmp_path):
    """As by the run of a killed worker, which still writes its checkpoint."""
    holder, start = RunFolder(tmp_path / "run"), run_of("run", "--dataset", "digits", "--epochs", 1)
    holder.lock()

    def let_go():
        if "another process holds this run" in said_by(start):
            holder.release()

    assert train(pool(cluster.address), [start], let_go) == {"run": 0}
    assert attempts_of(start) == 2


def test_shares_of_a_gpu_are_used_at_the_same_time_and_a_stop_saves_all(cluster, pool, run_of, tmp_path):
    """Two halves of the only GPU. The third run, which waits for one, does not begin any more."""
    starts = [run_of(name, *LONG, "--device", "cpu") for name in ("a", "b", "c")]
    halves = pool(cluster.address, gpus=0.5)
    for start in starts:
        assert halves.room() == (start.name != "c")
        halves.start(start)
    wait_for(lambda: trains(starts[0]) and trains(starts[1]))
    began, codes = time.monotonic(), {}
    while len(codes) < 3 and time.monotonic() < began + 60:
        halves.stop()  # a sweep says so again and again
        codes |= dict(halves.ended())
    assert codes == {"a": 143, "b": 143, "c": 143} and not halves.room()
    for name in "ab":
        assert record_of(tmp_path / name)["state"] == "stopped" and (tmp_path / name / "checkpoint.pt").exists()
    assert not starts[2].log.exists()


def test_a_run_ends_with_a_checkpoint_when_the_sweep_is_killed(cluster, tmp_path):
    line = f"gan.py {' '.join(RATES['gan'])} {' '.join(LONG[:4])}"
    sweep = [sys.executable, HOME / "sweep.py", tmp_path / "sweep", line, "--ray", cluster.address]
    process = subprocess.Popen(sweep, stderr=subprocess.DEVNULL)
    logs = tmp_path / "sweep" / "logs"
    wait_for(lambda: [log.read_text().count("\nepoch ") > 2 for log in logs.glob("*.txt")] == [True])
    process.kill()
    process.wait()
    (record,) = (tmp_path / "sweep").glob("*/run.json")
    wait_for(lambda: json.loads(record.read_text())["state"] == "stopped")


# --- what is refused


def test_without_ray_one_line_says_how_to_get_it(monkeypatch, tool, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = tool("sweep", tmp_path / "sweep", "gan.py 2e-4 2e-4 0.5", "--ray", "auto")
    assert done.code == 2 and done.lines == ["sweep.py: --ray needs Ray: pip install -r requirements-cluster.txt"]


def test_a_cluster_that_is_out_of_reach_is_one_line(tool, tmp_path):
    with socket.socket() as silent:  # it takes connections and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        for address, word in (
            ("127.0.0.1:1", "refused"),
            ("nowhere.invalid:6379", ""),
            (f"127.0.0.1:{silent.getsockname()[1]}", "no cluster"),
        ):
            began = time.monotonic()
            done = tool("sweep", tmp_path / "sweep", "gan.py 2e-4 2e-4 0.5", "--ray", address)
            assert done.code == Unreachable.code and len(done.lines) == 1, done.err
            assert word in done.err and "ray start --head" in done.err
            assert time.monotonic() - began < 20


@pytest.mark.parametrize("address", ["here", "ray://here:10001", "here:port"])
def test_what_is_no_address_is_refused(pool, address):
    with pytest.raises(BadArgument, match="HOST:PORT"):
        pool(address)


def test_more_than_any_node_has_is_refused(cluster, pool):
    with pytest.raises(BadArgument, match="no node of the cluster has 1 cores and 2 GPUs"):
        pool(cluster.address, gpus=2)


def nodes_of(cluster):
    return len(cluster.global_state._live_node_ids())


def changed(file, old, new, tmp_path):
    """A shell command that lays a changed copy of a file over it."""
    copy = tmp_path / "changed"
    copy.write_text(file.read_text().replace(old, new, 1))
    return f"mount --bind {copy} {file}"


def metadata_of_torch():
    (file,) = [file for file in importlib.metadata.files("torch") if file.name == "METADATA"]
    return Path(file.locate())


UNFIT = {
    "folder": (FolderError, "does not share this folder", lambda tmp: f"mount -t tmpfs none {tmp / 'sweep'}"),
    "code": (BadArgument, "has other code in", lambda tmp: changed(HOME / "gan.py", "import", "# mine\nimport", tmp)),
    "torch": (
        BadArgument,
        "has torch 1.0, and this machine",
        lambda tmp: changed(metadata_of_torch(), "\nVersion: ", "\nVersion: 1.0\nOld: ", tmp),
    ),
}


@pytest.mark.skipif(not CAN_MOUNT, reason="a node that differs is made with `unshare -m`, which is not allowed here")
@pytest.mark.parametrize("what", UNFIT)
def test_a_node_that_differs_is_refused_by_name(cluster, tmp_path, what):
    kind, said, mount = UNFIT[what]
    (tmp_path / "sweep").mkdir()
    ray = Path(sys.executable).with_name("ray")
    join = f"exec {ray} start --address {cluster.address} --num-cpus 1 --node-name other --block"
    node = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", f"{mount(tmp_path)} && {join}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: nodes_of(cluster) == 3)
        with pytest.raises(kind, match=f"node other/[0-9a-f]+ {said}"):
            cluster_module.RayPool(cluster.address, tmp_path / "sweep", 1, 0, 5)
        assert not list((tmp_path / "sweep").iterdir())
    finally:
        node.terminate()
        node.wait()
        wait_for(lambda: nodes_of(cluster) == 2)


# --- the whole


@pytest.mark.slow
def test_a_node_is_lost_in_the_middle_of_a_sweep(pool, run_of, shell, tmp_path):
    """Of two, with twelve runs: all finish, and those that were moved have the bytes of undisturbed ones."""
    starts = [run_of(f"run-{seed}", *LENGTH, "--images", 7000, "--seed", seed) for seed in range(12)]
    with two_nodes(num_cpus=1) as cluster:

        def remove():
            if cluster.second is not None and sum(map(trains, starts)) >= 4:
                cluster.remove_node(cluster.second, allow_graceful=False)
                cluster.second = None

        pool_ = pool(cluster.address)
        assert train(pool_, starts, remove, limit=1200) == {start.name: 0 for start in starts}
        pool_.close()
    moved = [start for start in starts if attempts_of(start) > 1]
    assert cluster.second is None and moved
    for start in moved:
        assert (
            shell("gan", *RATES["gan"], tmp_path / "whole" / start.name, *start.arguments[4:], "--device", "cpu").code
            == 0
        )
        assert differences(tmp_path / "whole" / start.name, tmp_path / start.name) == []


@pytest.mark.slow
def test_a_run_moves_to_a_node_that_joins_and_ends_in_one_line_when_the_head_is_lost(pool, run_of, tmp_path, capfd):
    with two_nodes(num_cpus=1) as cluster:
        starts, pool_ = [run_of(name, *LONG) for name in "ab"], pool(cluster.address)
        for start in starts:
            pool_.start(start)

        def wait_until(happened):
            wait_for(lambda: pool_.ended() == [] and happened())

        wait_until(lambda: all(map(trains, starts)))
        cluster.remove_node(cluster.second, allow_graceful=False)
        wait_until(lambda: "attempt 2 of 6 follows" in capfd.readouterr().err)
        cluster.add_node(**NODE, num_cpus=1)
        wait_until(lambda: sorted(map(attempts_of, starts)) == [1, 2])
        cluster.head_node.kill_gcs_server()
        with pytest.raises(Unreachable, match=r"the head of the cluster, .*, is lost"):
            wait_until(lambda: False)
        pool_.close()
    assert all(record_of(tmp_path / name)["state"] == "stopped" for name in "ab")
