"""What a sentence-transformers folder says about pooling, normalisation, prompts and length."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from actors.errors import ModelBroken, ModelRefused

#: The pooling modes that `actors.engine.tasks.embed.pool` computes.
POOLING_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class SentenceFiles:
    """Without such files a model is pooled by the mean and not normalised, as sentence-transformers does."""

    pooling: str = "mean"
    normalize: bool = False
    max_tokens: int | None = None
    lower_case: bool = False
    prompt: str = ""


@lru_cache(maxsize=256)
def read_sentence_files(folder: Path, revision: str) -> SentenceFiles:
    """Reads modules.json and what it names, once for each revision of a folder.

    Raises:
      ModelBroken: When a file cannot be read or is not what its name says.
      ModelRefused: When the folder has a module that is not computed here.
    """
    if not (folder / "modules.json").exists():
        return SentenceFiles()
    try:
        return _read_modules(folder)
    except (AttributeError, KeyError, TypeError) as error:
        raise ModelBroken(f"{folder.name}: the sentence-transformers files are not understood: {error!r}") from None


def _read_modules(folder: Path) -> SentenceFiles:
    modules = _read(folder / "modules.json")
    kinds = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
    if unknown := set(kinds) - {"Transformer", "Pooling", "Normalize"}:
        raise ModelRefused(f"{folder.name}: the sentence-transformers module {unknown.pop()} is not supported")
    limits = _read_if_there(folder / "sentence_bert_config.json")
    prompts = _read_if_there(folder / "config_sentence_transformers.json")
    prompt = (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name"), "")
    return SentenceFiles(
        pooling=_pooling(folder, kinds.get("Pooling", "1_Pooling"), prompt),
        normalize="Normalize" in kinds,
        max_tokens=limits.get("max_seq_length"),
        lower_case=bool(limits.get("do_lower_case")),
        prompt=prompt,
    )


def _pooling(folder: Path, module: str, prompt: str) -> str:
    path = folder / module / "config.json"
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ModelRefused(f"{folder.name}: the module {module} leads out of the model's folder")
    config = _read(path)
    if prompt and config.get("include_prompt") is False:
        raise ModelRefused(f"{folder.name}: pooling without the prompt's tokens is not supported")
    named = config.get("pooling_mode")
    chosen = [named] if named else [mode for flag, mode in POOLING_MODES.items() if config.get(flag)]
    flags_on = [flag for flag, value in config.items() if flag.startswith("pooling_mode_") and value is True]
    if len(chosen) != 1 or chosen[0] not in POOLING_MODES.values() or (not named and len(flags_on) != 1):
        raise ModelRefused(f"{folder.name}: the pooling {named or flags_on} is not supported")
    return str(chosen[0])


def _read_if_there(path: Path) -> dict[str, Any]:
    return _read(path) if path.exists() else {}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelBroken(f"{path.parent.name}: {path.name} cannot be read: {error}") from None
