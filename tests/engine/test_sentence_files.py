"""What a sentence-transformers folder says is followed, or refused, and never ignored."""

import json
from pathlib import Path

import pytest

from actors.engine.tasks.sentence_files import SentenceFiles, read_sentence_files
from actors.errors import ModelBroken, ModelRefused

MEAN_ONLY = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}


def _write(folder: Path, file: str, value: object) -> None:
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(json.dumps(value), encoding="utf-8")


def _modules(*kinds: str, package: str = "sentence_transformers.models") -> list[dict[str, object]]:
    return [
        {"idx": index, "name": str(index), "path": f"{index}_{kind}" if index else "", "type": f"{package}.{kind}"}
        for index, kind in enumerate(kinds)
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that is pooled by the mean."""
    _write(tmp_path, "modules.json", _modules("Transformer", "Pooling"))
    _write(tmp_path, "1_Pooling/config.json", MEAN_ONLY)
    return tmp_path


def _read(folder: Path) -> SentenceFiles:
    return read_sentence_files(folder, "main")


def test_a_folder_without_such_files_is_pooled_by_the_mean_and_not_normalised(tmp_path: Path) -> None:
    assert _read(tmp_path) == SentenceFiles("mean", normalize=False, max_tokens=None, lower_case=False, prompt="")


@pytest.mark.parametrize("package", ["sentence_transformers.models", "sentence_transformers.base.modules.pooling"])
def test_modules_are_known_by_their_last_name(package: str, folder: Path) -> None:
    _write(folder, "modules.json", _modules("Transformer", "Pooling", "Normalize", package=package))

    assert _read(folder) == SentenceFiles("mean", normalize=True)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_lasttoken": True}, "lasttoken"),
        ({"pooling_mode": "cls"}, "cls"),
    ],
)
def test_the_pooling_is_the_one_that_is_switched_on(config: object, expected: str, folder: Path) -> None:
    _write(folder, "1_Pooling/config.json", config)

    assert _read(folder).pooling == expected


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_mean_sqrt_len_tokens": True},
        {"pooling_mode_weightedmean_tokens": True},
        {"pooling_mode_mean_tokens": False},
        {"pooling_mode": "weightedmean"},
        {"pooling_mode": ["mean", "max"]},
        {},
    ],
)
def test_a_pooling_that_is_not_computed_here_is_refused(config: object, folder: Path) -> None:
    _write(folder, "1_Pooling/config.json", config)

    with pytest.raises(ModelRefused, match=r"the pooling .* is not supported"):
        _read(folder)


@pytest.mark.parametrize("kind", ["Dense", "LayerNorm", "WeightedLayerPooling", "StaticEmbedding"])
def test_a_module_that_is_not_computed_here_is_refused_by_name(kind: str, folder: Path) -> None:
    _write(folder, "modules.json", _modules("Transformer", "Pooling", kind))

    with pytest.raises(ModelRefused, match=f"the sentence-transformers module {kind} is not supported"):
        _read(folder)


def test_length_and_case_are_those_of_the_folder(folder: Path) -> None:
    _write(folder, "sentence_bert_config.json", {"max_seq_length": 256, "do_lower_case": True})

    assert (_read(folder).max_tokens, _read(folder).lower_case) == (256, True)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"prompts": {"query": "query: "}, "default_prompt_name": "query"}, "query: "),
        ({"prompts": {"query": "query: "}, "default_prompt_name": None}, ""),
        ({"prompts": {"query": "query: "}}, ""),
        ({"prompts": None, "default_prompt_name": "query"}, ""),
        ({}, ""),
    ],
)
def test_only_the_default_prompt_is_put_before_texts(config: object, expected: str, folder: Path) -> None:
    _write(folder, "config_sentence_transformers.json", config)

    assert _read(folder).prompt == expected


def test_pooling_that_leaves_out_the_prompt_is_refused_when_there_is_one(folder: Path) -> None:
    _write(folder, "1_Pooling/config.json", {**MEAN_ONLY, "include_prompt": False})
    assert _read(folder).prompt == ""

    _write(folder, "config_sentence_transformers.json", {"prompts": {"q": "q: "}, "default_prompt_name": "q"})

    with pytest.raises(ModelRefused, match="pooling without the prompt's tokens"):
        read_sentence_files(folder, "with a prompt")


@pytest.mark.parametrize("path", ["../outside", "/etc", "1_Pooling/../../outside"])
def test_a_module_outside_of_the_models_folder_is_refused(path: str, folder: Path) -> None:
    _write(folder.parent / "outside", "config.json", MEAN_ONLY)
    modules = _modules("Transformer", "Pooling")
    modules[1]["path"] = path
    _write(folder, "modules.json", modules)

    with pytest.raises(ModelRefused, match="leads out of the model's folder"):
        _read(folder)


@pytest.mark.parametrize("modules", [None, {}, "x", [1], [{}], [{"type": "Pooling"}], [{"type": 1, "path": ""}]])
def test_a_list_of_modules_that_is_not_understood_is_a_broken_model(modules: object, folder: Path) -> None:
    _write(folder, "modules.json", modules)
    (folder / "1_Pooling" / "config.json").unlink()

    with pytest.raises(ModelBroken, match=folder.name):
        _read(folder)


@pytest.mark.parametrize(
    "file", ["1_Pooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json"]
)
@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_a_file_that_is_not_understood_is_a_broken_model(file: str, content: str, folder: Path) -> None:
    (folder / file).write_text(content, encoding="utf-8")

    with pytest.raises(ModelBroken):
        _read(folder)


def test_a_missing_pooling_file_is_a_broken_model(folder: Path) -> None:
    (folder / "1_Pooling" / "config.json").unlink()

    with pytest.raises(ModelBroken, match=r"config\.json cannot be read"):
        _read(folder)


def test_a_model_that_is_replaced_in_its_folder_is_read_anew(folder: Path) -> None:
    before = read_sentence_files(folder, "local-1")

    _write(folder, "1_Pooling/config.json", {"pooling_mode_cls_token": True})

    assert (before.pooling, read_sentence_files(folder, "local-2").pooling) == ("mean", "cls")
