"""The keys that change something: each asks first, and Cancel is the default."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from dramatiq import Message
from textual.pilot import Pilot
from textual.widgets import Input

from monitor.core.audit import AuditEvent
from monitor.core.dead_letters import DeadLetters
from monitor.core.export import table_csv
from monitor.core.lane_actions import LaneActions
from monitor.core.snapshot import WorkerView
from monitor.core.source import RedisSource
from monitor.core.table import Cell, Column, Table
from monitor.core.told import Told
from monitor.core.undoing import Undoing
from monitor.core.worker_actions import WorkerActions
from monitor.tui.app import ClusterMonitor
from monitor.tui.confirm_screen import ConfirmScreen
from monitor.tui.keys import KEYS
from monitor.tui.line_table import LineTable
from monitor.tui.operated_app import Actions
from settings import keys
from settings.config import Settings
from settings.message_ids import sortable_id
from tests.monitor.cluster import record
from tests.monitor.examples import CLUSTER, LETTERS
from tests.monitor.fakes import ListedLetters, NotedActions, ScriptedSource
from tests.monitor.screen import check_golden, screen_text, wait_for, wait_for_text
from tests.monitor.test_pages import wait_for_toast

#: Of a terminal with room for everything.
SIZE = (120, 30)

CHAT = "inference.normal.org/chat-8b"


@pytest.fixture
def noted() -> NotedActions:
    return NotedActions()


@pytest.fixture
def app(noted: NotedActions, tmp_path: Path) -> ClusterMonitor:
    return monitor(ScriptedSource(CLUSTER), noted, tmp_path)


def monitor(
    source: ScriptedSource, noted: NotedActions | None, folder: Path = Path(), *, may_act: bool = True
) -> ClusterMonitor:
    actions = Actions(noted, noted, noted) if noted else None
    letters = ListedLetters(LETTERS)
    return ClusterMonitor(source, 0.1, letters=letters, actions=actions, may_act=may_act, export_folder=folder)


async def open_page(pilot: Pilot[None], key: str, row_id: str) -> None:
    """Opens a page with the cursor on a row."""
    await wait_for_text(pilot, "gpu-01-42")
    await pilot.press(key)
    name = {"2": "all-workers", "3": "all-lanes", "5": "letter-list"}[key]
    await wait_for(pilot, lambda: pilot.app.focused and pilot.app.focused.id == name, "the page is open")
    pilot.app.screen.query_one(f"#{name}", LineTable).choose(row_id)


async def agree(pilot: Pilot[None]) -> None:
    """Chooses the button that goes on."""
    await pilot.press("right", "enter")


async def type_text(pilot: Pilot[None], text: str) -> None:
    """Types faster than anybody."""
    await wait_for(pilot, lambda: isinstance(pilot.app.focused, Input), "something can be typed")
    assert isinstance(pilot.app.focused, Input)
    pilot.app.focused.value = text
    pilot.app.focused.cursor_position = len(text)


async def wait_for_question_to_go(pilot: Pilot[None]) -> None:
    await wait_for(pilot, lambda: not isinstance(pilot.app.screen, ConfirmScreen), "the question goes")


@pytest.mark.parametrize(("state", "verb", "action"), [("idle", "Drain", "drain"), ("draining", "Resume", "resume")])
async def test_a_worker_is_drained_and_a_draining_one_resumed(
    noted: NotedActions, state: str, verb: str, action: str
) -> None:
    worker = WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", state=state))
    async with monitor(ScriptedSource(replace(CLUSTER, workers=(worker,))), noted).run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "2", "gpu-01-42")
        await pilot.press("P")
        await wait_for_text(pilot, f"{verb} 1 worker?", "Redis: gpu-hub:6379")
        await pilot.press("enter")
        await wait_for_question_to_go(pilot)
        assert noted.done == []

        await pilot.press("P")
        await wait_for_text(pilot, f"{verb} 1 worker?")
        await agree(pilot)
        await wait_for(pilot, lambda: noted.done == [(action, "gpu-01-42")], "the worker is told")


async def test_a_model_is_asked_for_and_typed(app: ClusterMonitor, noted: NotedActions) -> None:
    noted.says = Told("gpu-01-42: loaded org/x@1; memory 1.0 GiB → 3.0 GiB")
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "2", "gpu-01-42")
        await pilot.press("L", "enter")  # nothing typed is Cancel
        await wait_for_question_to_go(pilot)
        assert noted.done == []

        for key, action in (("L", "load"), ("U", "unload"), ("K", "pin"), ("N", "unpin")):
            await pilot.press(key)
            await type_text(pilot, "org/x")
            await pilot.press("enter")
            await wait_for_toast(pilot, "memory 1.0 GiB → 3.0 GiB")
            assert noted.done[-1] == (action, "gpu-01-42", "org/x")
            app.clear_notifications()


async def test_models_that_may_be_meant_are_offered(app: ClusterMonitor) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "2", "gpu-01-42")
        await pilot.press("U")
        await wait_for_text(pilot, "Unload a model on 1 worker?", "Such as BAAI/bge-m3, org/chat-8b")
        await check_golden(pilot, "unload-120x30")
        await pilot.press(*"org")
        typed = app.screen.query_one(Input)
        await wait_for(pilot, lambda: typed._suggestion, "a name is suggested")
        await pilot.press("right")
        assert typed.value == "org/chat-8b"


async def test_marked_workers_are_told_together(app: ClusterMonitor, noted: NotedActions) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "2", "gpu-01-42")
        await pilot.press("space", "space", "X")
        await wait_for_text(pilot, "Recycle 2 workers?", "gpu-01-42", "gpu-02-7")
        await agree(pilot)
        await wait_for(pilot, lambda: len(noted.done) == 2, "both are told")
        assert sorted(noted.done) == [("recycle", "gpu-01-42"), ("recycle", "gpu-02-7")]


async def test_marked_workers_that_the_filter_hides_are_left_alone_and_the_question_says_so(
    app: ClusterMonitor, noted: NotedActions
) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "2", "gpu-01-42")
        await pilot.press("space", "space", "slash", *"gpu-02", "enter")
        await wait_for_text(pilot, "Workers (1)  /gpu-02  ■ 2 marked, 1 hidden")
        await pilot.press("X")
        await wait_for_text(pilot, "Recycle 1 worker?", "1 more marked, which the filter hides: left as it is.")
        await agree(pilot)
        await wait_for(pilot, lambda: noted.done == [("recycle", "gpu-02-7")], "the one that is shown is told")

        await pilot.press("escape")
        await wait_for_text(pilot, "Workers (3)  ■ 2 marked")


async def test_a_lane_is_paused_and_resumed(noted: NotedActions) -> None:
    source = ScriptedSource(CLUSTER)
    async with monitor(source, noted).run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "3", CHAT)
        await pilot.press("P")
        await wait_for_text(pilot, f"Pause the lane {CHAT}?", "finished.")
        await agree(pilot)
        await wait_for(pilot, lambda: noted.done == [("pause", CHAT)], "it is paused")

        paused = (*CLUSTER.lanes[:-1], replace(CLUSTER.lanes[-1], is_paused=True))
        source.says = replace(CLUSTER, lanes=paused, paused={CHAT: "ann@ops"})
        await wait_for_text(pilot, "‖ paused")
        await check_golden(pilot, "paused-lane-120x30")
        await pilot.press("P")
        await wait_for_text(pilot, f"Resume the lane {CHAT}?")
        await agree(pilot)
        await wait_for(pilot, lambda: noted.done[-1] == ("resume", CHAT), "it is resumed")


async def test_a_question_is_wholly_shown_on_a_small_terminal(app: ClusterMonitor) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await open_page(pilot, "3", CHAT)
        await pilot.press("P")
        await wait_for_text(pilot, "finished.", "Redis: gpu-hub", "Cancel")
        await check_golden(pilot, "pause-80x24")


async def test_a_lane_is_emptied(app: ClusterMonitor, noted: NotedActions) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "3", CHAT)
        await pilot.press("D")
        await wait_for_text(pilot, f"Delete 808 waiting tasks of {CHAT}?", "Callers", "u puts them")
        await agree(pilot)
        await wait_for(pilot, lambda: noted.done == [("purge", CHAT, CHAT)], "it is emptied")


@pytest.mark.parametrize(("key", "action"), [("P", "pause"), ("D", "purge")])
async def test_the_name_of_a_whole_queue_is_typed(
    app: ClusterMonitor, noted: NotedActions, key: str, action: str
) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        queues = app.screen.query_one("#queues", LineTable)
        queues.focus()
        queues.choose("inference")
        await pilot.press(key)
        await wait_for_text(pilot, "Type inference to go on:")
        await type_text(pilot, "inferenc")
        await pilot.press("enter")
        await wait_for_toast(pilot, "That is not inference: nothing has been changed.")
        assert noted.done == []

        await pilot.press("e", "enter")
        await wait_for(pilot, lambda: noted.done, "it is done")
        assert noted.done[0][:2] == (action, "inference")


async def test_the_clusters_own_jobs_cannot_be_paused(app: ClusterMonitor) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "3", "control")
        await pilot.press("P")
        await wait_for_toast(pilot, "control cannot be paused")
        await pilot.press("D")
        await wait_for_toast(pilot, "Nothing waits in control.")


async def test_the_last_deletion_is_put_back(app: ClusterMonitor, noted: NotedActions) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "5", "")
        await pilot.press("u")
        await wait_for_text(pilot, "Put back what was deleted last from this host?")
        await agree(pilot)
        await wait_for(pilot, lambda: noted.done == [("undo",)], "it is put back")


@pytest.mark.parametrize("why", ["read-only", "paused", "down", "replay"])
async def test_nothing_is_changed_while_it_may_not_be(noted: NotedActions, why: str) -> None:
    source, means = ScriptedSource(CLUSTER), None if why == "replay" else noted
    async with monitor(source, means, may_act=why != "read-only").run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        if why == "paused":
            await pilot.press("p")
        if why == "down":
            source.says = replace(CLUSTER, error="Redis does not answer at gpu-hub:6379")
            await wait_for_text(pilot, "✖ down")
        for page, changing in (("2", "PXLUKN"), ("3", "PD"), ("5", "u")):
            await pilot.press(page)
            for key in changing:
                await pilot.press(key)
                await wait_for_toast(pilot, "Read-only" if why == "read-only" else "Nothing can be changed")
                pilot.app.clear_notifications()
        assert noted.done == []


async def test_an_action_without_redis_says_that_it_may_have_been_done(
    app: ClusterMonitor, noted: NotedActions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> Told:
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(noted, "pause", fail)
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "3", CHAT)
        await pilot.press("P")
        await agree(pilot)
        await wait_for_toast(pilot, "Redis does not answer, so a part of it may have been done: gone")


async def test_what_operators_did_is_shown_on_the_overview() -> None:
    events = (AuditEvent(995.0, "ann@ops", "pause", CHAT, 1), AuditEvent(900.0, "bob@ops", "deleted", CHAT, 12))
    async with monitor(ScriptedSource(replace(CLUSTER, audit=events)), None).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "Events (5)", "00:16:35", "ann@ops", "bob@ops", "q Quit")
        await check_golden(pilot, "audit-120x30")

        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: "Events" not in screen_text(pilot.app), "the workers keep their room")
        await wait_for_text(pilot, "gpu-02-7")
        await pilot.resize_terminal(160, 24)
        await wait_for_text(pilot, "Events (5)", "gpu-02-7")


@pytest.mark.parametrize("key", ["ctrl+p", "colon"])
async def test_the_palette_has_the_keys_and_runs_them(app: ClusterMonitor, noted: NotedActions, key: str) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "2", "gpu-02-7")
        await pilot.press(key)
        await type_text(pilot, "recycle")
        await wait_for_text(pilot, "Recycle  (X)")
        await pilot.press("enter")
        await wait_for_text(pilot, "Recycle 1 worker?", "gpu-02-7")


async def test_the_palette_offers_only_what_the_page_can_do(app: ClusterMonitor) -> None:
    async with app.run_test(size=(120, 60)) as pilot:
        await open_page(pilot, "3", CHAT)
        await pilot.press("ctrl+p")
        text = await wait_for_text(pilot, "Overview  (1)", "Undo  (u)")
        assert "Recycle" not in text
        assert "Send again" not in text

        await pilot.press("escape", "6", "ctrl+p")
        text = await wait_for_text(pilot, "Overview  (1)", "Sort  (s)", "Open  (")
        assert "Delete" not in text


async def test_the_palette_goes_to_workers_lanes_and_models(app: ClusterMonitor) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        for words, page, kind, name in (
            ("lane chat", "3 Queues", "lane", CHAT),
            ("model bge", "6 Models", "model", "BAAI/bge-m3"),
            ("gpu-02", "2 Workers", "worker", "gpu-02-7"),
        ):
            await pilot.press("colon")
            await type_text(pilot, words)
            await wait_for_text(pilot, f"{kind} {name}")
            await pilot.press("enter")
            if kind != "worker":
                await wait_for_text(pilot, f"[{page}]")
                assert isinstance(app.focused, LineTable)
                assert app.focused.cursor_id == name
        await wait_for_text(pilot, "esc closes", "host      gpu-02")


async def test_every_key_that_changes_something_is_a_capital_or_undo_and_says_that_it_asks() -> None:
    changing = [key for key in KEYS if key.action.startswith(("wish", "requeue", "delete"))]

    assert all(key.key.isupper() and "ask" in key.help for key in changing)


@pytest.mark.parametrize("chosen", ["json", "csv", "svg"])
async def test_rows_and_screen_are_exported(app: ClusterMonitor, tmp_path: Path, chosen: str) -> None:
    async with app.run_test(size=(120, 30)) as pilot:
        await open_page(pilot, "2", "gpu-01-42")
        await pilot.press("e")
        await wait_for_text(pilot, "Export 3 rows as they are shown")
        await pilot.press(*["right"] * ["json", "csv", "svg"].index(chosen), "enter")
        await wait_for_toast(pilot, f"Written to {tmp_path}")
        (path,) = tmp_path.glob("all-workers-*")
        text = path.read_text(encoding="utf-8")

    assert path.suffix == f".{chosen}"
    if chosen == "json":
        assert json.loads(text)[0] | {"id": "gpu-03-9", "state": "✖ lost"} == json.loads(text)[0]
    else:
        assert "gpu-01-42" in text
        assert "Export 3 rows" not in text


def test_a_spreadsheet_takes_nothing_for_a_formula() -> None:
    texts = ["=1+1", "@x", "-x", "+41", "-", "-3.5", "a=b"]
    table = Table((Column("c", 1, 9, 0),), [(Cell(text),) for text in texts])

    assert table_csv(table).split() == ["c", "'=1+1", "'@x", "'-x", "+41", "-", "-3.5", "a=b"]


def on_redis(settings: Settings) -> ClusterMonitor:
    """A monitor that reads and changes a real cluster."""
    actions = Actions(WorkerActions(settings), LaneActions(settings), Undoing(settings))
    return ClusterMonitor(RedisSource(settings), 0.1, letters=DeadLetters(settings), actions=actions, may_act=True)


async def test_two_monitors_send_the_same_dead_letter_again_and_one_copy_waits(
    settings: Settings, queue_redis: redis.Redis
) -> None:
    lane, redis_id = "inference.normal.org/a", sortable_id()
    message = Message[Any]("inference", "embed", (), {"model": "org/a"}, {"redis_message_id": redis_id, "retries": 3})
    queue_redis.sadd(keys.LANES, lane)
    queue_redis.hset(keys.dead_bodies(lane), redis_id, message.encode())
    queue_redis.zadd(keys.dead(lane), {redis_id: 1_000})

    apps = on_redis(settings), on_redis(settings)
    async with apps[0].run_test(size=SIZE) as first, apps[1].run_test(size=SIZE) as second:
        for pilot in (first, second):
            await wait_for_text(pilot, "● live")
            await pilot.press("5")
            await wait_for_text(pilot, "Dead letters (1)")
            await pilot.press("R")
            await wait_for_text(pilot, "Send again 1 dead letter")
        await asyncio.gather(agree(first), agree(second))
        for pilot in (first, second):
            await wait_for_text(pilot, "No dead letters")
            await wait_for_toast(pilot, "1 ")

        told = {toast.message for app in apps for toast in app._notifications}
        assert told == {"1 sent again", "1 gone"}
    assert queue_redis.llen(keys.ready(lane)) == 1
    assert queue_redis.hlen(keys.bodies(lane)) == 1
    assert queue_redis.zcard(keys.dead(lane)) == 0


async def test_two_monitors_change_one_cluster(settings: Settings, queue_redis: redis.Redis) -> None:
    """Both are asked and agree; Redis does it once, and both are told what came of it."""
    lane = "inference.normal.org/a"
    for redis_id in (sortable_id(), sortable_id()):
        queue_redis.hset(keys.bodies(lane), redis_id, "{}")
        queue_redis.rpush(keys.ready(lane), redis_id)
    queue_redis.sadd(keys.LANES, lane)

    async with on_redis(settings).run_test(size=SIZE) as first, on_redis(settings).run_test(size=SIZE) as second:
        for pilot in (first, second):
            await wait_for_text(pilot, "● live")
            await pilot.press("3")
            await wait_for_text(pilot, "org/a")
            assert isinstance(pilot.app.focused, LineTable)
            pilot.app.focused.choose(lane)
            await pilot.press("P")
            await wait_for_text(pilot, "Pause the lane")
        await agree(first)
        await agree(second)
        await wait_for_toast(first, f"{lane} is paused")
        await wait_for_toast(second, f"{lane} was paused already")
        await wait_for_text(second, "‖ paused")

        for pilot in (first, second):
            await pilot.press("D")
            await wait_for_text(pilot, "Delete 2 waiting tasks")
        await agree(first)
        await wait_for_toast(first, "2 deleted from")
        await agree(second)
        await wait_for_toast(second, "Nothing waits in")

        await second.press("u")
        await agree(second)
        await wait_for_toast(second, "2 put back from")
        await wait_for(first, lambda: "   2  " in screen_text(first.app), "the other sees them")
    assert queue_redis.llen(keys.ready(lane)) == 2
