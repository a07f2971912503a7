"""Every Redis key and queue name; no other module spells one.

The queues themselves belong to Dramatiq (namespace `dramatiq`); what this project adds starts with `cm:`. A key without
a TTL is bounded in another way, which its comment tells.
"""

#: The Dramatiq queue of the inference actors.
INFERENCE_QUEUE = "inference"

#: The actors of that queue, which results are kept by.
INFERENCE_ACTORS = ("embed", "classify", "generate", "run_pipeline")

#: The Dramatiq queue of the cluster's own jobs; every worker process serves it, those without a device too.
CONTROL_QUEUE = "control"

#: Dramatiq's namespace for its keys in Redis.
DRAMATIQ_NAMESPACE = "dramatiq"

#: The namespace of task results in the result database.
RESULTS_NAMESPACE = "dramatiq-results"

#: Sorted set: worker id → last beat in seconds by Redis' clock. Each worker trims those that are long gone.
WORKERS = "cm:workers"

#: Sorted set: id of a worker with a device that takes tasks → last beat in seconds by Redis' clock. Silent ones are
#: trimmed by all others now and then.
DEVICES = "cm:devices"

#: Set of the queue names that workers serve. Grows with the code, not with the load.
QUEUES = "cm:queues"

#: Set of the lanes: the lists of one model and priority each. A worker that finds nothing waiting, in hand or dead in
#: one removes it; the next enqueue adds it again.
LANES = "cm:lanes"

#: Hash: worker id → when it last had nothing in hand, and its models. Entries older than some seconds are removed.
FREE_WORKERS = "cm:free"

#: Hash: name of a queue or a lane that workers take no tasks from → who said so. Has what operators have paused and not
#: resumed.
PAUSED = "cm:paused"

#: Stream of what operators have done through the monitor, capped at about a thousand entries.
AUDIT = "cm:audit"

#: Stream of what has happened to workers and their models, capped at about a thousand entries, with a TTL.
EVENTS = "cm:events"

#: The cluster's last health summary, with a TTL.
HEALTH = "cm:health"

#: Sorted set: a day of health summaries by their time; older ones are removed at each write.
HEALTH_HISTORY = "cm:health:history"

#: The channel on which the ids of cancelled tasks are announced, on the server of the result database.
CANCELS = "cm:cancels"

#: Held by the one process of the cluster that gives back what silent ones hold; expires, and then another may.
SWEEPER = "cm:sweeper"

#: Sorted set: broker id of a worker process → when it last spoke, in milliseconds by Redis' clock. The sweep removes
#: silent ones.
ALIVE = "cm:alive"

#: Dramatiq's sorted set: broker id → its last command in milliseconds by its own clock. The sweep removes silent ones.
HEARTBEATS = f"{DRAMATIQ_NAMESPACE}:__heartbeats__"

#: The most characters of a model's name that a key is made of.
MAX_MODEL_NAME = 200

#: The channels of the doorbell.
BELL_PREFIX = "cm:bell:"


def worker(worker_id: str) -> str:
    """The record of one worker process; expires when it stops beating."""
    return f"cm:worker:{worker_id}"


def service(model: str) -> str:
    """Hash of the device-seconds that a model's latest tasks took, and of how many these were, with a TTL."""
    return f"cm:service:{model}"


def control_queue(worker_id: str) -> str:
    """The Dramatiq queue of the commands to one worker process; what waits in it has a TTL."""
    return f"{CONTROL_QUEUE}.{worker_id}"


def footprint(model: str) -> str:
    """Hash of a model's bytes in memory and of its largest batch: by revision, precision and device; a TTL."""
    return f"cm:footprints:{model.partition('@')[0]}"


def health_minute(minute: int) -> str:
    """Taken by the one job that summarises this minute (minutes since the epoch)."""
    return f"cm:health:minute:{minute}"


def brokers(host: str) -> str:
    """Hash of one host's worker processes: broker id → process id and creation time; expires after its last renewal."""
    return f"cm:brokers:{host}"


def deliveries(redis_id: str) -> str:
    """List of a message's deliveries that have not ended: worker, device and time of each, with a TTL."""
    return f"cm:deliveries:{redis_id}"


def result(queue: str, actor: str, message_id: str) -> str:
    """List of one: a task's result or failure, as Dramatiq names it; in the result database, with a TTL."""
    return f"{RESULTS_NAMESPACE}:{queue}:{actor}:{message_id}"


def deaths(device: str) -> str:
    """Hash of the latest processes that ended on a device (HOST/NAME) with tasks in hand; expires after the last."""
    return f"cm:deaths:{device}"


def quarantine(device: str) -> str:
    """Why a device (HOST/NAME) takes no inference tasks now; expires, or an operator deletes it."""
    return f"cm:quarantine:{device}"


def stream(message_id: str) -> str:
    """The tokens of one generation as they come, in the result database; capped, with a TTL."""
    return f"cm:stream:{message_id}"


def cancelled(message_id: str) -> str:
    """Says that a task was cancelled, for a worker that claims it later; in the result database, with a TTL."""
    return f"cm:cancelled:{message_id}"


def idempotency(actor: str, key: str) -> str:
    """The first message that was sent to an actor with this key; in the result database, with a TTL."""
    return f"cm:idempotency:{actor}:{key}"


def blob(digest: str) -> str:
    """An input that is too large for a message, by the SHA-256 of it; in the result database, with a TTL."""
    return f"cm:blob:{digest}"


def reply_channel(client_id: str) -> str:
    """The channel on which one client hears that results of its tasks are there."""
    return f"cm:reply:{client_id}"


def bell(queue: str) -> str:
    """The channel on which arrivals in a queue are announced."""
    return f"{BELL_PREFIX}{queue}"


def queue_of_bell(channel: str) -> str:
    """The queue whose arrivals a channel announces."""
    return channel.removeprefix(BELL_PREFIX)


def ready(queue: str) -> str:
    """List of the ids that wait in a queue."""
    return f"{DRAMATIQ_NAMESPACE}:{queue}"


def bodies(queue: str) -> str:
    """Hash of a queue's messages, waiting and in hand."""
    return f"{DRAMATIQ_NAMESPACE}:{queue}.msgs"


def delayed_bodies(queue: str) -> str:
    """Hash of a queue's delayed messages: workers hold their ids in memory, so the hash is what counts them."""
    return f"{DRAMATIQ_NAMESPACE}:{queue}.DQ.msgs"


def dead(queue: str) -> str:
    """Sorted set of a queue's dead letters by the time of their death in milliseconds."""
    return f"{DRAMATIQ_NAMESPACE}:{queue}.XQ"


def dead_bodies(queue: str) -> str:
    """Hash of a queue's dead letters."""
    return f"{dead(queue)}.msgs"


def acks(broker_id: str, queue: str) -> str:
    """Set of the ids that Redis has given to one process and that it has not acknowledged."""
    return f"{DRAMATIQ_NAMESPACE}:__acks__.{broker_id}.{queue}"
