"""The engine on the CPU with the two small models: every job ends, whatever happens around it."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psutil
import pytest
import torch

from actors.demo.models import CLASSIFIER, LANGUAGE_MODEL
from actors.devices.backend import DeviceName
from actors.engine import loader
from actors.engine.device_thread import DeviceThread
from actors.engine.engine import Engine
from actors.engine.loading import Loading
from actors.engine.tasks.classify import Classify
from actors.engine.tasks.generate import Generate
from actors.engine.tasks.row_watcher import RowWatcher
from actors.engine.watchdog import Watchdog
from actors.engine.work import Deliver, Job, Row, TextStream
from actors.errors import (
    DeviceFaulty,
    DeviceLost,
    DeviceOutOfMemory,
    DeviceUnavailable,
    InferenceFailed,
    LoadFailed,
    LoadTimedOut,
    ModelNotFound,
    ModelNotLoaded,
    ModelTooLarge,
    TaskCancelled,
    TaskTimedOut,
    WorkerStopping,
)
from actors.model_store.progress import Progress
from actors.payloads import parse_request
from actors.queueing.streams import Stream
from settings.config import Settings
from tests.waiting import wait_until
from tests.workers import TEST_DEVICE

#: The stand-in adapters do not tell how much memory there is, and so there is no budget on them.
needs_budget = pytest.mark.skipif(not TEST_DEVICE.startswith("cpu"), reason=f"{TEST_DEVICE} tells no total")

LONG = {"model": LANGUAGE_MODEL, "prompt": "A list is", "max_new_tokens": 240, "temperature": 0}


@pytest.fixture
def start_engine(tmp_path: Path, model_folder: Path) -> Iterator[Callable[..., Engine]]:
    """Starts engines on the CPU, with settings of the test's choice; ends them afterwards."""
    engines: list[Engine] = []

    def start(budget_bytes: int | None = None, **settings: Any) -> Engine:
        if budget_bytes:  # in bfloat16, which is the faster on some CPUs, models would take half of it
            fraction = budget_bytes / psutil.virtual_memory().total
            settings |= {"gpu_memory_fraction": fraction, "model_dtype": "float32"}
        chosen = Settings(_env_file=None, model_manager_path=model_folder, state_dir=tmp_path, **settings)
        engine = Engine(DeviceName.parse(TEST_DEVICE), chosen)
        engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.stop()


def classify(engine: Engine, *texts: str, timeout: float = 60) -> Job:
    request = parse_request("classify", {"model": CLASSIFIER, "texts": list(texts)})
    return submitted(engine, engine.plan("classify", request, timeout))


class Reader:
    """Gets the pieces of one text."""

    def __init__(self) -> None:
        self.pieces: SimpleQueue[str] = SimpleQueue()

    def begin(self) -> None:
        """A text that is begun anew makes no difference here."""

    def write(self, text: str) -> None:
        self.pieces.put(text)


def generate(engine: Engine, stream: TextStream | None = None, timeout: float = 60, **changes: Any) -> Job:
    request = parse_request("generate", {**LONG, **changes})
    return submitted(engine, engine.plan("generate", request, timeout, stream=stream))


def submitted(engine: Engine, job: Job) -> Job:
    engine.submit([job])
    return job


class Recorded(Classify):
    """Classifies for real, after noting what is in each batch; may be held, and may be told to fail."""

    def __init__(self, fails_on: str | None = None) -> None:
        self.batches: list[list[str]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self._fails_on = fails_on

    def compute(self, model: Any, rows: Sequence[Row], deliver: Deliver) -> None:
        texts = [row.job.request.texts[row.job.rows.index(row)] for row in rows]
        self.batches.append(texts)
        self.may_go_on.wait()
        if self._fails_on and any(self._fails_on in text for text in texts):
            raise RuntimeError("the model choked")
        super().compute(model, rows, deliver)


def _with_task(engine: Engine, task: Recorded) -> Recorded:
    engine._tasks["classify"] = task
    return task


def test_a_lone_task_is_computed_alone_and_at_once(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    classify(engine, "warm").future.result()

    completion = classify(engine, "import os").future.result()

    assert completion.batch_size == 1
    assert completion.batch_wait_seconds < 0.2


def test_what_arrived_while_the_device_was_busy_shares_the_next_batch(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    first = classify(engine, "first")
    wait_until(lambda: task.batches, "the first batch is being computed")

    others = [classify(engine, f"other {number}") for number in range(5)]
    task.may_go_on.set()

    assert [job.future.result().batch_size for job in (first, *others)] == [1, 5, 5, 5, 5, 5]


def test_what_arrives_while_the_device_is_busy_is_tokenised_meanwhile(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    first = classify(engine, "first")
    wait_until(lambda: task.batches, "the first batch is being computed")

    second = classify(engine, "second", "and third")

    assert [row.item.length > 2 for row in second.rows] == [True, True]
    task.may_go_on.set()
    assert len(second.future.result().outputs) == 2
    first.future.result()


def test_many_threads_may_hand_over_texts_at_once(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    classify(engine, "warm").future.result()

    with ThreadPoolExecutor(16) as threads:
        jobs = list(threads.map(lambda number: classify(engine, f"import number_{number}"), range(200)))

    assert all(job.future.result().outputs for job in jobs)


def test_the_guilty_row_fails_alone(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    task = _with_task(engine, Recorded(fails_on="poison"))
    task.may_go_on.clear()
    classify(engine, "first")
    wait_until(lambda: task.batches, "the first batch is being computed")
    jobs = [classify(engine, "poison" if number == 5 else f"text {number}") for number in range(8)]
    task.may_go_on.set()

    with pytest.raises(InferenceFailed, match="classify failed on this input: RuntimeError: the model choked"):
        jobs[5].future.result()

    assert all(job.future.result().outputs for number, job in enumerate(jobs) if number != 5)
    # 8, then halves down to the guilty row: nothing that succeeded is computed twice.
    assert [len(batch) for batch in task.batches[1:]] == [8, 4, 4, 2, 1, 1, 2] or max(map(len, task.batches)) == 8


def test_many_waiting_tasks_cause_one_load(
    start_engine: Callable[..., Engine], caplog: pytest.LogCaptureFixture
) -> None:
    engine = start_engine()

    with caplog.at_level("INFO"):
        jobs = [classify(engine, f"text {number}") for number in range(20)]
        [job.future.result() for job in jobs]

    assert sum("Loaded" in record.message for record in caplog.records) == 1


@needs_budget
def test_a_model_that_cannot_fit_is_refused_with_both_numbers(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine(budget_bytes=500_000)

    with pytest.raises(ModelTooLarge, match=r"needs 1,\d\d\d,\d\d\d bytes, and models may take (499|500),\d\d\d"):
        classify(engine, "text").future.result()


@needs_budget
def test_the_least_recently_used_model_makes_room(start_engine: Callable[..., Engine]) -> None:
    # Five megabytes hold either model, and not both.
    engine = start_engine(budget_bytes=5_000_000)

    classify(engine, "text").future.result()
    generate(engine, max_new_tokens=1).future.result()

    assert [model.key.name for model in engine.status().models] == [LANGUAGE_MODEL]
    classify(engine, "text").future.result()
    assert [model.key.name for model in engine.status().models] == [CLASSIFIER]


def test_an_unknown_model_is_told_to_the_caller_at_once(start_engine: Callable[..., Engine]) -> None:
    request = parse_request("classify", {"model": "nobody/nothing", "texts": ["a"]})

    with pytest.raises(ModelNotFound):
        start_engine().plan("classify", request, 60)


def test_every_future_is_completed_when_the_engine_stops(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    running = classify(engine, "running")
    wait_until(lambda: task.batches, "the first batch is being computed")
    waiting = [generate(engine) for _ in range(3)]

    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    wait_until(lambda: engine._thread.is_stopping, "the engine has been told")
    task.may_go_on.set()
    stopping.join()

    assert running.future.result().outputs
    for job in waiting:
        with pytest.raises(WorkerStopping):
            job.future.result(timeout=0)
    with pytest.raises(WorkerStopping):
        classify(engine, "too late").future.result(timeout=0)


def test_a_stopped_engine_gives_its_models_back(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    classify(engine, "text").future.result()

    engine.stop()

    assert engine.status().models == ()


def test_a_generation_ends_when_nobody_waits_for_it(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    reader = Reader()
    job = generate(engine, reader)
    assert reader.pieces.get()

    job.cancel()

    with pytest.raises(TaskCancelled):
        job.future.result()
    wait_until(lambda: not engine.status().computing, "the generation was stopped")
    assert classify(engine, "next").future.result().outputs


def test_a_cancelled_generation_stops_within_one_token(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, widths, cancelled_at = start_engine(), [], []
    watch = RowWatcher.__call__

    def note_step(watcher: RowWatcher, input_ids: torch.Tensor, *others: Any, **more: Any) -> torch.Tensor:
        widths.append(input_ids.shape[1])
        return watch(watcher, input_ids, *others, **more)

    class Canceller(Reader):
        def write(self, text: str) -> None:
            cancelled_at.append(len(widths))
            job.cancel()

    monkeypatch.setattr(RowWatcher, "__call__", note_step)
    job = engine.plan("generate", parse_request("generate", LONG), 60, stream=Canceller())

    engine.submit([job])

    wait_until(lambda: cancelled_at and not engine.status().computing, "the generation was stopped")
    assert len(widths) - cancelled_at[0] <= 1


def test_a_batch_goes_on_without_a_row_that_is_cancelled(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    blocker = classify(engine, "first")
    wait_until(lambda: task.batches, "the first batch is being computed")
    reader = Reader()
    cancelled = generate(engine, reader, prompt="A list is", max_new_tokens=240)
    neighbour = generate(engine, prompt="A list is", max_new_tokens=240)
    task.may_go_on.set()
    assert reader.pieces.get()

    cancelled.cancel()

    assert blocker.future.result().outputs
    assert neighbour.future.result().outputs[0].tokens == 240
    with pytest.raises(TaskCancelled):
        cancelled.future.result()


def test_readers_get_each_piece_once_when_a_batch_has_to_be_run_again(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, watch = start_engine(), RowWatcher.__call__
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    classify(engine, "first")
    wait_until(lambda: task.batches, "the first batch is being computed")
    entries: SimpleQueue[Any] = SimpleQueue()
    streams = [Stream(name, 0, entries) for name in ("one", "two")]

    def run_out_of_memory(watcher: RowWatcher, ids: torch.Tensor, scores: Any, **options: Any) -> torch.Tensor:
        if len(ids) == 2 and ids.shape[1] > 20:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return watch(watcher, ids, scores, **options)

    monkeypatch.setattr(RowWatcher, "__call__", run_out_of_memory)
    jobs = [generate(engine, stream, max_new_tokens=40) for stream in streams]
    task.may_go_on.set()
    texts = [job.future.result(60).outputs[0].value[0] for job in jobs]

    written = [entries.get_nowait() for _ in range(entries.qsize())]
    for stream, text in zip(streams, texts, strict=True):
        assert "".join(entry.value for entry in written if entry.stream is stream) == text
    assert {entry.field for entry in written} == {"text"}


def test_a_job_that_waits_ends_at_once_when_it_is_cancelled(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    running = classify(engine, "running")
    wait_until(lambda: task.batches, "the first batch is being computed")
    waiting = classify(engine, "waiting")

    waiting.cancel()

    with pytest.raises(TaskCancelled):
        waiting.future.result(timeout=0)
    task.may_go_on.set()
    assert running.future.result().outputs
    assert classify(engine, "next").future.result().outputs
    assert task.batches == [["running"], ["next"]]


def test_a_task_whose_time_is_over_is_not_computed(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    task = _with_task(engine, Recorded())

    with pytest.raises(TaskTimedOut):
        classify(engine, "too late", timeout=-1).future.result()

    assert task.batches == []


def test_an_error_of_the_device_thread_itself_fails_the_tasks_and_not_the_engine(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    classify(engine, "warm").future.result()
    with monkeypatch.context() as patch:
        patch.setattr(DeviceThread, "_work_on", lambda thread, jobs: 1 / 0)
        with pytest.raises(WorkerStopping, match="unexpected error"):
            classify(engine, "text").future.result()

    assert classify(engine, "next").future.result().outputs


def test_an_error_of_the_device_thread_itself_fails_the_group_in_hand_alone(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(swap_max_wait=0)
    expected_bytes = Loading.expected_bytes
    monkeypatch.setattr(
        Loading,
        "expected_bytes",
        lambda loading, job: expected_bytes(loading, job) if job.task == "classify" else 1 / 0,
    )

    failing, other = _generate_while_another_model_waits(engine)

    with pytest.raises(WorkerStopping, match="unexpected error"):
        failing.future.result(60)
    assert other.future.result(60).outputs


def test_a_row_is_delivered_before_its_batch_ends(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, may_start = start_engine(), threading.Event()
    compute = Generate.compute

    def held(task: Generate, model: Any, rows: Sequence[Row], deliver: Deliver) -> None:
        may_start.wait()
        compute(task, model, rows, deliver)

    monkeypatch.setattr(Generate, "compute", held)
    generate(engine, max_new_tokens=1)
    wait_until(lambda: engine.status().computing, "the first batch is being computed")
    long, short = generate(engine, max_new_tokens=240), generate(engine, max_new_tokens=1)
    may_start.set()

    assert short.future.result().batch_size == 2
    assert not long.future.done()
    assert long.future.result().batch_size == 2


def test_what_the_device_has_done_for_a_model_is_told_without_its_load(start_engine: Callable[..., Engine]) -> None:
    engine, served = start_engine(), []

    completions = [classify(engine, "import os").future.result() for _ in range(3)]

    def all_are_told() -> bool:
        served.extend(engine.service_times.take().values())
        return sum(each.tasks for each in served) == 3

    wait_until(all_are_told, "the last batch is summed up")
    assert completions[0].load_seconds > 0
    computed = sum(completion.compute_seconds for completion in completions)
    assert computed <= sum(each.seconds for each in served) < computed + completions[0].load_seconds


def test_the_device_thread_is_watched_while_it_works_and_each_token_is_progress(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, seen = start_engine(), []
    monkeypatch.setattr(engine._thread._watchdog, "progress", lambda: seen.append(engine._thread._watchdog.is_armed))

    tokens = generate(engine).future.result().outputs[0].tokens

    assert tokens > 100
    assert seen == [True] * tokens
    wait_until(lambda: not engine._thread._watchdog.is_armed, "the idle device thread is not watched")


def test_loading_has_a_limit_of_its_own(start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    engine, watched = start_engine(task_timeout=100, model_load_timeout=1000), []
    monkeypatch.setattr(engine._thread._watchdog, "watch", lambda what, limit: watched.append((what.split()[0], limit)))

    classify(engine, "text").future.result()

    assert list(dict.fromkeys(watched)) == [("computing", 130.0), ("loading", pytest.approx(1030, abs=1))]


def test_a_short_limit_for_loads_leaves_a_device_its_time_to_open(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[tuple[str, float]] = []
    monkeypatch.setattr(Watchdog, "watch", lambda _, what, limit: watched.append((what.split()[0], limit)))

    start_engine(model_load_timeout=1)

    assert watched == [("opening", 31.0)]


def test_a_load_that_takes_too_long_fails_its_task_and_not_its_process(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, read = start_engine(model_load_timeout=1, model_load_seconds_per_gb=0), Progress.add
    monkeypatch.setattr(Progress, "add", lambda *parts: threading.Event().wait(0.6) or read(*parts))

    with pytest.raises(LoadTimedOut, match="took longer than 1 s"):
        classify(engine, "text").future.result(60)

    assert engine.between_batches(lambda cache: cache.models).result(60) == ()


def test_a_model_that_a_full_host_cannot_read_is_not_called_broken(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()

    def fill(*_: object) -> None:
        torch.empty(2**50, dtype=torch.uint8)

    monkeypatch.setattr(loader, "_read_module", fill)

    with pytest.raises(DeviceOutOfMemory, match=r"does not fit in this host's memory: .*DefaultCPUAllocator"):
        classify(engine, "text").future.result(60)


def test_how_far_a_load_and_its_warm_up_are_is_told(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, told = start_engine(), []

    def note(*_: object) -> None:
        told.extend((each.phase, each.done_bytes, each.total_bytes) for each in engine.status().arriving)

    compute, place = Classify.compute, engine._thread.device.place_module
    monkeypatch.setattr(Classify, "compute", lambda *parts: note() or compute(*parts))
    monkeypatch.setattr(engine._thread.device, "place_module", lambda module: note() or place(module))
    add = Progress.add
    monkeypatch.setattr(Progress, "add", lambda *parts: add(*parts) or note())

    engine.load(CLASSIFIER, "classify", 60.0).future.result(60.0)

    reading = [done for phase, done, _ in told if phase == "reading"]
    assert reading == sorted(reading)
    assert ("reading", reading[-1], reading[-1]) in told
    assert [phase for phase, *_ in told[len(reading) :]] == ["copying", "warming up"]
    wait_until(lambda: engine.status().arriving == (), "it is in memory")


def _fail_each_batch(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(Classify, "compute", fail)
    monkeypatch.setattr(Generate, "compute", fail)


def test_a_lost_device_fails_all_tasks_as_such_and_takes_no_more(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, lost = start_engine(), "CUDA error: unspecified launch failure"
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    first = classify(engine, "first")
    wait_until(lambda: task.batches, "the first batch is being computed")
    others = [classify(engine, "one"), classify(engine, "two"), generate(engine)]
    _fail_each_batch(monkeypatch, lost)
    task.may_go_on.set()

    for job in (first, *others):
        with pytest.raises(DeviceLost, match=f"{TEST_DEVICE} was removed, reset or hung: RuntimeError: {lost}"):
            job.future.result(timeout=30)
    wait_until(lambda: engine._thread.is_stopping, "the engine has ended")
    with pytest.raises(DeviceLost):
        classify(engine, "too late").future.result(timeout=0)


def test_a_loss_that_a_command_meets_is_told_and_ends_the_engine(start_engine: Callable[..., Engine]) -> None:
    engine, told = start_engine(), []
    engine.when_lost = told.append

    def lose(_: object) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    with pytest.raises(RuntimeError, match="unspecified launch failure"):
        engine.between_batches(lose).result(60)

    wait_until(lambda: told, "the loss is told")
    with pytest.raises(DeviceLost):
        classify(engine, "too late").future.result(60)


def test_a_device_that_fails_its_test_after_an_unexpected_error_is_lost(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    _fail_each_batch(monkeypatch, "Das Gerät wurde angehalten.")
    _fail_the_health_test(engine, monkeypatch)

    with pytest.raises(DeviceLost, match="Das Gerät wurde angehalten"):
        classify(engine, "text").future.result()


def _refuse_the_writer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    place = engine._thread.device.place_module

    def refuse(module: Any) -> Any:
        if "CausalLM" in type(module).__name__ or "LMHead" in type(module).__name__:
            raise RuntimeError("Das Gerät wurde angehalten.")
        return place(module)

    monkeypatch.setattr(engine._thread.device, "place_module", refuse)


def _fail_the_health_test(engine: Engine, monkeypatch: pytest.MonkeyPatch, cause: Exception | None = None) -> None:
    def refuse() -> None:
        raise DeviceUnavailable("cpu:0 failed its start-up test") from cause

    monkeypatch.setattr(engine._thread.device, "self_test", refuse)


def _generate_while_another_model_waits(engine: Engine) -> tuple[Job, Job]:
    task = _with_task(engine, Recorded())
    task.may_go_on.clear()
    classify(engine, "first")
    wait_until(lambda: task.batches, "the first batch is being computed")
    jobs = generate(engine), classify(engine, "other")
    task.may_go_on.set()
    return jobs


def test_a_model_that_a_device_does_not_take_fails_its_own_tasks_only(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(swap_max_wait=0)
    _refuse_the_writer(engine, monkeypatch)

    refused, other = _generate_while_another_model_waits(engine)

    with pytest.raises(LoadFailed, match=rf"{LANGUAGE_MODEL}@\S+ cannot be put onto {TEST_DEVICE}: .*Gerät"):
        refused.future.result(60)
    assert other.future.result(60).outputs
    assert classify(engine, "next").future.result(60).outputs


def test_a_device_that_fails_its_test_after_it_took_no_model_is_lost(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine(swap_max_wait=0)
    _refuse_the_writer(engine, monkeypatch)
    _fail_the_health_test(engine, monkeypatch)

    refused, other = _generate_while_another_model_waits(engine)

    for job in (refused, other):
        with pytest.raises(DeviceLost, match="Das Gerät wurde angehalten"):
            job.future.result(60)


def test_a_device_that_is_too_full_for_its_test_is_not_lost(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    _refuse_the_writer(engine, monkeypatch)
    _fail_the_health_test(engine, monkeypatch, cause=torch.OutOfMemoryError("CUDA out of memory."))

    with pytest.raises(LoadFailed):
        generate(engine).future.result(60)

    assert classify(engine, "next").future.result(60).outputs


def test_different_tasks_with_different_models_that_fail_in_a_row_point_at_the_device(
    start_engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start_engine()
    _fail_each_batch(monkeypatch, "wrong")

    for job in (classify(engine, "one"), generate(engine)):
        with pytest.raises(InferenceFailed):
            job.future.result()
    with pytest.raises(DeviceFaulty, match="different tasks with different models failed on it one after another"):
        classify(engine, "two").future.result()


@needs_budget
def test_a_pinned_model_stays_and_what_does_not_fit_beside_it_is_told(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine(budget_bytes=5_000_000)
    engine.load(CLASSIFIER, None, 60, pinned=True).future.result()

    with pytest.raises(DeviceOutOfMemory, match=r"are pinned: unpin a model, or send it to another worker"):
        generate(engine, max_new_tokens=1).future.result()

    assert [model.key.name for model in engine.status().models] == [CLASSIFIER]
    engine.hold("unpin", CLASSIFIER).result()
    assert generate(engine, max_new_tokens=1).future.result().outputs
    assert [model.key.name for model in engine.status().models] == [LANGUAGE_MODEL]


def test_a_model_is_unloaded_when_its_keep_alive_is_over(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine(keep_alive="0.2")

    classify(engine, "text").future.result()

    wait_until(lambda: not engine.status().models, "the model is unloaded")


def test_a_tasks_own_keep_alive_wins(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    request = parse_request("classify", {"model": CLASSIFIER, "texts": ["text"]})

    job = engine.plan("classify", request, 60, keep_alive=0)
    engine.submit([job])
    job.future.result()

    wait_until(lambda: not engine.status().models, "the model is unloaded")


def test_a_pinned_model_outlives_its_keep_alive(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine(keep_alive="1h")
    engine.load(CLASSIFIER, None, 60, pinned=True).future.result()

    engine.load(CLASSIFIER, None, 60, keep_alive=0).future.result()
    classify(engine, "text").future.result()

    assert [model.is_pinned for model in engine.status().models] == [True]
    engine.hold("unpin", CLASSIFIER).result()
    wait_until(lambda: not engine.status().models, "the model is unloaded")


def test_a_model_is_unloaded_by_name_or_by_its_revision(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    for chosen in (lambda key: key.name, str):
        key = engine.load(CLASSIFIER, "classify", 60).key
        wait_until(lambda: engine.status().models, "the model is loaded")

        assert engine.hold("unload", chosen(key)).result() == (str(key),)
        assert engine.status().models == ()


def test_what_is_not_loaded_cannot_be_unloaded(start_engine: Callable[..., Engine]) -> None:
    with pytest.raises(ModelNotLoaded, match=f"{CLASSIFIER} is not in this worker's memory; loaded: none"):
        start_engine().hold("unload", CLASSIFIER).result()


@needs_budget
def test_a_model_known_not_to_fit_is_refused_before_it_is_read(
    start_engine: Callable[..., Engine], caplog: pytest.LogCaptureFixture
) -> None:
    engine = start_engine(budget_bytes=5_000_000)
    engine.footprints.look_up = lambda key, dtype: 6_000_000

    with caplog.at_level("INFO"), pytest.raises(ModelTooLarge, match="needs 6,000,000 bytes"):
        classify(engine, "text").future.result()

    assert not [record for record in caplog.records if "Loaded" in record.message]


def test_a_command_to_an_engine_that_ends_fails(start_engine: Callable[..., Engine]) -> None:
    engine = start_engine()
    engine.stop()

    with pytest.raises(WorkerStopping):
        engine.hold("unload", CLASSIFIER)
