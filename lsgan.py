"""Least Squares Generative Adversarial Networks
Mao, Li, Xie, Lau, Wang, Smolley, 2016, arXiv 1611.04076

    min_D  1/2 E_x[(D(x) - b)^2] + 1/2 E_z[(D(G(z)) - a)^2]
    min_G  1/2 E_z[(D(G(z)) - c)^2]

D outputs a score without a sigmoid: a is its target for fakes, b for real images, c what G wants D to answer. The
paper names two codings: the 0-1 coding (a, b, c) = (0, 1, 1), which it trains with and which is the default here, and
(-1, 1, 0), for which b - c = 1 and b - a = 2 make the objective the Pearson chi-squared divergence.

Like the paper: Adam with beta1 0.5, batch norm but at G's output and D's input, a linear layer to start G and to end D.
Departures: z ~ N(0, I) of 100 dimensions instead of 1024 uniform ones, and transposed 4x4 convolutions from 4 to 7
pixels up to the image's size instead of the paper's network for 112 x 112 pixels.
"""

from dataclasses import dataclass

from common import options
from common.nn.layers import Flatten, Unflatten, halvings
from common.nn.rebuildable import rebuildable
from common.training import Training, descend, launch

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

CODINGS = {"0,1,1": (0.0, 1.0, 1.0), "-1,1,0": (-1.0, 1.0, 0.0)}


@dataclass(frozen=True)
class Settings(options.Settings):
    coding: str = options.option(
        "0,1,1", "a,b,c: targets for fakes, for real images, and G's for fakes", choices=(*CODINGS,)
    )
    width: int = options.option(32, "channels of the layers next to the image", options.whole())
    images: int = 2_400_000


@rebuildable(takes="z")
class Generator(nn.Module):
    """z (N, z_dim) -> images (N, C, H, W) in [-1, 1]."""

    def __init__(self, z_dim: int, shape: tuple[int, int, int], width: int = 32):
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

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class Discriminator(nn.Module):
    """Images (N, C, H, W) -> scores (N,), no sigmoid."""

    def __init__(self, shape: tuple[int, int, int], width: int = 32):
        super().__init__()
        times = halvings(shape)
        layers = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(times - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
            width *= 2
        self.layers = nn.Sequential(*layers, Flatten(), nn.Linear(width * (shape[1] >> times) ** 2, 1), nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def discriminator_loss(real_scores: Tensor, fake_scores: Tensor, a: float = 0, b: float = 1) -> Tensor:
    """1/2 E[(D(x) - b)^2] + 1/2 E[(D(G(z)) - a)^2]."""
    return 0.5 * (real_scores - b).square().mean() + 0.5 * (fake_scores - a).square().mean()


def generator_loss(fake_scores: Tensor, c: float = 1) -> Tensor:
    """1/2 E[(D(G(z)) - c)^2]."""
    return 0.5 * (fake_scores - c).square().mean()


def discriminator_step(
    D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, z: Tensor, a: float, b: float
) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z)
    loss = discriminator_loss(D(x), D(fake), a, b)
    descend(loss, opt_D)
    return {"d_loss": loss}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, z: Tensor, c: float) -> dict[str, Tensor]:
    loss = generator_loss(D(G(z)), c)
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    a, b, c = CODINGS[s.coding]
    G = run.generator("G", Generator(s.z_dim, run.shape, s.width))
    D = run.discriminator("D", Discriminator(run.shape, s.width))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.999)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.999)))

    for x in run.batches():
        run.log(discriminator_step(D, G, opt_D, x, run.noise(), a, b))
        run.log(generator_step(D, G, opt_G, run.noise(), c))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
