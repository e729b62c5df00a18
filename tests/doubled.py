"""r3gan.py in 64-bit numbers, in which rounding is too small to grow into a difference that could be seen."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import r3gan
from common.training import launch


class InFloat64:
    """A run whose networks, images and noise are of 64-bit numbers."""

    def __init__(self, run):
        self._run = run

    def __getattr__(self, name):
        return getattr(self._run, name)

    def generator(self, name, network):
        network = self._run.generator(name, network.double())
        network.register_forward_pre_hook(lambda _, inputs: tuple(one.double() for one in inputs))
        self._run.sample.__self__._networks.sampled.register_forward_pre_hook(
            lambda _, inputs: tuple(one.double() for one in inputs)
        )
        return network

    def discriminator(self, name, network):
        return self._run.discriminator(name, network.double())

    def batches(self):
        return (x.double() for x in self._run.batches())

    def reals(self):
        return self._run.reals().double()

    def noise(self):
        return self._run.noise().double()


def main(run):
    r3gan.main(InFloat64(run))


if __name__ == "__main__":
    launch(main, r3gan.Settings, r3gan.__doc__)
