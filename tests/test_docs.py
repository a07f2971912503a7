"""The documents agree with the code: what they name exists, and what exists is named."""

import ast
import importlib.util
import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from actors import errors
from actors.errors import ClusterError
from actors.payloads import REQUESTS, ChatMessage, Metadata, Request, Timings
from settings import keys
from settings.config import Settings
from settings.explanation import Estimate, Explanation, Place
from settings.records import ClusterHealth, DeviceRecord, LifecycleEvent, ModelRecord, Record, TaskRecord, WorkerRecord
from settings.worker_answers import WorkerAnswer
from settings.worker_commands import CommandOutcome

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = {
    str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
    for path in sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
}

_FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
_MODULE = re.compile(r"python -m ([\w.]+)")
_FILE = re.compile(r"scripts[/\\]\w+\.py|start_worker\.\w+|constraints[/\\]\w+\.txt|docker-compose\.yml")


def blocks(language: str, document: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", DOCUMENTS[document], re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """A section of the API's document."""
    return DOCUMENTS["docs/api.md"].partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def anchors(text: str) -> set[str]:
    """The names that a document's headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for target, anchor in _LINK.findall(_FENCED.sub("", DOCUMENTS[document])):
        linked = ((REPOSITORY / document).parent / target).resolve() if target else REPOSITORY / document

        assert linked.is_relative_to(REPOSITORY), target
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), f"{target}#{anchor}"


def test_every_picture_is_shown_somewhere() -> None:
    pictures = {path.name for path in REPOSITORY.glob("docs/pictures/*")}
    shown = {target.rpartition("/")[2] for text in DOCUMENTS.values() for target, _ in _LINK.findall(text)}

    assert pictures - shown == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_and_file_that_one_is_told_to_run_exists(document: str) -> None:
    modules, files = _MODULE.findall(DOCUMENTS[document]), _FILE.findall(DOCUMENTS[document])

    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    assert [name for name in files if not (REPOSITORY / name.replace("\\", "/")).is_file()] == []


@pytest.mark.parametrize("document", ["README.md", "docs/api.md"])
def test_every_python_block_can_be_read(document: str) -> None:
    assert all(ast.parse(block).body for block in blocks("python", document))


def test_the_readme_tries_it_with_exactly_two_commands() -> None:
    assert blocks("sh", "README.md") == [
        'pip install -c constraints/cpu.txt -e ".[demo]" && python -m actors.demo\n',
        'pip install -c constraints/cpu.txt -e ".[test]" && pytest\n',
    ]


@pytest.mark.parametrize("setting", [name.upper() for name in Settings.model_fields])
def test_every_setting_is_told_to_the_operator(setting: str) -> None:
    texts = [(REPOSITORY / ".env.example").read_text(encoding="utf-8"), *DOCUMENTS.values()]

    assert any(re.search(rf"\b{setting}\b", text) for text in texts)


@pytest.mark.parametrize("actor", REQUESTS)
def test_the_table_of_an_actor_has_exactly_its_fields(actor: str) -> None:
    own_fields = REQUESTS[actor].model_fields.keys() - Request.model_fields.keys()

    assert set(re.findall(r"^\| `(\w+)` \|", section(actor), re.MULTILINE)) == own_fields


@pytest.mark.parametrize("model", [Request, ChatMessage, Metadata, Timings, CommandOutcome])
def test_every_field_of_messages_and_results_is_named(model: type[BaseModel]) -> None:
    assert [name for name in model.model_fields if not re.search(rf"[`\"]{name}[`\"]", DOCUMENTS["docs/api.md"])] == []


@pytest.mark.parametrize("record", [WorkerRecord, DeviceRecord, ModelRecord, TaskRecord, ClusterHealth, LifecycleEvent])
def test_every_field_of_a_stored_record_is_named(record: type[Record]) -> None:
    assert [name for name in record.model_fields if f"`{name}`" not in section("Records")] == []


@pytest.mark.parametrize("shape", [Explanation, WorkerAnswer, Estimate, *get_args(Place)])
def test_every_field_of_an_explanation_is_named(shape: type[Record]) -> None:
    text = section("Explanations")

    assert [name for name in shape.model_fields if not re.search(rf"[`.]{name}`", text)] == []


def test_every_error_is_in_the_tree_of_errors() -> None:
    classes = [name for name, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, ClusterError)]

    assert [name for name in classes if not re.search(rf"\b{name}\b", section("Errors"))] == []


def test_every_key_is_in_the_tables_of_keys() -> None:
    functions = [name for name, _ in inspect.getmembers(keys, inspect.isfunction)]
    constants = [name for name, value in vars(keys).items() if str(value).startswith("cm:") and value[-1] != ":"]

    assert [name for name in [*functions, *constants] if f"`{name}`" not in section("Redis keys")] == []
