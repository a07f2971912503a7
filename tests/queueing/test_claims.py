"""The claim policy, as sentences and as properties; no Redis."""

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.queueing.claims import (
    AGEING_SECONDS,
    GRACE_SECONDS,
    SHUNNED_SECONDS,
    Claim,
    Claimant,
    LaneHead,
    choose_claim,
    next_model,
)

SWAP_MAX_WAIT = 10.0
HIGH, NORMAL, LOW = 0, 1, 2


def head(model: str | None, age: float = 0.0, priority: int = NORMAL, depth: int = 1) -> LaneHead:
    return LaneHead(f"inference.{priority}.{model}", model, priority, age, depth)


def idle(*models: str, room: int = 64) -> Claimant:
    return Claimant(room, is_busy=False, models=models)


def busy(*models: str, room: int = 32) -> Claimant:
    return Claimant(room, is_busy=True, models=models)


def chosen(heads: list[LaneHead], claimant: Claimant, *free_others: set[str]) -> str | None:
    claim = choose_claim(heads, claimant, free_others, SWAP_MAX_WAIT)
    return next((head.model for head in heads if claim and head.lane == claim.lane), None) if claim else None


def test_what_is_loaded_goes_before_what_is_older() -> None:
    assert chosen([head("other", age=9), head("mine", age=1)], idle("mine")) == "mine"


def test_another_model_is_taken_when_the_loaded_ones_have_nothing() -> None:
    assert chosen([head("other")], idle("mine")) == "other"


def test_a_busy_worker_leaves_other_models_alone() -> None:
    assert chosen([head("other", age=9)], busy("mine")) is None


def test_a_task_that_has_waited_too_long_goes_before_what_is_loaded() -> None:
    assert chosen([head("other", age=SWAP_MAX_WAIT), head("mine", age=20)], busy("mine")) == "other"


def test_an_overdue_task_is_left_to_a_free_worker_that_holds_its_model() -> None:
    assert chosen([head("other", age=SWAP_MAX_WAIT), head("mine")], idle("mine"), {"other"}) == "mine"


def test_a_free_worker_that_does_not_take_its_task_is_not_waited_for_for_ever() -> None:
    late = SWAP_MAX_WAIT + GRACE_SECONDS

    assert chosen([head("other", age=late), head("mine")], idle("mine"), {"other"}) == "other"


def test_a_model_that_a_free_worker_holds_is_not_loaded_twice_for_one_task() -> None:
    assert chosen([head("other")], idle("mine"), {"other"}) is None


def test_high_goes_before_normal_before_low() -> None:
    heads = [head("a", priority=LOW, age=3), head("b", priority=HIGH, age=1), head("c", priority=NORMAL, age=2)]

    assert chosen(heads, idle("a", "b", "c")) == "b"


def test_age_raises_priority() -> None:
    heads = [head("old", priority=LOW, age=2 * AGEING_SECONDS + 1), head("new", priority=HIGH, age=1)]

    assert chosen(heads, idle("old", "new")) == "old"


def test_five_free_workers_share_sixty_four_tasks() -> None:
    claim = choose_claim([head("m", depth=64)], idle("m"), [set()] * 4, SWAP_MAX_WAIT)

    assert claim == Claim("inference.1.m", 13)


def test_a_worker_with_tasks_in_hand_leaves_the_rest_to_free_ones_for_a_moment() -> None:
    assert chosen([head("m", age=GRACE_SECONDS / 2, depth=51)], busy("m"), set()) is None
    assert chosen([head("m", age=GRACE_SECONDS, depth=51)], busy("m"), set()) == "m"


def test_tasks_without_a_model_are_anybodys() -> None:
    assert choose_claim([head(None)], idle("m"), [], SWAP_MAX_WAIT) == Claim("inference.1.None", 1)


def test_a_model_that_has_just_failed_here_is_left_to_others() -> None:
    shunning = Claimant(64, is_busy=False, models=["m"], shunned=["m"])

    assert chosen([head("m"), head("other")], shunning) == "other"
    assert chosen([head("m")], shunning) is None


def test_what_nobody_else_took_is_taken_after_all() -> None:
    assert chosen([head("m", age=SHUNNED_SECONDS)], Claimant(64, is_busy=False, models=[], shunned=["m"])) == "m"


models = st.sampled_from("abcde")
lane_heads = st.lists(
    st.builds(
        lambda model, age, priority, depth: LaneHead(f"{model}{priority}", model, priority, age, depth),
        models,
        st.floats(0, 200),
        st.sampled_from([HIGH, NORMAL, LOW]),
        st.integers(1, 500),
    ),
    unique_by=lambda head: head.lane,
)
claimants = st.builds(Claimant, st.integers(0, 64), st.booleans(), st.frozensets(models), st.frozensets(models))
others = st.lists(st.frozensets(models), max_size=5)


@given(lane_heads, claimants, others)
def test_a_claim_is_never_more_than_there_is_or_fits(
    heads: list[LaneHead], claimant: Claimant, free_others: list[frozenset[str]]
) -> None:
    if claim := choose_claim(heads, claimant, free_others, SWAP_MAX_WAIT):
        depth = next(head.depth for head in heads if head.lane == claim.lane)
        assert 1 <= claim.count <= min(claimant.room, math.ceil(depth / (1 + len(free_others))))


@given(lane_heads, st.frozensets(models), st.frozensets(models), others)
def test_an_idle_worker_takes_something_once_grace_is_over(
    heads: list[LaneHead], held: frozenset[str], shunned: frozenset[str], free_others: list[frozenset[str]]
) -> None:
    claim = choose_claim(heads, Claimant(8, False, held, shunned), free_others, SWAP_MAX_WAIT)

    def grace(head: LaneHead) -> float:
        return SHUNNED_SECONDS if head.model in shunned else GRACE_SECONDS

    assert bool(claim) or all(head.age_seconds < grace(head) for head in heads)


@given(lane_heads, claimants, others)
def test_a_young_task_of_a_model_that_failed_here_is_never_taken(
    heads: list[LaneHead], claimant: Claimant, free_others: list[frozenset[str]]
) -> None:
    if claim := choose_claim(heads, claimant, free_others, SWAP_MAX_WAIT):
        (taken,) = [head for head in heads if head.lane == claim.lane]
        assert taken.model not in claimant.shunned or taken.age_seconds >= SHUNNED_SECONDS


@given(lane_heads, claimants, others)
def test_a_long_overdue_model_keeps_loaded_ones_from_going_first(
    heads: list[LaneHead], claimant: Claimant, free_others: list[frozenset[str]]
) -> None:
    overdue = {
        head.lane
        for head in heads
        if head.model not in claimant.models and head.age_seconds >= SWAP_MAX_WAIT + GRACE_SECONDS
    }
    claim = choose_claim(heads, claimant, free_others, SWAP_MAX_WAIT)

    if overdue and claim:
        assert claim.lane in {
            head.lane for head in heads if head.model not in claimant.models and head.age_seconds >= SWAP_MAX_WAIT
        }


@given(lane_heads, st.integers(0, 2), st.floats(0, 60), st.frozensets(models | st.just("z")))
def test_nothing_starves_among_loaded_models(
    heads: list[LaneHead], priority: int, patience: float, shunned: frozenset[str]
) -> None:
    oldest_possible = LaneHead("starving", "z", priority, 3 * AGEING_SECONDS + 200 + patience, 1)
    claimant = Claimant(8, False, frozenset("abcdez"), shunned)

    assert choose_claim([*heads, oldest_possible], claimant, [], SWAP_MAX_WAIT) == Claim("starving", 1)


def test_the_next_model_is_the_one_that_has_waited_the_longest_of_those_that_nobody_holds() -> None:
    heads = [head(None, age=9), head("mine", age=8), head("theirs", age=7), head("old", age=6), head("new", age=1)]

    assert next_model(heads, busy("mine"), [{"theirs"}]) == "old"
    assert next_model([*heads, head("urgent", priority=HIGH)], busy("mine"), [{"theirs"}]) == "urgent"
    assert next_model(heads[:3], busy("mine"), [{"theirs"}]) is None


def test_a_model_that_has_just_failed_here_is_not_expected_while_others_may_take_it() -> None:
    claimant = Claimant(1, is_busy=True, models=(), shunned=("broken",))

    assert next_model([head("broken")], claimant, []) is None
    assert next_model([head("broken", age=SHUNNED_SECONDS)], claimant, []) == "broken"
