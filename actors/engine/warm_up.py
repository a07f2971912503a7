"""The smallest task of each kind: it loads its model and computes once, so that the first caller need not wait."""

from typing import Any

from actors.errors import InvalidRequest
from actors.model_store.stored_model import StoredModel
from actors.payloads import Request, parse_request

#: What a task is warmed up with; `run_pipeline` takes what only its caller knows.
FIELDS: dict[str, dict[str, Any]] = {
    "embed": {"texts": ["warm-up"]},
    "classify": {"texts": ["warm-up"]},
    "generate": {"prompt": "warm-up", "max_new_tokens": 1, "temperature": 0},
}

#: How the class ends that a checkpoint was saved from, and what it is for.
_ENDINGS = {
    "ForSequenceClassification": "classify",
    "ForCausalLM": "generate",
    "LMHeadModel": "generate",
}


def warm_up_request(task: str, model: str) -> Request:
    """The request that loads a model for a task.

    Raises:
      InvalidRequest: When the task cannot be warmed up, or the model has no valid name.
    """
    if task not in FIELDS:
        raise InvalidRequest(f"task={task!r:.60}: allowed are {', '.join(FIELDS)}")
    return parse_request(task, {"model": model, **FIELDS[task]})


def task_of(stored: StoredModel) -> str:
    """What a model was made for, as its config tells; a model that does not say is taken for a text encoder."""
    architectures = stored.config.get("architectures")
    names = [name for name in architectures if isinstance(name, str)] if isinstance(architectures, list) else []
    return next((task for name in names for ending, task in _ENDINGS.items() if name.endswith(ending)), "embed")
