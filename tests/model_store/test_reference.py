"""How a model's name becomes the names of the folders that it may lie in."""

import pytest

from actors.model_store.reference import ModelReference


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("gpt2", "gpt2", None),
        ("org/name", "org/name", None),
        ("org/name@main", "org/name", "main"),
        ("org/name@", "org/name", None),
    ],
)
def test_a_revision_follows_the_name(text: str, name: str, revision: str | None) -> None:
    assert ModelReference.parse(text) == ModelReference(name, revision)


@pytest.mark.parametrize("text", ["gpt2", "org/name", "org/name@main"])
def test_a_reference_is_written_as_it_is_read(text: str) -> None:
    assert str(ModelReference.parse(text)) == text


def test_the_hub_joins_organisation_and_name_with_dashes() -> None:
    assert ModelReference("Org/Name_x").hub_folder == "models--Org--Name_x"
    assert ModelReference("gpt2").hub_folder == "models--gpt2"


def test_each_service_of_the_platform_spells_a_folder_in_its_own_way() -> None:
    assert ModelReference("Org/Name_x").plain_folders == ("Org/Name_x", "Org_Name_x", "org-name-x", "org-name_x")


def test_spellings_that_are_the_same_are_looked_at_once() -> None:
    assert ModelReference("gpt2").plain_folders == ("gpt2",)


def test_a_dot_is_kept_by_some_and_replaced_by_others() -> None:
    assert set(ModelReference("microsoft/phi-1.5").plain_folders) >= {"microsoft-phi-1.5", "microsoft-phi-1-5"}
