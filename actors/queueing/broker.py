"""Dramatiq's Redis broker with a doorbell and lanes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
import redis
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import current_millis, dq_name

from actors.queueing.commands import Command, call, command, execute
from actors.queueing.consumer import KEPT, WakingConsumer
from actors.queueing.control_consumer import ControlConsumer, is_control_queue
from actors.queueing.doorbell import Doorbell
from actors.queueing.exchange import Exchange, run
from actors.queueing.hooks import Hooks
from actors.queueing.lane_consumer import LaneConsumer
from actors.queueing.lanes import lane_of, list_of
from actors.queueing.restraint import Restraint
from settings import keys
from settings.message_ids import sortable_id

#: What Dramatiq's script does for an ack, for several messages of a list: one that was taken away meanwhile stays.
_ACKNOWLEDGE = """
for _, redis_id in ipairs(ARGV) do
    if redis.call('SREM', KEYS[1], redis_id) > 0 then
        redis.call('HDEL', KEYS[2], redis_id)
    end
end
"""

#: What Dramatiq's script does for a requeue, but at the head of the list, in the order of the arguments: what was given
#: back has waited the longest, and a list's head tells the age of its oldest.
_GIVE_BACK = """
for index = #ARGV, 1, -1 do
    if redis.call('SREM', KEYS[2], ARGV[index]) > 0 and redis.call('HEXISTS', KEYS[1] .. '.msgs', ARGV[index]) > 0 then
        redis.call('LPUSH', KEYS[1], ARGV[index])
    end
end
"""


#: Names lanes, puts messages into their lists as Dramatiq's script does, and rings: in one, because a look between them
#: would forget a lane that is still empty, and its message would wait for ever. Returns the indexes, from 0, of what it
#: left out: each with what Redis says of a key that is none of ours, or with nothing when the list is full.
_SEND = """
local limit, left_out = tonumber(ARGV[1]), {}
local function failed(answer) return type(answer) == 'table' and answer.err end
for index = 3, #KEYS do redis.call('SADD', KEYS[1], KEYS[index]) end
for index = 2, #ARGV, 3 do
    local list, id, body = ARGV[index], ARGV[index + 1], ARGV[index + 2]
    local depth = redis.pcall('LLEN', list)
    local problem = failed(depth) or failed(redis.pcall('HLEN', list .. '.msgs'))
    if problem or (limit > 0 and depth >= limit) then
        left_out[#left_out + 1] = {(index - 2) / 3, problem or ''}
    else
        redis.call('HSET', list .. '.msgs', id, body)
        redis.call('RPUSH', list, id)
    end
end
if 3 * #left_out < #ARGV - 1 then redis.call('PUBLISH', KEYS[2], '') end
return left_out
"""

#: Acknowledges a message and enqueues what takes its place, both or neither. Once more, after its answer was lost, it
#: does nothing.
_MOVE = """
if redis.call('SREM', KEYS[1], ARGV[1]) > 0 then
    redis.call('HDEL', KEYS[2], ARGV[1])
    redis.call('HSET', KEYS[3] .. '.msgs', ARGV[2], ARGV[3])
    redis.call('RPUSH', KEYS[3], ARGV[2])
end
"""

#: The option of a delayed message in Redis with its Redis id, which it keeps when it is due.
DUE_AS = "due_as"


class ClusterBroker(RedisBroker):
    """Puts each message into the lane of its model and priority, and rings.

    Knows which fetched messages this process still holds.
    """

    def __init__(self, *, swap_max_wait: float, **options: Any) -> None:
        self._hooks = Hooks(self)
        super().__init__(**options)
        self.swap_max_wait = swap_max_wait
        self.doorbell = Doorbell(self.client)
        self.restraint = Restraint()
        self._acknowledge = self.client.register_script(_ACKNOWLEDGE)
        self._give_back = self.client.register_script(_GIVE_BACK)
        self._move = self.client.register_script(_MOVE)
        self._send = self.client.register_script(_SEND)
        self._held_ids: dict[str, set[str]] = {}
        self.announce: Callable[[], None] = lambda: None
        """Tells this host's other processes whose messages these are; called before any is taken."""

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> WakingConsumer:
        kind = LaneConsumer if queue_name == keys.INFERENCE_QUEUE else WakingConsumer
        kind = ControlConsumer if is_control_queue(queue_name) else kind
        return kind(self, queue_name, prefetch, timeout)

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        self._hooks.emit(f"before_{signal}", *args, **kwargs)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        self._hooks.emit(f"after_{signal}", *args, **kwargs)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        if delay is not None:
            delayed = _delayed(message, delay)
            words = (delayed.options["redis_message_id"], _encoded(_stored(delayed)))
            return self._enqueue_later(delayed, delay, self._command("enqueue", delayed.queue_name, *words))
        lane = _lane_of(message)
        if DUE_AS in message.options:
            return self._enqueue_due(_due(message, lane), lane)
        if lane:
            (sent,) = run(self.client, self.sending([message]))
            if isinstance(sent, Message):
                return sent
            raise sent or RuntimeError("a list is full that has no limit")
        enqueued: Message[Any] = super().enqueue(message)
        self.doorbell.ring(enqueued.queue_name)
        return enqueued

    def retry_later(self, message: Message[Any], delay_ms: int) -> None:
        """Acknowledges a message that this process holds and enqueues its next attempt, both or neither.

        Raises:
          redis.RedisError: When Redis does not answer; it is safe to do so once more.
        """
        delayed = _delayed(message, delay_ms)
        replaced = (list_of(message), message.options["redis_message_id"])
        self._enqueue_later(delayed, delay_ms, self._move_command(*replaced, delayed.queue_name, _stored(delayed)))

    def _enqueue_later(self, delayed: Message[Any], delay_ms: int, enqueue: Command) -> Message[Any]:
        self.emit_before("enqueue", delayed, delay_ms)
        execute(self.client, [enqueue])
        self.emit_after("enqueue", delayed, delay_ms)
        self.doorbell.ring(delayed.queue_name)
        return delayed

    def sending(
        self, messages: Sequence[Message[Any]], max_depth: int = 0
    ) -> Exchange[list[Message[Any] | redis.ResponseError | None]]:
        """Enqueues inference tasks in one round trip: the messages as they were enqueued.

        None stands for one whose list has `max_depth` tasks, those before it in `messages` among them; 0 is no limit.
        An error stands for one whose list's keys hold something else. The hooks before an enqueue are called for these
        too, as they are when Redis does not answer.

        Raises:
          redis.RedisError: When Redis does not answer; any of them may have been enqueued.
        """
        if not messages:
            return []
        placed = [_placed(message, _lane_of(message)) for message in messages]
        for message in placed:
            self.emit_before("enqueue", message, None)
        (left_out,) = yield [self._send_command(placed, max_depth)]
        outcomes: list[Message[Any] | redis.ResponseError | None] = list(placed)
        for index, problem in left_out:
            outcomes[index] = redis.ResponseError(problem.decode()) if problem else None
        for enqueued in outcomes:
            if isinstance(enqueued, Message):
                self.emit_after("enqueue", enqueued, None)
        return outcomes

    def held_ids(self, queue_name: str) -> set[str]:
        """The Redis ids of a queue's messages that threads of this process hold; outlives a consumer."""
        return self._held_ids.setdefault(queue_name, set())

    def settle(self, ended: Iterable[tuple[str, Any]]) -> None:
        """Acknowledges messages, or puts those that failed with the dead letters, in one round trip.

        Takes pairs of the list that a message came from and the message. One that is kept stays this process's in
        Redis, and is delivered again when a consumer finds that nobody here holds it, or when the process has ended.

        Raises:
          redis.RedisError: When Redis does not answer; it is safe to settle them once more.
        """
        acknowledged: dict[str, list[str]] = {}
        commands = []
        for list_name, message in ended:
            redis_id = message.options["redis_message_id"]
            if message.failed and not getattr(message, KEPT, False):
                commands.append(self._command("nack", list_name, redis_id))
            elif not getattr(message, KEPT, False):
                acknowledged.setdefault(list_name, []).append(redis_id)
        for list_name, redis_ids in acknowledged.items():
            names = [keys.acks(self.broker_id, list_name), keys.bodies(list_name)]
            commands.append(call(self._acknowledge, names, redis_ids))
        if commands:
            execute(self.client, commands)

    def do_requeue(self, queue_name: str, *redis_ids: str) -> None:
        """Puts messages of this process back to the head of their list, the oldest first."""
        self.requeue_of(self.broker_id, queue_name, redis_ids)

    def requeue_of(self, broker_id: str, queue_name: str, redis_ids: Iterable[str]) -> None:
        """Puts a process's messages back; what it has acknowledged meanwhile stays away."""
        self._give_back(keys=[keys.ready(queue_name), keys.acks(broker_id, queue_name)], args=sorted(redis_ids))

    def _enqueue_due(self, message: Message[Any], lane: str | None) -> Message[Any]:
        self.emit_before("enqueue", message, None)
        named = [command("SADD", keys.LANES, lane)] if lane else []
        move = self._move_command(
            dq_name(message.queue_name), message.options["redis_message_id"], list_of(message), message
        )
        ring = command("PUBLISH", keys.bell(message.queue_name), b"")
        execute(self.client, [*named, move, ring], at_once=True)  # for the same reason as in `_SEND`
        self.emit_after("enqueue", message, None)
        return message

    def _send_command(self, messages: Sequence[Message[Any]], max_depth: int) -> Command:
        lanes = {message.options["lane"] for message in messages if "lane" in message.options}
        names = [keys.LANES, keys.bell(keys.INFERENCE_QUEUE), *lanes]
        each = [(keys.ready(list_of(one)), one.options["redis_message_id"], _encoded(one)) for one in messages]
        return call(self._send, names, [max_depth, *(word for words in each for word in words)])

    def _move_command(self, source: str, redis_id: str, target: str, message: Message[Any]) -> Command:
        names = [keys.acks(self.broker_id, source), keys.bodies(source), keys.ready(target)]
        return call(self._move, names, [redis_id, message.options["redis_message_id"], _encoded(message)])

    def _command(self, name: str, list_name: str, *args: Any) -> Command:
        """A call of Dramatiq's script as Dramatiq makes it; 0 is for no maintenance."""
        options = (self.heartbeat_timeout, self.dead_message_ttl, 0, self._max_unpack_size())
        words = [name, current_millis(), list_name, self.broker_id, *options, *args]
        return call(self.scripts["dispatch"], [self.namespace], words)


def _lane_of(message: Message[Any]) -> str | None:
    return lane_of(message) if message.queue_name == keys.INFERENCE_QUEUE else None


def _placed(message: Message[Any], lane: str | None) -> Message[Any]:
    placement = {"lane": lane} if lane else {}
    placed: Message[Any] = message.copy(options={"redis_message_id": sortable_id(), **placement})
    return placed


def _delayed(message: Message[Any], delay_ms: int) -> Message[Any]:
    """A message of the queue's delayed twin, with an id that tells its age from when it is due."""
    options = {"redis_message_id": sortable_id(delay_ms), "eta": current_millis() + delay_ms}
    delayed: Message[Any] = message.copy(queue_name=dq_name(message.queue_name), options=options)
    return delayed


def _stored(delayed: Message[Any]) -> Message[Any]:
    """What workers see of it; a sender that has the message may enqueue it anew."""
    stored: Message[Any] = delayed.copy(options={DUE_AS: delayed.options["redis_message_id"]})
    return stored


def _due(message: Message[Any], lane: str | None) -> Message[Any]:
    """A delayed message as it is run, under the id that it has had."""
    placement = {"lane": lane} if lane else {}
    due: Message[Any] = message.copy(options={"redis_message_id": message.options[DUE_AS], **placement})
    del due.options[DUE_AS]
    return due


def _encoded(message: Message[Any]) -> bytes:
    """What Dramatiq's encoder writes, faster; what orjson refuses, such as very large numbers, is left to it."""
    try:
        return orjson.dumps(message.asdict())
    except TypeError:
        return bytes(message.encode())
