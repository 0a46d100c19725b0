"""Tasks, one per file, and a user's own by `module:Class`.

A file of this room registers its task by a constant TASK; its name is the file's.
"""

from __future__ import annotations

import inspect
from typing import Any

from mho.errors import InvalidValue, nearest
from mho.imports import import_own, inhabitants, is_own
from mho.training.tasks.base import Task
from mho.training.tasks.chance import Chance, chance_of
from mho.training.tasks.classification import Classification
from mho.training.tasks.next_character import NextCharacter
from mho.training.tasks.regression import Regression

TASKS: dict[str, type[Task]] = inhabitants(__name__, __path__, "TASK")

__all__ = ["TASKS", "Chance", "Classification", "NextCharacter", "Regression", "Task", "chance_of", "find_task"]


def find_task(name: str) -> type[Task]:
    """Return a task's class by its name in `TASKS`, or a user's by `module:Class`.

    Raises:
        InvalidValue: for an unknown name, or what is no complete subclass of Task.
    """
    if not is_own(name):
        if name not in TASKS:
            raise InvalidValue(f"no task {name!r}{nearest(name, TASKS)} (your own is module:Class)")
        return TASKS[name]
    found: Any = import_own(name)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise InvalidValue(f"{name!r} is no subclass of mho.training.Task; write  class MyTask(mho.training.Task)")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise InvalidValue(f"{name!r} lacks {missing}; define every abstract method of mho.training.Task")
    return found
