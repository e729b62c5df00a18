"""Energy-based Generative Adversarial Network
Zhao, Mathieu, LeCun, 2016, arXiv 1609.03126

    L_D = D(x) + [m - D(G(z))]^+                                                                             (eq. 1)
    L_G = D(G(z)) + 0.1 f_PT(S)                                                                    (eq. 2, eq. 14)
    f_PT(S) = 1/(N(N-1)) sum_i sum_{j != i} (S_i . S_j / (|S_i| |S_j|))^2       S: the encoder's output on a batch

The discriminator is an autoencoder; the energy D(x) it outputs is its reconstruction error. The pulling-away term
keeps the fakes' codes apart; many copies drop its square. Under torchrun S is each process's share of the batch. Adam
for both networks, as in the paper.

The margin m belongs to the energy's scale. The paper's energy is the norm |Dec(Enc(x)) - x| (eq. 13) and its margin
for MNIST is 10. Here the energy is the mean squared error over an image's values, norm^2 / (C H W), which does not
grow with the image, so the same margin reads 10^2 / 784 = 0.128: the default, for images in [-1, 1] of any size.
`hinge_active` in the log is the share of fakes with D(G(z)) < m.

Departures: the paper's MNIST networks are fully connected, of many sizes; these are convolutional ones, as in its
larger experiments, with a code of 32 numbers.
"""

from dataclasses import dataclass

from common import options
from common.nn.layers import Flatten, Unflatten, halvings
from common.nn.rebuildable import rebuildable
from common.training import Training, descend, launch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer


@dataclass(frozen=True)
class Settings(options.Settings):
    margin: float = options.option(0.128, "m, on the scale of the mean squared error", options.number(above=0))
    pt_weight: float = options.option(0.1, "weight of the pulling-away term; 0 turns it off", options.number(least=0))
    width: int = options.option(32, "channels of the layers next to the image", options.whole())
    images: int = 1_400_000
    encoder = "D"  # whose codes evaluate.py probes


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


@rebuildable(takes="x")
class Autoencoder(nn.Module):
    """Images (N, C, H, W) -> their reconstructions, the encoder's output (N, code), and the images as they came in."""

    def __init__(self, shape: tuple[int, int, int], width: int = 32, code: int = 32):
        super().__init__()
        times = halvings(shape)
        encoder = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
        decoder = [nn.ConvTranspose2d(width, shape[0], 4, 2, 1)]  # no tanh: it saturates at lr 1e-3, and D dies
        for _ in range(times - 1):
            encoder += [nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2)]
            decoder = [nn.ConvTranspose2d(2 * width, width, 4, 2, 1), nn.LeakyReLU(0.2), *decoder]
            width *= 2
        side = shape[1] >> times
        self.encoder = nn.Sequential(*encoder, Flatten(), nn.Linear(width * side**2, code))
        self.decoder = nn.Sequential(
            nn.Linear(code, width * side**2), nn.LeakyReLU(0.2), Unflatten(width, side, side), *decoder
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        code = self.encoder(x)
        return self.decoder(code), code, x  # which --augment may have changed on its way here


def energy(x: Tensor, reconstruction: Tensor) -> Tensor:
    """D(x), (N,): each x's mean squared reconstruction error; eq. 13, squared and divided by its number of values."""
    return (reconstruction - x).square().reshape(len(x), -1).mean(1)


def discriminator_loss(real_energy: Tensor, fake_energy: Tensor, margin: float) -> Tensor:
    """D(x) + [m - D(G(z))]^+, eq. 1, averaged over the batch."""
    return real_energy.mean() + F.relu(margin - fake_energy).mean()


def pulling_away_term(codes: Tensor) -> Tensor:
    """f_PT of eq. 14: the mean squared cosine between different rows of (N, code)."""
    n = len(codes)
    codes = F.normalize(codes)
    squared_cosines = (codes @ codes.T).square()
    return (squared_cosines.sum() - squared_cosines.diagonal().sum()) / (n * (n - 1))


def generator_loss(fake_energy: Tensor, fake_codes: Tensor, pt_weight: float) -> Tensor:
    """D(G(z)), eq. 2, plus the weighted pulling-away term, eq. 14."""
    loss = fake_energy.mean()
    return loss + pt_weight * pulling_away_term(fake_codes) if pt_weight else loss


def discriminator_step(
    D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, z: Tensor, margin: float
) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z)
    reconstruction, _, seen = D(torch.cat([x, fake]))  # in one pass: D does not look across the batch
    real_energy, fake_energy = energy(seen, reconstruction).chunk(2)
    loss = discriminator_loss(real_energy, fake_energy, margin)
    descend(loss, opt_D)
    energies = {"real_energy": real_energy.mean(), "fake_energy": fake_energy.mean()}
    return {"d_loss": loss, **energies, "hinge_active": (fake_energy < margin).float().mean()}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, z: Tensor, pt_weight: float) -> dict[str, Tensor]:
    reconstruction, codes, seen = D(G(z))
    loss = generator_loss(energy(seen, reconstruction), codes, pt_weight)
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    G = run.generator("G", Generator(s.z_dim, run.shape, s.width))
    D = run.discriminator("D", Autoencoder(run.shape, s.width))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.999)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.999)))
    # Four rows: real, reconstructed real, generated, reconstructed generated.
    run.sheet("reconstructions", lambda x, z: torch.cat([x, D(x)[0], run.sample(z), D(run.sample(z))[0]]))

    for x in run.batches():
        run.log(discriminator_step(D, G, opt_D, x, run.noise(), s.margin))
        run.log(generator_step(D, G, opt_G, run.noise(), s.pt_weight))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
