from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from monitor.core.audit import AuditEvent
from monitor.core.listed_tasks import ListedTask
from monitor.core.server_table import key_table, server_table
from monitor.core.server_view import KeyKind
from monitor.core.snapshot import LaneView, RecentTask, Snapshot, Trends, WorkerView
from monitor.core.task_stories import StoryUnavailable
from monitor.core.task_table import task_table
from monitor.tui.app import ClusterMonitor
from monitor.tui.dashboard import Dashboard
from monitor.tui.filter_bar import FilterBar
from monitor.tui.keys import KEYS, TOLD_WITH_ANOTHER
from monitor.tui.letter_list import LetterList
from monitor.tui.line_table import LineTable
from settings.capacity import Capacity
from settings.sought_task import SoughtTask
from tests.monitor.cluster import model, record
from tests.monitor.demo_example import demo_snapshot
from tests.monitor.examples import CLUSTER, LANE, LETTERS, SERVER, STORY, TASK, TASKS, letter, sought
from tests.monitor.fakes import FakeClock, ListedLetters, ScriptedSource, ToldTasks
from tests.monitor.hostile import HOSTILE_STRINGS
from tests.monitor.screen import check_golden, screen_text, wait_for, wait_for_text

pytestmark = pytest.mark.usefixtures("utc")


def monitor(
    source: ScriptedSource,
    letters: ListedLetters | None = None,
    clock: FakeClock | None = None,
    *,
    tasks: ToldTasks | None = None,
    may_act: bool = False,
) -> ClusterMonitor:
    letters = letters or ListedLetters(LETTERS)
    return ClusterMonitor(source, 0.1, clock or FakeClock(), letters=letters, tasks=tasks, may_act=may_act)


async def wait_for_toast(pilot: Pilot[None], text: str) -> None:
    told = pilot.app._notifications
    await wait_for(pilot, lambda: any(text in each.message for each in told), f"somebody is told {text}")


async def test_without_redis_ages_go_on_and_a_new_answer_sets_them_right() -> None:
    source, clock = ScriptedSource(CLUSTER), FakeClock()
    async with monitor(source, clock=clock).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        source.says = replace(CLUSTER, error="Redis does not answer at gpu-hub:6379")
        await wait_for_text(pilot, "✖ down")
        clock.now += 56
        text = await wait_for_text(pilot, "last beat 4m08s ago", "57s")
        assert "00:16:40" in text.splitlines()[0]

        await pilot.press("3")
        await wait_for_text(pilot, "1m37s")
        await pilot.press("2", "down", "enter")
        await wait_for_text(pilot, "gpu-01-42", "last beat 57s ago", "org/chat-8b  for 1m07s")
        await pilot.press("escape", "1")

        source.says = CLUSTER
        await wait_for_text(pilot, "● live", "last beat 3m12s ago")


async def test_while_somebody_pauses_ages_stay_as_they_were_read() -> None:
    clock = FakeClock()
    async with monitor(ScriptedSource(CLUSTER), clock=clock).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("p")
        clock.now += 56
        await wait_for_text(pilot, "‖ Paused, data of 56s ago", "last beat 3m12s ago")


async def test_a_terminal_that_is_too_small_says_so() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(59, 15)) as pilot:
        await wait_for_text(pilot, "Too small: 60x15 is needed.")
        assert "gpu-01" not in screen_text(pilot.app)
        await check_golden(pilot, "too-small-59x15")

        await pilot.resize_terminal(60, 15)
        await wait_for_text(pilot, "gpu-01-42")


async def test_enter_opens_a_worker_that_goes_on_and_escape_closes_it() -> None:
    source = ScriptedSource(CLUSTER)
    async with monitor(source).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("2", "down", "enter")
        await wait_for_text(pilot, "generate b4692f0c-5351-434c  org/chat-8b  for 11s", "9.0 GiB", "9,121 done")
        await check_golden(pilot, "worker-120x30")

        source.says = replace(CLUSTER, workers=())
        await wait_for_text(pilot, "has said goodbye")

        await pilot.press("escape")
        await wait_for_text(pilot, "No workers yet")


async def test_enter_on_a_lane_opens_the_lanes_of_its_model_which_are_read_while_they_are_open() -> None:
    source = ScriptedSource(replace(CLUSTER, capacities={"org/chat-8b": Capacity(2, 0.5)}))
    async with monitor(source).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("3", "end", "enter")
        await wait_for_text(pilot, "inference, org/chat-8b", "clears", "by 2 workers", "holds the model")
        await wait_for(pilot, lambda: source.watched == ("lane", LANE), "the lane is read")
        await check_golden(pilot, "lane-80x24")

        await pilot.press("escape")
        await wait_for(pilot, lambda: source.watched == ("lanes", ""), "the page is read again")


async def test_enter_on_a_queue_opens_it_with_all_its_lanes() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        pilot.app.screen.query_one("#queues").focus()
        await pilot.press("down", "enter")
        await wait_for_text(pilot, "Workers with a device that take its tasks (2): 1 busy, 1 idle")
        await check_golden(pilot, "queue-120x30")


async def test_enter_on_a_model_opens_who_holds_it() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("6", "enter")
        await wait_for_text(pilot, "▲ thrash: loaded 7 times", "In memory on (2)")
        await check_golden(pilot, "model-120x30")


async def test_a_page_has_the_keys_as_soon_as_it_is_opened() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        dashboard = pilot.app.screen
        assert isinstance(dashboard, Dashboard)
        for page, table in (("redis", "all-keys"), ("workers", "all-workers")):
            dashboard.action_page(page)
            assert dashboard.focused
            assert dashboard.focused.id == table


async def test_a_filter_takes_keys_that_are_typed_at_once_with_the_slash_and_enter() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        dashboard = pilot.app.screen
        assert isinstance(dashboard, Dashboard)
        dashboard.action_filter()
        assert isinstance(dashboard.focused, FilterBar)

        dashboard.focused.value = "zz"
        dashboard.focused.action_close(True)
        await wait_for_text(pilot, "Nothing matches zz")


async def test_enter_on_a_fact_of_redis_or_on_what_was_done_opens_it_in_full() -> None:
    event = AuditEvent(940.0, "ann@ops", "pause", f"inference.normal.{'long/' * 30}end", 1)
    async with monitor(ScriptedSource(replace(CLUSTER, audit=(event,)))).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42", "▶ pause")
        events = pilot.app.screen.query_one("#events", LineTable)
        events.focus()
        events.choose(next(row_id for row_id in events._table.ids if "pause" in row_id))
        await pilot.press("enter")
        await wait_for_text(pilot, "more   1, ann@ops", "long/end")
        await pilot.press("escape", "7")
        await wait_for_text(pilot, "Redis (")
        pilot.app.screen.query_one("#server").focus()
        await pilot.press("down", "enter")
        await wait_for_text(pilot, "besides  peak 3.0 GiB, takes 2.5 GiB, 1.2 times what it keeps")


async def test_enter_on_a_trouble_opens_what_it_is_about() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        pilot.app.screen.query_one("#troubles").focus()
        await pilot.press("enter")
        await wait_for_text(pilot, "esc closes", "others run its tasks again")
        await pilot.press("escape", "down", "enter")
        await wait_for_text(pilot, "DeviceOutOfMemory")
        await wait_for_toast(pilot, "3 dead letters: failed for good")


@pytest.mark.parametrize(
    ("key", "table_id", "row_id", "name"),
    [
        ("1", "troubles", "dead inference.normal.org/chat-8b", "inference.normal.org/chat-8b"),
        ("2", "all-workers", "gpu-01-42", "gpu-01-42"),
        ("3", "all-lanes", "inference.high.org/chat-8b", "inference.high.org/chat-8b"),
        ("4", "all-tasks", f"dead {TASKS[2].lane} redis-dead", "dead0001"),
        ("4", "all-tasks", f"waiting {TASKS[1].lane} redis-9c40", "redis-9c40"),
        ("5", "letter-list", "inference.normal.org/chat-8b id-2", "message-2"),
        ("6", "all-models", "BAAI/bge-m3", "BAAI/bge-m3"),
    ],
)
async def test_the_id_under_the_cursor_is_copied(key: str, table_id: str, row_id: str, name: str) -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press(key)
        table = pilot.app.screen.query_one(f"#{table_id}", LineTable)
        table.focus()
        await wait_for(pilot, lambda: row_id in table._table.ids, "the row is there")
        table.choose(row_id)
        await pilot.press("c")
        await wait_for_toast(pilot, f"Copied {name}")
        assert pilot.app.clipboard == name


async def test_an_open_screen_has_keys_of_its_own_and_copies_what_it_is_about() -> None:
    tasks = ToldTasks(STORY)
    async with monitor(ScriptedSource(CLUSTER), tasks=tasks).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42", "P Drain")
        for page, row, keys, name in (
            ("2", "gpu-01-42", "esc Close  c Copy id", "gpu-03-9"),
            ("3", "org/chat-8b", "esc Close  c Copy id", "control"),
            ("5", "ModelNotFound", "esc Close  c Copy id", "message-3"),
            ("6", "BAAI/bge-m3", "esc Close  c Copy id", "BAAI/bge-m3"),
            ("4", "7f3a11d2", "esc Close  c Copy id  r Read anew", TASK.message_id),
        ):
            await pilot.press(page)
            await wait_for_text(pilot, row)
            await pilot.press("enter")
            text = await wait_for_text(pilot, "esc closes", keys)
            assert "Sort" not in text.splitlines()[-1]
            await pilot.press("c")
            await wait_for(pilot, lambda name=name: pilot.app.clipboard == name, f"{name} is copied")
            await pilot.press("escape")
            await wait_for(pilot, lambda: "esc closes" not in screen_text(pilot.app), "it closes")


async def test_enter_opens_the_row_under_the_cursor_on_every_page() -> None:
    snapshot = replace(CLUSTER, server=SERVER, tasks=TASKS)
    async with monitor(ScriptedSource(snapshot), tasks=ToldTasks(STORY)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42", "⏎ Open")
        rows = {"2": "gpu-03-9", "3": "chat-8b", "4": "7f3a11d2", "5": "ModelNotFound", "6": "bge-m3", "7": "server"}
        for page, row in rows.items():
            await pilot.press(page)
            await wait_for_text(pilot, row, "⏎ Open")
            await pilot.press("enter")
            await wait_for_text(pilot, "esc closes")
            await pilot.press("escape")
            await wait_for(pilot, lambda: "esc closes" not in screen_text(pilot.app), "it closes")


async def test_an_id_that_a_terminal_would_obey_is_not_copied() -> None:
    worker = WorkerView("gpu\nrm", "live", 1.0, record("gpu\nrm"))
    async with monitor(ScriptedSource(replace(CLUSTER, workers=(worker,)))).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu·rm")
        await pilot.press("c")
        await wait_for_toast(pilot, "Not copied")
        assert pilot.app.clipboard == ""


async def test_enter_on_a_trouble_of_a_lane_or_a_model_opens_it() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42", "▲ growing")
        pilot.app.screen.query_one("#troubles").focus()
        await pilot.press("end", "enter")
        await wait_for_text(pilot, "In memory on (2)")
        await wait_for_toast(pilot, "loaded 7 times in 10 min")
        await pilot.press("escape", "up", "enter")
        await wait_for_text(pilot, "inference, org/chat-8b", "clears")
        await wait_for_toast(pilot, "add a worker or send less")


async def test_the_trouble_under_the_cursor_is_told_in_full_where_its_row_is_cut() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(80, 24)) as pilot:
        lost = "✖ gpu-03-9: last beat 3m12s ago, no goodbye: its process or host has died;"
        await wait_for_text(pilot, lost, "others run its tasks again, see its log")

        pilot.app.screen.query_one("#troubles").focus()
        await pilot.press("down", "down")
        await wait_for_text(pilot, "▲ normal.org/chat-8b: 808 tasks wait, +41 a minute", "  worker or send less")

        await pilot.resize_terminal(160, 48)
        await wait_for(pilot, lambda: "▲ normal.org/chat-8b: 808" not in screen_text(pilot.app), "there is room")


SKEWED = tuple(WorkerView(f"gpu-{number:03}", "live", 1.0, record("w"), 3600.0) for number in range(5))
DEAD = tuple(LaneView(f"inference.normal.org/m{n}", "inference", "normal", f"org/m{n}", dead=1) for n in range(5))


@pytest.mark.parametrize(
    ("kind", "snapshot", "title"),
    [
        (
            "lost",
            {"workers": tuple(WorkerView(f"gpu-{n:03}", "lost", 60.0) for n in range(5))},
            "Workers (5)  /trouble:lost",
        ),
        ("clock", {"workers": (*SKEWED, *CLUSTER.workers)}, "Workers (5)  /trouble:clock"),
        ("dead", {"lanes": (*DEAD, *CLUSTER.lanes[:2])}, "Queues (5)  /trouble:dead"),
        ("paused", {"lanes": DEAD, "paused": {lane.name: "ann@ops" for lane in DEAD}}, "Queues (5)  /trouble:paused"),
        ("thrash", {"trends": Trends(loads={f"org/m{n}": 9 for n in range(5)})}, "Models (5)  /trouble:thrash"),
    ],
)
async def test_enter_on_a_trouble_that_stands_for_many_shows_their_rows_alone(
    kind: str, snapshot: dict[str, Any], title: str
) -> None:
    paused = snapshot.get("paused", {})
    lanes = tuple(replace(lane, is_paused=lane.name in paused) for lane in snapshot.get("lanes", CLUSTER.lanes))
    models = record("gpu-01-42", models=tuple(model(f"org/m{n}") for n in range(5)))
    workers = snapshot.get("workers", (WorkerView("gpu-01-42", "live", 1.0, models),))
    shown = replace(CLUSTER, **{**snapshot, "workers": workers, "lanes": lanes})
    async with monitor(ScriptedSource(shown)).run_test(size=(120, 40)) as pilot:
        await wait_for_text(pilot, "Workers (")
        table = pilot.app.screen.query_one("#troubles", LineTable)
        table.focus()
        table.choose(next(row_id for row_id in table._table.ids if row_id.startswith(kind) and "more" in row_id))
        await pilot.press("enter")
        await wait_for_text(pilot, f"{title}  trouble only")

        await pilot.press("escape", "t")
        await wait_for(pilot, lambda: "trouble only" not in screen_text(pilot.app), "all are shown again")


async def test_a_filter_takes_all_keys_and_escape_clears_it() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("2", "slash", *"idle -q")
        await wait_for_text(pilot, "Workers (1)  /idle -q")

        await pilot.press("enter", "slash", *"zz", "enter")
        await wait_for_text(pilot, "Nothing matches zz: esc clears the filter")

        await pilot.press("escape")
        await wait_for_text(pilot, "Workers (3)")


async def test_a_filter_looks_in_fields_and_says_what_is_none() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("2", "slash", *"-STATE:lost model:chat")
        await wait_for_text(pilot, "Workers (1)  /-STATE:lost model:chat")
        await pilot.press("enter")

        await pilot.press("3", "slash", *"cuda:0")
        told = "No field cuda, read as text. Fields: state queue model priority lane"
        await wait_for_text(pilot, "Nothing matches cuda:0", told)
        await pilot.press("enter", "2")
        await wait_for_text(pilot, "Workers (1)")
        assert told not in screen_text(pilot.app)

        await pilot.press("3")
        await wait_for_text(pilot, told)
        await pilot.press("escape")
        await wait_for(pilot, lambda: told not in screen_text(pilot.app), "the line goes with the filter")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("1", "Trouble ("),
        ("2", "gpu-02-7"),
        ("3", "392"),
        ("4", "7f3a11d2"),
        ("5", "DeviceOutOfMemory"),
        ("6", "chat-8b"),
        ("7", "noeviction"),
    ],
)
async def test_each_field_of_a_page_fits_into_the_words_that_name_them(key: str, text: str) -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press(key)
        await wait_for_text(pilot, text)
        await pilot.press("slash", *"cuda:0", "enter")
        shown = await wait_for_text(pilot, "No field cuda, read as text. Fields: ")
        tables = [table for table in pilot.app.screen.query(LineTable) if table.is_on_screen]
        assert all(field in shown.partition("Fields: ")[2] for table in tables for field in table.fields)


async def test_sorting_goes_through_the_orders_and_round() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("2", "s")
        text = await wait_for_text(pilot, "by worker")
        assert text.index("gpu-01-42") < text.index("gpu-03-9")

        await pilot.press("S")
        text = await wait_for_text(pilot, "by worker turned")
        assert text.index("gpu-01-42") > text.index("gpu-03-9")


async def test_trouble_only_hides_what_is_well() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("2", "t")
        text = await wait_for_text(pilot, "Workers (1)  trouble only")
        assert "gpu-01-42" not in text

        await pilot.press("t")
        await wait_for_text(pilot, "Workers (3)")


async def test_trouble_only_shows_each_row_that_a_trouble_of_the_overview_is_about() -> None:
    async with monitor(ScriptedSource(demo_snapshot())).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "Trouble (10)")
        await pilot.press("t", "2")
        await wait_for_text(pilot, "Workers (4)", "gpu-07-1444", "gpu-09-1629", "gpu-05-1333", "gpu-16-2110")
        await pilot.press("3")
        await wait_for_text(pilot, "Queues (4)", "Qwen/Qwen3-8B", "BAAI/bge-m3", "+58")


async def test_the_cursor_stays_on_its_worker_while_others_come_and_go() -> None:
    workers = tuple(WorkerView(f"gpu-{number:03}", "live", 1.0, record("w")) for number in range(50))
    source = ScriptedSource(replace(CLUSTER, workers=workers))
    async with monitor(source).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-001")
        table = pilot.app.screen.query_one("#workers", LineTable)
        await pilot.press(*["down"] * 20)
        assert table.cursor_id == "gpu-020"

        for kept in (workers[10:], workers[15:30], (*workers[20:], *workers[:3])):
            source.says = replace(CLUSTER, workers=kept)
            await wait_for_text(pilot, f"Workers ({len(kept)})")
            assert table.cursor_id == "gpu-020"

        await pilot.press("S")
        assert table.cursor_id == "gpu-020"
        source.says = replace(CLUSTER, workers=workers[:3])
        await wait_for_text(pilot, "Workers (3)")
        assert table.cursor_id in ("gpu-000", "gpu-001", "gpu-002")


async def test_dead_letters_are_only_read_unless_actions_are_on() -> None:
    letters = ListedLetters(LETTERS)
    async with monitor(ScriptedSource(CLUSTER), letters).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "read-only", "gpu-01-42")
        await pilot.press("5")
        await wait_for_text(pilot, "Dead letters (3)")
        await pilot.press("R", "D")
        await wait_for_toast(pilot, "Read-only: start the monitor with")
    assert len(letters.there) == 3


async def test_a_letter_is_inspected_without_its_callers_text() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("5")
        await wait_for_text(pilot, "Dead letters (3)")
        await pilot.press("enter")
        await wait_for_text(pilot, "message   message-3", "texts: list of 2 (callers' texts are not shown)")


async def test_enter_on_a_task_opens_its_timeline_which_r_reads_anew() -> None:
    tasks = ToldTasks(STORY)
    async with monitor(ScriptedSource(CLUSTER), tasks=tasks).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("4", "down", "enter")
        await wait_for_text(
            pilot, "generate 7f3a11d2-90aa-4b21 runs on gpu-01-42", "Timeline", "queued", "█", "CLUSTER"
        )
        await check_golden(pilot, "task-80x24")
        assert tasks.asked == [TASKS[0].sought]

        tasks.says = StoryUnavailable("The task cannot be read: timed out")
        await pilot.press("r")
        await wait_for_text(pilot, "The task cannot be read: timed out")

        await pilot.press("escape", "down", "enter")
        await wait_for_toast(pilot, "Redis has not told which task this is")


async def test_a_task_is_found_by_its_id_wherever_it_is() -> None:
    tasks = ToldTasks(STORY)
    async with monitor(ScriptedSource(CLUSTER), tasks=tasks).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("i")
        await wait_for_text(pilot, "The id of a task")
        await pilot.press("escape")
        await wait_for(pilot, lambda: "The id of a task" not in screen_text(pilot.app), "the question goes")

        await pilot.press("i")
        await wait_for_text(pilot, "The id of a task")
        await pilot.press(*"[/q]", "enter")
        await wait_for_text(pilot, "Timeline")
        assert tasks.asked == [SoughtTask("[/q]")]


async def test_the_past_is_stepped_through_while_reading_pauses() -> None:
    source = ScriptedSource(CLUSTER)
    async with monitor(source).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42", "00:16:40")
        for second in (1001, 1002, 1100):
            source.says = replace(CLUSTER, at=float(second), workers=CLUSTER.workers[: second - 1000])
            await wait_for_text(pilot, f"00:{second // 60}:{second % 60:02}")

        await pilot.press("left")
        await wait_for_text(pilot, "‖ Paused, data of 1m38s ago: p goes on", "00:16:42", "Workers (2)")
        await pilot.press("left", "left", "left")
        await wait_for_text(pilot, "00:16:40", "Workers (3)")
        await pilot.press("right")
        await wait_for_text(pilot, "00:16:41", "Workers (1)")
        await pilot.press("right_square_bracket")
        await wait_for_text(pilot, "‖ Paused, data of 0s ago", "00:18:20")
        await pilot.press("left_square_bracket")
        await wait_for_text(pilot, "00:18:20")
        await pilot.press("left", "left_square_bracket")
        await wait_for_text(pilot, "00:16:40")

        source.says = replace(CLUSTER, at=1200.0)
        await pilot.press("p")
        await wait_for_text(pilot, "● live", "00:20:00")


async def test_stepping_before_anything_was_read_shows_what_there_is() -> None:
    async with monitor(ScriptedSource(Snapshot(error="Redis does not answer"))).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "✖ down")
        await pilot.press("left", "left_square_bracket", "right", "right_square_bracket")
        await wait_for_text(pilot, "‖ paused", "Waiting for the first answer")


async def test_what_is_marked_is_sent_again_after_a_question_whose_default_is_cancel() -> None:
    letters, source = ListedLetters(LETTERS), ScriptedSource(CLUSTER)
    async with monitor(source, letters, may_act=True).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "actions on", "gpu-01-42")
        await pilot.press("5")
        await wait_for_text(pilot, "Dead letters (3)")
        await pilot.press("a", "R")
        await wait_for_text(
            pilot,
            "Send again 2 dead letters?",
            "2 with DeviceOutOfMemory: 1 GiB",
            "2 of inference.normal.org/chat-8b",
            "[5 Dead]",
        )
        await check_golden(pilot, "confirm-120x30")
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Send again 2" not in screen_text(pilot.app), "the question goes")
        assert len(letters.there) == 3

        await pilot.press("R")
        await wait_for_text(pilot, "Send again 2 dead letters?")
        await pilot.press("right", "enter")
        await wait_for_toast(pilot, "2 sent again")
        assert {letter.redis_id for letter in letters.sent_again} == {"id-1", "id-3"}


async def test_of_many_dead_letters_the_title_says_how_many_are_shown_and_a_key_reads_older_ones() -> None:
    letters = ListedLetters([letter(number, f"Error {number % 2}") for number in range(150)])
    lane = replace(CLUSTER.lanes[-1], dead=150)
    source = ScriptedSource(replace(CLUSTER, lanes=(*CLUSTER.lanes[:-1], lane)))
    async with monitor(source, letters).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("5")
        await wait_for_text(pilot, "Dead letters (100 of 150, o reads older)", "Error 0 ", " 50+ ")
        await pilot.press("slash", *"id-149", "enter")
        await wait_for_text(pilot, "Dead letters (0 in 100 of 150, o reads older)  /id-149")
        await pilot.press("escape", "o")
        await wait_for_text(pilot, "Dead letters (150)", " 75 ")
        await pilot.press("o")
        await wait_for_toast(pilot, "All dead letters have been read.")


async def test_a_marked_letter_is_not_pushed_out_by_new_ones() -> None:
    letters = ListedLetters([letter(number, "Error") for number in range(150)])

    def saying(dead: int) -> Snapshot:
        return replace(CLUSTER, lanes=(*CLUSTER.lanes[:-1], replace(CLUSTER.lanes[-1], dead=dead)))

    source = ScriptedSource(saying(150))
    async with monitor(source, letters).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("5")
        await wait_for_text(pilot, "(100 of 150")
        await pilot.press("G", "space")
        await wait_for_text(pilot, "■ 1 marked")
        letters.there += [letter(number, "Error") for number in range(150, 170)]
        source.says = saying(170)
        await wait_for_text(pilot, "(120 of 170, o reads older)  ■ 1 marked")


async def test_nothing_is_changed_while_the_data_are_not_live() -> None:
    source = ScriptedSource(CLUSTER)
    async with monitor(source, may_act=True).run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("5")
        await wait_for_text(pilot, "Dead letters (3)")
        source.says = replace(CLUSTER, error="Redis does not answer at gpu-hub:6379")
        await wait_for_text(pilot, "✖ down")
        await pilot.press("D")
        await wait_for_toast(pilot, "Nothing can be changed")


async def test_hostile_errors_neither_end_the_app_nor_break_its_lines() -> None:
    hostile = [replace(LETTERS[0], redis_id=text, lane=LETTERS[0].lane, fields=(text,)) for text in HOSTILE_STRINGS]
    async with monitor(ScriptedSource(CLUSTER), ListedLetters(hostile), may_act=True).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("5")
        await wait_for_text(pilot, f"Dead letters ({len(hostile)})")
        for _ in hostile:
            await pilot.press("enter")
            await wait_for_text(pilot, "esc closes")
            assert all(line.isprintable() for line in screen_text(pilot.app).splitlines())
            await pilot.press("escape", "down")
        await pilot.press("slash", *"[/x]", "enter")
        await wait_for_text(pilot, "/(/x)")
        assert pilot.app.screen.query_one(LetterList).view.words == "[/x]"


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_hostile_tasks_and_servers_neither_end_the_app_nor_break_its_lines(size: tuple[int, int]) -> None:
    tasks = tuple(ListedTask(text, text, "dead", 1, None, sought(text), text) for text in HOSTILE_STRINGS)
    recent = tuple(
        RecentTask(text, TASK.model_copy(update={"message_id": text}), float("nan")) for text in HOSTILE_STRINGS
    )
    kinds = tuple(KeyKind(text, -1, -1) for text in HOSTILE_STRINGS)
    for text in HOSTILE_STRINGS:
        server = replace(SERVER, version=text, role=text, policy=text, slowest=((text, 1e300),), kinds=kinds)
        snapshot = replace(CLUSTER, tasks=tasks, recent_tasks=recent, server=server)
        assert all(
            row.text.isprintable()
            for table in (task_table, server_table, key_table)
            for cells in table(snapshot).rows
            for row in cells
        )

    async with monitor(ScriptedSource(snapshot), tasks=ToldTasks(STORY)).run_test(size=size) as pilot:
        await wait_for_text(pilot, "Workers")
        for key, title in (("4", "Tasks ("), ("7", "Redis (")):
            await pilot.press(key)
            await wait_for_text(pilot, title)
            lines = screen_text(pilot.app).splitlines()
            assert all(line.isprintable() for line in lines)
            assert len(lines) == size[1]


async def test_the_help_names_every_key_of_the_table() -> None:
    async with monitor(ScriptedSource(CLUSTER)).run_test(size=(120, 90)) as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("question_mark")
        await wait_for_text(pilot, *(key.help for key in KEYS if key.key not in TOLD_WITH_ANOTHER))
