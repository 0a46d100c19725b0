"""Your own model, your own loop: digits on resistive arrays. Run it: python examples/own_loop.py"""

import torch
import torch.nn.functional as F
from torch import nn

import mho
from mho.data import digits


def main(epochs: int = 3, images: int = 1437) -> float:
    """Train a small network and return its test error in per cent."""
    torch.manual_seed(0)
    data = digits()
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.Tanh(), nn.Linear(64, 10))

    rpu = mho.presets.gokmen_2017(pulses=1, update_management=True)
    model = mho.convert(model, rpu, seed=0)
    optimizer = mho.AnalogSGD(model, lr=0.01)

    for epoch in range(epochs):
        model.train()
        for i in torch.randperm(images):
            loss = F.cross_entropy(model(data.train_images[i : i + 1]), data.train_labels[i : i + 1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            wrong = model(data.test_images).argmax(1) != data.test_labels
        error = 100 * float(wrong.float().mean())
        print(f"epoch {epoch + 1}: test error {error:.1f} %")
    return error


if __name__ == "__main__":
    main()
