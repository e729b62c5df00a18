"""The networks and optimizers of a run by name, and the average of the generator."""

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.nn import ranks
from common.nn.device import place
from common.nn.rebuildable import is_rebuildable

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import get_ema_multi_avg_fn

FUSED = ("cpu", "cuda", "mps")  # devices that torch has fused optimizers for
HALF_LIFE = 0.05  # of --ema auto, as a share of the generator's steps so far


class Average:
    """A copy of a network whose floating-point weights follow the mean of the other's, batch norm's statistics too.

    The mean forgets with a constant decay; with `decay` "auto" it forgets half within the last twentieth of the steps
    so far, however many these are, after StyleGAN2's ramp (Karras et al. 2020, arXiv 1912.04958).
    """

    def __init__(self, network: nn.Module, decay: float | str):
        self.network, self._decay = copy.deepcopy(network).requires_grad_(False), decay
        states = (one.state_dict().values() for one in (self.network, network))
        self._means, self._weights = ([tensor for tensor in state if tensor.is_floating_point()] for state in states)

    def follow(self, step: int, steps: int) -> None:
        """After the other's `steps`-th step, in the run's step `step`.

        Early on the mean is over few: the random first weights are soon forgotten.
        """
        if self._decay == "auto":
            decay = 0.5 ** (1 / (HALF_LIFE * steps))
        else:
            decay = min(self._decay, (1 + step) / (10 + step))
        with torch.no_grad():
            get_ema_multi_avg_fn(decay)(self._means, self._weights, None)


class Networks:
    """What is trained. `sampled` is the generator as it is drawn and saved: its average under --ema."""

    def __init__(
        self, script: str, device: torch.device, precision: str, ema: float | str | None, step: Callable[[], int]
    ):
        self._script, self._device, self._precision, self._ema, self._step = script, device, precision, ema, step
        self._networks: dict[str, nn.Module] = {}
        self._optimizers: dict[str, Optimizer] = {}
        self._generator: str | None = None
        self._average: Average | None = None
        self.generator_steps = 0

    def add(self, name: str, network: nn.Module) -> nn.Module:
        """The network on the device and in the run's precision. Raises ValueError for a name that is taken."""
        if name in self._networks:
            raise ValueError(f"two networks are called {name}")
        if ranks.world() > 1 and self._device.type == "cuda":  # on CPUs it would be slow: each process has its own
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        self._networks[name] = place(network, self._device, self._precision)
        return network

    def add_generator(self, name: str, network: nn.Module) -> nn.Module:
        """The same. Raises ValueError for a second one, or one that could not be built again or sampled."""
        if self._generator is not None:
            raise ValueError(f"{self._generator} is the generator already; {name} is a second one")
        kind = type(network).__name__
        if not is_rebuildable(network):
            raise ValueError(f"class {kind} needs the decorator @rebuildable(takes=...): a generator is saved")
        for letter, needed in (("z", "z_dim"), ("y", "classes")):
            if letter in network.takes and not hasattr(network, needed):
                raise ValueError(f"class {kind} takes {letter} and must set self.{needed}")
        self.add(name, network)
        self._generator = name
        if self._ema:
            self._average = Average(network, self._ema)
        return network

    def add_optimizer(self, name: str, optimizer: Optimizer) -> Optimizer:
        """The same optimizer, working in one fused kernel unless it was told otherwise.

        Raises ValueError where it does not belong to the network of that name, or is its second one.
        """
        held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        if name not in self._networks or not any(id(p) in held for p in self._networks[name].parameters()):
            raise ValueError(f"the optimizer {name} does not hold the parameters of a network of that name")
        if name in self._optimizers:
            raise ValueError(f"two optimizers are called {name}")
        for group in optimizer.param_groups:
            undecided = all(group.get(way, way) is None for way in ("fused", "foreach"))
            if self._device.type in FUSED and undecided and not group.get("differentiable"):
                group["fused"] = True
        self._optimizers[name] = optimizer
        if name == self._generator:
            optimizer.register_step_post_hook(lambda *_: self._generator_stepped())
        return optimizer

    def _generator_stepped(self) -> None:
        self.generator_steps += 1
        if self._average is not None:
            self._average.follow(self._step(), self.generator_steps)

    @property
    def sampled(self) -> nn.Module:
        """The generator or its average. Raises ValueError where the script has none."""
        if self._generator is None:
            raise ValueError("there is no generator: run.generator(name, network) makes one")
        return self._networks[self._generator] if self._average is None else self._average.network

    @property
    def about(self) -> dict[str, dict[str, Any]]:
        """How each network that can be built again is."""
        return {
            name: {"script": self._script, "class": type(network).__name__, "arguments": network.arguments}
            for name, network in self._networks.items()
            if is_rebuildable(network)
        }

    @property
    def about_generator(self) -> dict[str, Any]:
        return self.about[self._generator]

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[None]:
        """All in evaluation mode, without gradients, in this block."""
        everything = [*self._networks.values(), self.sampled]
        training = [network for network in everything if network.training]
        for network in training:
            network.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for network in training:
                network.train()

    @property
    def normalises_batches(self) -> bool:
        """Whether a network has batch norm that knows this process's share of a batch only."""
        kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        return any(isinstance(layer, kinds) for one in self._networks.values() for layer in one.modules())

    def trained(self) -> list[torch.Tensor]:
        """What is the same in all processes of a run: weights, averages, the optimizers' states; no statistics."""
        average = [] if self._average is None else [self._average.network]
        weights = [p for network in (*self._networks.values(), *average) for p in network.parameters()]
        states = [state for optimizer in self._optimizers.values() for state in optimizer.state.values()]
        return weights + [one for state in states for one in state.values() if isinstance(one, torch.Tensor)]

    def tensors(self) -> dict[str, torch.Tensor]:
        """Every weight and statistic by the name that an error gives it."""
        everything = dict(self._networks)
        if self._average is not None:
            everything[f"{self._generator}'s average"] = self._average.network
        return {
            f"the weight {name}.{key}": tensor
            for name, network in everything.items()
            for key, tensor in network.state_dict().items()
        }

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": {name: network.state_dict() for name, network in self._networks.items()},
            "sampled": self.sampled.state_dict(),  # the generator's own, stored once, unless there is an average
            "generator": self.about_generator,
            "about": self.about,
            "generator_steps": self.generator_steps,
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self._optimizers.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises KeyError, ValueError or RuntimeError where the state is of other networks."""
        weights, optimizers = state["weights"], state["optimizers"]
        if state.get("by_order"):  # an earlier version's
            weights = dict(zip(self._networks, weights.values(), strict=True))
            optimizers = dict(zip(self._optimizers, optimizers.values(), strict=True))
        for own, saved in ((self._networks, weights), (self._optimizers, optimizers)):
            if own.keys() != saved.keys():
                raise ValueError(f"it has {', '.join(saved)}, and the script {', '.join(own)}")
            for name, one in own.items():
                one.load_state_dict(saved[name])
        if self._average is not None:
            self._average.network.load_state_dict(state["sampled"])
        self.generator_steps = state["generator_steps"]
