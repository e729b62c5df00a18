"""What is settled before the folder is touched: settings, data, device and plan, from the line or an earlier start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.console import say
from common.data.cache import point_caches_here
from common.data.dataset import Dataset
from common.data.loading import load_for
from common.data.reading import VERSION
from common.errors import Busy, DataError
from common.machine.load import Load
from common.nn import ranks
from common.nn.device import resolve_device, resolve_precision
from common.nn.randomness import Randomness
from common.nn.threads import asked_for, chosen
from common.options import FREE, Settings
from common.runs.checkpoint import CheckpointFiles
from common.runs.folder import RunFolder, holds_a_run
from common.runs.record import read_record
from common.training.agreement import refuse_a_bad_split, refuse_differences, refuse_other_ranks
from common.training.batches import Batches
from common.training.networks import Networks
from common.training.parts import Parts
from common.training.plan import make_plan, with_batches_that_fit
from common.training.progress import Progress
from common.training.recorder import Recorder
from common.training.settling import end_if_finished, settle
from common.training.share import Share
from common.training.stopping import Stopping


@dataclass(frozen=True)
class Prepared:
    """A run that may begin."""

    script: str
    given: frozenset[str]  # what stood on the line
    record: Mapping[str, Any] | None  # of the run that goes on
    files: CheckpointFiles
    precision: str
    parts: Parts

    @property
    def settings_given(self) -> list[str]:
        """Of what stood on the line, what decides the run."""
        return sorted(self.given - FREE)


def prepare(script: str, kind: type[Settings], given: Mapping[str, Any], stopping: Stopping) -> Prepared:
    """Raises Refusal for a line, data or a folder that will not do, Done where there is nothing left to do.

    Of several processes the first takes possession of the folder, and reads the data before the others do.
    """
    folder = RunFolder(given["folder"])
    try:
        record = ranks.first(lambda: _record_of(script, kind, given, folder))
        return _prepare(script, kind, given, stopping, folder, record)
    except BaseException:
        folder.release()
        raise


def _record_of(
    script: str, kind: type[Settings], given: Mapping[str, Any], folder: RunFolder
) -> Mapping[str, Any] | None:
    """The record of the run that goes on, which is locked then. A finished one answers before its data are read."""
    folder.check_writable()
    if holds_a_run(folder.path):
        folder.lock()
    record = None if given.get("fresh") else read_record(folder.path)
    s, files = settle(script, kind, given, record), CheckpointFiles(folder)
    if record:
        files.refuse_if_gone(record)
        plan = make_plan(s, record["dataset"]["images"], record, _is_longer(given))
        end_if_finished(folder, files, record, plan)
        refuse_other_ranks(folder.path, record, s)
    return record


def _is_longer(given: Mapping[str, Any]) -> bool:
    """Whether the line asks for a length."""
    return bool({"epochs", "images"} & set(given))


def _prepare(
    script: str,
    kind: type[Settings],
    given: Mapping[str, Any],
    stopping: Stopping,
    folder: RunFolder,
    record: Mapping[str, Any] | None,
) -> Prepared:
    load, s = Load(), settle(script, kind, given, record)
    data = ranks.in_turn(lambda: _load(s, record))
    device = ranks.in_turn(lambda: ranks.own_gpu(resolve_device(record["device"] if record else s.device)))
    precision = record["precision"] if record else resolve_precision(s.precision, device)
    if record:
        plan = make_plan(s, record["dataset"]["images"], record, _is_longer(given))
    else:
        images, usual = len(data.images), s.batch_size
        s = with_batches_that_fit(s, given, images)
        plan = make_plan(s, images, None, _is_longer(given))
        if s.batch_size < usual and not s.quiet:
            fewer = f"{images} training images are fewer than the usual {usual} of a batch"
            say(f"{folder.path}: in batches of {s.batch_size}, for {fewer}; --batch-size sets another number")
    refuse_a_bad_split(s)
    refuse_differences(given, data.fingerprint)
    randomness, progress = Randomness(device), Progress(plan)
    randomness.seed(s.seed)
    had = (record["threads"], record.get("most_threads")) if record else (None, None)
    asked = asked_for(s.threads)
    threads = chosen(asked, load, *had, adapts=device.type == "cpu")
    share = Share(threads, progress, folder.path, had[0], is_asked=asked is not None)
    networks = Networks(script, device, precision, s.ema, step=lambda: progress.step)
    recorder = Recorder(folder, progress, networks, device)
    batches = Batches(data, s.batch_size, device, s.flip, s.seed)
    parts = Parts(folder, s, data, device, batches, progress, networks, randomness, recorder, stopping, share)
    return Prepared(script, frozenset(given), record, CheckpointFiles(folder), precision, parts)


def take_possession(folder: RunFolder, is_fresh: bool) -> None:
    """From here on the folder is this run's. Raises Busy where another process was quicker, or FolderError."""
    if not folder.locked:
        folder.lock()
        if not is_fresh and holds_a_run(folder.path):
            raise Busy(f"{folder.path}: another process began this run just now; try again")
    point_caches_here()
    if is_fresh:
        folder.move_aside()


def _load(s: Settings, record: Mapping[str, Any] | None) -> Dataset:
    """The set that the run began with. Raises DataError where it is another one by now."""
    name = record["dataset"]["name"] if record else s.dataset
    if not record:
        return load_for(s, name)
    version = record["dataset"].get("reading", 1)
    data = load_for(s, name, version)
    if record["dataset"]["fingerprint"] == data.fingerprint:
        return data
    if version < VERSION:
        raise DataError(
            f"{name}: this version reads it differently from the one that began this run; --fresh starts anew, or give"
            " the run another folder"
        )
    raise DataError(f"{name} is not what this run began with (its images changed); give the run another folder")
