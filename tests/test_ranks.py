"""One run by several processes: torchrun's ranks, through gloo on this machine's cores."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pix2pix
from common.errors import Apart, BadArgument, DataError, Lost
from common.nn import ranks
from common.nn.layers import Dropout, dropped
from common.options import Settings
from common.runs.checkpoint import read_checkpoint
from common.runs.names import GENERATOR
from common.training import agreement
from common.training.agreement import Agreement, refuse_a_bad_split
from common.training.stopping import Stopping

import pytest
import torch
from conftest import HOME, RATES, SCRIPTS, record_of, wait_until

OPTIONS = ("--dataset", "digits", "--precision", "fp32")
BATCHES = {"pix2pix": ("--width", 4, "--batch-size", 2)}  # its own are of one image
ENDS_WITHIN = 40  # seconds on a busy machine


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def together(spawn):
    """together("gan", ...): the processes of one run, as torchrun starts them; `env` by rank on top of that."""

    def start(*arguments, world=2, env=None):
        port = free_port()
        return [
            spawn(
                *arguments,
                env={
                    **{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)},
                    **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"},
                    **((env or {}).get(rank, {})),
                },
            )
            for rank in range(world)
        ]

    return start


def ended(processes):
    """Their exit codes."""
    return [process.wait(ENDS_WITHIN) for process in processes]


def line_of(script, folder, *options):
    return (script, *RATES[script], folder, *OPTIONS, *BATCHES.get(script, ()), *options)


def weights(folder):
    return read_checkpoint(folder)["parts"]["networks"]["weights"]


def differences(one, other):
    """The names of what differs in what two runs have trained."""
    a, b = (read_checkpoint(folder)["parts"] for folder in (one, other))
    found = [
        f"{network}.{name}"
        for network, state in a["networks"]["weights"].items()
        for name, value in state.items()
        if not torch.equal(value, b["networks"]["weights"][network][name])
    ]
    for part in ("progress", "random"):
        kept = {key: value for key, value in a[part].items() if key not in ("seconds", "torch")}
        found += [f"{part}.{key}" for key, value in kept.items() if b[part][key] != value]
    found += [] if torch.equal(a["random"]["torch"], b["random"]["torch"]) else ["random.torch"]
    found += [] if (one / GENERATOR).read_bytes() == (other / GENERATOR).read_bytes() else [GENERATOR]
    return found


# --- what is drawn


@pytest.fixture
def as_rank(monkeypatch):
    """as_rank(1, 2): this process passes for that one of so many."""

    def become(rank, world):
        monkeypatch.setattr(ranks, "rank", lambda: rank)
        monkeypatch.setattr(ranks, "world", lambda: world)

    return become


@pytest.mark.parametrize("world", [2, 4])
def test_shares_together_are_what_one_process_would_draw(as_rank, world):
    torch.manual_seed(0)
    whole = torch.randn(8, 3)
    shares = []
    for rank in range(world):
        as_rank(rank, world)
        torch.manual_seed(0)
        shares.append(ranks.share_of(lambda count: torch.randn(count, 3), 8 // world))
    assert torch.equal(torch.stack(shares, 1).flatten(0, 1), whole)


@pytest.mark.parametrize("drop", [Dropout(0.5), lambda x: dropped(x, 0.5)])
def test_dropout_differs_between_processes_and_leaves_generators_alike(as_rank, drop):
    found, states = [], []
    for rank in range(2):
        as_rank(rank, 2)
        torch.manual_seed(0)
        found.append(drop(torch.ones(4, 50)))
        states.append(torch.get_rng_state())
    assert not torch.equal(*found) and torch.equal(*states)
    assert {*torch.stack(found).unique().tolist()} == {0.0, 2.0}


def test_an_augmented_share_is_the_share_of_what_is_augmented(as_rank):
    from common.nn.augment import augmented

    x = torch.rand(8, 1, 8, 8) * 2 - 1
    torch.manual_seed(0)
    whole = augmented(torch.cat([x, -x]))  # as D sees real images and fakes in one
    for rank in range(2):
        as_rank(rank, 2)
        torch.manual_seed(0)
        share = augmented(torch.cat([x[rank::2], -x[rank::2]]))
        assert torch.allclose(share, whole[rank::2], atol=1e-6)


# --- what is decided together


def test_a_process_alone_decides_at_once():
    stopping = Stopping(time.monotonic())
    asked = Agreement(stopping).ask(1, checkpoint_is_due=True)
    assert asked.checkpoint and not asked.time_is_up and asked.signal is None
    stopping.enter_the_loop(0.0)
    stopping.hear(15)
    asked = Agreement(stopping).ask(1)
    assert asked.time_is_up and asked.signal == 15


def test_several_ask_one_another_from_time_to_time_and_then_all_know(as_rank, monkeypatch):
    as_rank(0, 2)
    exchanged = []

    def largest(own):
        exchanged.append(own)
        return [signal.SIGTERM, *own[1:]] if len(exchanged) == 3 else own  # the other one's signal

    monkeypatch.setattr(ranks, "largest", largest)
    stopping, found = Stopping(time.monotonic()), []
    together = Agreement(stopping)
    together.begin(0)
    for step in range(1, 2000):
        time.sleep(0.001)
        found.append(together.ask(step))
        if found[-1].signal:
            break
    assert found[-1].signal == signal.SIGTERM and stopping.is_hurried
    assert len(exchanged) == 3 and 100 < len(found) < 2000  # at about every quarter of a second


@pytest.mark.parametrize(
    ("batch", "world", "why"),
    [(63, 2, "a multiple of 2"), (2, 4, "fewer images"), (64, 3, "of 3"), (2, 2, "at least 2")],
)
def test_a_batch_that_cannot_be_shared_is_refused(as_rank, batch, world, why):
    as_rank(0, world)
    with pytest.raises(BadArgument, match=why):
        refuse_a_bad_split(Settings(1e-4, 1e-4, 0.5, "", batch_size=batch))
    refuse_a_bad_split(Settings(1e-4, 1e-4, 0.5, "", batch_size=12))


def test_a_share_may_be_of_one_pair_where_a_batch_may(as_rank):
    as_rank(0, 2)
    refuse_a_bad_split(pix2pix.Settings(1e-4, 1e-4, 0.5, "", batch_size=2))


@pytest.mark.parametrize(
    ("device", "why"), [("cuda:1", "needs its own"), ("mps", "needs its own"), ("cuda", "than it has")]
)
def test_each_process_has_a_gpu_of_its_own(as_rank, monkeypatch, device, why):
    as_rank(2, 4)
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(BadArgument, match=why):
        ranks.own_gpu(torch.device(device))
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert ranks.own_gpu(torch.device("cuda")) == torch.device("cuda") and chosen == [2]
    assert ranks.own_gpu(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize(
    ("other", "kind"),
    [("code", BadArgument), ("torch", BadArgument), ("command line", BadArgument), ("data", DataError)],
)
def test_processes_that_are_not_alike_are_refused(as_rank, monkeypatch, other, kind):
    as_rank(0, 2)

    def gathered(own):
        about, fingerprint = own
        if other == "data":
            return [own, (about, "another")]
        return [own, ({**about, other: "another"}, fingerprint)]

    monkeypatch.setattr(ranks, "gathered", gathered)
    with pytest.raises(kind, match="process 1 has"):
        agreement.refuse_differences({"lr_g": 1e-4}, "fingerprint")
    monkeypatch.setattr(ranks, "gathered", lambda own: [own, own])
    agreement.refuse_differences({"lr_g": 1e-4}, "fingerprint")


def test_processes_that_have_come_apart_end(as_rank, monkeypatch):
    as_rank(0, 2)
    monkeypatch.setattr(ranks, "gathered", lambda own: [own, "other"])
    with pytest.raises(Apart, match="process 1 has come apart from process 0"):
        agreement.refuse_apart([torch.ones(3)])
    monkeypatch.setattr(ranks, "gathered", lambda own: [own, own])
    agreement.refuse_apart([torch.ones(3), torch.zeros(2, dtype=torch.int64)])


def test_an_environment_that_makes_no_sense_is_refused(monkeypatch):
    for name in ranks.SAID_BY_TORCHRUN:
        monkeypatch.setenv(name, "x")
    with pytest.raises(BadArgument, match="no number"):
        ranks.join(on_gpus=False)


# --- two processes


def test_two_processes_train_one_run_and_the_first_speaks(together, tmp_path):
    processes = together(*line_of("dcgan", tmp_path / "run", "--epochs", 2, "--ema", 0.9))
    assert ended(processes) == [0, 0], processes[0].err + processes[1].err
    assert processes[1].err == "" and processes[1].out == ""
    assert "2 processes, each with 32 images of a batch, whose batch norm knows only these" in processes[0].err
    record = record_of(tmp_path / "run")
    assert (record["ranks"], record["state"], record["images"]) == (2, "finished", 3200)
    again = together(*line_of("dcgan", tmp_path / "run", "--epochs", 2, "--ema", 0.9))
    assert ended(again) == [0, 0] and "finished already" in again[0].err and again[1].err == ""


@pytest.fixture(scope="module")
def undisturbed(once, _server):
    """wgan_gp.py by two processes, three epochs of digits."""
    import warm

    def make(folder):
        port = free_port()
        env = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        processes = [
            warm.Spawned(*line_of("wgan_gp", folder, *LONG), env={**env, "RANK": rank, "LOCAL_RANK": rank})
            for rank in "01"
        ]
        assert ended(processes) == [0, 0], processes[0].err

    return once("by_two", make)


LONG = ("--epochs", 8, "--ema", 0.9, "--flip", "--checkpoint-every", "0.2s", "--sample-every", 4)


def test_another_number_of_processes_is_refused_unless_it_may_change(together, shell, undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    script, *line = line_of("wgan_gp", folder, "--epochs", 9)
    done = shell(script, *line)
    assert done.code == 5 and "was trained by 2 processes, and now there is 1" in done.err
    done = shell(script, *line, "--world-changed")
    assert done.code == 0 and "goes on with 1 process in place of 2" in done.err
    assert record_of(folder)["ranks"] == 1
    assert record_of(folder)["rank_changes"] == [{"step": 200, "ranks": 1}]


def test_a_refusal_of_the_first_is_everybodys(together, tmp_path):
    processes = together(*line_of("gan", tmp_path / "run", "--batch-size", 63))
    assert ended(processes) == [2, 2]
    assert "--batch-size 63: is the whole batch of 2 processes" in processes[0].err and processes[1].err == ""
    processes = together("gan", *RATES["gan"], tmp_path / "run", "--dataset", tmp_path / "none")
    assert ended(processes) == [3, 3] and "neither a data set" in processes[0].err and processes[1].err == ""
    assert not (tmp_path / "run").exists()


def test_a_signal_to_one_stops_all_with_a_checkpoint_and_the_run_goes_on_to_the_same_bytes(
    together, undisturbed, tmp_path
):
    line = line_of("wgan_gp", tmp_path / "run", *LONG)
    processes = together(*line)
    wait_until((tmp_path / "run" / "samples" / "epoch-0001.png").exists, processes[0])
    processes[1].send_signal(signal.SIGTERM)
    assert ended(processes) == [143, 143], processes[0].err
    assert "stopped by SIGTERM" in processes[0].err and record_of(tmp_path / "run")["state"] == "stopped"
    assert ended(together(*line)) == [0, 0]
    assert differences(undisturbed, tmp_path / "run") == []


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_run_which_goes_on_to_the_same_bytes(together, undisturbed, tmp_path, killed):
    line = line_of("wgan_gp", tmp_path / "run", *LONG)
    processes = together(*line)
    wait_until((tmp_path / "run" / "checkpoint.pt").exists, processes[0])
    processes[killed].kill()
    codes = ended(processes)
    assert codes[1 - killed] == Lost.code, codes
    assert "another process of this run has ended" in processes[1 - killed].err
    assert "Traceback" not in processes[1 - killed].err
    again = together(*line)
    assert ended(again) == [0, 0], again[0].err
    assert differences(undisturbed, tmp_path / "run") == []


def test_a_time_limit_is_everybodys(together, tmp_path):
    processes = together(*line_of("gan", tmp_path / "run", "--images", "2e7", "--time-limit", "6s"))
    assert ended(processes) == [0, 0] and "time limit reached" in processes[0].err


def test_what_is_not_finite_in_one_ends_all(together, tmp_path):
    processes = together(*line_of("wgan_gp", tmp_path / "run")[:1], "1e30", "1e30", 0, tmp_path / "run", *OPTIONS)
    assert ended(processes) == [4, 4] and "diverged in epoch 1" in processes[0].err and processes[1].err == ""
    assert record_of(tmp_path / "run")["state"] == "diverged"


@pytest.mark.slow
def test_in_32_bits_two_processes_train_what_one_does_at_small_rates(together, shell, tmp_path):
    """200 steps; at larger rates rounding grows, also between two runs of one process: see docs/scale.md."""
    line = ("r3gan", "1e-5", "1e-5", 0)
    options = (*OPTIONS, "--epochs", 8, "--batch-size", 64, "--quiet")
    assert ended(together(*line, tmp_path / "two", *options)) == [0, 0]
    assert shell(*line, tmp_path / "one", *options).code == 0
    two, one = weights(tmp_path / "two"), weights(tmp_path / "one")
    for network, state in one.items():
        scale = max(value.abs().max() for value in state.values())
        assert all((two[network][name] - value).abs().max() <= 1e-4 * scale for name, value in state.items())


def test_two_processes_train_what_one_does(together, shell, tmp_path):
    """200 steps of r3gan.py, 2 x 32 and 64 images, in 64-bit numbers.

    In 32-bit ones the first step of Adam alone turns rounding into differences of the learning rate, wherever a
    gradient is 0 but for it, whatever sums a batch in another order.
    """
    line = (Path(__file__).parent / "doubled.py", "2e-4", "2e-4", 0)
    options = ("--dataset", "digits", "--precision", "fp32", "--epochs", 8, "--batch-size", 64, "--quiet")
    assert ended(together(*line, tmp_path / "two", *options)) == [0, 0]
    assert shell(*line, tmp_path / "one", *options).code == 0
    two, one = weights(tmp_path / "two"), weights(tmp_path / "one")
    assert read_checkpoint(tmp_path / "two")["parts"]["progress"]["step"] == 200
    for network, state in one.items():
        for name, value in state.items():
            assert value.dtype == torch.float64
            assert (two[network][name] - value).abs().max() <= 1e-9 * value.abs().max(), (network, name)


# --- torchrun


def torchrun(*line, **options):
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port()]
    words = map(str, [*start, HOME / f"{line[0]}.py", *line[1:]])
    return subprocess.Popen([*words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **options)


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_torchrun_trains_and_a_killed_rank_ends_it(undisturbed, tmp_path):
    line = line_of("wgan_gp", tmp_path / "run", *LONG)
    starter = torchrun(*line)
    wait_until((tmp_path / "run" / "checkpoint.pt").exists, starter)
    os.kill(children_of(starter.pid)[-1], signal.SIGKILL)
    said = starter.communicate(timeout=90)[1]
    assert starter.returncode == 1, said
    again = torchrun(*line)
    said = again.communicate(timeout=120)[1]
    assert again.returncode == 0, said
    assert differences(undisturbed, tmp_path / "run") == []


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_has_the_same_in_both_processes(together, tmp_path, script):
    """Refused otherwise at its checkpoints, of which there is one after each step that takes long enough."""
    length = ("--images", 1618, "--batch-size", 32, "--width", 8) if script == "pix2pix" else ("--images", 50 * 64)
    line = line_of(script, tmp_path / "run", *length, "--ema", 0.9, "--checkpoint-every", "0.1s")
    processes = together(*line)
    assert ended(processes) == [0, 0], processes[0].err
    record = record_of(tmp_path / "run")
    assert record["steps"] >= 50 and record["checkpoints"] > 1


# Besides checkpoint.pt, as above.
MOMENTS = ("run.json", "samples/epoch-0001.png", "checkpoint.prev.pt", "samples/epoch-0004.png")


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "killed"), [(moment, place % 2) for place, moment in enumerate(MOMENTS)])
def test_killed_at_any_moment_a_run_goes_on_to_the_same_bytes(together, undisturbed, tmp_path, moment, killed):
    line = line_of("wgan_gp", tmp_path / "run", *LONG)
    processes = together(*line)
    wait_until((tmp_path / "run" / moment).exists, processes[0])
    processes[killed].kill()
    assert ended(processes)[1 - killed] in (0, Lost.code)
    again = together(*line)
    assert ended(again) == [0, 0], again[0].err
    assert differences(undisturbed, tmp_path / "run") == []
