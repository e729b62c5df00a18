"""A fair share of the machine: how many threads a run has, gives up and takes back."""

import csv
import math
import os
import shlex
import signal
import subprocess
import sys
import time
from itertools import pairwise

from common.errors import BadArgument
from common.machine import load as machine
from common.machine import runs as machine_runs
from common.machine.cores import allowed, quota
from common.machine.load import Load, Reading
from common.machine.runs import OtherRuns, Times, _by_family, _from_the_kernel, is_a_run, times_of
from common.nn import threads
from common.nn.threads import Threads, adapt, asked_for, chosen, fair_share, from_the_environment
from common.options import thread_count
from common.runs.record import write_record

import psutil
import pytest
import torch
from conftest import HOME, RATES, command, record_of, wait_until

BUSY = "while True: pass"


def reading(others=0.0, runs=(), waiting=0.0, ours=2.0, is_oldest=True):
    return Reading(ours=ours, waiting=waiting, others=others, runs=tuple(runs), is_oldest=is_oldest)


@pytest.fixture(autouse=True)
def threads_kept():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def cores(monkeypatch):
    """cores(16): a machine of so many cores, without other limits, and no OMP_NUM_THREADS."""

    def have(count):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        for module in (machine, threads):
            monkeypatch.setattr(module, "allowed", lambda: frozenset(range(count)))
            monkeypatch.setattr(module, "quota", lambda: math.inf)
        monkeypatch.setattr(torch, "get_num_threads", lambda: count)

    return have


class Replay:
    """A Load that reads what it is given; the last for ever. Its clock goes two seconds a reading."""

    def __init__(self, monkeypatch, *readings):
        self.readings, self.now = list(readings), 1000.0
        monkeypatch.setattr(threads.time, "monotonic", lambda: self.now)

    seconds = 2.0

    def read(self):
        self.now += self.seconds
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


# --- what a fair share is


@pytest.mark.parametrize(
    ("count", "others", "runs", "share"),
    [
        (2, 0.0, (), 2),  # alone
        (2, 0.3, (), 2),  # a browser
        (2, 0.6, (), 1),
        (2, 1.0, (), 1),  # a busy process
        (2, 2.0, (), 1),
        (2, 0.0, (math.inf,), 1),  # two lines at once
        (2, 0.0, (2.0,), 1),  # the other has both cores
        (2, 0.0, (1.0,), 1),
        (2, 0.0, (math.inf,) * 3, 1),  # four
        (16, 0.0, (math.inf,), 8),
        (16, 0.0, (16.0,), 8),
        (16, 0.0, (1.0,), 15),  # the other wants one only
        (16, 4.0, (16.0,), 6),
        (16, 0.0, (1.0, 16.0), 7),
        (16, 1.0, (), 15),
        (1, 0.0, (), 1),
    ],
)
def test_a_fair_share_leaves_every_other_run_as_much(cores, count, others, runs, share):
    cores(count)
    assert fair_share(reading(others, runs), count) == share


def test_a_quota_is_shared_and_load_outside_of_it_does_no_harm(cores, monkeypatch):
    cores(64)
    monkeypatch.setattr(machine, "quota", lambda: 4.0)
    assert fair_share(reading(others=30.0), 64) == 4
    assert fair_share(reading(others=62.0), 64) == 2


def test_a_new_run_has_what_the_machine_gives_within_a_quota(cores, monkeypatch):
    cores(8)
    assert chosen(None, Replay(monkeypatch, reading())).number == 8
    monkeypatch.setattr(threads, "quota", lambda: 2.5)
    assert chosen(None, Replay(monkeypatch, reading())).number == 2
    monkeypatch.setattr(threads, "quota", lambda: 0.5)
    assert chosen(None, Replay(monkeypatch, reading())).number == 1


# --- the quota of a container


def a_root(tmp_path, groups, **files):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        file = tmp_path / "sys/fs/cgroup" / name.replace("__", "/").replace("DOT", ".").replace("COMMA", ",")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path


def test_a_quota_of_cgroup_2_is_the_least_of_all_around(tmp_path):
    files = {"userDOTslice__cpuDOTmax": "150000 100000\n", "userDOTslice__run__cpuDOTmax": "max 100000\n"}
    assert quota(a_root(tmp_path, "0::/user.slice/run\n", **files)) == 1.5


def test_a_quota_of_cgroup_2_within_a_container(tmp_path):
    assert quota(a_root(tmp_path, "0::/\n", cpuDOTmax="400000 100000\n")) == 4


def test_a_quota_of_cgroup_1(tmp_path):
    group = "cpuCOMMAcpuacct__docker__0a"
    files = {f"{group}__cpuDOTcfs_quota_us": "50000\n", f"{group}__cpuDOTcfs_period_us": "25000\n"}
    assert quota(a_root(tmp_path, "5:memory:/x\n3:cpu,cpuacct:/docker/0a\n", **files)) == 2


def test_a_quota_of_cgroup_1_whose_path_is_the_hosts(tmp_path):
    files = {"cpu__cpuDOTcfs_quota_us": "300000\n", "cpu__cpuDOTcfs_period_us": "100000\n"}
    assert quota(a_root(tmp_path, "3:cpu,cpuacct:/docker/0a\n", **files)) == 3


@pytest.mark.parametrize("content", ["max 100000\n", "", "rubbish", "1 0\n"])
def test_no_quota(tmp_path, content):
    assert quota(a_root(tmp_path, "0::/\n", cpuDOTmax=content)) == math.inf


def test_no_quota_where_there_are_no_cgroups(tmp_path):
    assert quota(tmp_path) == math.inf


def test_a_real_quota_is_found(tmp_path):
    """In a control group of one's own, where the tests may make one."""
    group, own = "/sys/fs/cgroup/cpu/gan-test", "cpu.cfs_quota_us"
    if not os.path.isfile(f"/sys/fs/cgroup/cpu/{own}") or not os.access("/sys/fs/cgroup/cpu", os.W_OK):
        pytest.skip("no control group can be made here")
    try:
        os.mkdir(group)
    except OSError:
        pytest.skip("no control group can be made here")
    try:
        with open(f"{group}/{own}", "w") as file:
            file.write("150000")
        code = f"import sys; sys.path.insert(0, {str(HOME)!r}); from common.machine.cores import quota; print(quota())"
        enter = f"echo $$ > {group}/cgroup.procs; exec {sys.executable} -c {code!r}"
        assert subprocess.run(["sh", "-c", enter], capture_output=True, text=True).stdout == "1.5\n"
    finally:
        os.rmdir(group)


# --- what is asked for


def test_the_line_outranks_the_environment_and_that_the_checkpoint(cores, monkeypatch):
    cores(4)
    load = Replay(monkeypatch, reading())
    assert chosen(asked_for(None), load).number == 4
    assert chosen(asked_for(None), load, number=3, most=4).number == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert chosen(asked_for(None), load, number=3, most=4).number == 2
    assert chosen(asked_for(1), load, number=3, most=4).number == 1
    assert chosen(asked_for("auto"), load, number=3, most=4).number == 4


def test_beside_a_gpu_the_number_does_not_follow_the_load(cores, monkeypatch):
    cores(4)
    own = chosen(None, Replay(monkeypatch, reading(others=4.0, waiting=4.0)), adapts=False)
    assert looked(own, 6) == [4] * 6


@pytest.mark.parametrize(
    ("text", "number"),
    [("", None), ("3", 3), (" 4 ", 4), ("4,2", 4), *((odd, None) for odd in ("0", "-1", "many", "2000", "9" * 30))],
)
def test_what_the_variable_says(monkeypatch, text, number):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert from_the_environment() == number


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "all", "2000"])
def test_a_number_of_threads_that_makes_no_sense_is_refused(start, tmp_path, text):
    done = start("gan", "2e-4", "2e-4", "0.5", tmp_path / "run", "--threads", text)
    assert done.code == BadArgument.code and "--threads" in done.err and done.err.count("\n") == 1


def test_auto_and_numbers_are_understood():
    assert (thread_count("auto"), thread_count("3")) == ("auto", 3)


# --- giving up and taking back


def looked(own, times):
    """The numbers after so many looks."""
    return [(own.look() and 0) or own.number for _ in range(times)]


def test_a_starved_run_gives_threads_up_at_the_second_look(cores, monkeypatch):
    cores(2)
    load = Replay(monkeypatch, reading(), reading(others=1.0, waiting=0.9))
    own = chosen(None, load)
    assert [own.number, *looked(own, 3)] == [2, 2, 1, 1]


def test_a_short_burst_changes_nothing(cores, monkeypatch):
    cores(2)
    burst = reading(others=1.0, waiting=0.9)
    own = chosen(None, Replay(monkeypatch, reading(), burst, reading(), burst, reading()))
    assert looked(own, 8) == [2] * 8


def test_threads_do_not_come_back_in_the_middle_of_starvation(cores, monkeypatch):
    cores(4)
    starved, free = reading(waiting=2.0), reading()
    load = Replay(monkeypatch, *[free] * 5, starved, *[free] * 5, starved)
    own = Threads(load, 2, 4)
    assert looked(own, 11) == [2] * 11


def test_a_tool_says_once_that_it_gives_threads_up(cores, monkeypatch, capfd):
    cores(2)
    monkeypatch.setattr(threads, "register_module_forward_pre_hook", lambda look: [look() for _ in range(40)])
    starved, free = [reading(others=1.0, waiting=0.9)] * 2, [reading()] * 8
    adapt(None, Replay(monkeypatch, reading(), *starved, *free, *starved, *free), "sample.py")
    assert capfd.readouterr().err == (
        "sample.py: too few cores are free: 1 thread in place of 2, until there are more (--threads 2 keeps 2)\n"
    )
    monkeypatch.setattr(threads, "register_module_forward_pre_hook", None)
    adapt(2, Replay(monkeypatch, reading()), "sample.py")  # which has nothing to look at


def test_threads_come_back_when_the_machine_has_been_free_for_a_while(cores, monkeypatch):
    cores(2)
    starved = reading(others=1.0, waiting=0.9)
    own = chosen(None, Replay(monkeypatch, reading(), starved, starved, reading(others=1.0), reading(ours=1.0)))
    assert looked(own, 9) == [2, 1, 1, 1, 1, 1, 1, 1, 2]


def test_what_was_taken_back_in_vain_is_tried_ever_less_often(cores, monkeypatch):
    """A process that is busy whenever this run has two threads, or nearly."""
    cores(2)

    class Spoiler(Replay):
        def read(self):
            self.now += self.seconds
            return reading(others=1.0, waiting=0.9) if own.number == 2 else reading(ours=1.0)

    own = chosen(None, Replay(monkeypatch, reading()))
    own._load = Spoiler(monkeypatch, reading())
    numbers = looked(own, 1800)  # an hour
    raised = [i for i in range(1, len(numbers)) if numbers[i] > numbers[i - 1]]
    gaps = [later - earlier for earlier, later in pairwise(raised)]
    assert len(raised) < 15 and gaps == sorted(gaps) and gaps[-1] * 2 >= threads.MOST_PATIENCE
    assert numbers.count(2) < 60


def test_starvation_that_nobody_is_seen_to_cause_costs_one_thread_at_a_time(cores, monkeypatch):
    cores(4)
    own = chosen(None, Replay(monkeypatch, reading(), reading(waiting=2.0)))
    assert looked(own, 11) == [4, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2]


def test_a_fixed_number_stays(cores, monkeypatch):
    cores(2)
    own = chosen(2, Replay(monkeypatch, reading(others=2.0, waiting=2.0)))
    assert looked(own, 6) == [2] * 6


def test_a_run_that_goes_on_grows_no_further_than_it_was(cores, monkeypatch):
    cores(4)
    own = chosen(None, Replay(monkeypatch, reading(ours=1.0)), number=1, most=2)
    assert set(looked(own, 20)) == {1, 2}
    own = chosen(None, Replay(monkeypatch, reading(ours=1.0)), number=1)
    assert set(looked(own, 20)) == {1}


def test_where_the_kernel_does_not_tell_waiting_less_time_than_asked_for_is_starvation(cores, monkeypatch):
    cores(2)
    own = chosen(None, Replay(monkeypatch, reading(), reading(waiting=None, ours=1.1, others=0.9)))
    assert looked(own, 2) == [2, 1]
    own = chosen(None, Replay(monkeypatch, reading(), reading(waiting=None, ours=1.1, others=0.1)))
    assert looked(own, 6) == [2] * 6  # it simply has less to do


def several(cores, monkeypatch, count, most, number, looks):
    """The numbers of runs that see one another, look after look."""
    cores(most)

    class Seen:
        seconds, now = 2.0, 0.0

        def __init__(self, place):
            self.place = place

        def read(self):
            others = [float(own.number) for place, own in enumerate(runs) if place != self.place]
            wanted = sum(own.number for own in runs)
            mine = runs[self.place].number
            waiting = max(0.0, wanted - most) * mine / wanted
            return reading(runs=others, waiting=waiting, ours=mine, is_oldest=self.place == 0)

    monkeypatch.setattr(threads.time, "monotonic", lambda: Seen.now)
    runs = [Threads(Seen(place), number[place], most) for place in range(count)]
    history = []
    for _ in range(looks):
        Seen.now += 2.0
        for own in runs:
            own.look()
        history.append([own.number for own in runs])
    return history


@pytest.mark.parametrize(
    ("most", "number", "settled"),
    [
        (16, [16, 16], [8, 8]),  # started together
        (16, [16, 8], [8, 8]),  # one after the other
        (16, [4, 4], [8, 8]),  # two others have ended
        (2, [2, 1], [1, 1]),
        (8, [8, 8, 8], [2, 3, 3]),
        (4, [1, 1, 1], [2, 1, 1]),  # the oldest has what cannot be shared
    ],
)
def test_runs_that_see_one_another_come_to_rest(cores, monkeypatch, most, number, settled):
    history = several(cores, monkeypatch, len(number), most, number, 60)
    assert history[-1] == settled
    changes = sum(now != before for before, now in pairwise(history))
    assert changes <= 3, history


# --- reading this machine


def test_a_run_is_told_by_its_command_line():
    assert is_a_run(["/usr/bin/python3.11", "-u", "/home/me/gan/wgan.py", "5e-5"])
    assert is_a_run(["python", "sample.py"])
    assert is_a_run(["python", "-X", "dev", "-W", "ignore", "gan.py"])
    assert not is_a_run(["timeout", "60", "python", "gan.py"])  # whose child it is
    assert not is_a_run(["python", "-m", "pytest"]) and not is_a_run(["vim", "gan.py"]) and not is_a_run([])


def test_a_run_and_what_is_called_like_it_count_once_and_this_process_not_at_all():
    """A script that forks; and this process by the launcher that Windows' virtual environments have."""
    own = os.getpid()
    found = {own: (9.0, 20), 20: (8.0, 1), 30: (5.0, 1), 31: (6.0, 30), 32: (7.0, 31), 40: (4.0, 0)}
    assert [(run.pid, run.began, run.pids) for run in _by_family(found)] == [(30, 5.0, (30, 31, 32)), (40, 4.0, (40,))]


def test_a_run_with_a_child_more_is_the_same_run():
    alone, with_a_child = ({30: (5.0, 1), **more} for more in ({}, {31: (6.0, 30)}))
    before, now = (_by_family({os.getpid(): (9.0, 20), **found}) for found in (alone, with_a_child))
    assert before == now and before[0].pids != now[0].pids


def test_processes_that_hide_or_end_are_no_runs(monkeypatch):
    asked = []

    def process(pid):
        asked.append(pid)
        raise (psutil.AccessDenied if pid == 1 else psutil.NoSuchProcess)(pid)

    monkeypatch.setattr(psutil, "pids", lambda: [1, 2])
    monkeypatch.setattr(psutil, "Process", process)
    runs = OtherRuns()
    assert runs.here() == [] and runs.here() == []
    assert asked.count(1) == 1  # it will not say more the next time
    assert times_of([10**9]).ran == {}


def test_a_machine_that_shows_nothing_still_runs(monkeypatch):
    def hidden(*_, **__):
        raise PermissionError("/proc/stat")

    for name in ("pids", "cpu_times", "boot_time", "Process"):
        monkeypatch.setattr(psutil, name, hidden)
    found = Load().read()
    assert found.others == 0 and found.runs == () and found.is_oldest


def test_a_kernel_that_keeps_no_waiting_times_is_not_believed(tmp_path, monkeypatch):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "schedstat").write_text("0 0 0\n")
    zeros = _from_the_kernel(tmp_path)
    assert zeros == ({7: 0.0}, {7: 0.0})
    monkeypatch.setattr(machine_runs, "_from_the_kernel", lambda tasks: zeros)
    found = times_of([os.getpid()])
    assert found.waited is None and found.ran[os.getpid()] > 0


def test_time_is_counted_of_threads_that_are_there():
    before, now = Times({1: 5.0, 2: 1.0}, {1: 0.5, 2: 0.0}), Times({1: 6.0, 3: 0.25}, {1: 1.0, 3: 0.5})
    assert now.since(before) == (1.25, 1.0)
    assert now.since(Times({1: 5.0}, None)) == (1.25, None)


def test_a_busy_process_is_seen_and_own_work_is_not():
    load, began = Load(), time.process_time()
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        end = time.monotonic() + 1
        while time.monotonic() < end:
            pass
        found, worked = load.read(), time.process_time() - began
        busy.kill()
    assert found.ours == pytest.approx(worked, abs=0.15) and found.others > 0.3


def test_other_runs_are_seen_and_what_they_want(tmp_path, monkeypatch):
    """A program that is called like one of the scripts and works on one core."""
    (tmp_path / "gan.py").write_text(BUSY)
    monkeypatch.setattr(machine, "YOUNG", 0.5)
    load = Load()
    # Not a child of this process, which would be of its own family.
    line = shlex.join([sys.executable, str(tmp_path / "gan.py")])
    other = int(subprocess.check_output(["sh", "-c", f"{line} >/dev/null 2>&1 & echo $!"]))
    try:
        until = time.monotonic() + 10
        while not (young := load.read()).runs and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(1)
        load.read()
        time.sleep(0.5)
        found = load.read()
    finally:
        os.kill(other, signal.SIGKILL)
    assert math.inf in young.runs
    assert any(wanted == pytest.approx(1, abs=0.3) for wanted in found.runs), found


# --- in a run


def columns(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def pretended(monkeypatch):
    """On a quiet machine of two cores, where threads are only counted: two real ones on a busy machine take minutes."""
    have = [2]
    monkeypatch.setattr(torch, "set_num_threads", lambda number: have.__setitem__(0, number))
    monkeypatch.setattr(torch, "get_num_threads", lambda: have[0])
    monkeypatch.setattr(threads, "allowed", lambda: frozenset(range(2)))
    monkeypatch.setattr(threads, "fair_share", lambda reading, most, slack=1.0: most)
    monkeypatch.delenv("OMP_NUM_THREADS")


def test_a_resumed_run_has_the_threads_of_its_checkpoint_unless_it_is_told_otherwise(start, tmp_path, pretended):
    folder = tmp_path / "run"

    def go_on(epochs, *options):
        done = start("gan", *RATES["gan"], folder, "--dataset", "digits", "--epochs", epochs, *options)
        assert done.code == 0, done.err
        return done.err

    go_on(1)
    assert record_of(folder)["threads"] == 2 and {row["threads"] for row in columns(folder)} == {"2"}
    go_on(2, "--threads", 1)
    assert "in place of" not in go_on(3) and record_of(folder)["threads"] == 1

    os.environ["OMP_NUM_THREADS"] = "3"
    assert "goes on with 3 threads in place of 1" in go_on(4)
    assert "goes on with 1 thread in place of 3" in go_on(5, "--threads", 1)  # which outranks it
    assert "goes on with 2 threads in place of 1" in go_on(6, "--threads", "auto")

    epoch = record_of(folder)["steps"] // 6
    assert record_of(folder)["thread_changes"] == [
        {"step": done * epoch, "threads": number} for done, number in ((1, 1), (3, 3), (4, 1), (5, 2))
    ]
    assert [row["threads"] for row in columns(folder) if float(row["epoch"]).is_integer()] == [*"211312"]


def test_the_checkpoint_counts_where_run_json_is_ahead_of_it(start, tmp_path, pretended):
    """As after a kill: threads were given up behind the last checkpoint."""
    folder = tmp_path / "run"
    line = ("gan", *RATES["gan"], folder, "--dataset", "digits")
    start(*line, "--epochs", 1)
    write_record(folder, {**record_of(folder), "threads": 1, "state": "running"})
    start(*line, "--epochs", 2)
    assert record_of(folder)["threads"] == 2 and record_of(folder)["thread_changes"] == []


def test_a_starved_run_says_once_and_records_that_it_gives_threads_up(start, tmp_path, pretended, monkeypatch):
    """As if another program had taken a core at the tenth look and gone at the twentieth, and so on."""
    looks = []

    def look(own):
        looks.append(own.number)
        if len(looks) in (10, 20, 30):
            own.use(3 - own.number, 2)
            return True
        return False

    monkeypatch.setattr(Threads, "look", look)
    done = start("gan", *RATES["gan"], tmp_path / "run", "--dataset", "digits", "--epochs", 2)
    assert done.err.count("too few cores are free: 1 thread in place of 2") == 1
    changes = [{"step": 10, "threads": 1}, {"step": 20, "threads": 2}, {"step": 30, "threads": 1}]
    assert record_of(tmp_path / "run")["thread_changes"] == changes
    assert [row["threads"] for row in columns(tmp_path / "run")][-1] == "1"


@pytest.mark.slow
@pytest.mark.alone  # other tests keep cores busy, too
@pytest.mark.skipif(len(allowed()) < 2, reason="one core is all there is")
def test_a_run_beside_a_busy_process_gives_threads_up_and_takes_them_back(tmp_path):
    """Truly: a process that is busy on each core, for a while, beside a run that began alone."""
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    folder = tmp_path / "run"
    line = command("dcgan", *RATES["dcgan"], folder, "--dataset", "mnist-5k", "--checkpoint-every", "1s", "--fresh")

    def has(number):
        return (folder / "run.json").exists() and record_of(folder)["threads"] == number

    with subprocess.Popen(line, env=env, stderr=subprocess.PIPE, text=True) as run:
        try:
            wait_until(lambda: has(len(allowed())), run)
            busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in allowed()]
            wait_until(lambda: has(1), run)
            for process in busy:
                process.kill()
                process.wait()
            wait_until(lambda: has(len(allowed())), run)
        finally:
            run.terminate()
        said = run.stderr.read()
    assert said.count("too few cores are free") == 1
    changes = [change["threads"] for change in record_of(folder)["thread_changes"]]
    assert changes[-1] == len(allowed()) and 1 in changes
