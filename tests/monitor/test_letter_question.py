from dataclasses import replace

from monitor.core.dead_letters import DeadLetter
from monitor.tui.letter_question import letter_question
from tests.monitor.examples import LETTERS, letter


def asked(*letters: DeadLetter) -> list[str]:
    question, _ = letter_question("requeue", letters, "gpu-hub:6379", can_undo=True)
    return question.splitlines()


def test_one_letter_is_named_by_its_task_its_error_and_its_id() -> None:
    assert asked(LETTERS[1])[:4] == [
        "Send again 1 dead letter?",
        "  embed: ModelNotFound: blip",
        "  id message-2",
        "  of inference.normal.org/chat-8b",
    ]


def test_a_letter_that_cannot_be_read_is_named_by_what_redis_calls_it() -> None:
    assert asked(replace(LETTERS[0], body=None))[1:3] == ["  -: not a message", "  id id-1"]


def test_many_are_counted_by_their_errors_the_most_frequent_first() -> None:
    errors = ["rare", "frequent", "frequent", "often", "often", "often", "once", "now and then"]

    assert asked(*(letter(number, error) for number, error in enumerate(errors)))[1:6] == [
        "  3 with often",
        "  2 with frequent",
        "  1 with rare",
        "  and 2 more errors",
        "  8 of inference.normal.org/chat-8b",
    ]


def test_what_others_wrote_stays_on_its_line() -> None:
    hostile = replace(LETTERS[0], body=None, redis_id="a\n[/x]\x1b" + "y" * 100)

    assert len(asked(hostile)) == 6
    assert asked(hostile)[2].endswith("y…")
    assert all(line.isprintable() and len(line) <= 70 for line in asked(hostile))
