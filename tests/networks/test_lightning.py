"""A Lightning module: the trainer clips, logs, validates, saves and resumes. Needs the extra `integration`."""

from __future__ import annotations

import csv

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

import mho
from tests.helpers.script import RPU, batch, falls, held_out, says, silence
from tests.helpers.vgg import VGG

pytestmark = pytest.mark.integration
CLIP = 0.5
# words of Lightning on a new torch, and on a folder of its own for the resumed run
FOREIGN = r"LeafSpec|The dirpath has changed"


class Digits(Dataset):
    """Batches of digits, by number."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return batch(number)


def halved(optimizer):
    """Return a schedule that halves the learning rate every hundred steps."""
    return torch.optim.lr_scheduler.StepLR(optimizer, 100, 0.5)


def module(seed):
    """Return a Lightning module whose network is on arrays."""
    import lightning

    class Classifier(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.model = mho.convert(VGG(), RPU, seed=seed, quiet=True)

        def training_step(self, examples, index):
            images, target = examples
            loss = F.cross_entropy(self.model(images), target)
            self.log("loss", loss)
            return loss

        def validation_step(self, examples, index):
            images, target = examples
            self.log("validation", F.cross_entropy(self.model(images), target))

        def configure_optimizers(self):
            optimizer = mho.AnalogSGD(self.model, lr=0.2)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": halved(optimizer), "interval": "step"}}

    return Classifier()


def fitted(seed, steps, folder, *, epochs=1, resume=None):
    """Train a module in Lightning's trainer; return it and the trainer. Checkpoints are kept every ten steps."""
    from lightning.pytorch import Trainer, callbacks, loggers

    made = module(seed)
    trainer = Trainer(
        accelerator="cpu",
        max_steps=steps,
        gradient_clip_val=CLIP,
        logger=[loggers.CSVLogger(folder, name="csv"), loggers.TensorBoardLogger(folder, name="board")],
        callbacks=[
            callbacks.ModelCheckpoint(folder / "saved", filename="{step}", every_n_train_steps=10, save_top_k=-1)
        ],
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    validation = DataLoader([held_out()], batch_size=None)
    trainer.fit(made, DataLoader(Digits(steps // epochs), batch_size=None), validation, ckpt_path=resume)
    return made, trainer


def by_hand(steps):
    """Return the network after the same steps in a loop of one's own."""
    torch.manual_seed(0)
    model = mho.convert(VGG(), RPU, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.2)
    scheduler = halved(optimizer)
    for number in range(steps):
        images, target = batch(number)
        optimizer.zero_grad()
        F.cross_entropy(model(images), target).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        scheduler.step()
    assert norm > CLIP  # or nothing was clipped
    return model


def weights(model):
    """Return the weights of a network's layers on arrays, by name."""
    return {name: layer.weight.clone() for name, layer in mho.nn.array_layers(model).items()}


@pytest.mark.parametrize("steps", [20, 200])
def test_a_lightning_module_trains_as_a_loop_of_ones_own(steps, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with says(ignored=FOREIGN):
        made, trainer = fitted(0, steps, tmp_path)
    with (tmp_path / "csv" / "version_0" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows if row["loss"]]
    assert len(losses) == steps
    falls(torch.tensor(losses))
    board = EventAccumulator(str(tmp_path / "board" / "version_0")).Reload()
    assert [event.value for event in board.Scalars("loss")] == losses
    with silence():
        wanted = weights(by_hand(steps))
    for name, weight in weights(made.model).items():
        assert torch.equal(weight, wanted[name]), name
    with says(ignored=FOREIGN):
        data = DataLoader([held_out()], batch_size=None)
        (trained,), (untrained,) = (trainer.validate(each, data, verbose=False) for each in (made, module(0)))
    assert trained["validation"] < untrained["validation"]


def test_a_lightning_module_resumes_to_the_same_bits(tmp_path):
    with says(ignored=FOREIGN):
        whole, _ = fitted(0, 20, tmp_path / "whole", epochs=2)
        other, _ = fitted(9, 20, tmp_path / "other", epochs=2, resume=tmp_path / "whole" / "saved" / "step=10.ckpt")
    assert weights(whole.model).keys() == weights(other.model).keys()
    for name, weight in weights(whole.model).items():
        assert torch.equal(weight, weights(other.model)[name]), name
