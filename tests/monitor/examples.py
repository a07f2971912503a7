"""A cluster at one moment, with some of each."""

from monitor.core.dead_letters import DeadLetter
from monitor.core.event import Event
from monitor.core.listed_tasks import ListedTask
from monitor.core.server_view import KeyKind, ServerView
from monitor.core.snapshot import LaneView, RecentTask, RedisView, Snapshot, Trends, WorkerView
from monitor.core.spread import Spread, Waits
from monitor.core.task_stories import Delivery, TaskStory
from settings.explanation import NO_ESTIMATE, Explanation, Running
from settings.records import QueueCounts, TaskRecord
from settings.sought_task import MessageBody, SoughtTask
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

LANE = "inference.normal.org/chat-8b"


def sought(message_id: str) -> SoughtTask:
    """A task whose message has been read."""
    return SoughtTask(message_id, "generate", "org/chat-8b", "inference", LANE, f"redis-{message_id}", 959.0)


TASKS = (
    ListedTask(LANE, "redis-7f3a", "waiting", 1, 959.0, sought("7f3a11d2-90aa-4b21")),
    ListedTask(LANE, "redis-9c40", "waiting", 2, 961.0),
    ListedTask(LANE, "redis-dead", "dead", 1, 901.0, sought("dead0001"), "DeviceOutOfMemory: 1 GiB"),
)
RECENT = (RecentTask("gpu-01-42", TASK.model_copy(update={"message_id": "0a1b2c3d-gone"}), 997.0),)
SERVER = ServerView(
    version="7.0.15",
    role="master",
    uptime_seconds=266_400,
    memory_used=2 * GIB,
    memory_peak=3 * GIB,
    memory_rss=2 * GIB + GIB // 2,
    memory_max=8 * GIB,
    fragmentation=1.25,
    policy="noeviction",
    evicted=0,
    expired=61_902,
    clients=44,
    clients_blocked=3,
    clients_max=10_000,
    clients_rejected=0,
    commands_per_second=4_210,
    kib_in_per_second=812.4,
    kib_out_per_second=2_040.0,
    has_log=True,
    picture_age_seconds=192.0,
    picture_changes=12_004,
    databases=(("db0", 5_120, 412), ("db1", 61_000, 61_000)),
    slowest=(("eval", 1.21), ("mget", 0.4)),
    answer_ms=2.4,
    commands_trend=(3900.0, 4000.0, 2100.0, 4210.0),
    answer_trend=(2.0, 2.1, 9.0, 2.4),
    kinds=(
        KeyKind("messages", 22, 800 * 2**20),
        KeyKind("worker records", 41, 41 * 1400),
        KeyKind("deliveries", 61, 61 * 220),
        KeyKind("others' keys", 3),
    ),
    counted_percent=100,
)

STORY = TaskStory(
    Explanation(
        message_id="7f3a11d2-90aa-4b21",
        actor="generate",
        model="org/chat-8b",
        at=1000.0,
        place=Running(worker_id="gpu-01-42", since=990.0),
        text="runs on gpu-01-42 for 10 s",
        estimate=NO_ESTIMATE,
    ),
    sent_at=959.0,
    retry_reasons=("DeviceOutOfMemory: 1 GiB",),
    deliveries=(
        Delivery(worker_id="gpu-03-9", device="cuda:1", at=970.0),
        Delivery(worker_id="gpu-01-42", device="cuda:0", at=989.5),
    ),
)

TRENDS = Trends(
    312.0,
    2.0,
    {LANE: 41.0},
    {"BAAI/bge-m3": 7},
    done_trend=(190.0, 240.0, 290.0, 330.0, 305.0, 312.0),
    failed_trend=(0.0, 0.0, 6.0, 0.0, 0.0, 2.0),
    waits=Waits(Spread(9.0, 41.0, 240, 600.0), {LANE: Spread(12.0, 41.0, 120, 600.0)}, Spread(7.0, 12.0, 312, 600.0)),
)
EVENTS = (
    Event(994.0, "dead", LANE, "2 dead letters"),
    Event(840.0, "lost", "gpu-03-9"),
    Event(310.0, "came", "gpu-02-7", "gpu-02"),
)

CLUSTER = Snapshot(
    at=1000.0,
    queues=(
        QueueCounts(queue="control", ready=0, running=0, delayed=0, dead=0),
        QueueCounts(queue="inference", ready=1204, running=24, delayed=3, dead=3),
    ),
    workers=(
        WorkerView("gpu-01-42", "live", 999.0, BUSY),
        WorkerView("gpu-02-7", "live", 999.5, IDLE),
        WorkerView("gpu-03-9", "lost", 808.0),
    ),
    lanes=(
        LaneView("control", "control"),
        LaneView("inference", "inference"),
        LaneView("inference.normal.BAAI/bge-m3", "inference", "normal", "BAAI/bge-m3", 392, 12, 3, 0, 12.0),
        LaneView("inference.high.org/chat-8b", "inference", "high", "org/chat-8b", 4, 2, 0, 0, 0.4),
        LaneView("inference.normal.org/chat-8b", "inference", "normal", "org/chat-8b", 808, 10, 0, 3, 41.0),
    ),
    redis=RedisView("7.0.15", 2 * GIB, 8 * GIB, "noeviction"),
    trends=TRENDS,
    tasks=TASKS,
    recent_tasks=RECENT,
    server=SERVER,
    events=EVENTS,
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
