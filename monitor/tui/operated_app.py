"""What the app does when somebody wants something changed or written into a file."""

import io
import threading
import time
from pathlib import Path
from typing import Literal

import redis
from textual import events, on, work
from textual.app import App

from monitor.core.actions import Actions, Letters
from monitor.core.export import table_csv, table_json
from monitor.core.formatting import printable
from monitor.core.lane_plans import plan_lane_change
from monitor.core.plan import Plan, sparing
from monitor.core.snapshot import Snapshot
from monitor.core.told import Told
from monitor.core.worker_plans import plan_command
from monitor.tui.confirm_screen import ConfirmScreen
from monitor.tui.export_screen import ExportScreen, Format
from monitor.tui.lane_list import LaneList
from monitor.tui.letter_list import LetterList
from monitor.tui.letter_question import letter_question
from monitor.tui.line_table import LineTable
from monitor.tui.messages import CopyWanted
from monitor.tui.worker_list import WorkerList

#: What came of an action stays on the screen for so long.
TOLD_SECONDS = 10.0


class OperatedApp(App[None]):
    """Asks first, changes in a thread, and tells what came of it."""

    def __init__(
        self, address: str, letters: Letters | None, actions: Actions | None, may_act: bool, export_folder: Path
    ) -> None:
        super().__init__()
        self._address, self._letters, self._actions = address, letters, actions
        self._may_act, self._export_folder = may_act, export_folder
        self._paused = False
        self._stop_polling = threading.Event()
        self._snapshot = Snapshot()

    @property
    def snapshot(self) -> Snapshot:
        """The last reading."""
        return self._snapshot

    def tell(self, text: str) -> None:
        """Shows a sentence for a while."""
        self.notify(printable(text), markup=False)

    @on(LetterList.ChangeWanted)
    def _change_letters(self, event: LetterList.ChangeWanted) -> None:
        letters = self._letters
        if not self._is_refused(letters) and letters:
            question, verb = letter_question(
                event.change, event.letters, self._address, can_undo=self._actions is not None
            )
            plan = Plan(question, verb, lambda _: letters.change(event.change, event.letters))
            self._ask(sparing(plan, event.hidden_marks))

    @on(WorkerList.Wanted)
    def _command_workers(self, event: WorkerList.Wanted) -> None:
        if not self._is_refused(self._actions) and (actions := self._actions):
            snapshot, address, is_over = self._snapshot, self._address, self._stop_polling.is_set
            plan = plan_command(event.wish, event.worker_ids, snapshot, actions.workers, address, is_over)
            self._ask(sparing(plan, event.hidden_marks))

    @on(LaneList.Wanted)
    def _change_lane(self, event: LaneList.Wanted) -> None:
        if not self._is_refused(self._actions) and (actions := self._actions):
            self._ask(plan_lane_change(event.wish, event.name, self._snapshot, actions.lanes, self._address))

    def action_undo(self) -> None:
        """Puts back what was deleted last, after a question."""
        if not self._is_refused(self._actions) and (actions := self._actions):
            question = f"Put back what was deleted last from this host?\nRedis: {self._address}"
            self._ask(Plan(question, "Put back", lambda _: actions.undo.undo()))

    def _is_refused(self, means: object | None) -> bool:
        """Whether nothing may be changed now, or there are no means to; says why."""
        if means is None:
            self.tell("Nothing can be changed here: this is no live cluster.")
        elif not self._may_act:
            self.tell("Read-only: start the monitor with MONITOR_ACTIONS=1 to change anything.")
        elif self._paused or self._snapshot.error or self._snapshot.at is None:
            self.tell("Nothing can be changed while the data are not live.")
        else:
            return False
        return True

    def _ask(self, plan: Plan | str) -> None:
        if isinstance(plan, str):
            self.tell(plan)
            return

        def carry_out_if_agreed(typed: str | None) -> None:
            if typed is not None:
                self._carry_out(plan, typed)

        self.push_screen(ConfirmScreen(plan), carry_out_if_agreed)

    @work(thread=True, group="changes", exit_on_error=False)
    def _carry_out(self, plan: Plan, typed: str) -> None:
        try:
            told = plan.carry_out(typed)
        except redis.RedisError as error:
            told = Told(f"Redis does not answer, so a part of it may have been done: {error}", went_well=False)
        except OSError as error:
            told = Told(f"Nothing more has been changed: {error}", went_well=False)
        self.call_from_thread(self._tell_outcome, told)

    def _tell_outcome(self, told: Told) -> None:
        text = "\n".join(printable(line) for line in told.text.splitlines())
        severity: Literal["information", "warning"] = "information" if told.went_well else "warning"
        self.notify(text, severity=severity, timeout=TOLD_SECONDS, markup=False)

    @on(CopyWanted)
    def _copy(self, event: CopyWanted) -> None:
        if event.name != printable(event.name):
            self.tell("Not copied: this id has characters that a terminal would obey.")
            return
        self.copy_to_clipboard(event.name)
        self.tell(f"Copied {event.name}")

    @on(LineTable.ExportWanted)
    def _export(self, event: LineTable.ExportWanted) -> None:
        def write(chosen: Format | None) -> None:
            if chosen is not None:
                # After the question has gone, so that the picture does not show it.
                self.call_after_refresh(self._write, event, chosen)

        self.push_screen(ExportScreen(len(event.table.rows), str(self._export_folder)), write)

    def _write(self, event: LineTable.ExportWanted, chosen: Format) -> None:
        try:
            self._export_folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.tell(f"Nothing can be written: {error}")
            return
        text = {"json": table_json, "csv": table_csv}[chosen](event.table) if chosen != "svg" else None
        content = self.export_screenshot() if text is None else text
        name = f"{event.table_id}-{time.strftime('%Y-%m-%dT%H%M%S')}.{chosen}"
        self.deliver_text(io.StringIO(content), save_directory=self._export_folder, save_filename=name, name="export")

    @on(events.DeliveryComplete)
    def _tell_path(self, event: events.DeliveryComplete) -> None:
        if event.name == "export":
            self.tell(f"Written to {event.path}" if event.path else "Written")
