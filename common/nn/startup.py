"""What keeps a start quick."""

import torch
from torch.optim import Optimizer

# torch marks these as not to be compiled, and imports its compiler, over a second of work, to do so.
_MARKED = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")


def spare_the_compiler() -> None:
    """Lets optimizers work without importing torch._dynamo, whose marks mean nothing unless a model is compiled.

    Does nothing where torch is built otherwise. To be called before the first optimizer is made.
    """
    for name in _MARKED:
        marked = getattr(getattr(Optimizer, name), "__wrapped__", None)
        if marked is not None and not hasattr(marked, "__dynamo_disable"):
            setattr(marked, "__dynamo_disable", marked)
    for kind in Optimizer.__subclasses__():
        wrapper = vars(kind).get("step")
        if getattr(getattr(wrapper, "__code__", None), "co_name", "") == "_use_grad":
            kind.step = _without_graph_breaks(wrapper.__wrapped__)


def _without_graph_breaks(step):
    """torch.optim.optimizer._use_grad_for_differentiable, less what it tells the compiler."""

    def _use_grad(self: Optimizer, *args: object, **kwargs: object) -> object:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return step(self, *args, **kwargs)

    _use_grad.__wrapped__ = step
    return _use_grad
