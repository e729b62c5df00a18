"""Generative Adversarial Nets
Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio, 2014, arXiv 1406.2661

    min_G max_D V(D, G) = E_x[log D(x)] + E_z[log(1 - D(G(z)))]                                              (eq. 1)

Algorithm 1: k steps up the discriminator's gradient of V, then one step of the generator; k = 1. D outputs the logit
of the probability that an image is real, and both losses are computed on it: log D = -softplus(-logit) and
log(1 - D) = -softplus(logit) are finite for any logit. `--loss minimax` descends E[log(1 - D(G(z)))] as Algorithm 1
does; the default, `non-saturating`, ascends E[log D(G(z))], as section 3 advises for its stronger gradients.

As in the paper: fully connected networks, rectifiers in G, dropout in D, noise at the bottom layer only.
Departures, which keep all ten classes of Fashion-MNIST: leaky rectifiers for D's maxout units, batch norm in G, tanh
for G's sigmoid, and Adam for SGD with momentum.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from common import options
from common.nn.layers import Dropout
from common.nn.rebuildable import rebuildable
from common.training import Training, descend, launch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer


@dataclass(frozen=True)
class Settings(options.Settings):
    d_steps: int = options.option(1, "discriminator steps a generator step, the paper's k", options.whole())
    loss: str = options.option("non-saturating", "the generator's objective", choices=("non-saturating", "minimax"))
    dropout: float = options.option(0.3, "share of D's hidden units left out", options.number(least=0, below=1))
    images: int = 2_400_000


@rebuildable(takes="z")
class Generator(nn.Module):
    """z (N, z_dim) -> images (N, C, H, W) in [-1, 1]."""

    def __init__(self, z_dim: int, shape: tuple[int, int, int]):
        super().__init__()
        self.z_dim = z_dim
        widths = (z_dim, 256, 512, 1024)
        layers = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    """Images (N, C, H, W) -> logits (N,) of the probability that each is real."""

    def __init__(self, shape: tuple[int, int, int], dropout: float):
        super().__init__()
        widths = (math.prod(shape), 1024, 512)
        layers = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2), Dropout(dropout)]
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(widths[-1], 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-V(D, G) of eq. 1: -(E log D(x) + E log(1 - D(G(z))))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor, objective: str = "non-saturating") -> Tensor:
    """E log(1 - D(G(z))) of Algorithm 1 for 'minimax'; -E log D(G(z)) of section 3 for 'non-saturating'."""
    if objective == "minimax":
        return -F.softplus(fake_logits).mean()
    return F.softplus(-fake_logits).mean()


def discriminator_step(D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z)
    real_logits, fake_logits = D(torch.cat([x, fake])).chunk(2)  # in one pass: D does not look across the batch
    loss = discriminator_loss(real_logits, fake_logits)
    descend(loss, opt_D)
    return {"d_loss": loss}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, z: Tensor, objective: str) -> dict[str, Tensor]:
    loss = generator_loss(D(G(z)), objective)
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    G = run.generator("G", Generator(s.z_dim, run.shape))
    D = run.discriminator("D", Discriminator(run.shape, s.dropout))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.999)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.999)))

    for reals in run.iterations(s.d_steps):
        for x in reals:
            run.log(discriminator_step(D, G, opt_D, x, run.noise()))
        run.log(generator_step(D, G, opt_G, run.noise(), s.loss))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
