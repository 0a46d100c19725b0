"""Wrong inputs of verbs: one message that says what was given, what is allowed and what to do; nothing half-written."""

from __future__ import annotations

import pytest

from tests.helpers.command import mho

FILES = {
    "rows.toml": "[tile]\nrows = 0\n",
    "bits.toml": "[forward]\nadc_bits = 8.5\n",
    "section.toml": "[trainig]\nepochs = 1\n",
    "sweeps.toml": '[sweeps.grid]\n"forward.noise" = [0.0]\n',
    "count.toml": '[sweep.random]\n"forward.noise" = { low = 0.1, high = 0.2 }\n',
    "presets.toml": 'preset = ["gokmen_2017"]\n',
    "layers.toml": "[layers]\nconv1 = 3\n",
    "twice.toml": "[forward]\nnoise = 1\nnoise = 2\n",
    "device.toml": "dw_min = nan\nstuck = 2\n",
}
WRONG = {
    # configs, and settings beside them
    "train --set cell.kind=Replicated": "devices per weight, 1 to 1024; give its value, for example --set cell.n=4\n",
    "train --set training.lr=1e9": "training.lr is 1000000000.0; give a number greater than 0 and at most 1e6",
    "train --set tile.rows=0": 'tile.rows is 0; give an integer of at least 1, or "none"',
    "train rows.toml": 'rows.toml: the config has faults:\n  tile.rows is 0; give an integer of at least 1, or "none"',
    "train bits.toml": 'forward.adc_bits is 8.5; give an integer from 2 to 24, or "none"',
    "train section.toml": "unknown section 'trainig'; did you mean 'training'?",
    "train presets.toml": "presets.toml: no preset ['gokmen_2017']",
    "train layers.toml": "layers.conv1 is 3; write a section [layers.conv1]",
    "train twice.toml": "twice.toml: this is not TOML: Cannot overwrite a value (at line 3",
    "train binary.toml": "binary.toml cannot be read: it is no text in UTF-8",
    "train folder": "folder is a folder; give a file",
    "train nofile.toml": "there is no file nofile.toml",
    "train nodir/a.toml": "there is no file nodir/a.toml, because there is no folder nodir",
    "train --set training.task=3": "training.task is 3; give a name",
    "train --set forward.noise=high": "forward.noise is 'high'; give a number from 0 to 1e30",
    "train --set forward.noise=nan": "forward.noise is nan; give a number from 0 to 1e30",
    "train --set update.trains=stocastic": "update.trains is 'stocastic'; did you mean 'stochastic'?",
    "train --set device.dw_min=-1": "device.dw_min is -1.0; give a number greater than 0",
    "train --set device.dw_mn=1": "device.dw_mn: no such field; did you mean 'dw_min'?",
    "learn conntra --sweeps 0": "--sweeps is 0; give an integer from 1 to 1e9",
    "train --validation 1.5": "training.validation is 1.5; give an integer of at least 0, or a share below 1",
    "train --set noise=1": "--set 'noise=1': write section.key=value",
    "train --device device.toml": "device.toml: ConstantStep: stuck is 2; give a number from 0 to 1; dw_min is nan",
    "train --model resnet": "the data digits can train gru, lenet, lstm, mlp; your own is module:Net",
    "train --data digit": "no data set 'digit'; did you mean 'digits'?",
    "train --preset gokmen": "no preset 'gokmen'; did you mean 'gokmen_2017'?",
    # numbers of options
    "train --epochs 1.5": "'--epochs': it is 1.5; give an integer",
    "train --threads 0": "--threads is 0; give an integer from 1 to 1024",
    "sweep count.toml --replicas x": "'--replicas': it is x; give an integer",
    "reproduce gokmen_2017 --epochs 1.5": "'--epochs': it is 1.5; give an integer",
    "reproduce gokmen_2017 --epochs 0": "mho: --epochs is 0; give an integer of at least 1\n",
    "reproduce gokmen_2017 --seeds 0": "mho: --seeds is 0; give an integer from 1 to 1000\n",
    "bench --rounds x": "'--rounds': it is x; give an integer",
    "bench --rounds 0": "mho: --rounds is 0; give an integer of at least 1\n",
    "device check SoftBounds --seed 1.5": "'--seed': it is 1.5; give an integer",
    "device plot SoftBounds --out x.png --cells 0": "mho: --cells is 0; give an integer from 2 to 100000\n",
    "device plot SoftBounds --out x.png --pulses 0": "mho: --pulses is 0; give an integer from 1 to 20000\n",
    "device advise SoftBounds --vectors 0": "mho: --vectors is 0; give an integer of at least 100\n",
    "device advise SoftBounds --reference-error x": "'--reference-error': it is x; give a number",
    "learn boltzmann --epochs 0": "mho: --epochs is 0; give an integer of at least 1\n",
    "learn spectral --hidden 0": "mho: --hidden is 0; give an integer of at least 1\n",
    # sweeps
    "sweep sweeps.toml": "there is [sweeps]; did you mean [sweep]?",
    "sweep count.toml": "sweep.random: count is missing; give the number of draws, for example count = 8",
    "sweep count.toml --threads 0": "mho: --threads is 0; give an integer from 1 to 1024\n",
    # files and folders
    "map lenet --figure nodir/x.png": "nodir/x.png cannot be written, because there is no folder nodir",
    "device plot SoftBounds --out nodir/x.png": "nodir/x.png cannot be written, because there is no folder nodir",
    "device toml SoftBounds --out nodir/x.toml": "nodir/x.toml cannot be written, because there is no folder nodir",
    "map lenet --constants nofile.toml --energy": "there is no file nofile.toml",
    "map lenet --arrays binary.toml": "binary.toml cannot be read: it is no text in UTF-8",
    "train --measured nofile.csv": "there is no file nofile.csv",
    "device fit nofile.csv --out o": "there is no file nofile.csv",
    "data fetch mnist --data-dir nodir": "--data-dir: there is no folder nodir",
    "train --data mnist --data-dir nodir": "--data-dir: there is no folder nodir",
    "bench --data-dir nodir": "--data-dir: there is no folder nodir",
    "report folder": "folder is no run folder: it has neither config.toml nor sweep.toml",
    "report nodir": "nodir is no folder; give the folder that mho train, mho sweep or mho reproduce named",
    # what goes together, and names
    "map lenet --run x": "or --run DIR; both were given",
    "map": "or --run DIR; neither was given",
    "map lenet --tile 0x3": "--tile '0x3': write ROWSxCOLUMNS, each at least 1",
    "config traning": "no section 'traning'; did you mean 'training'?",
    "config cell TikiTakka": "no cell 'TikiTakka'; did you mean 'TikiTaka'? (your own is module:Class)",
    "config tile x": "[tile] has the same keys always; leave out 'x'",
    "config check": "check needs files, for example mho config check mine.toml",
    "config check nofile.toml": "there is no file nofile.toml",
    "config a b c": "a b c: give a section and a name",
    "learn conntra --levels 1": "mho: --levels has 1 different values; give 2 to 127",
    "trian": "No such command 'trian'. Did you mean 'train'?",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(("words", "message"), WRONG.items(), ids=WRONG)
def test_a_wrong_input_is_told_and_nothing_is_written(words, message, folder):
    before = sorted(folder.rglob("*"))
    done = mho(*words.split(), cwd=folder)
    assert done.returncode in (1, 2)
    assert message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(folder.rglob("*")) == before
