"""The GAN is dead; long live the GAN! A Modern Baseline GAN
Huang, Gokaslan, Kuleshov, Tompkin, 2024, arXiv 2501.05441

    min_G max_D  E_x,z[f(D(G(z)) - D(x))],  f(t) = -log(1 + exp(-t))                                         (eq. 2)
    R1 = gamma/2 E_x[||grad D(x)||^2]     R2 = gamma/2 E_z[||grad D(G(z))||^2]                               (eq. 3)

Only the difference of the scores in a pair counts, so no mode can be left out for good; the two zero-centred penalties
make training converge. As in the authors' code real images score high, the sign of D in eq. 2 turned: D descends
E softplus(D(G(z)) - D(x)) + R1 + R2, and G, on a real batch of its own, the first term with the scores exchanged.
Nothing is normalised; D is residual, with fix-up; G is averaged (`--ema`). Cosines over `--burn-in` images take gamma
to a tenth, the rates to a quarter, and beta2 from 0.9 to 0.99. `--classes` tells both networks the class as its authors
do, by an embedding beside z and a projection in D; here D adds a score that all classes share (Miyato, Koyama 2018).

Departures, for minutes instead of days: G has a DCGAN's transposed convolutions and tanh, with SiLU between, instead of
D's mirror image, which learns more slowly. D has 32 and 64 channels instead of 768 and one block a stage, from half the
image's size down, after a strided convolution; dense 3x3 convolutions as wide as the block instead of grouped ones of
twice that, and the mean of four pixels for bilinear, both faster on CPUs; R1 and R2 on a quarter of a batch. Both bear
25 times the paper's rate of 2e-4, with momentum. Batches of 64, not 512; z of 100 dimensions, not 64; no --augment.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

from common import options
from common.nn.layers import Flatten, Unflatten, halvings
from common.nn.rebuildable import rebuildable
from common.pictures.grids import COLUMNS
from common.sampling import a_class_a_row
from common.training import Training, cosine, descend, launch, scores_and_gradients

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

EMBEDDING = 64  # numbers that stand for a class beside z
GAMMA = "weight of R1 and R2, which falls to a tenth (default: 1 for gray images of up to 32 pixels, else 0.2)"


@dataclass(frozen=True)
class Settings(options.Settings):
    momentum: float = options.argument("β1 of both Adam optimizers; 0 is the paper's", options.number(least=0, below=1))
    gamma: float | None = options.option(None, GAMMA, options.number(least=0))
    burn_in: int = options.option(200_000, "images over which the schedules run", options.whole())
    penalised: float = options.option(0.25, "share of a batch that R1 and R2 are of", options.number(above=0, most=1))
    width: int = options.option(64, "channels of D, which has half of them next to the image, as G", options.whole(2))
    classes: bool = options.option(False, "tell both networks the class of each image")
    ema: float | str | None = "auto"
    images: int = 560_000


def scaled(layer: nn.Module, gain: float = 1) -> nn.Module:
    """The layer, its weights from N(0, gain^2 / fan-in); of a 4x4 convolution that doubles the size, 2x2 places."""
    doubles = isinstance(layer, nn.ConvTranspose2d)
    nn.init.normal_(layer.weight, 0, gain / math.sqrt(4 * layer.in_channels if doubles else layer.weight[0].numel()))
    return layer


def conv(inputs: int, outputs: int, size: int, gain: float = 1, bias: bool = False) -> nn.Module:
    """A convolution that keeps the image's size."""
    return scaled(nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias), gain)


class Block(nn.Module):
    """x + F(x). With fix-up each of `depth` blocks begins as the identity, and the others' layers are scaled down."""

    def __init__(self, width: int, depth: int):
        super().__init__()
        gain = math.sqrt(2 / (1 + 0.2**2)) * depth**-0.25
        first, second = (conv(width, width, size, gain, bias=True) for size in (1, 3))
        self.layers = nn.Sequential(first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), conv(width, width, 1, gain=0))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


@rebuildable(takes="z")
class Generator(nn.Module):
    """z (N, z_dim), with `classes` also y (N,) -> images (N, C, H, W) in [-1, 1]."""

    def __init__(self, z_dim: int, shape: tuple[int, int, int], width: int = 64, classes: int = 0):
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        if classes:
            self.takes, self.embedding = ("z", "y"), nn.Embedding(classes, EMBEDDING)
        times = halvings(shape)
        side, width = shape[1] >> times, width // 2 << (times - 1)
        first = nn.Linear(z_dim + EMBEDDING * bool(classes), width * side**2, bias=False)
        layers = [scaled(first), Unflatten(width, side, side)]
        for _ in range(times - 1):
            layers += [nn.SiLU(), scaled(nn.ConvTranspose2d(width, width // 2, 4, 2, 1), math.sqrt(2))]
            width //= 2
        last = scaled(nn.ConvTranspose2d(width, shape[0], 4, 2, 1), gain=0.3)
        self.layers = nn.Sequential(*layers, nn.SiLU(), last, nn.Tanh())

    def forward(self, z: Tensor, *y: Tensor) -> Tensor:
        return self.layers(torch.cat([z, *(self.embedding(one) for one in y)], 1))


class Discriminator(nn.Sequential):
    """Images (N, C, H, W), with `classes` also y (N,) -> scores (N,), no sigmoid; each of its own image alone."""

    def __init__(self, shape: tuple[int, int, int], width: int = 64, classes: int = 0):
        depth = halvings(shape)
        side, widths = shape[1] >> depth, [width // 2] + [width] * (depth - 1)
        stages: list[nn.Module] = [nn.Conv2d(shape[0], widths[0], 4, 2, 1), Block(widths[0], depth)]
        for inputs, outputs in pairwise(widths):
            stages += [nn.AvgPool2d(2), conv(inputs, outputs, 1), Block(outputs, depth)]
        # The basis and the paper's linear layer in one; its further rows are the projections on the classes.
        super().__init__(*stages, Flatten(), scaled(nn.Linear(widths[-1] * side**2, 1 + classes, bias=False)))

    def forward(self, x: Tensor, *y: Tensor) -> Tensor:
        scores = super().forward(x)
        return scores[:, 0] + scores.gather(1, 1 + y[0][:, None])[:, 0] if y else scores[:, 0]


def discriminator_loss(
    real: Tensor, fake: Tensor, r1: Tensor | float = 0, r2: Tensor | float = 0, gamma: float = 0
) -> Tensor:
    """E softplus(D(G(z)) - D(x)) + gamma/2 (r1 + r2), of scores in pairs and mean squared gradient norms."""
    return F.softplus(fake - real).mean() + gamma / 2 * (r1 + r2)


def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """E softplus(D(x) - D(G(z)))."""
    return F.softplus(real - fake).mean()


def squared_gradients(D: nn.Module, x: Tensor, *y: Tensor) -> Tensor:
    """||grad D||^2 over all values of an x, at each x itself, (N,)."""
    _, gradients = scores_and_gradients(lambda x: D(x, *y), x)
    return gradients.square().sum(1)


def discriminator_step(
    D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, z: Tensor, gamma: float, penalised: float, *y: Tensor
) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z, *y)
    some = slice(math.ceil(penalised * len(x)))
    squares = squared_gradients(D, torch.cat([x[some], fake[some]]), *(one[some].repeat(2) for one in y))
    r1, r2 = (half.mean() for half in squares.chunk(2))
    real_scores, fake_scores = D(torch.cat([x, fake]), *(one.repeat(2) for one in y)).chunk(2)
    loss = discriminator_loss(real_scores, fake_scores, r1, r2, gamma)
    descend(loss, opt_D)
    return {"d_loss": loss, "r1": r1, "r2": r2}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, x: Tensor, z: Tensor, *y: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        real_scores = D(x, *y)
    loss = generator_loss(real_scores, D(G(z, *y), *y))
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    classes = run.classes if s.classes else 0
    G = run.generator("G", Generator(s.z_dim, run.shape, s.width, classes))
    D = run.discriminator("D", Discriminator(run.shape, s.width, classes))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.9)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.9)))
    if classes:
        run.sheet("samples", lambda _, z: run.sample(*a_class_a_row(z, classes)), count=COLUMNS)

    first = s.gamma if s.gamma is not None else 1.0 if run.shape[0] == 1 and run.shape[1] <= 32 else 0.2
    for x, *y in run.labelled_batches() if classes else zip(run.batches()):
        progress = run.images_shown / s.burn_in
        gamma, beta2 = cosine(first, first / 10, progress), cosine(0.9, 0.99, progress)
        for optimizer, lr in ((opt_G, s.lr_g), (opt_D, s.lr_d)):
            optimizer.param_groups[0].update(lr=cosine(lr, lr / 4, progress), betas=(s.momentum, beta2))
        run.log(discriminator_step(D, G, opt_D, x, run.noise(), gamma, s.penalised, *y))
        x, *y = run.reals(labelled=True) if classes else [run.reals()]  # a batch of its own, as in the authors' code
        run.log(generator_step(D, G, opt_G, x, run.noise(), *y))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
