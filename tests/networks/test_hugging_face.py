"""A BERT of transformers in its Trainer, which clips, saves and resumes. Needs the extra `integration`."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import Dataset

import mho
from mho.errors import InvalidValue
from mho.nn import StaysDigital
from tests.helpers.script import RPU, SMOOTHED, falls, says

pytestmark = pytest.mark.integration
WORDS, LENGTH = 16, 8
FOREIGN = r"LeafSpec"
DIGITAL = (
    StaysDigital,
    r"no array form for layers bert\.embeddings\.LayerNorm \(LayerNorm\), .*LayerNorm \(LayerNorm\): they stay digital",
)


class Sentences(Dataset):
    """Sentences of two kinds: words of the lower half, or mostly of the upper."""

    def __len__(self):
        return 64 * 200

    def __getitem__(self, number):
        generator = torch.Generator().manual_seed(number)
        kind = int(torch.randint(0, 2, (), generator=generator))
        words = torch.randint(0, WORDS // 2, (LENGTH,), generator=generator)
        upper = torch.rand(LENGTH, generator=generator) < 0.7 * kind
        return {"input_ids": words + WORDS // 2 * upper, "labels": kind}


def tiny():
    """Return the configuration of a BERT of one layer."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=WORDS,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LENGTH,
        initializer_range=0.2,
        num_labels=2,
    )


def trainer(seed, steps, folder):
    """Return a trainer of a BERT on arrays."""
    from transformers import BertForSequenceClassification, Trainer, TrainingArguments

    torch.manual_seed(0)
    model = mho.convert(BertForSequenceClassification(tiny()), RPU, seed=seed, quiet=True)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=64,
        max_grad_norm=1.0,
        lr_scheduler_type="constant",
        logging_steps=1,
        save_steps=10,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    data = Sentences()
    held_out = torch.utils.data.Subset(data, range(64 * 190, 64 * 191))
    optimizer = mho.AnalogSGD(model, lr=0.3)
    return Trainer(model, arguments, train_dataset=data, eval_dataset=held_out, optimizers=(optimizer, None))


def begun(seed, steps, folder):
    """Return a trainer, which must say what stays digital."""
    with says(DIGITAL):
        return trainer(seed, steps, folder)


@pytest.mark.parametrize("steps", [20, 200])
def test_a_bert_trains_by_the_trainer_and_resumes_to_the_same_bits(steps, tmp_path):
    made = begun(0, steps, tmp_path / "whole")
    layers = mho.nn.array_layers(made.model)
    before = {name: layer.weight.clone() for name, layer in layers.items()}
    with says(ignored=FOREIGN):
        untrained = made.evaluate()["eval_loss"]
        made.train()
        trained = made.evaluate()["eval_loss"]
    told = [record for record in made.state.log_history if "loss" in record]
    assert len(told) == steps
    falls(torch.tensor([record["loss"] for record in told]))
    assert all(record["grad_norm"] > 0 for record in told)  # clipping and logging see the arrays
    assert trained < untrained
    assert all(bool((layer.weight != before[name]).any()) for name, layer in layers.items())

    last = tmp_path / "whole" / f"checkpoint-{steps}"
    resumed = begun(9, steps, tmp_path / "resumed")
    with says(ignored=FOREIGN):
        resumed.train(resume_from_checkpoint=str(last.with_name(f"checkpoint-{steps - 10}")))
    loaded = begun(5, steps, tmp_path / "loaded")
    loaded.model.load_state_dict(load_file(last / "model.safetensors"))
    for name, layer in layers.items():
        for other in (resumed, loaded):
            assert torch.equal(layer.weight, mho.nn.array_layers(other.model)[name].weight), name


def test_a_head_that_is_tied_to_the_embedding_is_refused_with_a_cure_that_works():
    from transformers import BertForMaskedLM

    model = BertForMaskedLM(tiny())
    tied = ["bert.embeddings.word_embeddings", "cls.predictions.decoder"]
    with pytest.raises(InvalidValue, match=r"are one parameter \(tied\)") as refused:
        mho.convert(model, RPU, quiet=True)
    assert f"exclude={tied!r}" in str(refused.value)
    with pytest.warns(StaysDigital):
        model = mho.convert(model, RPU, exclude=tied, quiet=True)
    optimizer = mho.AnalogSGD(model, lr=0.3)
    words = torch.arange(LENGTH)[None] + torch.arange(4)[:, None]
    losses = []
    for _ in range(2 * SMOOTHED):
        loss = model(input_ids=words, labels=words).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    falls(torch.tensor(losses))
    assert model.cls.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
