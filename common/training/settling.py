"""What a line means in a folder that may hold a run: the line over run.json over the defaults."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from common.console import counted, say
from common.data.registry import NAMES, canonical
from common.errors import Diverged, Done, FolderError
from common.options import FREE, Settings
from common.runs.checkpoint import CheckpointFiles
from common.runs.earlier import modernised
from common.runs.folder import RunFolder
from common.runs.log import log_agrees
from common.runs.names import CHECKPOINT, GENERATOR, LOG, SAMPLES
from common.runs.weights import read_weights
from common.training.plan import Plan


def comparable(name: str, value: Any) -> Any:
    """A setting as it is, except for --ema 0 as what it means, a data set's name in any spelling, and its path from
    any working directory.
    """
    if name == "dataset" and value is not None:
        known = canonical(value)
        return known if known in NAMES else os.path.abspath(value)
    return (value or None) if name == "ema" else value


def settle(script: str, kind: type[Settings], given: Mapping[str, Any], record: Mapping[str, Any] | None) -> Settings:
    """The settings that count. Raises FolderError for a line that contradicts run.json, Diverged for a lost run."""
    if given.get("dataset") is not None:
        given = {**given, "dataset": canonical(given["dataset"])}  # run.json has its name in one spelling
    if record is None:
        return kind(**given)
    path = RunFolder(given["folder"]).path
    if record["script"] != script:
        raise FolderError(f"{path}: holds a run of {record['script']}.py; give this one a folder of its own")
    stored = {field.name: field.default for field in dataclasses.fields(kind)} | dict(record["settings"])
    resolved = {"device": record["device"], "precision": record["precision"], "dataset": record["dataset"]["name"]}
    differing = [
        f"{name} {value} (was {stored.get(name)})"
        for name, value in given.items()
        if name not in FREE | {"epochs", "images"}
        and comparable(name, value) not in (comparable(name, stored.get(name)), resolved.get(name))
    ]
    if differing:
        raise FolderError(
            f"{path}: holds a run with other settings: {', '.join(differing)};"
            " give this one its own folder, or --fresh to start anew"
        )
    if record["state"] == "diverged":
        raise Diverged(f"{path}: {record['message']}; --fresh starts anew")
    fields = {field.name for field in dataclasses.fields(kind)}
    kept = {name: value for name, value in stored.items() if name in fields and name not in FREE}
    if "images" in given:
        kept["epochs"] = None  # the new length counts
    return kind(**{**kept, **given})


def end_if_finished(folder: RunFolder, files: CheckpointFiles, record: Mapping[str, Any], plan: Plan) -> None:
    """Raises Done where a run has all that the line asks for and nothing of it is damaged."""
    if record["state"] != "finished" or plan.epochs != record["epochs"]:
        return
    amiss = _amiss(folder, files)
    if amiss is None:
        path, how = folder.path, record["message"] or counted(plan.epochs, "epoch")
        raise Done(f"{path}: finished already, {how}; samples are in {path / SAMPLES}")
    if amiss == GENERATOR:  # the others are said where they are read
        say(f"{folder.path / amiss}: missing or damaged; rebuilt from the checkpoint")


def _amiss(folder: RunFolder, files: CheckpointFiles) -> str | None:
    """The file of a finished run that is not as it was written and that the run's checkpoint can restore."""
    state = files.read()
    if state is None:
        return None
    if files.spoiled:
        return CHECKPOINT
    try:
        read_weights(folder.path / GENERATOR, "generator")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return GENERATOR
    return None if log_agrees(folder.path, json.loads(modernised(state)["recorder"]["rows"])) else LOG
