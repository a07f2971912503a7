import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
import redis
from rich.cells import cell_len

from monitor.core.snapshot import Snapshot, WorkerView
from monitor.core.source import RedisSource
from monitor.tui.app import ClusterMonitor
from monitor.tui.line_table import LineTable
from settings import keys
from settings.config import Settings
from settings.records import QueueCounts
from tests.monitor.cluster import Cluster, model, record
from tests.monitor.fakes import FakeClock, ScriptedSource
from tests.monitor.hostile import HOSTILE_STRINGS
from tests.monitor.screen import screen_text, wait_for, wait_for_text
from tests.servers import RedisServer

SIZES = [(80, 24), (160, 48)]

SNAPSHOT = Snapshot(
    at=60.0,
    queues=(QueueCounts(queue="inference", ready=1204, running=24, delayed=0, dead=0),),
    workers=(WorkerView("gpu-01-42", "live", 1.0, record("gpu-01-42", models=(model("org/bge-m3"),))),),
)


def monitor(source: RedisSource | ScriptedSource, clock: FakeClock | None = None) -> ClusterMonitor:
    return ClusterMonitor(source, interval_seconds=0.1, clock=clock or FakeClock())


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    """A server that accepts connections and answers nothing."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


@pytest.mark.parametrize("size", SIZES)
async def test_queues_and_workers_are_shown_from_redis(
    source: RedisSource, cluster: Cluster, size: tuple[int, int]
) -> None:
    cluster.beat("gpu-01-42", models=(model("BAAI/bge-m3"),))
    cluster.vanish("gpu-02-7", age_seconds=60)
    cluster.redis.zadd(keys.dead(keys.INFERENCE_QUEUE), {"a": 1})

    async with monitor(source).run_test(size=size) as pilot:
        text = await wait_for_text(pilot, "● live", "2 workers  ✖ 1 lost  ✖ 1 dead", "Workers (2)", "Queues (2)")

    table = text.partition("Workers (2)")[2]
    lost, idle = (line for line in table.splitlines() if "gpu-0" in line)
    assert lost.startswith("  ✖ lost      gpu-02-7  ")
    assert "RTX 4090" in idle
    assert "12.0/24.0 GiB  " in idle
    assert "bge-m3" in idle


async def test_what_changes_in_redis_changes_on_the_screen(source: RedisSource, cluster: Cluster) -> None:
    async with monitor(source).run_test() as pilot:
        await wait_for_text(pilot, "0 workers", "No workers yet: start one with `dramatiq actors`")

        cluster.beat("gpu-01-42", state="busy")
        cluster.redis.sadd(keys.QUEUES, "brand-new")

        await wait_for_text(pilot, "1 worker ", "● busy", "brand-new")


@pytest.mark.parametrize("size", [*SIZES, (60, 15)])
async def test_hostile_strings_neither_end_the_app_nor_break_its_lines(
    source: RedisSource, cluster: Cluster, size: tuple[int, int]
) -> None:
    for text in HOSTILE_STRINGS:
        device = {"name": text, "backend": text, "label": text, "memory_used": 10**30, "memory_total": -1}
        cluster.beat(text, device=device, loading=text, models=(model(text),), done=-1)
        cluster.redis.sadd(keys.QUEUES, text)

    async with monitor(source).run_test(size=size) as pilot:
        await wait_for_text(pilot, f"Workers ({len(HOSTILE_STRINGS)})")
        lines = screen_text(pilot.app).splitlines()

    assert len(lines) == size[1]
    assert all(line.isprintable() for line in lines)
    rows = [line.rstrip(" ▁▂▃▄▅▆▇█") for line in lines if "loading" in line]
    assert len({cell_len(line) for line in rows}) <= 1


@pytest.mark.parametrize("size", SIZES)
async def test_a_workers_id_of_300_characters_leaves_room_for_what_it_does(
    source: RedisSource, cluster: Cluster, size: tuple[int, int]
) -> None:
    worker_id = "gpu-" + "x" * 296
    cluster.beat(worker_id, state="busy")

    async with monitor(source).run_test(size=size) as pilot:
        text = await wait_for_text(pilot, "Workers (1)", "● busy", "12.0/24.0 GiB")
        (row,) = (line for line in text.splitlines() if "● busy" in line)
        assert "gpu-xxx" in row
        assert cell_len(row) == size[0]

        await pilot.press("enter")
        await wait_for_text(pilot, "● busy, last beat", "esc closes")


@pytest.mark.parametrize(("seconds", "direction"), [(3600, "ahead"), (-3600, "behind")])
async def test_a_worker_whose_clock_is_an_hour_off_lives_and_its_clock_is_a_trouble(
    source: RedisSource, cluster: Cluster, seconds: int, direction: str
) -> None:
    now = cluster.redis.time()[0]
    cluster.beat("gpu-01-42", sent_at=float(now + seconds), started_at=float(now + seconds - 60))

    async with monitor(source).run_test(size=(160, 48)) as pilot:
        await wait_for_text(pilot, "▲ clock", "its clock is ", f" {direction}: start the host's time service", "○ idle")
        text = screen_text(pilot.app)

    assert "▲ late" not in text
    assert "✖ lost" not in text
    assert re.search(rf"its clock is (1h00m|59m\d\ds) {direction}", text)


async def test_without_redis_a_banner_tells_so_and_the_last_data_stay_dimmed() -> None:
    source, clock = ScriptedSource(SNAPSHOT), FakeClock()

    async with monitor(source, clock).run_test() as pilot:
        await wait_for_text(pilot, "gpu-01-42", "● live")

        source.says = replace(SNAPSHOT, error="Redis does not answer at gpu-hub:6379")
        await wait_for_text(pilot, "✖ down")
        clock.now += 5
        await wait_for_text(
            pilot,
            "✖ Redis does not answer at gpu-hub:6379 (for 5s) - showing the last data",
            "✖ down",
            "gpu-01-42",
        )
        assert all(table.dimmed for table in pilot.app.screen.query(LineTable))

        source.says = SNAPSHOT
        await wait_for(pilot, lambda: "Redis does not answer" not in screen_text(pilot.app), "the banner goes")
        assert not any(table.dimmed for table in pilot.app.screen.query(LineTable))


async def test_a_redis_that_freezes_is_told_within_three_seconds_and_its_return_is_seen(
    own_redis: RedisServer, settings: Settings
) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        Cluster(client).beat("gpu-01-42")
    with closing(RedisSource(settings.model_copy(update={"redis_url": own_redis.url}))) as source:
        async with ClusterMonitor(source, interval_seconds=0.1).run_test() as pilot:
            await wait_for_text(pilot, "gpu-01-42", "● live")
            with frozen(own_redis):
                frozen_at = time.monotonic()
                await pilot.press("question_mark")
                assert "✖ down" not in await wait_for_text(pilot, "has missed three beats")
                await pilot.press("question_mark")
                await wait_for_text(pilot, "✖ Redis does not answer at 127.0.0.1", "gpu-01-42")
                assert time.monotonic() - frozen_at < 3.0

                await pilot.press("2")
                await wait_for_text(pilot, "[2 Workers]", "✖ down", "gpu-01-42")

            await wait_for_text(pilot, "● live", "gpu-01-42")
            assert "Redis does not answer" not in screen_text(pilot.app)


async def test_a_redis_that_was_never_there_is_told_too() -> None:
    async with monitor(ScriptedSource(Snapshot(error="Redis does not answer at x:1"))).run_test() as pilot:
        await wait_for_text(pilot, "✖ Redis does not answer at x:1 (for 0s) - trying again", "Waiting for the first")


async def test_an_unforeseen_failure_of_the_reader_is_a_banner_and_not_the_end() -> None:
    source = ScriptedSource(RuntimeError("[/surprise]"))

    async with monitor(source).run_test() as pilot:
        await wait_for_text(pilot, "The monitor failed: RuntimeError('[/surprise]')")

        source.says = SNAPSHOT
        await wait_for_text(pilot, "gpu-01-42", "● live")


async def test_answers_that_stop_coming_are_noticed_by_their_age() -> None:
    clock = FakeClock()
    app = ClusterMonitor(ScriptedSource(SNAPSHOT), interval_seconds=600.0, clock=clock)

    async with app.run_test() as pilot:
        await wait_for_text(pilot, "● live")

        clock.now += 605
        await wait_for_text(pilot, "▲ No answer for 10m05s", "▲ slow")


async def test_a_pause_stops_reading_and_counts_the_age_of_the_data() -> None:
    source, clock = ScriptedSource(SNAPSHOT), FakeClock()

    async with monitor(source, clock).run_test() as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("p")
        await wait_for_text(pilot, "‖ paused")

        clock.now += 7
        await wait_for_text(pilot, "‖ Paused, data of 7s ago: p goes on", "gpu-01-42")

        await pilot.press("p")
        await wait_for_text(pilot, "● live")


async def test_the_help_opens_over_data_that_go_on_and_closes_again() -> None:
    source = ScriptedSource(SNAPSHOT)

    async with monitor(source).run_test() as pilot:
        await wait_for_text(pilot, "gpu-01-42")
        await pilot.press("question_mark")
        await wait_for_text(pilot, "has missed three beats")

        source.says = replace(SNAPSHOT, workers=())
        await wait_for_text(pilot, "0 workers", "has missed three beats")

        await pilot.press("question_mark")
        await wait_for_text(pilot, "No workers yet")


async def test_more_workers_than_lines_can_be_scrolled_below_their_header() -> None:
    workers = tuple(WorkerView(f"gpu-{index:03}", "live", 1.0, record("w")) for index in range(100))

    async with monitor(ScriptedSource(replace(SNAPSHOT, workers=workers))).run_test() as pilot:
        await wait_for_text(pilot, "gpu-000", "Workers (100)")

        await pilot.press("end")

        text = await wait_for_text(pilot, "gpu-099")
        assert "gpu-000" not in text
        assert "state       worker" in text


async def test_a_cursor_that_was_never_moved_stays_on_its_worker_when_another_sorts_before_it() -> None:
    workers = tuple(WorkerView(f"gpu-{index:03}", "live", 1.0, record("w")) for index in range(10))
    source = ScriptedSource(replace(SNAPSHOT, workers=workers))

    async with monitor(source).run_test() as pilot:
        await wait_for_text(pilot, "gpu-000", "Workers (10)")
        table = pilot.app.screen.query_one("#workers", LineTable)
        assert table.cursor_id == "gpu-000"

        source.says = replace(SNAPSHOT, workers=(*workers[:5], replace(workers[5], liveness="lost"), *workers[6:]))
        await wait_for_text(pilot, "✖ lost")
        assert table.cursor_id == "gpu-000"


async def test_the_cursor_goes_back_to_its_worker_when_the_filter_no_longer_hides_it() -> None:
    workers = tuple(WorkerView(f"gpu-{index:03}", "live", 1.0, record("w")) for index in range(100))

    async with monitor(ScriptedSource(replace(SNAPSHOT, workers=workers))).run_test() as pilot:
        await wait_for_text(pilot, "gpu-000")
        await pilot.press("2", "end", "up")
        table = pilot.app.screen.query_one("#all-workers", LineTable)
        assert table.cursor_id == "gpu-098"

        await pilot.press("slash", *"gpu-001")
        await wait_for_text(pilot, "Workers (1)")
        assert table.cursor_id == "gpu-001"

        await pilot.press("escape")
        await wait_for_text(pilot, "Workers (100)", "gpu-098")
        assert table.cursor_id == "gpu-098"


async def test_the_cursor_moves_by_each_of_its_keys() -> None:
    workers = tuple(WorkerView(f"gpu-{index:03}", "live", 1.0, record("w")) for index in range(100))

    async with monitor(ScriptedSource(replace(SNAPSHOT, workers=workers))).run_test(size=(80, 24)) as pilot:
        await wait_for_text(pilot, "gpu-000")
        await pilot.press("2")
        table = pilot.app.screen.query_one("#all-workers", LineTable)
        page = table.scrollable_content_region.height - 1
        assert page == 19

        for key, number in (
            ("up", 0),
            ("k", 0),
            ("down", 1),
            ("j", 2),
            ("k", 1),
            ("up", 0),
            ("pagedown", page),
            ("pagedown", 2 * page),
            ("pageup", page),
            ("home", 0),
            ("pageup", 0),
            ("G", 99),
            ("pagedown", 99),
            ("j", 99),
            ("g", 0),
            ("end", 99),
        ):
            await pilot.press(key)
            assert table.cursor_id == f"gpu-{number:03}", key
            await wait_for_text(pilot, f"gpu-{number:03}")
