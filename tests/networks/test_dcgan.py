"""A DCGAN pair: two networks, two optimizers, and steps in the usual order of real and fake images."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import mho
from mho.nn import StaysDigital
from tests.helpers.script import RPU, STEPS, Script, batch, check

LATENT = 8
REAL, FAKE = 1.0, 0.0


class Generator(nn.Module):
    """A projection and transposed convolutions (A. Radford et al. 2016), up to images of 8×8."""

    def __init__(self, width=8):
        super().__init__()
        self.project = nn.Linear(LATENT, width * 4)
        self.main = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(True),
            nn.ConvTranspose2d(width, 1, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, noise):
        return self.main(self.project(noise).reshape(len(noise), -1, 2, 2))


class Discriminator(nn.Module):
    """Strided convolutions, down to one number."""

    def __init__(self, width=8):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * width, 1, 2, 1, 0, bias=False),
        )

    def forward(self, images):
        return self.main(images).flatten()


def weights_init(module):
    """Draw weights as the paper does, wider for networks so small."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.2)


def pixels(number):
    """Return images of digits in [-1, 1], by number."""
    return torch.tanh(batch(number, 32)[0])


class Pair(Script):
    def __init__(self, seed):
        self.generator = mho.convert(Generator().apply(weights_init), RPU, seed=seed, quiet=True)
        self.discriminator = mho.convert(Discriminator().apply(weights_init), RPU, seed=seed + 1, quiet=True)
        self.optimizer_g = mho.AnalogSGD(self.generator, lr=0.01)
        self.optimizer_d = mho.AnalogSGD(self.discriminator, lr=0.1)
        self.criterion = nn.BCEWithLogitsLoss()

    def step(self, number):
        real = pixels(number)
        label = torch.full((len(real),), REAL)
        self.discriminator.zero_grad()
        loss_real = self.criterion(self.discriminator(real), label)
        loss_real.backward()
        fake = self.generator(torch.randn(len(real), LATENT))
        loss_fake = self.criterion(self.discriminator(fake.detach()), label.fill_(FAKE))
        loss_fake.backward()
        self.optimizer_d.step()
        self.generator.zero_grad()
        loss_g = self.criterion(self.discriminator(fake), label.fill_(REAL))
        loss_g.backward()
        self.optimizer_g.step()
        return (loss_real + loss_fake).item()

    def score(self):
        """Return how far the mean of fake images is from that of real ones: what the generator learns first."""
        torch.manual_seed(0)
        return (self.generator(torch.randn(32, LATENT)) - pixels(10_000)).mean(0).norm().item()


class AdamPair(Pair):
    """A generator that stays digital, and trains through the discriminator's arrays."""

    def __init__(self, seed):
        self.generator = Generator().apply(weights_init)
        self.discriminator = mho.convert(Discriminator().apply(weights_init), RPU, seed=seed, quiet=True)
        self.optimizer_g = torch.optim.Adam(self.generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
        self.optimizer_d = mho.AnalogSGD(self.discriminator, lr=0.1)
        self.criterion = nn.BCEWithLogitsLoss()


DISCRIMINATOR = (StaysDigital, r"no array form for layer main\.3 \(BatchNorm2d\): they stay digital")


@pytest.mark.parametrize("steps", STEPS)
def test_a_pair_trains_by_two_optimizers(steps):
    generator = (
        StaysDigital,
        r"no array form for layers main\.0 \(BatchNorm2d\), main\.3 \(BatchNorm2d\): they stay digital",
    )
    # the discriminator is ahead at first; then the generator catches up, and its loss rises again
    check(Pair, steps, told=(generator, DISCRIMINATOR), falls_until=20)


def test_the_discriminator_is_not_pulsed_by_the_generators_step():
    with pytest.warns(StaysDigital):
        pair = Pair(0)
    pair.step(0)
    held = [layer.weight.clone() for layer in pair.layers()]
    assert [len(layer.memory.pending) for layer in pair.layers()] == [0, 0, 0, 1, 1, 1]  # of the generator's backward
    pair.discriminator.zero_grad()
    pair.optimizer_d.step()
    assert all(torch.equal(layer.weight, weight) for layer, weight in zip(pair.layers(), held, strict=True))


@pytest.mark.parametrize("steps", STEPS)
def test_a_digital_generator_trains_before_arrays(steps):
    check(AdamPair, steps, told=(DISCRIMINATOR,), falls_until=20)
