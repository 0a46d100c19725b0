"""Sweeps trained: bits of every row, what is killed and continued, what fails; on this machine and on Ray."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import multiprocessing
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

from mho.data import load
from mho.errors import WrongUse
from mho.files import write_atomically
from mho.runs import Run
from mho.runs.coordinator import Coordinator
from mho.runs.local import LocalEngine
from mho.runs.results import RESULTS, read_table
from mho.runs.sweep import Sweep
from mho.runs.train_work import TrainWork
from mho.runs.work import Work
from mho.runs.worker import Answer, Task, run_task
from mho.spoken import at_the_shell, kept_digital
from tests.helpers.inline import Inline

TINY = {"epochs": 2, "train_images": 10, "test_images": 10, "checkpoint_every": 4}
PATIENCE = 300
"""Seconds after which what was waited for will not come."""


def sweep(table, **sections) -> Sweep:
    training = TINY | sections.pop("training", {})
    return Sweep({"preset": "gokmen_2017", "training": training, **sections, "sweep": table})


def values(folder: Path) -> list[dict[str, object]]:
    """The rows in a results file, without times and places."""
    records = read_table(folder / RESULTS).records
    return [{k: v for k, v in record.items() if k not in ("seconds", "folder", "replica")} for record in records]


def trained_inline(described: Sweep, folder: Path) -> list[dict[str, object]]:
    Coordinator(described, folder).run(Inline())
    return values(folder)


# bits

SWEEPS = {
    "numbers": {"forward.noise": [0.0, 0.1], "device.dw_min.mean": [0.001, 0.01]},
    "pulses": {"update.length": [1, 10], "update.update_management": [False]},
    "layer": {"layers.conv2.device.w_max.mean": [0.3, 0.6], "layers.fc*.forward.noise": [0.0, 0.2]},
    "tiles": {"tile.rows": ["none", 48], "backward.noise": [0.0, 0.1]},
    "cells": {"cell.n": [2, 3], "device.c2c": [0.0, 0.3]},
    "training": {"training.lr": [0.01, 0.03], "training.batch_size": [3]},
    "bounds": {"forward.bound": ["none", 2.0, 12.0]},
    "laws": {"device.law": ["ConstantStep", "Ideal"]},
    "epochs": {"training.epochs": [1, 2], "training.data_seed": [5]},
    "driver": {"training.driver": ["online", "autograd"]},
    "digital": {"forward.noise": [0.0, 0.1]},
}
SECTIONS = {
    "bounds": {"forward": {"bound_management": False}},
    "cells": {"cell": {"kind": "Replicated", "n": 2}},
    "laws": {"training": {"epochs": 1}},
    "digital": {"training": {"exclude": ["fc2"], "epochs": 1}},
}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_row_has_the_bits_of_its_own_run(name, tmp_path):
    table = {"seeds": [3, 0] if len(SWEEPS[name]) == 1 else 1, "replicas": 3, "grid": SWEEPS[name]}
    if name == "laws":
        table = {"list": SWEEPS[name] | {"update.kind": ["Pulses", "Exact"]}}
    described = sweep(table, **SECTIONS.get(name, {}))
    folder = tmp_path / "sweep"
    Coordinator(described, folder).run(Inline())
    records = read_table(folder / RESULTS).records
    assert [(r["point"], r["seed"]) for r in records] == [(row.point, row.seed) for row in described.rows]
    for row, record in zip(described.rows, records, strict=True):
        assert [record[field] for field in row.values] == list(row.values.values())
        experiment = described.experiment(row.values, {"training.seed": row.seed})
        own = Run(experiment, tmp_path / f"own{row.number}", load("digits"))
        own.train(on_step=lambda progress: False, on_epoch=lambda progress: None)
        metrics = own.loop.progress.metrics
        assert record["test_errors"] == [line["test_error"] for line in metrics]
        last = {key: record[key] for key in ("epoch", "train_error", "test_error", "train_loss")}
        assert last == {key: metrics[-1][key] for key in last}
        together, alone = weights(folder / record["folder"]), weights(own.folder)
        assert len(alone) >= 3
        # the tiles of a replica lie side by side
        assert all(together[key].split(len(alone[key]))[record["replica"]].equal(alone[key]) for key in alone)


def weights(folder: Path) -> dict[str, Tensor]:
    """The state of every array (R, ...), by the name of its layer."""
    tensors = load_file(folder / "checkpoint.safetensors")
    return {name.replace("model.", ""): tensor for name, tensor in tensors.items() if name.endswith(".state")}


# what is killed, stopped or fails


def small(**fields) -> Sweep:
    return sweep({"seeds": 2, "replicas": 4, "grid": {"forward.noise": [0.0, 0.1, 0.2]}}, **fields)


def test_a_batch_that_fails_does_not_take_its_rows_with_it_and_resume_tries_again(tmp_path):
    def end(task, stop):
        seeds = task.work.tables["training"]["seed"]
        return Answer(fault="seed 1 is unlucky") if 1 in (seeds if isinstance(seeds, list) else [seeds]) else ok(task)

    ok = run_task
    described = small()
    results = Coordinator(described, tmp_path / "sweep").run(Inline(end))
    assert results.failed == [1, 3, 5]
    assert results.done == {0, 2, 4}
    records = read_table(tmp_path / "sweep" / RESULTS).records
    assert [record["message"] for record in records] == ["", "seed 1 is unlucky"] * 3
    Coordinator(described, tmp_path / "sweep", resume=True).run(Inline())
    assert values(tmp_path / "sweep") == trained_inline(described, tmp_path / "whole")


def test_what_a_row_meets_is_its_message(tmp_path):
    described = small()
    task = Task(
        work=TrainWork(tables={}, replicas=1), name="x", folder=str(tmp_path), mark="", threads=1, data_folder=None
    )
    unknown = TrainWork(tables={"training": {"epochz": 1}}, replicas=1)
    assert "no such field" in run_task(dataclasses.replace(task, work=unknown)).fault
    other = run_task(dataclasses.replace(task, version="0.0.1"))
    assert "this worker has mho" in other.fault
    (tmp_path / "file").write_text("")
    (tmp_path / ".sweep").write_text("mark")
    (tmp_path / "runs").write_text("in the way")
    blocked = dataclasses.replace(
        task, work=TrainWork(tables=described.config(described.points[0], {}), replicas=1), mark="mark"
    )
    assert "Error" in run_task(blocked).fault


class Advising(Work):
    """A training that ends in advice with an option."""

    def run(self, folder, *, data_folder, on_progress, stop):
        raise WrongUse(kept_digital(["fc2"]))


def test_a_worker_names_options_as_the_process_that_started_it(tmp_path):
    def task() -> Task:
        return Task(work=Advising(), name="x", folder=str(tmp_path), mark="", threads=1, data_folder=None)

    with at_the_shell():
        typed = pickle.dumps(task())
    scripted = pickle.dumps(task())
    assert run_task(pickle.loads(typed)).fault == "--set 'training.exclude=[\"fc2\"]'"
    with at_the_shell():  # as where a worker is the process itself
        assert run_task(pickle.loads(scripted)).fault == 'exclude=["fc2"]'


def test_a_sweep_that_is_stopped_continues_where_it_was(tmp_path):
    described = small()
    looks = 0

    def count(task: Task, asked_to_stop) -> Answer:
        def look() -> bool:
            nonlocal looks
            looks += 1
            return asked_to_stop()

        return run_task(task, look)

    def end(task, stop):
        answer = count(task, lambda: stop() or looks == 4)
        engine.stopped = True
        return answer

    engine = Inline(end)
    results = Coordinator(described, tmp_path / "sweep").run(engine, stop=lambda: engine.stopped)
    assert results.done == set()
    # it is looked after 4, 8, 10, 12, 16 and 20 steps: a checkpoint or an epoch ends. The first batch took 12, and
    # the second saw at its first look that it shall stop
    assert looks == 5
    Coordinator(described, tmp_path / "sweep", resume=True).run(Inline(count))
    assert looks == 12
    assert values(tmp_path / "sweep") == trained_inline(described, tmp_path / "whole")


def test_a_worker_that_does_not_see_the_folder_sends_the_run_folder(tmp_path):
    def elsewhere(task, stop):
        return run_task(dataclasses.replace(task, folder=str(tmp_path / "nowhere")), stop)

    described = small()
    Coordinator(described, tmp_path / "sweep").run(Inline(elsewhere))
    assert values(tmp_path / "sweep") == trained_inline(described, tmp_path / "whole")
    for record in read_table(tmp_path / "sweep" / RESULTS).records:
        names = {file.name for file in (tmp_path / "sweep" / record["folder"]).iterdir()}
        assert names == {"config.toml", "metrics.jsonl", "checkpoint.safetensors", "summary.json"}


def test_two_coordinators_do_not_share_a_folder(tmp_path):
    described = small()

    def end(task, stop):
        with pytest.raises(WrongUse, match="another mho sweep works in"):
            Coordinator(described, tmp_path / "sweep", resume=True).run(Inline())
        return run_task(task)

    Coordinator(described, tmp_path / "sweep").run(Inline(end))
    with pytest.raises(WrongUse, match="holds a sweep; add --resume"):
        Coordinator(described, tmp_path / "sweep")


def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    described = small()
    written = 0

    def fail(file, data):
        nonlocal written
        written += file.name == RESULTS
        if written == 2:
            raise OSError(28, "No space left on device", str(file))
        write_atomically(file, data)

    with monkeypatch.context() as patch:
        patch.setattr("mho.runs.results.write_atomically", fail)
        with pytest.raises(OSError, match="No space"):
            Coordinator(described, tmp_path / "sweep").run(Inline())
    trained = []

    def end(task, stop):
        folder = Path(task.folder) / "runs" / task.name
        trained.append((folder / "checkpoint.safetensors").exists())
        return run_task(task, stop)

    Coordinator(described, tmp_path / "sweep", resume=True).run(Inline(end))
    assert trained == [True, False]
    assert values(tmp_path / "sweep") == trained_inline(described, tmp_path / "whole")


def test_a_lost_results_file_is_made_again_from_the_run_folders(tmp_path):
    described = small()
    expected = trained_inline(described, tmp_path / "sweep")
    metrics = {file: file.read_bytes() for file in (tmp_path / "sweep").glob("runs/*/metrics.jsonl")}
    assert metrics
    (tmp_path / "sweep" / RESULTS).unlink()
    for file, content in metrics.items():
        # killed between the checkpoint and the metrics of the last epoch
        file.write_bytes(content[: content.index(b"\n") + 1])
    # a task that had to train would stop at its first step, and lack
    Coordinator(described, tmp_path / "sweep", resume=True).run(Inline(lambda task, stop: run_task(task, lambda: True)))
    assert values(tmp_path / "sweep") == expected
    assert metrics == {file: file.read_bytes() for file in metrics}


# processes of this machine

LONGER = {"train_images": 60, "checkpoint_every": 10}


@contextlib.contextmanager
def local(processes: int):
    engine = LocalEngine(processes)
    try:
        yield engine
    finally:
        engine.close()


def test_workers_that_are_killed_are_replaced_and_their_batches_continued(tmp_path):
    described = small(training=LONGER)
    folder = tmp_path / "sweep"
    kills: list[int] = []

    def kill() -> bool:
        begun = list(folder.glob("runs/*/checkpoint.safetensors"))
        if begun and not kills and (workers := multiprocessing.active_children()):
            kills.append(workers[0].pid)
            os.kill(workers[0].pid, signal.SIGKILL)
        return False

    with local(2) as engine:
        results = Coordinator(described, folder).run(engine, stop=kill)
        assert sum(engine._begun.values()) == 3
    assert len(kills) == 1
    assert len(results.done) == 6
    assert values(folder) == trained_inline(described, tmp_path / "whole")


def test_a_worker_that_died_while_idle_is_replaced(tmp_path):
    described = small()
    tasks = []
    Coordinator(described, tmp_path / "sweep").run(
        Inline(lambda task, stop: tasks.append(task) or Answer(stopped=True))
    )
    with local(1) as engine:
        for task in tasks[:2]:
            engine.submit(task)
            while not (answers := engine.wait(1.0)):
                pass
            assert answers[0][1].results
            workers = multiprocessing.active_children()
            for worker in workers:
                worker.kill()
                worker.join()
            # until the pool knows
            time.sleep(0.2)


def test_a_warning_of_a_worker_is_one_line(tmp_path, capfd):
    described = small()
    tables = described.config(described.points[0], {})
    tables["device"] |= {"w_max": 0.01, "w_min": -0.01}
    task = Task(
        work=TrainWork(tables=tables, replicas=1), name="x", folder=str(tmp_path), mark="", threads=1, data_folder=None
    )
    with local(1) as engine:
        engine.submit(task)
        while not (answers := engine.wait(1.0)):
            pass
    assert not answers[0][1].fault
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "clipped weights of" in line and line.startswith("mho: warning: ")]
    assert not [line for line in lines if "ClippedWeights" in line or line.startswith("  ")]


def test_a_worker_that_always_dies_is_given_up_and_says_so(tmp_path):
    task = Task(
        work=TrainWork(tables={}, replicas=1), name="x", folder=str(tmp_path), mark="", threads=1, data_folder=None
    )
    with local(1) as engine:
        engine.submit(task)
        found: list[tuple[Task, Answer]] = []
        while not found:
            for worker in multiprocessing.active_children():
                worker.kill()
            found = engine.wait(0.05)
    assert "its worker died 3 times" in found[0][1].fault
    assert engine.unfinished == 0


# the command line, killed and stopped


def write_sweep(folder: Path, described: Sweep) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "try.toml").write_text(described.to_toml())


@contextlib.contextmanager
def started(*words: str, cwd: Path):
    """`mho` with these words, in a process group of its own; what it says comes line by line."""
    with (cwd / "stdout").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", "from mho.cli import main; main()", *words],
            cwd=cwd,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


def told_until(process: subprocess.Popen[str], start: str) -> list[str]:
    """Lines on standard error, up to one that starts so, or the last."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if line.startswith(start):
            break
    return lines


def members(group: int) -> list[int]:
    """The processes of a group."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True).stdout
    found = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, pgid, state in found if int(pgid) == group and "Z" not in state]


def test_a_killed_coordinator_leaves_no_process_and_resume_does_the_rest(tmp_path):
    described = sweep({"seeds": 2, "replicas": 2, "grid": {"forward.noise": [0.0, 0.1, 0.2]}}, training=LONGER)
    write_sweep(tmp_path, described)
    with started("sweep", "try.toml", "--out", "sweep", "--processes", "2", cwd=tmp_path) as process:
        told_until(process, "2/6")
        os.kill(process.pid, signal.SIGKILL)
        began = time.monotonic()
        while members(process.pid) and time.monotonic() - began < PATIENCE:
            time.sleep(0.05)
        assert members(process.pid) == []
    done = len(values(tmp_path / "sweep"))
    assert 2 <= done < 6
    Coordinator(described, tmp_path / "sweep", resume=True).run(Inline())
    assert values(tmp_path / "sweep") == trained_inline(described, tmp_path / "whole")


def test_ctrl_c_stops_at_a_checkpoint_and_says_how_to_continue(tmp_path):
    described = sweep({"seeds": 2, "replicas": 1}, training=LONGER | {"epochs": 20, "checkpoint_every": 10_000})
    write_sweep(tmp_path, described)
    with started("sweep", "try.toml", "--out", "sweep", "--processes", "1", cwd=tmp_path) as process:
        first = tmp_path / "sweep" / "runs"
        while process.poll() is None and not list(first.glob("*/metrics.jsonl")):
            time.sleep(0.05)
        # the whole group, as a terminal does
        os.killpg(process.pid, signal.SIGINT)
        told = process.stderr.read()
        assert process.wait(PATIENCE) == 130
    assert "stopping; Ctrl-C again leaves at once" in told
    assert "continue with  mho sweep --out sweep --resume" in told
    assert "Traceback" not in told
    assert len(list(first.glob("*/checkpoint.safetensors"))) == 1
    assert values(tmp_path / "sweep") == []


# Ray


@pytest.fixture
def cluster():
    """Address of a cluster of two CPUs, and its workers that train at the moment."""
    # short, because the names of sockets are limited
    place = Path(tempfile.mkdtemp(prefix="mho-", dir="/tmp"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--block"]
    words += ["--node-ip-address=127.0.0.1", "--disable-usage-stats", f"--temp-dir={place}"]
    head = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def training() -> list[int]:
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True).stdout
        found = [line.split(None, 2) for line in listed.splitlines()]
        raylets = {pid for pid, _, args in found if "raylet/raylet" in args and str(place) in args}
        return [int(pid) for pid, parent, args in found if parent in raylets and args.startswith("ray::run_task")]

    try:
        answers = False
        while head.poll() is None and not answers:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                answers = True
            time.sleep(0.2)
        yield f"127.0.0.1:{port}", training
    finally:
        head.terminate()
        try:
            head.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)
            shutil.rmtree(place, ignore_errors=True)


FEW = {"forward.noise": [0.0, 0.06], "update.length": [1, 10]}
MANY = {"forward.noise": [0.0, 0.06, 0.2], "update.length": [1, 10], "training.lr": [0.01, 0.02]}
MANY |= {"device.dw_min.mean": [0.001, 0.004]}


@pytest.mark.parametrize(
    "grid", [pytest.param(FEW, id="8 rows"), pytest.param(MANY, id="48 rows", marks=pytest.mark.long)]
)
def test_rows_on_ray_are_those_of_this_process_though_a_worker_is_killed(grid, tmp_path, cluster):
    address, training = cluster
    points = math.prod(map(len, grid.values()))
    described = sweep({"seeds": 2, "replicas": 4 if points > 4 else 2, "grid": grid}, training=LONGER)
    write_sweep(tmp_path, described)
    words = ["sweep", "try.toml", "--out", "ray", "--engine", "ray", "--address", address, "--json"]
    with started(*words, cwd=tmp_path) as process:
        told = told_until(process, f"{points}/{2 * points}")
        killed = False
        while process.poll() is None and not killed:
            for worker in training()[:1]:
                # between two tasks a kill would show nothing
                os.kill(worker, signal.SIGSTOP)
                killed = worker in training()
                os.kill(worker, signal.SIGKILL if killed else signal.SIGCONT)
        told += process.stderr.read()
        assert process.wait() == 0, told
    # Ray's own words: the worker had a task, which was begun again
    assert "remaining, so the task will be retried" in "".join(told)
    assert json.loads((tmp_path / "stdout").read_text())["done"] == 2 * points
    rows = values(tmp_path / "ray")
    expected = [(point, seed) for point in range(points) for seed in (0, 1)]
    assert [(row["point"], row["seed"]) for row in rows] == expected
    assert {row["status"] for row in rows} == {"done"}
    assert rows == trained_inline(described, tmp_path / "inline")
