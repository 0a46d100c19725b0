"""A run as a model: what `mho train` left in a folder, read again to predict and to score."""

from __future__ import annotations

import difflib
import functools
import os
import warnings
from pathlib import Path
from typing import Any, final

import numpy.typing as npt
import torch
from torch import Tensor, nn

from mho.data import DATA_SETS, Dataset
from mho.data import load as load_data
from mho.data.own import as_tensor
from mho.errors import CheckpointError, Faults, InvalidValue, in_words, nearest
from mho.files import expanded
from mho.imports import is_own
from mho.models import Sizes
from mho.runs.build import build
from mho.runs.experiment import Experiment, changes
from mho.runs.folder import BEST, CHECKPOINT, CONFIG, FLOAT, METRICS, read_history
from mho.runs.reader import Reader
from mho.runs.replicas import replica_names
from mho.runs.sweep import SPEC
from mho.runs.work import FOLDERS
from mho.toml_files import parse_toml
from mho.training import Task, sizes_of
from mho.training.checkpoint import fill, load_checkpoint
from mho.training.evaluation import evaluated
from mho.training.tasks.base import example_shape, first_line

CHECKPOINTS = {"last": CHECKPOINT, "best": BEST}
LEARNED = {
    "machine": "mho.learning.BoltzmannMachine.load",
    "conntra": "mho.learning.load_conntra",
    "spectral": "mho.learning.SpectralRNN.load",
}
"""Sections of the configs of `mho learn`, and what loads what it learned."""

Examples = Tensor | npt.ArrayLike


@final
class TrainedRun:
    """A run of `mho train` as a model that predicts and scores, as `mho.load` returns it.

    Every answer reads the arrays anew, with the noise that the run's description gives them: two calls with equal
    inputs differ by it, and a score by about as much from the last line of the history.

    Attributes:
        folder: the run folder.
        model: the trained model in evaluation mode, as `mho.convert` made it: (n, ...) to (n, ...), and with R > 1
            replicas to (R, n, ...).
        config: the run's experiment: `config.training`, `config.rpu`, `config.layers`, `config.task`, ...
    """

    def __init__(self, folder: Path, model: nn.Module, config: Experiment, data_folder: Path | None) -> None:
        self.folder, self.model, self.config = folder, model, config
        self._data_folder = data_folder

    def __repr__(self) -> str:
        training = self.config.training
        replicas = f", {training.replicas} replicas" if training.replicas > 1 else ""
        return f"TrainedRun({str(self.folder)!r}: {training.model} on {training.data}{replicas})"

    @property
    def data(self) -> Dataset:
        """Examples that the run trained on, those held out for validation included, and was tested on.

        They are loaded when they are first asked for.

        Raises:
            DataMissing: where the files of the data set are not to be had.
            InvalidValue: for data of the user's own that can no longer be made.
        """
        return self._prepared[1]

    @functools.cached_property
    def history(self) -> list[dict[str, Any]]:
        """Lines of metrics.jsonl, one mapping per epoch.

        Raises:
            InvalidValue: if the file is missing or damaged.
        """
        return read_history(self.folder / METRICS)

    @functools.cached_property
    def float_history(self) -> list[dict[str, Any]]:
        """Lines of the same network in floating point, as `history`; [] without `mho train --compare float`.

        `mho.load(run.folder / "float")` is its model.

        Raises:
            InvalidValue: if the file is damaged.
        """
        file = self.folder / FLOAT / METRICS
        return read_history(file) if file.exists() else []

    @property
    def replicas(self) -> list[str]:
        """Names of the replicas: the values in which they differ ("forward.noise = 0.06"), or else their seeds."""
        return replica_names(self.config)

    def sample(self, n: int = 200, *, prompt: str = "", temperature: float = 1.0, seed: int = 0) -> str | list[str]:
        """Return a text that the network writes, character by character, by its own probabilities.

        Args:
            n: characters to write, from 1 to 1,000,000.
            prompt: what the text goes on from, of characters of the run's text; "": the first character of its test.
            temperature: the logits are divided by it: below 1 likelier, above 1 rarer characters; 0: the likeliest
                character each time.
            seed: of the draws, at least 0. The arrays' own noise comes on top, anew in each call.

        Returns:
            The n characters, without the prompt; with replicas a list of one text each.

        Raises:
            InvalidValue: for a run that learned no text, a prompt with a character that the text does not have, or
                values out of range.
        """
        faults = Faults("sample")
        faults.number("n", n, low=1, high=1_000_000, integer=True)
        faults.number("temperature", temperature, low=0)
        faults.number("seed", seed, low=0, integer=True)
        if not isinstance(prompt, str):
            faults.add(f"prompt is {prompt!r}; give a text")
        faults.raise_any()
        task, data = self._prepared
        texts = [
            task.sample(reader, data, n, prompt=prompt, temperature=temperature, seed=seed)
            for reader in (Reader(self.model, replica, data) for replica in range(self.config.training.replicas))
        ]
        return texts if len(texts) > 1 else texts[0]

    def predict(self, x: Examples | None = None) -> Tensor | npt.NDArray[Any]:
        """Return what the network answers to inputs.

        Args:
            x: (n, ...), shaped as the examples of the run's data: a tensor, or anything that NumPy makes an array of;
                None: the run's test inputs. A network of a text reads each sequence given from its first character;
                each sequence of the test goes on where the sequence before ends.

        Returns:
            A tensor for a tensor and for None, else an array: for classification the classes (n,), int64; for
            regression the values (n, ...); for next_character the likeliest successors (n, T); for a task of the
            user's own what its method `predict` makes of the outputs. With R > 1 replicas (R, n, ...).

        Raises:
            InvalidValue: for an x that the network cannot take, naming its shape and that of the run's data.
        """
        task = self.config.task
        out = self._outputs(self.data.x_test, task) if x is None else self._outputs(self._inputs(x))
        found = torch.stack([task.predict(own) for own in out])
        answers = found if len(found) > 1 else found[0]
        return answers if x is None or isinstance(x, Tensor) else answers.numpy()

    def score(self, x: Examples | None = None, y: Examples | None = None) -> float | list[float]:
        """Return how well the network answers, 1 at best: the measure of scikit-learn's `score`.

        It is the accuracy for classification, R² for regression (the mean over the outputs, against the variance of
        these targets), the share of right characters for next_character, and for a task of the user's own what its
        method `score` returns, by default 1 less the mean error.

        Args:
            x: as of `predict`.
            y: targets (n, ...), shaped as those of the run's data. Without x and y the run's test data are scored.

        Returns:
            A number; with replicas a list of one number each.

        Raises:
            InvalidValue: for one of x and y without the other, or for values that do not go with the run's data.
            DataMissing: where the files of the data set, whose targets tell how y must be, are not to be had.
        """
        if (x is None) != (y is None):
            raise InvalidValue(
                f"score got {'x without y' if y is None else 'y without x'}; give both, or neither for the run's test "
                "data"
            )
        task, data = self._prepared
        inputs, targets = (data.x_test, data.y_test) if x is None else (self._inputs(x), self._targets(y))
        if len(inputs) != len(targets):
            raise InvalidValue(f"x has {len(inputs)} examples and y has {len(targets)}; give one target per example")
        out = self._outputs(inputs, task if x is None else None)
        task.check(out[0], targets)
        scores = [task.score(own, targets) for own in out]
        return scores if len(scores) > 1 else scores[0]

    @functools.cached_property
    def _prepared(self) -> tuple[Task, Dataset]:
        settings = self.config.training
        task, data = self.config.task.prepare(load_data(settings.data, self._data_folder))
        return task, data.first(settings.train_images, settings.test_images)

    def _outputs(self, x: Tensor, task: Task | None = None) -> Tensor:
        """(R, n, ...), read in evaluation mode; a task says which examples of the run's test follow one another."""
        self.model.eval()
        try:
            places, parts = zip(*evaluated(self.model, x, task), strict=True)
        except Exception as error:  # it runs the user's code, which may raise anything
            shapes = [tuple(examples.shape[1:]) for examples in (x, self._example())]
            inner = f" ({first_line(error)})" if shapes[0] == shapes[1] else ""  # else it is about a layer's input
            raise InvalidValue(
                f"the network of {self.folder} cannot take x of shape {tuple(x.shape)}{inner}; give examples of the "
                f"shape that it was trained on, {example_shape(self._example())}: x of shape {_form(self._example())}"
            ) from error
        return torch.cat(parts, dim=1)[:, torch.cat(places).argsort()]

    def _inputs(self, x: Any) -> Tensor:
        example = self._example()
        given = _like(x, example, "x", self.folder)
        if not example.is_floating_point():
            known = sizes_of(self.data).indices
            wrong = given[(given < 0) | (given >= known)]
            if len(wrong):
                raise InvalidValue(
                    f"x holds the index {int(wrong[0])}, and the run {self.folder} knows those from 0 to {known - 1}; "
                    "of a text run.data.symbols says which character each is"
                )
        return given

    def _targets(self, y: Any) -> Tensor:
        return _like(y, self.data.y_test, "y", self.folder)

    def _example(self) -> Tensor:
        """Return a batch that is shaped as the run's inputs; mho's data sets need not be loaded to know it."""
        settings = self.config.training
        source = DATA_SETS.get(settings.data)
        if source is not None and not is_own(settings.task):  # a user's own task may cut examples otherwise
            return torch.empty(0, *source.example)
        return self.data.x_test


@in_words
def load(
    folder: str | os.PathLike[str], *, checkpoint: str = "last", data_folder: str | os.PathLike[str] | None = None
) -> TrainedRun:
    """Load a run of `mho train` as a model: to predict, to score, to look into, or to train on.

    Args:
        folder: the run folder; `~` is the home folder.
        checkpoint: "last", the weights after the last checkpoint of the run, which need not be finished; or "best",
            those of the epoch with the lowest validation error.
        data_folder: with the files of a data set that has such; None: where `mho.data.load` looks.

    Raises:
        InvalidValue: for a folder that does not exist or is none of `mho train` (a sweep's, for example); a run without
            such a checkpoint; a config with faults, or a config that names a module of the user's that is gone or
            changed.
        CheckpointError: for a checkpoint that is damaged, of another version of mho, or not of this config.
    """
    path = _run_folder(folder)
    if checkpoint not in CHECKPOINTS:
        raise InvalidValue(f"checkpoint is {checkpoint!r}{nearest(str(checkpoint), CHECKPOINTS)}")
    config = _read_config(path / CONFIG)
    file = path / CHECKPOINTS[checkpoint]
    if not file.exists():
        raise InvalidValue(f"{path} has no {file.name}: {_why_missing(path, checkpoint, config)}")
    cure = "delete it to start the run afresh with --resume" if checkpoint == "last" else 'load checkpoint="last"'
    tensors, notes = load_checkpoint(file, cure=cure)
    _check_same(file, notes["config"], config)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what building draws is not kept, and training has told what stays digital
        sizes = notes.get("sizes")
        model = build(config, sizes and Sizes(**sizes | {"example": tuple(sizes["example"])}))
    fill(model.state_dict(keep_vars=True), tensors, "model.", file)
    return TrainedRun(path, model.eval(), config, None if data_folder is None else expanded(data_folder))


def _run_folder(given: object) -> Path:
    """Return the path of a folder with a config of mho train."""
    if not isinstance(given, (str, os.PathLike)):
        raise InvalidValue(f"the run folder is {given!r}; give the path that mho train named, a text or a Path")
    path = expanded(given)
    if path.is_file():
        raise InvalidValue(f"{path} is a file; give the run folder that it is in: {path.parent}")
    if not path.is_dir():
        beside = {config.parent.name.lower(): config.parent for config in path.parent.glob(f"*/{CONFIG}")}
        near = difflib.get_close_matches(path.name.lower(), beside, n=1)
        hint = f"; did you mean {beside[near[0]]}?" if near else ""
        raise InvalidValue(
            f"there is no run folder {path} (looked in {Path.cwd()}); give a folder that mho train wrote{hint}"
        )
    if (path / CONFIG).exists():
        return path
    inside = sorted(config.parent for config in path.glob(f"{FOLDERS}/*/{CONFIG}"))
    if inside or (path / SPEC).exists():
        one = f", for example {inside[0]}" if inside else ", once it has begun"
        raise InvalidValue(
            f"{path} is no run but holds {len(inside)} in {path / FOLDERS}, as a sweep does; load one of them{one}"
        )
    raise InvalidValue(f"{path} is no run folder: it has no {CONFIG}; give the folder that mho train named")


def _read_config(file: Path) -> Experiment:
    try:
        tables = parse_toml(file.read_text(encoding="utf-8"))
    except (InvalidValue, OSError, UnicodeDecodeError) as error:
        raise InvalidValue(f"{file} cannot be read: {error}; restore it") from None
    for section, loader in LEARNED.items():
        if section in tables:
            raise InvalidValue(
                f"{file.parent} is a run of mho learn, with a section [{section}], and mho.load takes those of mho "
                f"train; use {loader}"
            )
    try:
        return Experiment.from_dict(tables)
    except InvalidValue as error:
        raise InvalidValue(f"{file}, to build the run's model: {error}", error.faults) from None


def _why_missing(folder: Path, checkpoint: str, config: Experiment) -> str:
    if checkpoint == "last":
        return f"the run was stopped before its first; continue it with  mho train --out {folder} --resume"
    if config.training.validation:
        return 'no epoch has ended yet, or the file was deleted; load checkpoint="last"'
    return 'the run holds out no examples for validation; load checkpoint="last", or train with --validation 0.1'


def _check_same(file: Path, trained: dict[str, Any], config: Experiment) -> None:
    """Refuse a config that was changed after the training, but for hashes, which its lines may have been cut of."""
    changed = [line for line in changes(trained, config) if not line.split()[0].endswith("_hash")]
    if changed:
        raise CheckpointError(
            f"{file} was trained with another {CONFIG}:\n  " + "\n  ".join(changed) + f"\nrestore {CONFIG}"
        )


def _like(value: Any, example: Tensor, name: str, folder: Path) -> Tensor:
    """Return values as a tensor (n, ...) of the kind of the examples of a run's data."""
    faults = Faults(f"the run {folder}")
    listed = value if isinstance(value, (list, tuple)) else (value,)
    if not example.is_floating_point() and any(isinstance(part, str) for part in listed):
        faults.add(f"{name} has words; give numbers, for a text [[run.data.symbols.index(character), ...]]")
        faults.raise_any()
    given = as_tensor(name, value, faults)
    faults.raise_any()
    shape = tuple(given.shape)
    form = _form(example)
    if given.dim() != example.dim() or not given.numel():
        alone = f"; a single example is {name}[None]" if given.dim() == example.dim() - 1 else ""
        raise InvalidValue(f"{name} has shape {shape}, and the run {folder} takes {form}, n at least 1{alone}")
    if given.is_floating_point() and not example.is_floating_point():
        raise InvalidValue(f"{name} is {given.dtype}, and the run {folder} takes whole numbers {form}; give int64")
    return given.to(example.dtype)


def _form(example: Tensor) -> str:
    """Return the shape of n examples in words: (n, 1, 28, 28)."""
    return f"({', '.join(['n', *map(str, example.shape[1:])])}{',' if example.dim() == 1 else ''})"
