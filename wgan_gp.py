"""Improved Training of Wasserstein GANs
Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, 2017, arXiv 1704.00028

    min_D  E_z[D(G(z))] - E_x[D(x)] + lambda E_x^[(||grad D(x^)||_2 - 1)^2]                                  (eq. 3)
    min_G -E_z[D(G(z))]

In place of WGAN's clipped weights, the critic's gradient is held near norm 1 on points x^ = eps x + (1 - eps) G(z)
between a real image and a fake, with one eps ~ U[0, 1] an image; the norm is over all pixels of an image. Algorithm 1:
lambda = 10, 5 critic steps a generator step, Adam(1e-4, beta1 0, beta2 0.9). The critic has no batch norm, which would
make the gradient at one image depend on the others. Its estimate of the Wasserstein distance and the mean gradient norm
are in the log.

Departures: z ~ N(0, I) of 100 dimensions instead of 128; G and the critic have the layers of a DCGAN, sized to the
image, from 32 channels on, instead of the paper's residual blocks. These bear 10 to 20 times the paper's rate.
"""

from dataclasses import dataclass

from common import options
from common.nn.layers import Flatten, Unflatten, halvings
from common.nn.ranks import one_each
from common.nn.rebuildable import rebuildable
from common.training import Training, descend, launch, scores_and_gradients

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer


@dataclass(frozen=True)
class Settings(options.Settings):
    momentum: float = options.argument("β1 of both Adam optimizers; 0 is the paper's", options.number(least=0, below=1))
    n_critic: int = options.option(5, "critic steps a generator step", options.whole())
    penalty: float = options.option(10.0, "lambda, the weight of the gradient penalty", options.number(least=0))
    width: int = options.option(32, "channels of the layers next to the image", options.whole())
    images: int = 2_000_000


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


class Critic(nn.Module):
    """Images (N, C, H, W) -> scores (N,), no sigmoid; each depends on its own image alone."""

    def __init__(self, shape: tuple[int, int, int], width: int = 32):
        super().__init__()
        times = halvings(shape)
        layers = [nn.Conv2d(shape[0], width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for _ in range(times - 1):
            layers += [nn.Conv2d(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2)]
            width *= 2
        score = nn.Linear(width * (shape[1] >> times) ** 2, 1, bias=False)  # a bias would cancel out of the estimate
        self.layers = nn.Sequential(*layers, Flatten(), score, nn.Flatten(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def gradient_norms(D: nn.Module, x: Tensor, fake: Tensor) -> Tensor:
    """||grad D(x^)||_2 over all values of an x, (N,), at a random point between each real x and its fake."""
    epsilon = one_each(x)
    _, gradients = scores_and_gradients(D, epsilon * x + (1 - epsilon) * fake)
    return gradients.norm(2, dim=1)


def critic_loss(real_scores: Tensor, fake_scores: Tensor, norms: Tensor, penalty: float = 10) -> Tensor:
    """E D(G(z)) - E D(x) + lambda E (||grad D(x^)||_2 - 1)^2, eq. 3."""
    return fake_scores.mean() - real_scores.mean() + penalty * (norms - 1).square().mean()


def generator_loss(fake_scores: Tensor) -> Tensor:
    """-E D(G(z))."""
    return -fake_scores.mean()


def critic_step(
    D: nn.Module, G: nn.Module, opt_D: Optimizer, x: Tensor, z: Tensor, penalty: float
) -> dict[str, Tensor]:
    with torch.no_grad():
        fake = G(z)
    real_scores, fake_scores = D(torch.cat([x, fake])).chunk(2)  # in one pass: D does not look across the batch
    norms = gradient_norms(D, x, fake)
    descend(critic_loss(real_scores, fake_scores, norms, penalty), opt_D)
    return {"wasserstein_estimate": real_scores.mean() - fake_scores.mean(), "gradient_norm": norms.mean()}


def generator_step(D: nn.Module, G: nn.Module, opt_G: Optimizer, z: Tensor) -> dict[str, Tensor]:
    loss = generator_loss(D(G(z)))
    descend(loss, opt_G)
    return {"g_loss": loss}


def main(run: Training) -> None:
    s = run.settings
    G = run.generator("G", Generator(s.z_dim, run.shape, s.width))
    D = run.discriminator("D", Critic(run.shape, s.width))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.9)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.9)))

    for reals in run.iterations(critic_steps=s.n_critic):
        for x in reals:
            run.log(critic_step(D, G, opt_D, x, run.noise(), s.penalty))
        run.log(generator_step(D, G, opt_G, run.noise()))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
