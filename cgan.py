"""Conditional Generative Adversarial Nets
Mirza, Osindero, 2014, arXiv 1411.1784

    min_G max_D V(D, G) = E_x[log D(x|y)] + E_z[log(1 - D(G(z|y)))]                                          (eq. 2)

Both networks are told the class y of an image: G makes one of that class, D judges whether an image is a real one of
that class. D outputs a logit; G descends -E log D(G(z|y)), for its stronger gradients. The classes of fakes are those
of the batch of real images. A row of a grid is a class, a column one z.

Departures: convolutions, batch norm and Adam in place of the paper's fully connected maxout layers, dropout and SGD;
z ~ N(0, I) instead of uniform. The paper gives y a hidden layer that joins those of z and of x once; here every layer
is told y. Joined once, hidden layers of z and y gave one image a class here, and D let four times as many images pass
for another class.
"""

from dataclasses import dataclass

from common import options
from common.nn.layers import Flatten, Unflatten, halvings, normal_weights
from common.nn.rebuildable import rebuildable
from common.pictures.grids import COLUMNS
from common.sampling import a_class_a_row
from common.training import Training, descend, launch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer


@dataclass(frozen=True)
class Settings(options.Settings):
    width: int = options.option(64, "channels of the layers next to the image", options.whole())
    images: int = 1_000_000


class ClassBias(nn.Module):
    """Features h (N, C, H, W), classes y (N,) -> h + b_y: a bias of its own for each class and channel.

    It is what planes with the one-hot y, beside those that h is made from, would add. They start from N(0, std).
    """

    def __init__(self, classes: int, width: int, std: float = 1):
        super().__init__()
        self.bias = nn.Embedding(classes, width)
        nn.init.normal_(self.bias.weight, 0, std)

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        return h + self.bias(y).to(h.dtype)[:, :, None, None]


@rebuildable(takes="zy")
class Generator(nn.Module):
    """z (N, z_dim), classes y (N,) -> images (N, C, H, W) in [-1, 1]."""

    def __init__(self, z_dim: int, shape: tuple[int, int, int], classes: int, width: int = 64):
        super().__init__()
        self.z_dim, self.classes = z_dim, classes
        times = halvings(shape)
        side, width = shape[1] >> times, width << (times - 1)
        self.first = nn.Sequential(
            nn.Linear(z_dim + classes, width * side**2, bias=False), Unflatten(width, side, side), nn.BatchNorm2d(width)
        )
        self.biases, self.layers = nn.ModuleList([ClassBias(classes, width, 0.2)]), nn.ModuleList()
        for _ in range(times - 1):
            width //= 2
            self.layers.append(
                nn.Sequential(nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width))
            )
            self.biases.append(ClassBias(classes, width, 0.2))
        self.layers.append(nn.Sequential(nn.ConvTranspose2d(width, shape[0], 4, 2, 1), nn.Tanh()))
        self.apply(normal_weights)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        x = self.first(torch.cat([z, F.one_hot(y, self.classes)], 1))
        for bias, layer in zip(self.biases, self.layers, strict=True):
            x = layer(F.relu(bias(x, y)))
        return x


class Discriminator(nn.Module):
    """Images (N, C, H, W), classes y (N,) -> logits (N,) of the probability that each is a real one of its class."""

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int = 64):
        super().__init__()
        times = halvings(shape)
        self.layers = nn.ModuleList([nn.Conv2d(shape[0], width, 4, 2, 1)])
        self.biases = nn.ModuleList([ClassBias(classes, width, 0.02)])  # larger, it would drown the image
        for _ in range(times - 1):
            width *= 2
            self.layers.append(nn.Sequential(nn.Conv2d(width // 2, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width)))
            self.biases.append(ClassBias(classes, width))
        self.logit = nn.Sequential(Flatten(), nn.Linear(width * (shape[1] >> times) ** 2, 1), nn.Flatten(0))
        self.apply(normal_weights)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        for layer, bias in zip(self.layers, self.biases, strict=True):
            x = F.leaky_relu(bias(layer(x), y), 0.2)
        return self.logit(x)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-V(D, G) of eq. 2: -(E log D(x|y) + E log(1 - D(G(z|y))))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def generator_loss(fake_logits: Tensor) -> Tensor:
    """-E log D(G(z|y))."""
    return F.softplus(-fake_logits).mean()


def discriminator_step(
    D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, y: Tensor, z: Tensor
) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z, y)
    loss = discriminator_loss(D(x, y), D(fake, y))
    descend(loss, opt_D)
    return {"d_loss": loss}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, y: Tensor, z: Tensor) -> dict[str, Tensor]:
    loss = generator_loss(D(G(z, y), y))
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    G = run.generator("G", Generator(s.z_dim, run.shape, run.classes, s.width))
    D = run.discriminator("D", Discriminator(run.shape, run.classes, s.width))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.999)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.999)))
    run.sheet("samples", lambda _, z: run.sample(*a_class_a_row(z, run.classes)), count=COLUMNS)

    for x, y in run.labelled_batches():
        run.log(discriminator_step(D, G, opt_D, x, y, run.noise()))
        run.log(generator_step(D, G, opt_G, y, run.noise()))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
