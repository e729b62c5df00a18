"""Image-to-Image Translation with Conditional Adversarial Networks
Isola, Zhu, Zhou, Efros, 2016, arXiv 1611.07004

    L_cGAN(G, D) = E_x,y[log D(x, y)] + E_x,z[log(1 - D(x, G(x, z)))]                                        (eq. 1)
    L_L1(G) = E_x,y,z[||y - G(x, z)||_1]                                                                     (eq. 3)
    min_G max_D L_cGAN(G, D) + lambda L_L1(G),  lambda = 100                                                 (eq. 4)

Translates an image x into an image y. G is a U-Net: an encoder down to one pixel and a decoder back, each layer of
which also sees its counterpart in the encoder. D, a PatchGAN, gives a logit for every patch of 70 x 70 pixels of the
pair. The noise z is dropout in three layers of the decoder, kept when translating, as are the statistics of the batch
at hand, in training one pair. The 1x1 bottleneck has no batch norm, which would leave nothing of one image. Adam(2e-4,
0.5, 0.999), weights from N(0, 0.02), D's objective halved; G descends -log D(x, G(x, z)). Grids: input, output, truth.

Departures: sizes below 256 have fewer layers of 512 channels and dropout only in those, one at 32 pixels and two at
64, where D's patch is the whole image; a batch is jittered as one.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from common import options
from common.data.pairing.pairs import jitter
from common.data.pairing.settings import PairSettings
from common.nn.layers import dropped, halvings_to_one, normal_weights
from common.nn.rebuildable import rebuildable
from common.training import Training, descend, launch

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer


@dataclass(frozen=True)
class Settings(PairSettings):
    without = frozenset({"z_dim", "flip", "augment"})  # its noise is dropout; jitter mirrors

    width: int = options.option(64, "channels of the first layers, the paper's ngf and ndf", options.whole())
    l1: float = options.option(100.0, "lambda, the weight of the L1 loss", options.number(least=0))
    no_jitter: bool = options.option(False, "neither crop nor mirror the training pairs at random")
    batch_size: int = options.option(1, "pairs in a batch", options.whole())
    images: int = 80_000
    tiles = 3  # of its grids: input, output, truth


norm = partial(nn.BatchNorm2d, track_running_stats=False)  # by the batch at hand, in training and after


class Noise(nn.Dropout):
    """Dropout of one half, in training and after."""

    def forward(self, x: Tensor) -> Tensor:
        return dropped(x, self.p)


@rebuildable(takes="x")
class UNet(nn.Module):
    """Images (N, C, size, size) -> their translations, in [-1, 1]. Raises ValueError for a size it cannot halve."""

    def __init__(self, channels: int, size: int, width: int = 64):
        super().__init__()
        depth = halvings_to_one(size)
        widths = [width * min(1 << i, 8) for i in range(depth)]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        for i, (inputs, outputs) in enumerate(pairwise([channels, *widths])):
            normed = 0 < i < depth - 1
            layers = [nn.LeakyReLU(0.2)] * (i > 0) + [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not normed)]
            self.encoder.append(nn.Sequential(*layers, *[norm(outputs)] * normed))
        for i in reversed(range(depth)):
            inputs, outputs = widths[i] * (1 if i == depth - 1 else 2), widths[i - 1] if i else channels
            layers = [nn.ReLU(), nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=i == 0)]
            layers += [norm(outputs)] * (i > 0) + [Noise()] * (i > 3 and depth - i <= 3) + [nn.Tanh()] * (i == 0)
            self.decoder.append(nn.Sequential(*layers))
        self.apply(normal_weights)

    def forward(self, x: Tensor) -> Tensor:
        skips = [x]
        for layer in self.encoder:
            skips.append(layer(skips[-1]))
        x = self.decoder[0](skips.pop())
        for layer in self.decoder[1:]:
            x = layer(torch.cat([x, skips.pop()], 1))
        return x


class PatchGAN(nn.Module):
    """Two images (N, C, H, W) -> logits (N, 1, h, w) that y is x's true translation, one for each 70 x 70 patch."""

    def __init__(self, channels: int, width: int = 64):
        super().__init__()
        layers = [nn.Conv2d(2 * channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i, stride in enumerate((2, 2, 1)):
            layers += [nn.Conv2d(width << i, width << i + 1, 4, stride, 1, bias=False)]
            layers += [norm(width << i + 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width << 3, 1, 4, 1, 1))
        self.apply(normal_weights)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layers(torch.cat([x, y], 1))


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-L_cGAN of eq. 1, halved to slow D down."""
    return (F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()) / 2


def generator_loss(fake_logits: Tensor, fake: Tensor, y: Tensor, l1: float = 100) -> Tensor:
    """-E log D(x, G(x, z)) + lambda E|y - G(x, z)|, the mean over pixels, eq. 4."""
    return F.softplus(-fake_logits).mean() + l1 * (y - fake).abs().mean()


def discriminator_step(D: nn.Module, opt_D: Optimizer, x: Tensor, y: Tensor, fake: Tensor) -> dict[str, Tensor]:
    loss = discriminator_loss(D(x, y), D(x, fake.detach()))
    descend(loss, opt_D)
    return {"d_loss": loss}


def generator_step(D: nn.Module, opt_G: Optimizer, x: Tensor, y: Tensor, fake: Tensor, l1: float) -> dict[str, Tensor]:
    loss = generator_loss(D(x, fake), fake, y, l1)
    descend(loss, opt_G)
    return {"g_loss": loss, "l1": (y - fake).abs().mean()}


def main(run: Training) -> None:
    s, pair = run.settings, run.settings.pairing(run.data.name)
    G = run.generator("G", UNet(pair.channels(run.shape), run.shape[1], s.width))
    D = run.network("D", PatchGAN(pair.channels(run.shape), s.width))
    opt_G = run.optimizer("G", Adam(G.parameters(), s.lr_g, betas=(s.momentum, 0.999)))
    opt_D = run.optimizer("D", Adam(D.parameters(), s.lr_d, betas=(s.momentum, 0.999)))

    def input_output_truth(images: Tensor, _: Tensor) -> Tensor:
        x, y = pair.split(images)
        return torch.stack([x, torch.cat([run.sample(one) for one in x.split(1)]), y], 1).flatten(0, 1)

    run.sheet("samples", input_output_truth, count=10, columns=6)

    for images in run.batches():
        x, y = pair.split(images if s.no_jitter else jitter(images))
        fake = G(x)
        run.log(discriminator_step(D, opt_D, x, y, fake))
        run.log(generator_step(D, opt_G, x, y, fake, s.l1))


if __name__ == "__main__":
    launch(main, Settings, __doc__)
