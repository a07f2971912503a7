"""Counts what is sent to Redis."""

import pytest
import redis


def count_round_trips(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A list that grows by what each round trip sends."""
    sent: list[object] = []
    send = redis.Connection.send_packed_command

    def spy(connection: redis.Connection, command: object, check_health: bool = True) -> None:
        sent.append(command)
        send(connection, command, check_health)

    monkeypatch.setattr(redis.Connection, "send_packed_command", spy)
    return sent
