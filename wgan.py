"""Wasserstein GAN
Arjovsky, Chintala, Bottou, 2017, arXiv 1701.07875

    max_w E_x[f_w(x)] - E_z[f_w(G(z))]   over weights w in [-c, c]                                           (eq. 3)
    min_G                -E_z[f_w(G(z))]

Algorithm 1: n_critic = 5 steps up the critic's estimate, each followed by clipping all its weights to [-c, c],
c = 0.01, then one generator step; RMSprop for both, learning rate 5e-5, batches of 64. The critic f outputs a score
without a sigmoid. Its estimate is, up to a constant that the clipping sets, the Wasserstein distance (eq. 2): it is in
the log and in the plot, and falls as samples improve. `momentum` is RMSprop's; 0 is the paper's, which found training
unstable with momentum on the critic.

The networks are the DCGAN of the paper's experiments, sized to the image, weights from N(0, 0.02). The critic has one
more layer, as the authors' code offers: clipping leaves a shallow critic so simple that its estimate nears zero while
samples are still poor.
"""

from dataclasses import dataclass

from common import options
from common.nn.layers import Flatten, Unflatten, halvings, normal_weights
from common.nn.rebuildable import rebuildable
from common.training import Training, descend, launch

import torch
from torch import Tensor, nn
from torch.optim import Optimizer, RMSprop


@dataclass(frozen=True)
class Settings(options.Settings):
    momentum: float = options.argument(
        "momentum of both RMSprop optimizers; 0 is the paper's", options.number(least=0, below=1)
    )
    n_critic: int = options.option(5, "critic steps a generator step", options.whole())
    clip: float = options.option(0.01, "c: the critic's weights stay in [-c, c]", options.number(above=0))
    width: int = options.option(64, "channels of the layers next to the image", options.whole())
    images: int = 1_400_000


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


class Critic(nn.Module):
    """Images (N, C, H, W) -> scores (N,), no sigmoid."""

    def __init__(self, shape: tuple[int, int, int], width: int = 64):
        super().__init__()
        times = halvings(shape)
        layers = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(times - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2)]
            width *= 2
        layers += [nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        score = nn.Linear(width * (shape[1] >> times) ** 2, 1, bias=False)  # a bias would cancel out of the estimate
        self.layers = nn.Sequential(*layers, Flatten(), score, nn.Flatten(0))
        self.apply(normal_weights)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """-(E f(x) - E f(G(z))), eq. 3 of the paper: the critic maximises its estimate of the Wasserstein distance."""
    return fake_scores.mean() - real_scores.mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """-E f(G(z)): the part of eq. 3 that the generator can change, descended."""
    return -fake_scores.mean()


@torch.no_grad()
def clip_weights(f: nn.Module, c: float) -> None:
    """w <- clip(w, -c, c), batch norm's scale and shift included, as in the authors' code."""
    for parameter in f.parameters():
        parameter.clamp_(-c, c)


def critic_step(f: nn.Module, G: nn.Module, opt_f: Optimizer, x: Tensor, z: Tensor, c: float) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z)
    loss = critic_loss(f(x), f(fake))
    descend(loss, opt_f)
    clip_weights(f, c)
    return {"wasserstein_estimate": -loss}


def generator_step(f: nn.Module, G: nn.Module, opt_G: Optimizer, z: Tensor) -> dict[str, Tensor]:
    loss = generator_loss(f(G(z)))
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    G = run.generator("G", Generator(s.z_dim, run.shape, s.width))
    f = run.discriminator("f", Critic(run.shape, s.width))
    opt_G = run.optimizer("G", RMSprop(G.parameters(), s.lr_g, momentum=s.momentum))
    opt_f = run.optimizer("f", RMSprop(f.parameters(), s.lr_d, momentum=s.momentum))

    for reals in run.iterations(critic_steps=s.n_critic):
        for x in reals:
            run.log(critic_step(f, G, opt_f, x, run.noise(), s.clip))
        run.log(generator_step(f, G, opt_G, run.noise()))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
