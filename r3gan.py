"""The GAN is dead; long live the GAN! A Modern Baseline GAN
Huang, Gokaslan, Kuleshov, Tompkin, 2024, arXiv 2501.05441

    L(D, G) = E_x,z[f(D(G(z)) - D(x))],  f(t) = -log(1 + exp(-t)), up which D climbs                         (eq. 2)
    R1 = gamma/2 E_x[||grad D(x)||^2]    R2 = gamma/2 E_z[||grad D(G(z))||^2]                                (eq. 3)

D scores real images and fakes in pairs, and only the difference counts, so that no fake can be left far from all real
images (mode dropping); both zero-centred penalties together make the game converge. As in the authors' code G descends
E[softplus(D(x) - D(G(z)))]. None of the usual tricks: no normalisation layers, momentum, tanh, minibatch statistics,
style injection or output skips, but residual networks with fix-up initialisation, bilinear resampling and a learned
basis at the lowest resolution, and an averaged generator (`--ema`). Over the first `--burn-in` images gamma falls to a
tenth and the learning rates to a quarter, and Adam's beta2 rises from 0.9 to 0.99, all as a cosine.

Departures, to fit minutes instead of days: residual stages of 64 to 256 channels instead of 768, one block each, at
half the image's size and below; the last step to and from pixels is a strided convolution. 3x3 convolutions are dense and of the block's
width instead of twice that and grouped, and D's images are halved by the mean of four pixels: both are faster on CPUs.
Batches of 64 instead of 512, the same real batch for both steps, no augmentation.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from common import cli
from common.images import halvings
from common.train import Training, descend, launch


@dataclass(frozen=True)
class Settings(cli.Settings):
    momentum: float = cli.argument("β1 of both Adam optimizers; 0 is the paper's", cli.number(least=0, below=1))
    gamma: float = cli.option(1.0, "weight of R1 and R2; falls to a tenth", cli.number(least=0))
    burn_in: int = cli.option(300_000, "images over which the schedules run", cli.whole())
    ema: float = 0.999
    images: int = 600_000


def conv(inputs: int, outputs: int, size: int, gain: float = math.sqrt(2 / 1.04), **options: object) -> nn.Conv2d:
    """A convolution with weights from N(0, gain^2 / fan_in), by default for a LeakyReLU of slope 0.2."""
    layer = nn.Conv2d(inputs, outputs, size, padding=(size - 1) // 2, **options)
    nn.init.normal_(layer.weight, 0, gain / math.sqrt(inputs * size**2))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """x + F(x); of `depth` such blocks in a network each begins as the identity, its first layers scaled (fix-up)."""

    def __init__(self, width: int, depth: int):
        super().__init__()
        gain = math.sqrt(2 / 1.04) * depth**-0.25
        self.layers = nn.Sequential(
            conv(width, width, 1, gain),
            nn.LeakyReLU(0.2),
            conv(width, width, 3, gain),
            nn.LeakyReLU(0.2),
            conv(width, width, 1, 0, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def widths_of(shape: tuple[int, int, int]) -> list[int]:
    """Channels of the residual stages, from half the image's size down: 64, 128, ... at most 256."""
    return [min(64 << i, 256) for i in range(halvings(shape))]


class Generator(nn.Module):
    """z (N, z_dim) -> images (N, C, H, W), real ones' range being [-1, 1]."""

    def __init__(self, z_dim: int, shape: tuple[int, int, int]):
        super().__init__()
        self.z_dim = z_dim
        widths = widths_of(shape)[::-1]
        side = shape[1] >> len(widths)
        self.basis = nn.Parameter(torch.randn(widths[0], side, side))
        self.weights = nn.Linear(z_dim, widths[0], bias=False)
        nn.init.normal_(self.weights.weight, 0, 1 / math.sqrt(z_dim))
        stages: list[nn.Module] = [Block(widths[0], len(widths))]
        for i, width in enumerate(widths[1:]):
            stages += [conv(widths[i], width, 1, 1, bias=False), nn.Upsample(scale_factor=2, mode="bilinear")]
            stages += [Block(width, len(widths))]
        self.stages = nn.Sequential(*stages, nn.ConvTranspose2d(widths[-1], shape[0], 4, 2, 1))

    def forward(self, z: Tensor) -> Tensor:
        x = self.basis * self.weights(z)[:, :, None, None]
        return self.stages(x.contiguous(memory_format=torch.channels_last))


class Discriminator(nn.Module):
    """Images (N, C, H, W) -> scores (N,), no sigmoid; each depends on its own image alone."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        widths = widths_of(shape)
        side = shape[1] >> len(widths)
        stages = [nn.Conv2d(shape[0], widths[0], 4, 2, 1), Block(widths[0], len(widths))]
        for inputs, width in zip(widths, widths[1:], strict=False):
            stages += [nn.AvgPool2d(2), conv(inputs, width, 1, 1, bias=False), Block(width, len(widths))]
        self.stages = nn.Sequential(*stages)
        self.basis = nn.Parameter(torch.randn(widths[-1], side, side) / side)
        self.score = nn.Linear(widths[-1], 1, bias=False)
        nn.init.normal_(self.score.weight, 0, 1 / math.sqrt(widths[-1]))

    def forward(self, x: Tensor) -> Tensor:
        return self.score((self.stages(x) * self.basis).sum((2, 3))).squeeze(1)


def discriminator_loss(
    real_scores: Tensor, fake_scores: Tensor, r1: Tensor | float = 0, r2: Tensor | float = 0, gamma: float = 0
) -> Tensor:
    """-E f(D(G(z)) - D(x)) + R1 + R2, with f(t) = -softplus(-t) turned to D's favour: pairs in the order they come."""
    return F.softplus(fake_scores - real_scores).mean() + gamma / 2 * (r1 + r2)


def generator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E softplus(D(x) - D(G(z))): the same with the places exchanged, as the authors' code descends it."""
    return F.softplus(real_scores - fake_scores).mean()


def scores_and_penalty(D: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """D's scores (N,) and ||grad D||^2 over all pixels, (N,), at the images themselves."""
    images = images.detach().requires_grad_()
    scores = D(images)
    # The penalty is itself differentiated by D's weights, so the gradient's graph is kept.
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return scores, gradient.flatten(1).square().sum(1)


def discriminator_step(
    D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, z: Tensor, gamma: float
) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z)
    # One pass for both: no layer of D looks across the batch.
    scores, squares = scores_and_penalty(D, torch.cat([x, fake]))
    (real_scores, fake_scores), (r1, r2) = scores.chunk(2), squares.chunk(2)
    loss = discriminator_loss(real_scores, fake_scores, r1.mean(), r2.mean(), gamma)
    descend(loss, opt_D)
    return {"d_loss": loss, "r1": r1.mean(), "r2": r2.mean()}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        real_scores = D(x)
    loss = generator_loss(real_scores, D(G(z)))
    descend(loss, opt_G)
    return {"g_loss": loss}


def cosine(start: float, end: float, progress: float) -> float:
    """From `start` at 0 to `end` at 1 and beyond."""
    return end + (start - end) * (1 + math.cos(math.pi * min(progress, 1))) / 2


def main(run: Training) -> None:
    s = run.settings
    G = run.generator(Generator, s.z_dim, run.shape)
    D = run.network(Discriminator, run.shape)
    opt_G = run.optimizer(Adam, G, lr=s.lr_g, betas=(s.momentum, 0.9))
    opt_D = run.optimizer(Adam, D, lr=s.lr_d, betas=(s.momentum, 0.9))

    for i, x in run.batches():
        progress = i * s.batch_size / s.burn_in
        gamma, beta2 = cosine(s.gamma, s.gamma / 10, progress), cosine(0.9, 0.99, progress)
        for optimizer, lr in ((opt_G, s.lr_g), (opt_D, s.lr_d)):
            optimizer.param_groups[0].update(lr=cosine(lr, lr / 4, progress), betas=(s.momentum, beta2))
        run.log(discriminator_step(D, G, opt_D, x, run.noise(), gamma))
        run.log(generator_step(D, G, opt_G, x, run.noise()))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
