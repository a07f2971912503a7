import time
from itertools import groupby

import pytest

from monitor.core.demo.cluster import DemoSource
from monitor.core.demo.incidents import CYCLE_SECONDS
from monitor.core.lane_text import lane_text
from monitor.core.snapshot import LaneView, Snapshot
from monitor.core.story_text import story_text
from monitor.core.task_table import task_rows
from monitor.core.trouble_finder import TroubleFinder
from monitor.core.worker_text import worker_text
from monitor.tui.app import ClusterMonitor
from settings.records import WorkerRecord
from settings.sought_task import SoughtTask
from settings.worker_commands import Action
from tests.monitor.fakes import FakeClock
from tests.monitor.screen import wait_for_text

TASK_SECONDS = 300.0

QWEN = "inference.normal.Qwen/Qwen3-8B"


def lane_of(snapshot: Snapshot, name: str) -> LaneView:
    return next(lane for lane in snapshot.lanes if lane.name == name)


@pytest.fixture(scope="module")
def kinds_by_second() -> dict[int, set[str]]:
    """The kinds of trouble while a cycle passes, by its second."""
    clock, told = FakeClock(), dict[int, set[str]]()
    source = DemoSource(clock, head_start_seconds=0.0)
    begin = clock.now
    for second in range(0, int(CYCLE_SECONDS), 5):
        clock.now = begin + second
        told[second] = {trouble.kind for trouble in TroubleFinder(TASK_SECONDS).find(source.read())}
    return told


def test_there_are_40_workers_with_tasks_and_models() -> None:
    snapshot = DemoSource(FakeClock()).read()

    assert len(snapshot.workers) == 40
    assert len({worker.worker_id for worker in snapshot.workers}) == 40
    assert any(worker.record and worker.record.running for worker in snapshot.workers)
    assert snapshot.trends.done_per_minute
    assert snapshot.trends.done_per_minute > 100


def test_the_same_clock_and_seed_give_the_same_readings() -> None:
    assert DemoSource(FakeClock(), seed=3).read() == DemoSource(FakeClock(), seed=3).read()
    assert DemoSource(FakeClock(), seed=3).read() != DemoSource(FakeClock(), seed=4).read()


@pytest.mark.parametrize(
    "kind", ["late", "lost", "dead", "growing", "thrash", "memory", "clock", "quarantine", "passive"]
)
def test_every_incident_comes_and_passes(kinds_by_second: dict[int, set[str]], kind: str) -> None:
    seconds = [second for second, kinds in kinds_by_second.items() if kind in kinds]

    assert seconds
    assert kind not in kinds_by_second[0]
    assert max(seconds) < max(kinds_by_second) or kind == "thrash"


def test_something_is_wrong_at_once_and_nothing_after_a_while(kinds_by_second: dict[int, set[str]]) -> None:
    assert kinds_by_second[120] >= {"late", "growing"}
    assert not kinds_by_second[700] - {"thrash"}


def test_a_dead_letter_that_is_sent_again_waits_and_is_gone() -> None:
    source = DemoSource(FakeClock(), head_start_seconds=200.0)
    letters, lanes = source.operator, [lane.name for lane in source.read().lanes if lane.dead]
    first, second, *_ = letters.read(lanes)

    assert letters.change("requeue", [first]).text == "1 sent again"
    assert letters.change("requeue", [first]).text == "1 gone"
    assert letters.change("delete", [second]).text == "1 deleted"
    assert letters.change("delete", [second]).text == "1 gone"
    assert not {first, second} & {*letters.read(lanes)}

    assert source.actions.undo.undo().text == "1 put back"
    assert second in letters.read(lanes)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def demo(clock: FakeClock) -> DemoSource:
    """A few seconds after the first rush has begun."""
    return DemoSource(clock, head_start_seconds=90.0)


def test_every_task_that_is_listed_opens_with_its_timeline(demo: DemoSource) -> None:
    demo.watch("tasks")
    rows = list(task_rows(demo.read()))
    states = set()
    for row in rows:
        assert row.sought is not None
        text = story_text(demo.tasks.read(row.sought))
        assert "is not known" not in text
        assert "nothing tells of its time" not in text or row.state == "dead"
        states.add(row.state)

    assert states == {"running", "waiting", "gone"}
    assert "is not known: the demo knows" in story_text(demo.tasks.read(SoughtTask("of nobody")))


def test_a_task_that_waits_runs_and_ends_keeps_its_id(demo: DemoSource, clock: FakeClock) -> None:
    demo.watch("lane", QWEN)
    task = demo.read().tasks[0].sought
    assert task is not None
    places = []
    for _ in range(60):
        places.append(demo.tasks.read(task).explanation.place.state)
        clock.now += 1
        demo.read()

    assert [place for place, _ in groupby(places)] == ["waiting", "running", "ended"]


def test_a_lane_that_is_opened_has_tasks_and_an_estimate(demo: DemoSource) -> None:
    demo.watch("lane", QWEN)
    text = lane_text(demo.read(), QWEN)

    assert "if no more came" in text
    assert "generate" in text
    demo.watch("lane", "control")
    assert "Waiting (0)" in lane_text(demo.read(), "control")


def test_the_demos_redis_tells_of_itself(demo: DemoSource) -> None:
    demo.watch("redis")
    for _ in range(3):
        server = demo.read().server

    assert server is not None
    assert server.policy == "noeviction"
    assert len(server.commands_trend) == 3
    assert {kind.name for kind in server.kinds} >= {"messages", "worker records"}
    demo.watch("overview")
    assert demo.read().server is None


def test_a_paused_lane_gives_no_task_until_it_is_resumed(demo: DemoSource, clock: FakeClock) -> None:
    lanes = demo.actions.lanes
    assert lanes.pause(QWEN).went_well
    before = lane_of(demo.read(), QWEN)
    assert before.is_paused
    clock.now += 5
    assert lane_of(demo.read(), QWEN).ready > before.ready

    lanes.resume(QWEN)
    snapshot = demo.read()
    assert (snapshot.paused, [event.what for event in snapshot.audit]) == ({}, ["resume", "pause"])
    assert lanes.resume(QWEN).text == f"{QWEN} was not paused"


def test_what_is_deleted_from_a_lane_comes_back_at_its_head(demo: DemoSource) -> None:
    waiting = lane_of(demo.read(), QWEN)
    assert demo.actions.lanes.purge(QWEN, [QWEN]).text == f"{waiting.ready} deleted from {QWEN}; u puts them back"
    assert lane_of(demo.read(), QWEN).ready == 0

    demo.actions.undo.undo()
    assert lane_of(demo.read(), QWEN) == waiting
    assert not demo.actions.undo.undo().went_well


def test_a_worker_does_what_it_is_told(demo: DemoSource, clock: FakeClock) -> None:
    def tell(action: Action, model: str | None = None) -> bool:
        told = demo.operator.command("gpu-08-1518", action, model, is_over=lambda: False)
        clock.now += 4
        return told.went_well

    def now() -> WorkerRecord:
        worker = next(worker for worker in demo.read().workers if worker.worker_id == "gpu-08-1518")
        assert worker.record is not None
        return worker.record

    assert tell("drain")
    assert (now().state, now().running) == ("draining", ())
    assert tell("resume")
    assert now().state in ("idle", "busy")
    assert tell("unload", "BAAI/bge-m3")
    assert [held.model for held in now().models] == ["stabilityai/sdxl-turbo"]
    assert tell("pin", "BAAI/bge-m3")
    assert [held.model for held in now().models if held.is_pinned] == ["BAAI/bge-m3"]
    assert tell("unpin", "BAAI/bge-m3")
    assert not any(held.is_pinned for held in now().models)
    assert not tell("load", "Qwen/Qwen3-8B")
    assert not tell("load", "[/x]")
    assert not tell("unload", "Qwen/Qwen3-8B")
    assert tell("recycle")
    assert now().sent_at - now().started_at < 10
    assert not demo.operator.command("nobody", "drain", is_over=lambda: False).went_well


async def test_on_the_screen_of_the_demo_a_lane_is_paused_and_a_task_opened(demo: DemoSource) -> None:
    means = demo.operator, demo.tasks, demo.actions
    app = ClusterMonitor(demo, 0.1, FakeClock(), letters=means[0], tasks=means[1], actions=means[2], may_act=True)
    async with app.run_test(size=(120, 30)) as pilot:
        await wait_for_text(pilot, "● demo", "actions on", "gpu-01-1000")
        await pilot.press("3", "end", "P")
        await wait_for_text(pilot, "Pause the lane inference.low.stabilityai/sdxl-turbo?", "a simulated cluster")
        await pilot.press("right", "enter")
        await wait_for_text(pilot, "‖ paused")

        await pilot.press("4", "enter")
        await wait_for_text(pilot, "Timeline", "given to")
        await pilot.press("escape", "7")
        await wait_for_text(pilot, "noeviction", "worker records")


def test_a_workers_screen_tells_what_it_did_and_one_that_hangs_is_passive() -> None:
    demo = DemoSource(FakeClock(), head_start_seconds=180.0)
    demo.watch("worker", "gpu-03-1185")
    text = worker_text(demo.read(), "gpu-03-1185", TASK_SECONDS)
    assert "▲ passive: has taken nothing for" in text
    assert "fetching  not known to ask for tasks" in text
    assert "Last 3 min" in text

    demo.watch("worker", "hub-2443")
    assert "Last 3 min" in worker_text(demo.read(), "hub-2443", TASK_SECONDS)


def test_a_long_sleep_of_the_host_takes_no_longer_than_ten_minutes_of_the_demo() -> None:
    clock = FakeClock()
    source = DemoSource(clock)
    source.read()

    clock.now += 30 * 86_400
    begin = time.perf_counter()
    snapshot = source.read()

    assert snapshot.at == clock.now
    assert sum(worker.liveness == "live" for worker in snapshot.workers) > 30
    assert time.perf_counter() - begin < 20
