"""What an operator can do to the demo; nothing outside of its memory is touched."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from threading import Lock

from monitor.core.audit import SHOWN_EVENTS, AuditEvent
from monitor.core.dead_letters import LETTERS_AT_ONCE, Change, DeadLetter, Outcome, told_of
from monitor.core.demo.lanes import MODELS, DemoLanes
from monitor.core.demo.worker import DemoWorker
from monitor.core.formatting import format_count
from monitor.core.told import Told
from settings.worker_commands import Action

#: Who does it.
YOU = "you@demo"


class DemoActions:
    """Workers, lanes, dead letters, and what was deleted last."""

    def __init__(self, lanes: DemoLanes, workers: Sequence[DemoWorker], clock: Callable[[], float], lock: Lock) -> None:
        self._lanes, self._clock, self._lock = lanes, clock, lock
        self._workers = {worker.worker_id: worker for worker in workers}
        self._undo: list[Callable[[], int]] = []
        self.audit: deque[AuditEvent] = deque(maxlen=SHOWN_EVENTS)
        """What was done, the newest first."""

    def command(self, worker_id: str, action: Action, model: str | None = None, *, is_over: Callable[[], bool]) -> Told:
        """Has a worker do something at once."""
        with self._lock:
            worker = self._workers.get(worker_id)
            if worker is None:
                return Told(f"There is no live worker {worker_id}.", went_well=False)
            told = self._change(worker, action, model or "")
            if told.went_well:
                self._note(action, f"{worker_id} {model}" if model else worker_id, 1)
            return told

    def pause(self, name: str) -> Told:
        """Lets workers take nothing from a lane or queue."""
        with self._lock:
            self._lanes.paused[name] = YOU
            self._note("pause", name, 1)
        return Told(f"{name} is paused")

    def resume(self, name: str) -> Told:
        """Lets them take tasks again."""
        with self._lock:
            if self._lanes.paused.pop(name, None) is None:
                return Told(f"{name} was not paused")
            self._note("resume", name, 1)
        return Told(f"{name} is served again")

    def purge(self, about: str, lanes: Sequence[str]) -> Told:
        """Deletes what waits in these lanes."""
        with self._lock:
            deleted = {lane: tuple(self._lanes.waiting(lane)) for lane in lanes}
            count = sum(map(len, deleted.values()))
            for lane in lanes:
                self._lanes.waiting(lane).clear()

            def put_back() -> int:
                for lane, tasks in deleted.items():
                    self._lanes.waiting(lane).extendleft(reversed(tasks))
                return count

            self._undo.append(put_back)
            self._note("delete waiting", about, count)
        return Told(f"{format_count(count)} deleted from {about}; u puts them back")

    def undo(self) -> Told:
        """Puts back what was deleted last."""
        with self._lock:
            if not self._undo:
                return Told("There is nothing to undo.", went_well=False)
            count = self._undo.pop()()
            self._note("undo", "the last deletion", count)
        return Told(f"{format_count(count)} put back")

    def read(self, lanes: list[str], most: int = LETTERS_AT_ONCE) -> tuple[DeadLetter, ...]:
        """The dead letters of these lanes, the newest first; there are never too many."""
        with self._lock:
            return tuple(letter for letter in reversed(self._lanes.letters) if letter.lane in lanes)[:most]

    def change(self, change: Change, letters: Sequence[DeadLetter]) -> Told:
        """Sends dead letters again, or removes them."""
        with self._lock:
            there = [letter for letter in letters if letter in self._lanes.letters]
            for letter in there:
                if change == "requeue":
                    self._lanes.send_again(letter, self._clock())
                else:
                    self._lanes.letters.remove(letter)
            if change == "delete" and there:
                self._undo.append(lambda: self._bury_again(there))
            self._note("send again" if change == "requeue" else "delete dead", "dead letters", len(there))
        outcomes: dict[Outcome, int] = {"done": len(there), "gone": len(letters) - len(there)}
        return told_of(change, Counter({what: count for what, count in outcomes.items() if count}))

    def _bury_again(self, letters: Sequence[DeadLetter]) -> int:
        self._lanes.letters.extend(letters)
        self._lanes.letters.sort(key=lambda letter: letter.died_at)
        return len(letters)

    def _change(self, worker: DemoWorker, action: Action, model: str) -> Told:
        now, name = self._clock(), worker.worker_id
        if action in ("drain", "resume"):
            worker.is_draining = action == "drain"
            return Told(f"{name}: {'takes no more tasks' if worker.is_draining else 'takes tasks again'}")
        if action == "recycle":
            worker.recycle(now, self._lanes)
            return Told(f"{name}: has begun anew")
        if model not in MODELS:
            return Told(f"{name}: the demo has no model {model}", went_well=False)
        return self._change_model(worker, action, model, now)

    def _change_model(self, worker: DemoWorker, action: Action, model: str, now: float) -> Told:
        is_held, name = worker.holds(model), worker.worker_id
        if action in ("unload", "unpin"):
            if not is_held:
                return Told(f"{name}: does not hold {model}", went_well=False)
            if action == "unload":
                worker.unload(model, self._lanes)
            else:
                worker.unpin(model)
            return Told(f"{name}: {'unloaded' if action == 'unload' else 'unpinned'} {model}")
        if not is_held and not worker.has_room_for(model):
            return Told(f"{name}: ModelTooLarge: {model} does not fit beside what it holds", went_well=False)
        if action == "pin":
            worker.pin(model, now)
        else:
            worker.load(model, now)
        return Told(f"{name}: {'pinned' if action == 'pin' else 'loaded'} {model}")

    def _note(self, what: str, about: str, count: int) -> None:
        self.audit.appendleft(AuditEvent(self._clock(), YOU, what, about, count))
