"""The changes that an operator can make to lanes and queues."""

from collections.abc import Sequence
from typing import Literal, Protocol

from monitor.core.formatting import format_count, printable
from monitor.core.plan import Plan
from monitor.core.snapshot import Snapshot
from monitor.core.told import Told
from settings import keys
from settings.lane_names import LaneName

#: What is asked for: `halt` pauses what is served and resumes what is paused.
Wish = Literal["halt", "purge"]


class Lanes(Protocol):
    """Pauses, resumes and empties lanes and queues."""

    def pause(self, name: str) -> Told:
        """Lets workers take nothing from it."""

    def resume(self, name: str) -> Told:
        """Lets them take tasks again."""

    def purge(self, about: str, lanes: Sequence[str]) -> Told:
        """Deletes what waits in these lanes."""


def plan_lane_change(wish: Wish, name: str, snapshot: Snapshot, lanes: Lanes, address: str) -> Plan | str:
    """Asks for one change of a lane, or of a queue with all its lanes; a text says why it cannot be made."""
    is_queue = LaneName.parse(name).model is None
    shown = printable(name)
    if wish == "purge":
        return _purge(name, shown, is_queue, snapshot, lanes, address)
    if LaneName.parse(name).queue != keys.INFERENCE_QUEUE:
        return f"{shown} cannot be paused: it has the cluster's own jobs. {keys.INFERENCE_QUEUE} and its lanes can."
    what = f"the queue {shown} with all its lanes" if is_queue else f"the lane {shown}"
    if name in snapshot.paused:
        question = f"Resume {what}?\nWorkers take its tasks again.\nRedis: {address}"
        return Plan(question, "Resume", lambda _: lanes.resume(name))
    if (queue := LaneName.parse(name).queue) in snapshot.paused:
        return f"{shown} is paused with its queue: resume {printable(queue)} instead."
    question = (
        f"Pause {what}?\nWorkers take no more of its tasks until someone resumes it; those in hand are finished.\n"
        f"Tasks can still be sent, and wait.\nRedis: {address}"
    )
    return Plan(question, "Pause", lambda _: lanes.pause(name), must_type=shown if is_queue else None)


def _purge(name: str, shown: str, is_queue: bool, snapshot: Snapshot, lanes: Lanes, address: str) -> Plan | str:
    own = [lane for lane in snapshot.lanes if lane.name == name or (is_queue and lane.queue == name)]
    if not (waiting := sum(lane.ready for lane in own)):
        return f"Nothing waits in {shown}."
    question = (
        f"Delete {format_count(waiting)} waiting task{'' if waiting == 1 else 's'} of {shown}?\n"
        "Tasks in hand and delayed ones stay. Callers are not told: they wait until their timeout.\n"
        f"The tasks are kept on this host first, and u puts them back.\nRedis: {address}"
    )
    names = [lane.name for lane in own]
    return Plan(
        question, f"Delete {waiting}", lambda _: lanes.purge(name, names), must_type=shown if is_queue else None
    )
