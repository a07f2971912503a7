"""The check of the server that models are downloaded from."""

from pathlib import Path

from pydantic import SecretStr

from scripts.cluster_checks.model_store import check_server
from tests.model_store.hub_server import HubServer


def test_a_server_that_answers_is_well(tmp_path: Path) -> None:
    with HubServer(tmp_path) as server:
        check = check_server(server.url, None)

    assert (check.status, check.detail) == ("ok", f"{server.url} answers")


def test_a_server_that_is_away_or_refuses_the_token_is_told(tmp_path: Path) -> None:
    with HubServer(tmp_path) as server:
        server.token = "a-secret"
        refused = check_server(server.url, SecretStr("another"))
    away = check_server(server.url, None)

    assert (refused.status, away.status) == ("failed", "failed")
    assert "wants a valid token" in refused.detail
    assert "does not answer" in away.detail
