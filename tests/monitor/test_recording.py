import gzip
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.core.demo.cluster import DemoSource
from monitor.core.recorded_source import RecordingSource, ReplaySource
from monitor.core.recording import Header, RecordingReader, RecordingUnreadable, RecordingWriter
from monitor.core.snapshot import Snapshot, WorkerView
from tests.monitor.cluster import record
from tests.monitor.examples import CLUSTER
from tests.monitor.fakes import FakeClock, ScriptedSource
from tests.monitor.hostile import HOSTILE_STRINGS

HEADER = Header(address="gpu-hub:6379", interval_seconds=1.0, task_seconds=120.0)


def recorded(folder: Path, *snapshots: Snapshot) -> Path:
    """The file that holds these readings."""
    writer = RecordingWriter(folder, HEADER)
    for snapshot in snapshots:
        writer.write(snapshot)
    writer.close()
    return next(iter(folder.iterdir()))


def replayed(path: Path) -> list[Snapshot]:
    source, found = ReplaySource(path), list[Snapshot]()
    while source.state != "ended":
        found.append(source.read())
    return found


def test_a_replay_is_what_was_recorded(tmp_path: Path) -> None:
    clock = FakeClock()
    demo, readings = DemoSource(clock), list[Snapshot]()
    for _ in range(30):
        readings.append(demo.read())
        clock.now += 3.7

    assert replayed(recorded(tmp_path, *readings)) == readings


def test_workers_that_come_go_and_lose_their_record_are_replayed_too(tmp_path: Path) -> None:
    here, lost = WorkerView("w", "live", 1.0, record("w")), WorkerView("w", "lost", 40.0)
    readings = [replace(CLUSTER, workers=workers) for workers in ((here,), (), (here,), (lost,), (here,), (here,))]

    assert replayed(recorded(tmp_path, *readings)) == readings


def test_only_records_that_changed_are_written(tmp_path: Path) -> None:
    path = recorded(tmp_path, CLUSTER, CLUSTER)

    _, first, second = map(json.loads, gzip.decompress(path.read_bytes()).splitlines())

    assert first["records"].keys() == {"gpu-01-42", "gpu-02-7", "gpu-03-9"}
    assert second["records"] == {}


@pytest.mark.parametrize("text", HOSTILE_STRINGS)
def test_any_text_and_number_is_replayed(tmp_path: Path, text: str) -> None:
    worker = WorkerView(text, "live", math.inf, record(text, loading=text, device=None), -math.inf)
    readings = [Snapshot(at=1.0, workers=(worker,), error=text)]

    assert replayed(recorded(tmp_path, *readings)) == readings


def test_the_last_reading_stays_when_the_recording_ends(tmp_path: Path) -> None:
    source = ReplaySource(recorded(tmp_path, CLUSTER, replace(CLUSTER, at=1001.0)))

    assert source.state == "replay"
    assert [source.read().at for _ in range(3)] == [1000.0, 1001.0, 1001.0]
    assert source.state == "ended"
    assert source.header.task_seconds == 120.0


def test_an_open_worker_has_a_history_in_a_replay_whatever_was_open_when_it_was_recorded(tmp_path: Path) -> None:
    states = ("loading", "idle", "busy")
    workers = [
        (WorkerView("w", "live", 1.0, record("w", state=state, done=number)),) for number, state in enumerate(states)
    ]
    readings = [replace(CLUSTER, at=1000.0 + 10 * number, workers=each) for number, each in enumerate(workers)]
    source = ReplaySource(recorded(tmp_path, *readings))
    source.watch("worker", "w")
    told = [source.read() for _ in readings][-1].histories["w"]

    assert [(change.at, change.state) for change in told.changes] == [(1000.0, "loading"), (1010.0, "serving")]
    assert told.minutes[-1].done == 2
    source.watch("workers")
    assert source.read().histories == {}


def test_files_are_bounded_in_size_and_number_and_each_can_be_replayed(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path, HEADER, most_bytes=1, most_files=3)
    for second in range(60):
        writer.write(replace(CLUSTER, at=float(second)))
    writer.close()

    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    assert [reading.at for path in files for reading in replayed(path)] == [float(at) for at in range(45, 60)]


def test_a_file_whose_writer_was_killed_is_replayed_to_where_it_was_cut(tmp_path: Path) -> None:
    path = recorded(tmp_path, *(replace(CLUSTER, at=float(second)) for second in range(40)))
    path.write_bytes(path.read_bytes()[:-30])

    assert 30 <= len(replayed(path)) <= 40


def header_line(**fields: object) -> bytes:
    return json.dumps({**HEADER.model_dump(), **fields}).encode() + b"\n"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (b"", "is not a recording of the monitor"),
        (b'{"some": "json"}\n', "is not a recording of the monitor"),
        (b"[" * 100_000, "is not a recording of the monitor"),
        (header_line(version=9), "is a recording of version 9, this monitor reads 2"),
        (header_line(), "holds no reading"),
        (header_line() + b"{}\n", "line 2 of"),
        (header_line() + b'{"snapshot": {"at": "soon"}, "records": {}}\n', "line 2 of"),
    ],
    ids=["empty", "JSON", "nested", "another version", "no reading", "no fields", "wrong fields"],
)
def test_what_is_no_recording_is_one_line(tmp_path: Path, lines: bytes, reason: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(lines))

    with pytest.raises(RecordingUnreadable, match=reason) as told:
        ReplaySource(path)

    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"PNG or so"], ids=["empty", "PNG"])
def test_what_is_not_packed_is_no_recording(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)

    with pytest.raises(RecordingUnreadable, match=r"^[^\n]* is not a recording of the monitor[^\n]*$"):
        ReplaySource(path)


@pytest.mark.parametrize("name", [".", "absent"])
def test_a_folder_and_an_absent_file_are_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingUnreadable, match="cannot be read: "):
        RecordingReader(tmp_path / name)


def test_a_broken_line_ends_the_replay_and_says_so(tmp_path: Path) -> None:
    path = recorded(tmp_path, CLUSTER)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"broken\n"))
    source = ReplaySource(path)

    assert source.read() == replace(CLUSTER, error=f"line 3 of {path.name} is not a reading")
    assert source.state == "ended"


def test_a_disk_that_is_full_ends_the_recording_and_not_the_monitor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = RecordingWriter(tmp_path, HEADER)
    source = RecordingSource(ScriptedSource(CLUSTER), writer)
    source.read()
    assert source.state == "recording"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer, "write", full)

    assert source.read() == CLUSTER
    assert source.state == "not recording"
