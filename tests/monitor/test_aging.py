from monitor.core.aging import aged
from monitor.core.snapshot import Snapshot
from tests.monitor.examples import CLUSTER


def test_every_age_goes_on_and_nothing_else_changes() -> None:
    older = aged(CLUSTER, 56.0)

    assert older.at == 1056.0
    assert [worker.age_seconds(older.at) for worker in older.workers] == [57.0, 56.5, 248.0]
    assert [lane.oldest_seconds for lane in older.lanes] == [None, None, 68.0, 56.4, 97.0]
    assert [worker.liveness for worker in older.workers] == [worker.liveness for worker in CLUSTER.workers]
    assert [lane.ready for lane in older.lanes] == [lane.ready for lane in CLUSTER.lanes]


def test_before_the_first_answer_there_are_no_ages() -> None:
    assert aged(Snapshot(), 5.0) == Snapshot()
