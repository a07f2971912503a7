"""What a task is to the engine, and where each one is."""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from actors.engine.work import Deliver, Item, Output, Plan, Row

if TYPE_CHECKING:
    from actors.engine.loader import LoadedModel, ModelInput

#: Actor name → the module that runs it and the class in it.
TASKS = {
    "embed": ("actors.engine.tasks.embed", "Embed"),
    "classify": ("actors.engine.tasks.classify", "Classify"),
    "generate": ("actors.engine.tasks.generate", "Generate"),
    "run_pipeline": ("actors.engine.tasks.run_pipeline", "RunPipeline"),
}


class Task(Protocol):
    """One kind of inference, without state: from a request to rows, from rows to outputs, from outputs to a result."""

    def plan(self, request: Any) -> Plan:
        """How the request is to be run; called in a starter thread before its model is there.

        Raises:
          InvalidRequest: When it can be told already that it cannot be run.
        """

    def prepare(self, model: "ModelInput", requests: Sequence[Any]) -> Sequence[Sequence[Item]]:
        """Tokenises requests, one item a row; on the device thread or in the thread that hands them over.

        Raises:
          InvalidRequest: When this model cannot take one of them.
        """

    def compute(self, model: "LoadedModel", rows: Sequence[Row], deliver: Deliver) -> None:
        """Runs one batch on the device and delivers each row as soon as it is done."""

    def finish(self, request: Any, outputs: Sequence[Output]) -> Any:
        """The request's result as JSON; called in the finisher thread."""


class TaskKinds(dict[str, Task]):
    """Tasks by the names of their actors; each is imported, and torch with it, when it is first asked for."""

    def __missing__(self, actor: str) -> Task:
        module, name = TASKS[actor]
        task: Task = getattr(importlib.import_module(module), name)()
        self[actor] = task
        return task
