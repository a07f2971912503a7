"""`python -m actors.scheduler`: the periodic jobs on any system; `periodiq actors` needs POSIX signals.

Runs until it is interrupted. Several may run: each job does its work once a minute however many ask for it.
"""

import logging
import signal
import time

import pendulum
import redis
from periodiq import Scheduler

from actors import broker

logger = logging.getLogger(__name__)

#: Between two looks at the clock, which may be set or sleep with its host.
LOOK_SECONDS = 1.0


class PortableScheduler(Scheduler):  # type: ignore[misc]  # periodiq is untyped
    """periodiq's scheduler with an event in place of SIGALRM, and patience with Redis."""

    def __init__(self) -> None:
        super().__init__(actors=[actor for actor in broker.actors.values() if "periodic" in actor.options])
        self._is_stopped = False

    def stop(self, *signal_and_frame: object) -> None:
        """Ends `run` within a second. A plain flag: a signal handler must not take a lock that its thread may hold."""
        self._is_stopped = True

    def run(self) -> None:
        """Sends each job when its minute comes."""
        while not self._is_stopped:
            now = pendulum.now()
            due = min(actor.options["periodic"].next_valid_date(now) for actor in self.actors)
            self._sleep_until(due)
            if not self._is_stopped:
                self._send([actor for actor in self.actors if actor.options["periodic"].validate(due)], due)

    def _sleep_until(self, due: pendulum.DateTime) -> None:
        while not self._is_stopped and (left := (due - pendulum.now()).total_seconds()) > 0:
            time.sleep(min(left, LOOK_SECONDS))

    def _send(self, due_actors: list[object], now: pendulum.DateTime) -> None:
        try:
            self.send_actors(due_actors, now=now)
        except redis.RedisError as error:
            logger.warning("This minute's jobs are skipped, Redis does not answer: %s", error)


def main() -> None:
    """Runs the scheduler in the foreground."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    scheduler = PortableScheduler()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if number := getattr(signal, name, None):
            signal.signal(number, scheduler.stop)
    logger.info("Scheduling %s.", ", ".join(sorted(actor.actor_name for actor in scheduler.actors)))
    scheduler.run()


if __name__ == "__main__":
    main()
