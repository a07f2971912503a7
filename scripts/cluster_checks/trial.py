"""The task that a model is tried with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.model_store.stored_model import StoredModel

TEXT = "Is anybody there?"

#: The end of an architecture's name → the actor that serves it, and the smallest work for it.
TRIALS: dict[str, tuple[str, dict[str, Any]]] = {
    "ForSequenceClassification": ("classify", {"texts": [TEXT]}),
    "ForCausalLM": ("generate", {"prompt": TEXT, "max_new_tokens": 1, "temperature": 0.0}),
    "LMHeadModel": ("generate", {"prompt": TEXT, "max_new_tokens": 1, "temperature": 0.0}),
    "ForMaskedLM": ("embed", {"texts": [TEXT]}),
    "Model": ("embed", {"texts": [TEXT]}),
}


@dataclass(frozen=True)
class Trial:
    """A task that a worker with the model can do."""

    actor: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.actor} with {self.fields['model']}"


def smallest_trial(models: Sequence[StoredModel]) -> Trial | None:
    """A task for the smallest model that an actor serves."""
    for model in sorted(models, key=lambda model: model.weights_bytes):
        if trial := trial_of(model):
            return trial
    return None


def trial_of(model: StoredModel) -> Trial | None:
    """The task that a model's architecture calls for; None for those that only pipelines run."""
    if not any(model.folder.glob("tokenizer*")):
        return None  # it reads something else than text
    for architecture in model.config.get("architectures") or ():
        for ending, (actor, fields) in TRIALS.items():
            if str(architecture).endswith(ending):
                return Trial(actor, {"model": model.name, **fields})
    return None
