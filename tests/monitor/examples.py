"""A cluster at one moment, with some of each."""

from monitor.core.dead_letters import DeadLetter
from monitor.core.snapshot import LaneView, RedisView, Snapshot, Trends, WorkerView
from settings.records import QueueCounts, TaskRecord
from settings.sought_task import MessageBody
from tests.monitor.cluster import GIB, model, record

SERVES = ("control", "inference")
TASK = TaskRecord(message_id="b4692f0c-5351-434c", actor="generate", model="org/chat-8b", started_at=990.0)
CHAT = model("org/chat-8b", last_used_at=1000.0).model_copy(update={"bytes": 9 * GIB, "uses": 8120})

BUSY = record(
    "gpu-01-42",
    state="busy",
    queues=SERVES,
    running=(TASK,),
    done=9121,
    models=(CHAT, model("BAAI/bge-m3", 950.0)),
    sent_at=1000.0,
)
IDLE = record("gpu-02-7", queues=SERVES, sent_at=1000.0, models=(model("BAAI/bge-m3", 400.0),), host="gpu-02")

CLUSTER = Snapshot(
    at=1000.0,
    queues=(
        QueueCounts(queue="control", ready=0, running=0, delayed=0, dead=0),
        QueueCounts(queue="inference", ready=1204, running=24, delayed=3, dead=3),
    ),
    workers=(
        WorkerView("gpu-01-42", "live", 1.0, BUSY),
        WorkerView("gpu-02-7", "live", 0.5, IDLE),
        WorkerView("gpu-03-9", "lost", 192.0),
    ),
    lanes=(
        LaneView("control", "control"),
        LaneView("inference", "inference"),
        LaneView("inference.normal.BAAI/bge-m3", "inference", "normal", "BAAI/bge-m3", 392, 12, 3, 0, 12.0),
        LaneView("inference.high.org/chat-8b", "inference", "high", "org/chat-8b", 4, 2, 0, 0, 0.4),
        LaneView("inference.normal.org/chat-8b", "inference", "normal", "org/chat-8b", 808, 10, 0, 3, 41.0),
    ),
    redis=RedisView("7.0.15", 2 * GIB, 8 * GIB, "noeviction"),
    trends=Trends(312.0, 2.0, {"inference.normal.org/chat-8b": 41.0}, {"BAAI/bge-m3": 7}),
)


def letter(number: int, error: str) -> DeadLetter:
    """A task that died with an error."""
    body = MessageBody.model_validate(
        {
            "message_id": f"message-{number}",
            "queue_name": "inference",
            "actor_name": "embed",
            "message_timestamp": 1,
            "kwargs": {"model": "org/chat-8b"},
            "options": {"retries": 3, "traceback": f"File x\n{error}"},
        }
    )
    return DeadLetter("inference.normal.org/chat-8b", f"id-{number}", 900.0 + number, 300, body, ("texts: list of 2",))


LETTERS = (
    letter(1, "DeviceOutOfMemory: 1 GiB"),
    letter(2, "ModelNotFound: blip"),
    letter(3, "DeviceOutOfMemory: 1 GiB"),
)
