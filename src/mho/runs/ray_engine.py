"""Batches as tasks of a Ray cluster. The only file that imports ray."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from typing import Any, final

from mho.errors import InvalidValue
from mho.runs.engine import ATTEMPTS, Engine, died
from mho.runs.worker import Answer, Task, installed_version, run_task
from mho.version import VERSION

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 20.0
WORKER_SECONDS = 60.0
INSTALL = "install the same version on every node, in the environment that `ray start` runs in"
START = "start a cluster with: ray start --head"


@final
class RayEngine(Engine):
    """One task per batch on an existing cluster; Ray begins a task again whose worker or node died.

    Args:
        address: HOST:PORT of the cluster's head, or None for the cluster that this machine belongs to.
        threads: of a batch; as many CPUs are asked of Ray.

    Raises:
        InvalidValue: without ray, for a cluster that does not answer, or that has no node with so many CPUs.
    """

    def __init__(self, address: str | None, threads: int) -> None:
        # read when ray is imported; the user was not asked
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray = _import_ray()
        _check_answers(address)
        self._ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR)
        self._check_workers()
        most = max((node["Resources"].get("CPU", 0) for node in self._ray.nodes() if node["Alive"]), default=0)
        if most < threads:
            self._ray.shutdown()
            raise InvalidValue(
                f"threads is {threads}, and no node of the Ray cluster has more than {most:g} CPUs; give --threads "
                f"{int(most) or 1} or fewer"
            )
        self._remote = self._ray.remote(num_cpus=threads, max_retries=ATTEMPTS - 1)(run_task)
        self._running: dict[Any, Task] = {}

    @property
    def unfinished(self) -> int:
        return len(self._running)

    def submit(self, task: Task) -> None:
        self._running[self._remote.remote(task)] = task

    def wait(self, seconds: float) -> list[tuple[Task, Answer]]:
        ended, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [(self._running.pop(reference), self._answer(reference)) for reference in ended]

    def stop(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()

    def close(self) -> None:
        self._ray.shutdown()

    def _check_workers(self) -> None:
        """Raise unless a worker can import this version of mho: else every row would fail."""
        version = self._ray.remote(num_cpus=0)(installed_version)
        try:
            found = self._ray.get(version.remote(), timeout=WORKER_SECONDS)
        except self._ray.exceptions.RayError as error:
            found = f"none that works ({_last_line(error)})"
        if found != VERSION:
            self._ray.shutdown()
            raise InvalidValue(f"this is mho {VERSION}, and a worker of the Ray cluster has {found}; {INSTALL}")

    def _answer(self, reference: Any) -> Answer:
        exceptions = self._ray.exceptions
        try:
            answer: Answer = self._ray.get(reference)
        except (exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.OutOfMemoryError) as error:
            return died(ATTEMPTS, type(error).__name__)
        except exceptions.RayError as error:
            return Answer(fault=_last_line(error))
        return answer


def _last_line(error: Exception) -> str:
    """Return what Ray's error ends with: above it are the traces of its own processes."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[-1].strip()}"


def _import_ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError:
        raise InvalidValue("--engine ray needs Ray, which is not installed; run: pip install ray") from None
    return ray


def _check_answers(address: str | None) -> None:
    """Raise within seconds unless a cluster answers; ray.init itself tries for two minutes, then ends the process."""
    if address is not None:
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdigit() or "/" in host:
            raise InvalidValue(
                f"--address {address!r}: write HOST:PORT of the cluster's head, as `ray start` printed it"
            )
        try:
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, str(error)) from None
    code = f"import ray; ray.init(address={address or 'auto'!r}, log_to_driver=False)"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        raise _no_cluster(address, f"no answer in {ANSWER_SECONDS:g} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise _no_cluster(address, lines[-1])


def _no_cluster(address: str | None, reason: str) -> InvalidValue:
    place = f"at {address}" if address else "that this machine belongs to"
    return InvalidValue(f"there is no Ray cluster {place} ({reason}); {START}, or leave --engine at local")
