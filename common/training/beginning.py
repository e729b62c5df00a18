"""What a start says of itself before its first step: to somebody who has never trained a GAN, too."""

import shlex

from common.console import SAME_LINE, clock, counted, facts
from common.data.loading import in_words
from common.nn import ranks
from common.runs.names import LATEST
from common.training.parts import Parts
from common.training.preparation import Prepared

import torch

BITS = {"bf16": "16-bit numbers (bf16)", "fp32": "32-bit numbers (fp32)"}


def introduction(run: Prepared) -> list[str]:
    """The data and what was made of them, the machine and the length, where to look and how to stop."""
    parts, data, progress = run.parts, run.parts.data, run.parts.progress
    path, plan = parts.folder.path, progress.plan
    how = f"goes on after epoch {plan.epochs_as_text(progress.step)}" if progress.step else "begins"
    length = f"{counted(plan.epochs, 'epoch')} (times through the training images),"
    length += f" {plan.steps * plan.batch_size:,} images in all"
    if parts.settings.time_limit is not None:
        length += f"; this start ends after {clock(parts.settings.time_limit)} (--time-limit)"
    return facts(
        f"{path}: {run.script}.py {how}",
        {
            "data": (in_words(data, parts.settings.pairing(data.name)), *data.understood),
            "machine": (f"{_device(parts.device)}, {parts.share.in_words}, {BITS[run.precision]}", *_processes(parts)),
            "length": length,
            "watch": f"{shlex.quote(str(path / LATEST))}, always the newest samples",
            "stop": f"Ctrl-C, which saves first; {SAME_LINE[parts.settings.fresh]} goes on from there",
        },
    )


def _processes(parts: Parts) -> list[str]:
    if ranks.world() == 1:
        return []
    each = parts.settings.batch_size // ranks.world()
    own = ", whose batch norm knows only these" if parts.networks.normalises_batches else ""
    return [f"{ranks.world()} processes, each with {counted(each, 'image')} of a batch{own}"]


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return {"cpu": "CPU", "mps": "Apple's GPU (mps)"}[device.type]
