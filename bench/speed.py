"""Times every script's training step against the plain way of bench/plain.py, in turn in one run.

    python bench/speed.py out/speed --dataset fashion-mnist
    python bench/speed.py out/speed --scripts dcgan --dataset fashion-mnist --batch-size 1024

Both ways train in processes of their own, one of which works while the other waits, for a few seconds a round; what is
printed is the median of the rounds. The machine's rate is that of a product of two large square matrices in the
precision that the script trained in, between the rounds; the operations of a step are counted by torch. Seconds to the
first grid are those of the command itself, from its start. Writes speed.json and speed.md into the folder; options that
are not listed are given to the scripts.
"""

import argparse
import json
import multiprocessing
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lines import LINES, line_of
from common.console import say
from common.options import whole
from common.scripts import HOME
from common.storage.platforms import peak_memory

WARM_UP = 10  # steps
CYCLE = 20  # steps that operations are counted in: a multiple of every script's critic steps a generator step
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices whose product tells the machine's rate
PATIENCE = 600  # seconds that a process may take to answer


class Meter:
    """Between two steps, does what the parent asks for, and lets the run go on for as long as that takes."""

    def __init__(self, connection: Any, run: Any):
        self._connection, self._run = connection, run
        self._steps, self._next = 0, WARM_UP
        self._until = self._began = self._from = 0.0
        self._counter: Any = None

    def __call__(self) -> None:
        from bench.plain import Enough

        self._steps += 1
        if self._steps < self._next or (self._steps - self._next) % 5 or time.perf_counter() < self._until:
            return  # whole cycles of critic steps
        self._wait_for_device()
        now = time.perf_counter()
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            self._answer(self._counter.total / (self._steps - self._from))
        elif self._until:
            self._answer(((self._steps - self._from) * self._run.settings.batch_size, now - self._began))
        while True:
            order, *arguments = self._connection.recv()
            if order == "end":
                raise Enough
            if order == "rate":
                self._connection.send(multiply(self._run.device, self._run.precision))
            elif order == "about":
                self._connection.send(self._about())
            else:
                break
        self._from, self._until = self._steps, 0.0
        if order == "count":
            self._counter = operations()
            self._counter.__enter__()
            self._next = self._steps + CYCLE
        else:
            self._next = self._steps + 5
            self._began = time.perf_counter()
            self._until = self._began + arguments[0]

    def _answer(self, what: Any) -> None:
        self._counter = None
        self._connection.send(what)

    def _wait_for_device(self) -> None:
        import torch

        if self._run.device.type == "cuda":
            torch.cuda.synchronize(self._run.device)

    def _about(self) -> dict[str, Any]:
        import torch

        cuda = self._run.device.type == "cuda"
        peak = torch.cuda.max_memory_allocated() if cuda else peak_memory()
        return {
            "batch_size": self._run.settings.batch_size,
            "images": len(self._run.data.images),
            "shape": self._run.shape,
            "device": str(self._run.device),
            "precision": self._run.precision,
            "peak_memory": peak,
        }


def operations() -> Any:
    """A context that adds up, in `total`, the floating-point operations of products and convolutions within it.

    By torch's own formulas; its FlopCounterMode itself cannot look into a gradient that is differentiated again.
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class Operations(TorchDispatchMode):
        total = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            formula = flop_registry.get(function._overloadpacket)
            if formula:
                self.total += formula(*args, **(kwargs or {}), out_val=result)
            return result

    return Operations()


def multiply(device: Any, precision: str) -> float:
    """Operations a second of a large matrix product: the median of five."""
    import torch

    side = SIDE[device.type]
    a, b = torch.randn(2, side, side, device=device, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    seconds = []
    for _ in range(6):
        begun = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - begun)
    return 2 * side**3 / statistics.median(seconds[1:])


def work(connection: Any, way: str, name: str, line: list[str]) -> None:
    """The process of one way: trains, and answers what `Meter` is asked."""
    from bench import plain

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    script, run = plain.start(way, name, line)
    plain.train(script, run, Meter(connection, run))


class Process:
    """One way of one script, training on demand."""

    def __init__(self, way: str, name: str, line: list[str]):
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(theirs, way, name, line), daemon=True)
        self._process.start()
        theirs.close()

    def ask(self, *order: Any) -> Any:
        """Raises EOFError if the process has ended, TimeoutError if it does not answer."""
        self._connection.send(order)
        if not self._connection.poll(PATIENCE):
            raise TimeoutError
        return self._connection.recv()

    def rate(self, seconds: float) -> float:
        images, took = self.ask("run", seconds)
        return images / took

    def end(self) -> None:
        self._connection.send(("end",))
        self._process.join(60)


def measure(name: str, options: list[str], rounds: int, seconds: float, folder: Path) -> dict[str, Any]:
    """What one script's row says."""
    from common.nn.threads import from_the_environment, of_the_machine

    threads = str(from_the_environment() or of_the_machine())  # of which neither way gives any to the other
    undisturbed = ["--quiet", "--checkpoint-every", "24h", "--sample-every", "1000000", "--threads", threads]
    ways = {
        way: Process(way, name, line_of(LINES[name], folder / way, [*options, *undisturbed]))
        for way in ("ours", "plain")
    }
    operations = ways["ours"].ask("count") / ways["ours"].ask("about")["batch_size"]
    found: dict[str, list[float]] = {"ours": [], "plain": [], "rate": []}
    for i in range(rounds):
        for way in list(ways)[:: 1 if i % 2 else -1]:
            found[way].append(ways[way].rate(seconds))
        found["rate"].append(ways["ours"].ask("rate"))
    about = {way: process.ask("about") for way, process in ways.items()}
    for process in ways.values():
        process.end()
    ours, plain, rate = (statistics.median(found[what]) for what in ("ours", "plain", "rate"))
    return {
        **about["ours"],
        "plain": plain,
        "ours": ours,
        "ratio": statistics.median(a / b for a, b in zip(found["ours"], found["plain"], strict=True)),
        "operations": operations,
        "rate": rate,
        "share": statistics.median(o * operations / r for o, r in zip(found["ours"], found["rate"], strict=True)),
        "plain_memory": about["plain"]["peak_memory"],
        "seconds_an_epoch": about["ours"]["images"] / ours,
        "seconds_to_first_grid": first_grid(name, folder / "grid", options),
        "rounds": found,
    }


def first_grid(name: str, folder: Path, options: list[str]) -> float:
    """From the start of the script's command to its first picture of samples."""
    begun = time.monotonic()
    command = [sys.executable, str(HOME / f"{name}.py"), *line_of(LINES[name], folder, [*options, "--quiet"])]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        while not any(folder.glob("samples/*.png")):
            if child.poll() is not None:
                raise EOFError(child.stderr.read())
            time.sleep(0.05)
        took = time.monotonic() - begun
        child.terminate()
    return took


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    from common.nn.device import resolve_precision

    import torch

    model, flags = platform.processor() or platform.machine(), ""
    if Path("/proc/cpuinfo").exists():
        lines = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
        lines = {key.strip(): value.strip() for key, value in lines.items()}
        model, flags = lines.get("model name", model), lines.get("flags", "")
    cpu = torch.device("cpu")
    precisions = dict.fromkeys(("fp32", resolve_precision("auto", cpu)))  # emulated, bf16 would take minutes
    return {
        "processor": model,
        "threads": torch.get_num_threads(),
        "bf16": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags.split()],
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "cpu_rates": {precision: multiply(cpu, precision) for precision in precisions},
        "date": time.strftime("%Y-%m-%d"),
    }


Cell = Callable[[dict[str, Any]], str]
COLUMNS: dict[str, Cell] = {
    "batch": lambda row: f"{row['batch_size']} of {row['shape'][1]}x{row['shape'][2]}",
    "plain, images/s": lambda row: f"{row['plain']:,.0f}",
    "ours, images/s": lambda row: f"**{row['ours']:,.0f}**",
    "ratio": lambda row: f"{row['ratio']:.2f}",
    "operations an image": lambda row: f"{row['operations'] / 1e6:,.0f} M",
    "a second": lambda row: f"{row['operations'] * row['ours'] / 1e12:.3g} T",
    "share of the machine": lambda row: f"{row['share']:.0%} of {row['rate'] / 1e12:.3g} T ({row['precision']})",
    "an epoch": lambda row: f"{row['seconds_an_epoch']:.3g} s",
    "first grid": lambda row: f"{row['seconds_to_first_grid']:.3g} s",
    "peak memory (plain)": lambda row: f"{row['peak_memory'] / 1e9:.2f} GB ({row['plain_memory'] / 1e9:.2f})",
}


def table(found: dict[str, Any]) -> str:
    """The report in Markdown."""
    about = found["machine"]
    of = about["gpu"] if any(row["device"] != "cpu" for row in found["scripts"].values()) else None
    rates = ", ".join(f"{precision} {rate / 1e12:.3g}" for precision, rate in about["cpu_rates"].items())
    instructions = f" with {' and '.join(about['bf16'])}" if about["bf16"] else ""
    lines = [
        f"{of or about['processor'] + instructions}, {about['threads']} CPU threads (its matrix products, TFLOP/s:"
        f" {rates}), torch {about['torch']}, {about['date']}; {found['rounds']} rounds of {found['seconds']:g} s.",
        "",
        "    " + found["command"],
        "",
        f"| | {' | '.join(COLUMNS)} |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    for name, row in found["scripts"].items():
        lines.append(f"| `{name}.py` | {' | '.join(cell(row) for cell in COLUMNS.values())} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("folder", type=Path, help="where speed.json and speed.md go")
    parser.add_argument("--scripts", nargs="+", choices=LINES, default=list(LINES), metavar="NAME", help="default: all")
    parser.add_argument("--rounds", type=whole(), default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of training in a round, for each way")
    known, options = parser.parse_known_args()
    found: dict[str, Any] = {
        "command": f"python bench/speed.py {' '.join(sys.argv[1:])}",
        "machine": machine(),
        "rounds": known.rounds,
        "seconds": known.seconds,
        "scripts": {},
    }
    known.folder.mkdir(parents=True, exist_ok=True)
    for name in known.scripts:
        folder = Path(tempfile.mkdtemp(prefix="speed-"))
        try:
            row = measure(name, options, known.rounds, known.seconds, folder)
        except (EOFError, OSError) as error:
            say(f"{name}.py: its process ended, see above {error}")
            return 1
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        found["scripts"][name] = row
        about = f"{row['ours']:,.0f} images/s, plain {row['plain']:,.0f}, ratio {row['ratio']:.2f}"
        print(f"{name}.py: {about}, {row['share']:.0%} of the machine's {row['rate'] / 1e12:.3g} TFLOP/s", flush=True)
        (known.folder / "speed.json").write_text(json.dumps(found, indent=1) + "\n")
        (known.folder / "speed.md").write_text(table(found))
    print("\n" + table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
