"""What a start says of itself before its first step: to somebody who has never trained a GAN, too."""

import shlex

from common.console import SAME_LINE, clock, facts
from common.data.dataset import Dataset
from common.runs.names import LATEST
from common.training.preparation import Prepared

import torch

MOST_CLASSES = 10  # that are named
BITS = {"bf16": "16-bit numbers (bf16)", "fp32": "32-bit numbers (fp32)"}
COLOURS = {1: "gray", 3: "in colour"}  # by the number of channels


def introduction(run: Prepared) -> list[str]:
    """The data, the machine and the length, where to look and how to stop, a line each."""
    parts, progress = run.parts, run.parts.progress
    path, plan = parts.folder.path, progress.plan
    how = f"goes on after epoch {plan.epochs_as_text(progress.step)}" if progress.step else "begins"
    length = f"{plan.epochs:,} epoch{'s' * (plan.epochs > 1)} (times through the training images),"
    length += f" {plan.steps * plan.batch_size:,} images in all"
    if parts.settings.time_limit is not None:
        length += f"; this start ends after {clock(parts.settings.time_limit)} (--time-limit)"
    return facts(
        f"{path}: {run.script}.py {how}",
        {
            "data": _data(run),
            "machine": f"{_device(parts.device)}, {parts.share.in_words}, {BITS[run.precision]}",
            "length": length,
            "watch": f"{shlex.quote(str(path / LATEST))}, always the newest samples",
            "stop": f"Ctrl-C, which saves first; {SAME_LINE[parts.settings.fresh]} goes on from there",
        },
    )


def _data(run: Prepared) -> str:
    data, pairing = run.parts.data, run.parts.settings.pairing(run.parts.data.name)
    _, height, width = data.shape
    channels = data.shape[0] if pairing is None else pairing.channels(data.shape)
    colour = COLOURS.get(channels, f"{channels} channels")
    said = f"{data.name}, {len(data.images):,} images to train on and {len(data.held_out):,} held out to check with"
    said += f"; {width}x{height} pixels, {colour}"
    return f"{said}; {_classes(data) if pairing is None else pairing.in_words}"


def _classes(data: Dataset) -> str:
    if data.labels is None:
        return "no classes"
    count, named = len(data.classes), ", ".join(data.classes[:MOST_CLASSES])
    return f"{count:,} class{'es' * (count != 1)}: {named}{', ...' * (count > MOST_CLASSES)}"


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return {"cpu": "CPU", "mps": "Apple's GPU (mps)"}[device.type]
