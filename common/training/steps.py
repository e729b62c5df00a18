"""What the papers' steps share: a step down a gradient, a penalty's gradients, a schedule."""

import math

from common.nn import ranks

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def descend(loss: Tensor, optimizer: Optimizer) -> None:
    """One step of `optimizer` down the gradient of `loss`.

    Gradients are computed for the optimizer's own parameters only, so the generator's step neither touches nor pays
    for the discriminator's. Several processes of a run each have a share of the batch, and descend the mean.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    optimizer.zero_grad()
    loss.backward(inputs=parameters)
    ranks.average_gradients(parameters)
    optimizer.step()


def scores_and_gradients(D: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (N,) and their gradients by x, (N, numbers in one x), which a penalty may differentiate by D's weights."""
    x = x.detach().requires_grad_()
    scores = D(x)
    (gradients,) = torch.autograd.grad(scores.sum(), x, create_graph=True)
    return scores, gradients.reshape(len(x), -1)


def cosine(start: float, end: float, progress: float) -> float:
    """A schedule from `start` at progress 0 to `end` at 1 and beyond."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1))) / 2
