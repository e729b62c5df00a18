"""Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks
Radford, Metz, Chintala, 2015, arXiv 1511.06434

    min_G max_D  E_x[log D(x)] + E_z[log(1 - D(G(z)))]

The objective of Goodfellow et al. 2014, with their non-saturating loss for G; D outputs a logit. What this paper adds
are the networks: no pooling but strided convolutions in D and transposed ones in G, batch norm in both but at G's
output and D's input, no hidden fully connected layers, ReLU in G with tanh at its end, LeakyReLU of slope 0.2 in D, all
weights from N(0, 0.02), and Adam with learning rate 2e-4 and beta1 0.5. `walk/` shows the paths between points of z, as
the paper's figure 4.

`--minibatch-discrimination` shows D how near the images of a batch are to one another (Salimans et al. 2016, arXiv
1606.03498, section 3.2), so that G cannot pass with one image over and over. Under torchrun, as batch norm on a CPU, it
knows each process's share of the batch.

Departures: z ~ N(0, I) instead of uniform, hence walks on an arc instead of a straight line; batches of 64 instead of
128; as many layers as halve the image to 4 to 7 pixels a side, with 64 channels at the first and 4x4 kernels.
"""

import math
from dataclasses import dataclass

from common import options
from common.nn.layers import Flatten, Unflatten, halvings, normal_weights
from common.nn.rebuildable import rebuildable
from common.sampling import walk
from common.training import Training, descend, launch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer


@dataclass(frozen=True)
class Settings(options.Settings):
    minibatch_discrimination: bool = options.option(False, "let D compare the images of a batch, against mode collapse")
    width: int = options.option(64, "channels of the layers next to the image", options.whole())
    images: int = 1_200_000


@rebuildable(takes="z")
class Generator(nn.Module):
    """z (N, z_dim) -> images (N, C, H, W) in [-1, 1]."""

    def __init__(self, z_dim: int, shape: tuple[int, int, int], width: int = 64):
        super().__init__()
        self.z_dim = z_dim
        times = halvings(shape)
        side, width = shape[1] >> times, width << (times - 1)
        layers = [nn.Linear(z_dim, width * side**2, bias=False), Unflatten(width, side, side)]
        for _ in range(times - 1):
            layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False)]
            width //= 2
        self.layers = nn.Sequential(
            *layers, nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, shape[0], 4, 2, 1), nn.Tanh()
        )
        self.apply(normal_weights)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class MinibatchDiscrimination(nn.Module):
    """Features f (N, A) -> (N, A + B): each row with B sums of how near the others of the batch are. Salimans et al.

        M_i = f(x_i) T, a matrix B x C     c_b(x_i, x_j) = exp(-||M_i,b - M_j,b||_L1)     o(x_i)_b = sum_j c_b(x_i, x_j)

    Real images and fakes are shown in batches of their own. As in the authors' code, which has 100 kernels, an image is
    not compared with itself, which would add 1 to every sum.
    """

    def __init__(self, inputs: int, kernels: int = 32, dimensions: int = 5):
        super().__init__()
        self.T = nn.Parameter(torch.randn(inputs, kernels, dimensions))

    def forward(self, f: Tensor) -> Tensor:
        # Scaled here instead of in T, which Adam would otherwise turn over in a few steps: D then wins outright.
        M = (f @ self.T.flatten(1)).unflatten(1, self.T.shape[1:]).float() / math.sqrt(f.shape[1])
        distances = (M[:, None] - M[None]).abs().sum(3)  # (N, N, B)
        return torch.cat([f, torch.exp(-distances).sum(1) - 1], 1)


class Discriminator(nn.Module):
    """Images (N, C, H, W) -> logits (N,) of the probability that each is real."""

    def __init__(self, shape: tuple[int, int, int], width: int = 64, minibatch_discrimination: bool = False):
        super().__init__()
        times = halvings(shape)
        layers = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(times - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
            width *= 2
        layers, features = [*layers, Flatten()], width * (shape[1] >> times) ** 2
        if minibatch_discrimination:
            layers += [MinibatchDiscrimination(features)]
            features += layers[-1].T.shape[1]
        self.layers = nn.Sequential(*layers, nn.Linear(features, 1), nn.Flatten(0))
        self.apply(normal_weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-(E log D(x) + E log(1 - D(G(z))))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-E log D(G(z))."""
    return F.softplus(-fake_logits).mean()


def discriminator_step(D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z)
    loss = discriminator_loss(D(x), D(fake))
    descend(loss, opt_D)
    return {"d_loss": loss}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, z: Tensor) -> dict[str, Tensor]:
    loss = generator_loss(D(G(z)))
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    G = run.generator("G", Generator(s.z_dim, run.shape, s.width))
    D = run.discriminator("D", Discriminator(run.shape, s.width, s.minibatch_discrimination))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.999)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.999)))
    run.sheet("walk", lambda _, z: run.sample(walk(z)))

    for x in run.batches():
        run.log(discriminator_step(D, G, opt_D, x, run.noise()))
        run.log(generator_step(D, G, opt_G, run.noise()))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
