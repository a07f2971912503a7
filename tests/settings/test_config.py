"""What an operator may write into the environment and `.env`, and what is said about mistakes."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from settings.config import InvalidConfiguration, Settings, read_settings


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("GPU_MEMORY_FRACTION", "0", "greater than 0"),
        ("GPU_MEMORY_FRACTION", "1.5", "less than or equal to 1"),
        ("GPU_MEMORY_FRACTION", "much", "valid number"),
        ("GPU_DEVICES", "gpu0", "auto, all, or a comma-separated list"),
        ("GPU_DEVICES", "0,,1", "auto, all, or a comma-separated list"),
        ("GPU_INDEX", "-1", "greater than or equal to 0"),
        ("REDIS_URL", "localhost:6379", "redis://HOST:PORT/DB"),
        ("WORKER_CONCURRENCY", "0", "greater than or equal to 1"),
        ("MODEL_MANAGER_PATH", "/no/such/folder", "an existing folder"),
        ("MODEL_MANAGER_URL", "models:8000", "http://HOST:PORT"),
        ("MODEL_DTYPE", "int8", "'auto', 'float32', 'float16' or 'bfloat16'"),
        ("MODEL_DTYPES", "org/a=float16,org/b=int8", "org/b has 'int8'; allowed are org/name=CHOICE"),
        ("MODEL_DTYPES", "float16", "a model without a name has 'float16'"),
        ("MODEL_DTYPES", "org/a@main=float16", "without a revision"),
        ("MODEL_DTYPES", "org/a=float16,org/a=float32", "org/a is named 2 times"),
        ("MODEL_ATTENTION", "org/a=fast", "CHOICE being one of eager, sdpa, flash_attention_2"),
    ],
)
def test_a_bad_value_is_told_with_its_variable_and_what_is_allowed(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidConfiguration) as refusal:
        read_settings(env_file=None)

    message = str(refusal.value)
    assert message.startswith(f"Configuration: {variable}={value}")
    assert allowed in message
    assert "\n" not in message


def test_a_bad_value_ends_any_process_with_one_line(tmp_path: Path, repository: Path) -> None:
    (tmp_path / ".env").write_text("GPU_MEMORY_FRACTION=2\n")

    ended = subprocess.run([sys.executable, "-c", "import actors"], cwd=tmp_path, capture_output=True, text=True)

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        "Configuration: GPU_MEMORY_FRACTION=2 is not valid: Input should be less than or equal to 1."
    ]


def test_a_password_is_not_shown_in_a_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "http://:secret@redis:6379/0")

    with pytest.raises(InvalidConfiguration) as refusal:
        read_settings(env_file=None)

    assert "secret" not in str(refusal.value)
    assert "REDIS_URL=http://:***@redis:6379/0" in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "accepted"),
    [("auto", "auto"), ("ALL", "all"), ("cpu", "cpu"), ("0, 2", "0,2"), ("cuda:0,directml:1", "cuda:0,directml:1")],
)
def test_devices_are_named_by_kind_and_index(value: str, accepted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_DEVICES", value)

    assert read_settings(env_file=None).gpu_devices == accepted


@pytest.mark.parametrize(
    ("old_name", "value", "field", "expected"),
    [
        ("GPU_INDEX", "3", "gpu_devices", "3"),
        ("DIRECTML_DEVICE_INDEX", "1", "gpu_devices", "directml:1"),
        ("CELERY_RESULT_BACKEND", "redis://r:6379/5", "result_backend_url", "redis://r:6379/5"),
        ("TORCH_DTYPE", "float16", "model_dtype", "float16"),
    ],
)
def test_old_names_are_read_with_a_warning(
    old_name: str,
    value: str,
    field: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(old_name, value)

    with caplog.at_level(logging.WARNING):
        settings = read_settings(env_file=None)

    assert getattr(settings, field) == expected
    assert f"{old_name} is the old name" in caplog.text


def test_the_new_name_wins_over_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_INDEX", "3")
    monkeypatch.setenv("GPU_DEVICES", "cpu")

    assert read_settings(env_file=None).gpu_devices == "cpu"


def test_the_token_of_the_model_manager_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_MANAGER_URL", "http://models:8000/")
    monkeypatch.setenv("MODEL_MANAGER_TOKEN", "a-secret")

    settings = read_settings(env_file=None)

    assert settings.model_manager_url == "http://models:8000"
    assert "a-secret" not in repr(settings)


def test_every_setting_has_an_operators_docstring() -> None:
    undocumented = [name for name, field in Settings.model_fields.items() if not field.description]

    assert undocumented == []


def test_the_example_file_holds_exactly_the_settings(repository: Path) -> None:
    lines = (repository / ".env.example").read_text(encoding="utf-8").splitlines()
    named = {line.lstrip("# ").partition("=")[0] for line in lines if "=" in line and line.lstrip("# ")[0].isupper()}

    # Docker Compose reads the password; the services get it inside REDIS_URL.
    assert named - {"REDIS_PASSWORD"} == {name.upper() for name in Settings.model_fields}


def test_the_example_file_can_be_used_as_it_is(repository: Path) -> None:
    assert read_settings(env_file=str(repository / ".env.example")).gpu_devices == "auto"


def test_single_models_have_a_precision_and_an_attention_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DTYPE", "float32")
    monkeypatch.setenv("MODEL_DTYPES", "org/a=float16, org/b=auto,")
    monkeypatch.setenv("MODEL_ATTENTION", "org/a=sdpa")

    settings = read_settings(env_file=None)

    assert [settings.dtype_of(f"org/{name}") for name in "abc"] == ["float16", "auto", "float32"]
    assert [settings.attention_of(f"org/{name}") for name in "abc"] == ["sdpa", None, None]


@pytest.mark.parametrize(
    ("all_models", "single_models", "expected"),
    [("auto", "", True), ("float32", "", False), ("float32", "org/a=auto", True), ("float32", "org/a=float16", False)],
)
def test_a_precision_is_to_be_chosen_when_any_models_is_auto(
    all_models: str, single_models: str, expected: bool
) -> None:
    settings = Settings(_env_file=None, model_dtype=all_models, model_dtypes=single_models)

    assert settings.may_choose_dtype == expected
