"""The run folder: its lock, settings, log and checkpoints. Nothing else writes into it.

`load_generator("out/wgan")` gives a run's generator to a program of one's own.
"""

import contextlib
import csv
import errno
import hashlib
import importlib.util
import io
import json
import os
import re
import stat
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from common import images
from common.cli import Busy, FolderError, first_line, say
from common.files import remove_leftovers, write_whole

import torch
from torch import nn

HOME = Path(__file__).resolve().parent.parent  # where the scripts are
LOCK, RECORD, LOG = ".lock", "run.json", "log.csv"
CHECKPOINT, PREVIOUS, GENERATOR = "checkpoint.pt", "checkpoint.prev.pt", "generator.safetensors"
SCORES, NEAREST = "scores.json", "nearest.png"  # evaluate.py's
AXES = ("epoch", "step", "generator_steps", "images", "seconds")  # columns of log.csv that say when
OURS = (
    *("samples", "samples.gif", "losses.png", "tensorboard", SCORES, NEAREST),
    *(LOG, GENERATOR, PREVIOUS, CHECKPOINT, RECORD),
)
LAUNCH = "launch(main, Settings, __doc__)"  # how a training script ends
SEAL = b"\nsha256:"  # followed by 64 hex digits, at the end of a checkpoint


def _sha256(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()


def _refuse_packed(body: memoryview) -> None:
    """torch.save stores tensors as they are; a file that would unpack to more than itself is a bomb."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        entries = archive.infolist()
    if any(one.compress_type != zipfile.ZIP_STORED for one in entries) or sum(e.file_size for e in entries) > len(body):
        raise ValueError("it is packed, as no checkpoint is")


# What is read of a record without looking first, and of what kind it is.
RECORDED = {"script": str, "state": str, "settings": dict, "given": list, "dataset": dict, "device": str}
RECORDED |= {"precision": str, "threads": int, "epochs": int, "sample_every": int, "started": str, "message": str}


def _digest_of(record: Mapping[str, Any]) -> str:
    return _sha256(
        json.dumps({key: value for key, value in record.items() if key != "sha256"}, sort_keys=True).encode()
    )


def _checked(record: Any) -> dict[str, Any]:
    """The record, if it is one. Raises KeyError, TypeError or ValueError."""
    for name, kind in RECORDED.items():
        if not isinstance(record[name], kind):
            raise ValueError(f"its {name} is no {kind.__name__}")
    dataset = record["dataset"]
    if not all(
        isinstance(dataset[name], kind) for name, kind in (("name", str), ("fingerprint", str), ("images", int))
    ):
        raise ValueError("its dataset is none")
    if not 0 < record["threads"] <= 1024:
        raise ValueError("its threads make no sense")
    return record


def generator_steps(step: int, settings: Mapping[str, Any]) -> int:
    """How many there were by a training step of a run of 0.2.0, which did not count them."""
    return int(step) // settings.get("n_critic", settings.get("d_steps", 1))


def _runs_in(folder: Path) -> list[Path]:
    return sorted(file.parent for file in folder.glob(f"[!.]*/{RECORD}"))  # not those in .old/


def neighbours(path: Path) -> list[Path]:
    """The other runs beside this one."""
    here = path.resolve()
    with contextlib.suppress(OSError):
        return [run for run in _runs_in(here.parent) if run != here]
    return []


def find_runs(paths: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The runs that are meant: a run's own folder, or a folder with runs in it, by name; never one in .old/.

    Says which paths are neither. Raises FolderError where that leaves nothing.
    """
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not os.path.lexists(path):
            raise FolderError(f"{path}: not there; give the folder of a run, such as out/gan")
        try:
            inside = _runs_in(path)
            inside += [path] if RunFolder(path).holds_a_run() else []
        except (OSError, FolderError):  # a file, or out of reach
            inside = []
        if not inside and not path.is_file():
            say(f"{path}: neither a run nor a folder with runs in it; passed over")
        for run in sorted(inside):
            found.setdefault(run.resolve(), run)
    if not found:
        raise FolderError(f"{', '.join(map(str, paths))}: no run there; give the folder of one, such as out/gan")
    return list(found.values())


def write_result(target: Path, content: bytes) -> None:
    """A file outside of run folders, whole or not at all. Raises FolderError."""
    try:
        write_whole(target, [content])
    except OSError as error:
        raise FolderError(f"{target}: cannot write ({error.strerror or error}); nothing was changed") from error


class RunFolder:
    """One run on disk. Whatever goes wrong with the folder is a FolderError; a held lock is Busy."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        try:
            state = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            state = None
        except OSError as error:  # such as a name that is too long
            raise FolderError(f"{self.path}: {error.strerror}; give another folder") from error
        if state is not None and not stat.S_ISDIR(state.st_mode):
            raise FolderError(f"{self.path}: is a file; give the run a folder of its own")
        self._lock = None
        self._board = None
        self._columns: list[str] = []  # of log.csv
        self._spoiled = False  # checkpoint.pt was found damaged: it must not take the previous one's place

    # --- reading

    def record(self) -> dict[str, Any] | None:
        """What run.json says, or None where no run has begun."""
        file = self.path / RECORD
        try:
            record = json.loads(file.read_bytes())
            if record["sha256"] != _digest_of(record):
                raise ValueError("its SHA-256 does not match")
            return _checked(record)
        except FileNotFoundError as error:
            if not self.holds_a_run():
                return None
            damage: Exception = error
        except OSError as error:
            raise FolderError(f"{file}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            damage = error
        state = self._restore(say_damage=False)  # every checkpoint carries a copy
        if state is None:
            raise FolderError(f"{file}: damaged ({damage}) and no checkpoint to rebuild it from; --fresh starts anew")
        say(f"{file}: missing or damaged; rebuilt from the checkpoint")
        return state["record"]

    def restore(self) -> dict[str, Any] | None:
        """The newest whole checkpoint, or None where there is none. Raises FolderError where none is whole."""
        state = self._restore(say_damage=True)
        if state is None and any((self.path / name).exists() for name in (CHECKPOINT, PREVIOUS)):
            raise FolderError(f"{self.path}: no checkpoint is whole; --fresh starts anew and keeps them in .old/")
        return state

    def check_checkpoints(self, record: Mapping[str, Any]) -> None:
        """Refuses a run that had a checkpoint, by its record, and has none any more."""
        if record.get("checkpoint_step") and not any((self.path / name).exists() for name in (CHECKPOINT, PREVIOUS)):
            raise FolderError(f"{self.path}: its checkpoints are gone; --fresh starts anew and keeps the rest in .old/")

    def _restore(self, say_damage: bool) -> dict[str, Any] | None:
        for name in (CHECKPOINT, PREVIOUS):
            file = self.path / name
            try:
                content = memoryview(file.read_bytes())
                body, seal = content[: -len(SEAL) - 64], content[-len(SEAL) - 64 :]
                if seal != SEAL + _sha256(body).encode():
                    raise ValueError("its SHA-256 does not match")
                _refuse_packed(body)
                state = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
                _checked(state["record"])
                return state
            except FileNotFoundError:
                continue
            except PermissionError as error:
                raise FolderError(f"{file}: cannot be read ({error.strerror})") from error
            except MemoryError:
                raise
            except Exception as error:  # a disk's error, or whatever torch.load makes of a file that is none
                self._spoiled |= name == CHECKPOINT
                if say_damage:
                    instead = f"; looking for {PREVIOUS}" if name == CHECKPOINT else ""
                    say(f"{file}: damaged ({first_line(error)}){instead}")
        return None

    def network(self, kind: str, *arguments: Any) -> nn.Module | None:
        """The network `kind(*arguments)` of the newest checkpoint, in evaluation mode, or None without a checkpoint."""
        state = self.restore()
        if state is None:
            return None
        weights = next((w for name, w in state["networks"].items() if name.endswith(f" {kind}")), {})
        about = {"script": state["record"]["script"], "class": kind, "arguments": arguments}
        return build(self.path / CHECKPOINT, about, weights).eval()

    def _log_lines(self) -> list[dict[str, str]]:
        try:
            with (self.path / LOG).open(newline="", encoding="utf-8", errors="replace") as file:
                return list(csv.DictReader(file))
        except FileNotFoundError:  # the run has just begun
            return []
        except (OSError, csv.Error) as error:
            say(f"{self.path / LOG}: cannot be read ({error})")
            return []

    def log(self) -> list[dict[str, float]]:
        """The rows of log.csv; what cannot be read as a number is left out."""
        rows = []
        for line in self._log_lines():
            row = {}
            for name, text in line.items():
                with contextlib.suppress(TypeError, ValueError):  # a line cut short, a blank
                    row[name] = float(text)
            if {"epoch", "step", "images", "seconds"} <= set(row):
                rows.append(row)
        return rows

    def log_agrees(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether log.csv begins with these rows; further ones are of steps that the checkpoint does not know."""
        lines = self._log_lines()[: len(rows)]
        return len(lines) == len(rows) and all(
            line.get(name) == str(value) for line, row in zip(lines, rows, strict=True) for name, value in row.items()
        )

    def amiss(self) -> str | None:
        """The file of a finished run that is not as it was written and that the run's checkpoint can restore."""
        state = self.restore()
        if state is None:
            return None
        if self._spoiled:
            return CHECKPOINT
        try:
            read_weights(self.path / GENERATOR, "generator")
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return GENERATOR
        return None if self.log_agrees(json.loads(state["rows"])) else LOG

    def frames(self) -> list[tuple[float, Path]]:
        """(epoch, file) of each grid in order; one that cannot be told an epoch is passed over."""
        found = []
        for file in (self.path / "samples").glob("epoch-*.png"):
            with contextlib.suppress(ValueError):
                found.append((float(file.stem.partition("-")[2]), file))
        return sorted(found)

    def scores(self) -> list[dict[str, Any]]:
        """The entries of scores.json, of which no two may be compared; none where it is missing or damaged."""
        file = self.path / SCORES
        try:
            content = json.loads(file.read_bytes())
            if content["sha256"] != _digest_of(content):
                raise ValueError("its SHA-256 does not match")
            return content["entries"]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            say(f"{file}: damaged ({error}); evaluate.py writes it anew")
            return []

    def holds_a_run(self) -> bool:
        return any((self.path / name).exists() for name in (RECORD, CHECKPOINT, PREVIOUS))

    # --- taking possession

    @property
    def locked(self) -> bool:
        """Whether this object holds the lock."""
        return self._lock is not None

    def lock(self) -> None:
        """Raises Busy while another process, here or under another path, trains in this folder."""
        from filelock import FileLock, Timeout

        with self._trouble():
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / LOCK, timeout=0, fallback_to_soft=False)
            try:
                self._lock.acquire()
            except Timeout:
                self._lock = None
                raise Busy(f"{self.path}: another process holds this run; try again when it has ended") from None
            for folder in (self.path, *self.path.iterdir()):
                if folder == self.path or (folder.is_dir() and not folder.is_symlink()):
                    remove_leftovers(folder)

    def _refuse_link(self, name: str) -> None:
        """Nothing is written outside of the folder, wherever what is in it leads."""
        if name and (self.path / name).is_symlink():
            raise FolderError(f"{self.path / name}: is a link, which may lead out of the run's folder; remove it")

    def release(self) -> None:
        try:
            if self._board is not None:
                with contextlib.suppress(OSError):  # TensorBoard's thread reports a full disk only now
                    self._board.close()
                self._board = None
        finally:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def move_aside(self) -> None:
        """What this run left moves to .old/ beside the folder; nothing is deleted."""
        # run.json last: whatever interrupts this, what is left can still be told for a run.
        present = [name for name in (*self.sheets(), *OURS) if os.path.lexists(self.path / name)]
        if not present:
            return
        with self._trouble():
            here = self.path.resolve()
            attic = here.parent / ".old" / f"{here.name}-{time.strftime('%Y%m%d-%H%M%S')}"
            number = 1
            while attic.exists():
                attic = attic.with_name(f"{attic.name.split('+')[0]}+{number}")
                number += 1
            attic.mkdir(parents=True)
            for name in present:
                os.replace(self.path / name, attic / name)
            say(f"{self.path}: what was there is now in {attic}")

    def sheets(self) -> list[str]:
        """The folders of contact sheets that a script adds, such as `reconstructions`."""
        folders = self.path.glob("*/epoch-*.png")
        return sorted({file.parent.name for file in folders} - {"samples"})

    def check_writable(self) -> None:
        """Refuses a place where a run could not be written, without making anything."""
        place = self.path.resolve()
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise FolderError(f"{self.path}: {place} is a file; give another folder")
        if not os.access(place, os.W_OK | os.X_OK) or os.statvfs(place).f_flag & os.ST_RDONLY:
            raise FolderError(f"{self.path}: {place} cannot be written to; give another folder")

    # --- writing

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FolderError(
                f"{self.path}: cannot write ({error.strerror or error}); what was saved before is whole,"
                " and the same line goes on from it"
            ) from error

    def write(self, name: str, *parts: bytes | memoryview, keep_as: str | None = None) -> None:
        """Whole or not at all; what stood there before is kept under the name `keep_as`."""
        self._refuse_link(os.path.dirname(name))
        with self._trouble():
            write_whole(self.path / name, parts, keep_as and self.path / keep_as)

    def write_record(self, record: dict[str, Any]) -> None:
        record["sha256"] = _digest_of(record)
        self.write(RECORD, (json.dumps(record, indent=2) + "\n").encode())

    def write_scores(self, entries: Sequence[Mapping[str, Any]]) -> None:
        content: dict[str, Any] = {"entries": list(entries)}
        content["sha256"] = _digest_of(content)
        self.write(SCORES, (json.dumps(content, indent=2) + "\n").encode())

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        buffer = io.BytesIO()
        torch.save(state, buffer)  # in memory, where a full disk is not in its way: it makes another error of that
        content = buffer.getbuffer()
        seal = SEAL + _sha256(content).encode()
        self.write(CHECKPOINT, content, seal, keep_as=None if self._spoiled else PREVIOUS)
        self._spoiled = False

    def write_generator(self, network: nn.Module, about: Mapping[str, Any]) -> None:
        content, _ = sealed_weights(network, "generator", about)
        self.write(GENERATOR, content)

    def write_log(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The log from its beginning: on a resume, or when a column is new."""
        self._columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write(LOG, text.getvalue().encode())

    def append_log(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the last of `rows`, all rows so far."""
        if set(rows[-1]) - set(self._columns):
            self.write_log(rows)
            return
        self._refuse_link(LOG)
        text = io.StringIO()
        csv.DictWriter(text, self._columns, lineterminator="\n").writerow(rows[-1])
        with self._trouble(), (self.path / LOG).open("ab", buffering=0) as file:
            line, end = text.getvalue().encode(), file.tell()
            if file.write(line) < len(line):  # the disk is full
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_film(self, most: int = 100) -> None:
        """Of `most` frames at most."""
        film = images.gif([file for _, file in self.frames()], most)
        if film is not None:
            self.write("samples.gif", film)

    def board(self, step: int, values: Mapping[str, float], picture: Any = None) -> None:
        """Scalars, and a grid, to TensorBoard; the first call of a process goes on at `step`."""
        self._refuse_link("tensorboard")
        with self._trouble():
            if self._board is None:
                from torch.utils.tensorboard import SummaryWriter

                self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=step, max_queue=100)
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            if picture is not None:
                import numpy as np

                self._board.add_image("samples", np.atleast_3d(np.asarray(picture)), step, dataformats="HWC")


# --- a generator for other programs


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(f"{name} {weights[name].dtype} {tuple(weights[name].shape)}".encode())
        digest.update(weights[name].flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def load_script(name: str) -> ModuleType:
    """The training script `name`.py that stands beside `common/`, imported. Raises FolderError for any other name."""
    file = HOME / f"{name}.py"
    # Looked at before it is imported, which would run it. There is no list of names: users add variants of their own.
    if not re.fullmatch(r"\w[\w-]{,99}", name) or not file.is_file() or LAUNCH not in file.read_text(errors="replace"):
        raise FolderError(f"{name!r} is not one of the scripts in {HOME}")
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)  # dataclasses look their own module up
    spec.loader.exec_module(module)
    return module


def load_generator(folder: str | os.PathLike[str], device: str | torch.device = "cpu") -> nn.Module:
    """The generator of the run in `folder`, as it ended or as its last checkpoint has it, in evaluation mode, float32.

        G = load_generator("out/wgan")
        images = G(torch.randn(16, G.z_dim))        # (16, C, H, W) in [-1, 1], r3gan's a little beyond

    A conditional one also takes classes, `G(z, y)` with y below `G.classes`; that of pix2pix takes images instead of z,
    best one at a time.

    Takes no lock: a run that trains or starts meanwhile is not disturbed. Raises FolderError where there is neither or
    the file is damaged. Runs no code out of the folder: the network is built by the script of that name that stands
    beside `common/`.
    """
    network, _ = load_generator_and_step(folder)
    return network.to(device).eval()


def load_generator_and_step(folder: str | os.PathLike[str]) -> tuple[nn.Module, int | None]:
    """The generator on the CPU, and the training step it is from, where the folder says."""
    path = Path(folder)
    run, file = RunFolder(path), path / GENERATOR
    record = run.record()
    if file.is_file() and (record is None or record["state"] in ("finished", "stopped")):
        return _finished_generator(file), record["steps"] if record else None
    state = run.restore()
    if state is None:
        if record is None:
            raise FolderError(f"{path}: no run there; give the folder of one, such as out/gan")
        raise FolderError(f"{path}: has no checkpoint yet; try again when the run is a minute old")
    if "generator" not in state:
        raise FolderError(f"{path}: its checkpoint is an earlier version's; the same training line writes a new one")
    about = state["generator"]
    return build(path / CHECKPOINT, about, state["networks"][about["network"]]), state["step"]


def _finished_generator(file: Path) -> nn.Module:
    try:
        return build(file, *read_weights(file, "generator"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FolderError(f"{file}: damaged ({error}); the same training line writes it again") from error


def sealed_weights(network: nn.Module, name: str, about: Mapping[str, Any]) -> tuple[bytes, str]:
    """A safetensors file with what is to be known of the network under `name`, and the weights' SHA-256 in it."""
    from safetensors.torch import save

    weights = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    digest = weights_digest(weights)
    header = json.dumps({**about, "sha256": digest}, sort_keys=True)
    return save(weights, metadata={name: header}), digest


def read_weights(file: Path, name: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What sealed_weights put into the file. Raises OSError, ValueError, KeyError or TypeError where it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as content:
            about = json.loads((content.metadata() or {})[name])
            weights = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if about["sha256"] != weights_digest(weights):
        raise ValueError("its SHA-256 does not match")
    return about, weights


def build(file: Path, about: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> nn.Module:
    """The network `about["class"]` of `about["script"]`.py with these weights, read from `file`. Raises FolderError."""
    script, kind = str(about["script"]), str(about["class"])
    network_class = getattr(load_script(script), kind, None)
    if not (isinstance(network_class, type) and issubclass(network_class, nn.Module)):
        raise FolderError(f"{file}: {script}.py has no network called {kind}")
    try:
        network = network_class(*about["arguments"])
        network.load_state_dict(weights)
    except (TypeError, RuntimeError, ValueError) as error:
        raise FolderError(f"{file}: made by another version of {script}.py ({first_line(error)})") from error
    return network
