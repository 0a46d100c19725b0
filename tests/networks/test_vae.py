"""A variational autoencoder with a loss of regression."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import mho
from tests.helpers.script import RPU, STEPS, Script, batch, check, held_out


class VAE(nn.Module):
    """Encoder, reparametrisation, decoder (D. Kingma, M. Welling 2014)."""

    def __init__(self, hidden=32, latent=4):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, hidden), nn.Tanh())
        self.mu, self.logvar = nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, 64))

    def forward(self, x):
        h = self.encoder(x)
        mu, logvar = self.mu(h), self.logvar(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return self.decoder(z), mu, logvar


def loss_function(recon, x, mu, logvar):
    kl = -0.5 * (1 + logvar - mu.square() - logvar.exp()).sum(1).mean()
    return F.mse_loss(recon, x.flatten(1), reduction="sum") / len(x) + kl


class Autoencoder(Script):
    def __init__(self, seed):
        self.model = mho.convert(VAE(), RPU, seed=seed, quiet=True)
        self.optimizer = mho.AnalogSGD(self.model, lr=0.01)

    def step(self, number):
        images, _ = batch(number)
        self.optimizer.zero_grad()
        recon, mu, logvar = self.model(images)
        loss = loss_function(recon, images, mu, logvar)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def score(self):
        images, _ = held_out()
        return loss_function(*self._decoded(images)).item()

    def _decoded(self, images):
        recon, mu, logvar = self.model(images)
        return recon, images, mu, logvar


@pytest.mark.parametrize("steps", STEPS)
def test_a_vae_trains(steps):
    script = check(Autoencoder, steps)
    with torch.no_grad():
        assert script.model.eval().decoder(torch.randn(3, 4)).shape == (3, 64)
