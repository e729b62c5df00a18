"""What would go wrong on a GPU, told without one.

On torch's `meta` device tensors have no content: a tensor made on the CPU inside a step cannot be combined with them,
and whatever waits for the device (`.item()`, `.tolist()`, `if tensor:`) raises. Only a CPU tensor of no dimensions
passes; a mode that sees every operation finds it.
"""

import contextlib
import importlib

from common.errors import BadArgument
from common.nn.device import resolve_device, resolve_precision
from common.nn.layers import Dropout
from common.nn.randomness import Randomness
from common.training import Training, descend, preparation
from common.training.loop import Loop
from common.training.stopping import Stopping

import pytest
import torch
from conftest import SCRIPTS
from torch.optim import Adam
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

OPTIONS = dict.fromkeys(SCRIPTS, ("--flip", "--ema", "0.9"))
OPTIONS |= {"pix2pix": ("--width", "4", "--ema", "0.9"), "dcgan": ("--flip", "--minibatch-discrimination")}
OTHERS = {"gan": ("--loss", "minimax", "--d-steps", "2"), "dcgan": (), "pix2pix": ("--width", "4", "--pairs", "halves")}
OTHERS |= {"r3gan": ("--classes", "--augment", "--penalised", "1")}
AUGMENTED = [(script, ("--augment",)) for script in SCRIPTS if script != "pix2pix"]
CASES = [*OPTIONS.items(), *OTHERS.items(), *AUGMENTED]


class Mixtures(TorchDispatchMode):
    """The operations that combine a tensor on the device with one on the CPU."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kinds = {leaf.device.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        if {"meta", "cpu"} <= kinds and function is not torch.ops.aten.copy_.default:
            self.found.append(str(function))
        return function(*args, **(kwargs or {}))


class Enough(Exception):
    pass


@contextlib.contextmanager
def steps_on_meta(monkeypatch, script, folder, options, steps=6):
    """A script's own `main` for so many steps on the meta device; gives what Mixtures found."""
    module = importlib.import_module(script)
    monkeypatch.setattr(preparation, "resolve_device", lambda _: torch.device("meta"))
    monkeypatch.setattr(Loop, "begin", lambda self, steps: None)

    def after(self, step):
        self._progress.step = step
        if step == steps:
            raise Enough

    monkeypatch.setattr(Loop, "after", after)
    from common.options import parse

    line = ["1e-3", "1e-3", "0.5", str(folder), "--dataset", "digits", "--precision", "fp32", *options]
    given = parse(module.Settings, "", f"{script}.py", line)
    run = Training(preparation.prepare(script, module.Settings, given, Stopping(0)))
    mixtures = Mixtures()
    with pytest.raises(Enough), mixtures:
        module.main(run)
    yield run, mixtures.found
    assert run._recorder._sums, "no figure was added up"


@pytest.mark.parametrize(("script", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_scripts_steps_neither_leave_the_device_nor_wait_for_it(monkeypatch, tmp_path, script, options):
    with steps_on_meta(monkeypatch, script, tmp_path / "run", options) as (run, mixed):
        assert not mixed, mixed
        assert {tensor.device.type for tensor in run._networks.tensors().values()} == {"meta"}
        assert {tensor.device.type for tensor in run._recorder.tensors().values()} == {"meta"}
        assert run._networks.generator_steps >= 1


def test_a_wait_in_a_step_would_be_found():
    x = torch.ones(3, device="meta")
    for wait in (lambda: x.sum().item(), lambda: x.tolist(), lambda: bool(x.sum() > 0), lambda: float(x.mean())):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait()


def test_a_tensor_made_on_the_cpu_would_be_found():
    x = torch.ones(3, device="meta")
    with pytest.raises(RuntimeError):
        x + torch.ones(3)
    with Mixtures() as mixtures:
        x * torch.tensor(2.0)  # of no dimensions: meta lets it pass
    assert mixtures.found == ["aten.mul.Tensor"]


def test_a_step_down_a_gradient_does_not_wait():
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), Dropout(0.3), torch.nn.Linear(4, 1)).to("meta")
    optimizer = Adam(network.parameters(), 1e-3)
    descend(network(torch.ones(2, 4, device="meta")).mean(), optimizer)
    assert optimizer.state


# --- which device


def test_an_apple_gpu_is_taken_after_cuda_and_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(BadArgument, match="no Apple GPU that torch can use; try --device cpu"):
        resolve_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_device("auto").type == resolve_device("mps").type == "mps"
    assert resolve_precision("auto", torch.device("mps")) == "fp32"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"


@pytest.mark.parametrize("kind", ["mps", "cuda"])
def test_a_gpus_random_generator_is_part_of_the_state(monkeypatch, kind):
    """By stand-ins for torch's own functions: what was drawn in between is taken back."""
    drawn = {"state": torch.tensor([1], dtype=torch.uint8)}
    module = getattr(torch, kind)
    monkeypatch.setattr(module, "get_rng_state", lambda *_: drawn["state"])
    monkeypatch.setattr(module, "set_rng_state", lambda state, *_: drawn.update(state=state))
    randomness = Randomness(torch.device(kind))
    with randomness.aside():
        drawn["state"] = torch.tensor([2], dtype=torch.uint8)
    assert drawn["state"].item() == 1
    assert kind in randomness.state_dict() and kind not in Randomness(torch.device("cpu")).state_dict()
