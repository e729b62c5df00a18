"""A run's networks in a program of one's own: `load_generator("out/wgan")`."""

import dataclasses
import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from common.errors import FolderError, first_line
from common.options import Settings
from common.runs.checkpoint import read_checkpoint
from common.runs.earlier import modernised
from common.runs.folder import RunFolder
from common.runs.names import CHECKPOINT, GENERATOR
from common.runs.record import read_record
from common.runs.weights import read_weights
from common.scripts import HOME, is_training_script

import torch
from torch import nn


def load_script(name: str) -> ModuleType:
    """The training script `name`.py that stands beside `common/`, imported. Raises FolderError for any other name."""
    file = HOME / f"{name}.py"
    # Looked at before it is imported, which would run it.
    if not re.fullmatch(r"\w[\w-]{,99}", name) or not file.is_file() or not is_training_script(file):
        raise FolderError(f"{name!r} is not one of the scripts in {HOME}")
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(file):
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    known = sys.modules.setdefault(name, module)  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if known is module:
            del sys.modules[name]
        raise
    return module


def settings_of(record: Mapping[str, Any]) -> type[Settings]:
    """The Settings of the script that made a run, which say what it can do. Raises FolderError."""
    module = load_script(str(record["script"]))
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Settings)]
    own = [kind for kind in kinds if kind.__module__ == module.__name__] or [Settings]
    if len(own) > 1:
        raise FolderError(f"{module.__file__}: has {len(own)} classes of settings; a script has one")
    return own[0]


def settings_from(record: Mapping[str, Any], **changed: Any) -> Settings:
    """The settings that a run has, by its record; none that its script no longer knows. Raises FolderError."""
    kind = settings_of(record)
    known = {field.name for field in dataclasses.fields(kind)}
    kept = {name: value for name, value in record["settings"].items() if name in known}
    return kind(**{"folder": "", **kept, **changed})


def load_generator(folder: str | os.PathLike[str], device: str | torch.device = "cpu") -> nn.Module:
    """The generator of the run in `folder`, as it ended or as its last checkpoint has it, in evaluation mode, float32.

        G = load_generator("out/wgan")
        images = G(torch.randn(16, G.z_dim))        # (16, C, H, W) in [-1, 1]

    `G.takes` says what it takes: ("z",) as here; ("z", "y"), noise and classes below `G.classes`; ("x",), images to be
    translated, best one at a time.

    Takes no lock: a run that trains or starts meanwhile is not disturbed. Raises FolderError where there is neither or
    the file is damaged. Runs no code out of the folder: the network is built by the script of that name that stands
    beside `common/`.
    """
    network, _ = load_generator_and_step(folder)
    return network.to(device).eval()


def load_generator_and_step(folder: str | os.PathLike[str]) -> tuple[nn.Module, int | None]:
    """The generator on the CPU, and the training step it is from, where the folder says."""
    path = RunFolder(folder).path
    file, record = path / GENERATOR, read_record(path)
    if file.is_file() and (record is None or record["state"] in ("finished", "stopped")):
        try:
            return build(file, *read_weights(file, "generator")), record["steps"] if record else None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FolderError(f"{file}: damaged ({error}); the same training line writes it again") from error
    state = read_checkpoint(path)
    if state is None:
        if record is None:
            raise FolderError(f"{path}: no run there; give the folder of one, such as out/gan")
        raise FolderError(f"{path}: has no checkpoint yet; try again when the run is a minute old")
    state = modernised(state)
    networks = state["networks"]
    if networks["generator"] is None:
        raise FolderError(f"{path}: its checkpoint is an earlier version's; the same training line writes a new one")
    return build(path / CHECKPOINT, networks["generator"], networks["sampled"]), state["progress"]["step"]


def load_network(folder: str | os.PathLike[str], name: str) -> nn.Module | None:
    """The network of that name in the newest checkpoint, in evaluation mode, or None without a checkpoint.

    Raises FolderError where the run has no such network, or its class does not remember its arguments.
    """
    path = RunFolder(folder).path
    state = read_checkpoint(path)
    if state is None:
        return None
    networks = modernised(state)["networks"]
    if name not in networks["about"]:
        why = "an earlier version's; a longer run writes a new one" if "by_order" in networks else "of other networks"
        raise FolderError(f"{path / CHECKPOINT}: has no {name} that can be built again: it is {why}")
    return build(path / CHECKPOINT, networks["about"][name], networks["weights"][name]).eval()


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
