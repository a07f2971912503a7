"""What a worker learned of a model's batches outlives the model, and reaches identical devices through Redis."""

import redis

from actors.engine.ceilings import Ceilings
from actors.serving.footprints import ceilings_of_others, footprints_of_others
from settings.footprints import ceiling_field, field, note_ceiling, note_footprints
from tests.engine.jobs import model_key

KEY = model_key("org/a")

CARD, OTHER_CARD = "directml RX 7900 XTX 24", "directml RX 6600 8"


def tell(client: redis.Redis, ceilings: Ceilings, device_class: str) -> int:
    """What the heartbeat does; how many it told."""
    untold = ceilings.take_untold()
    with client.pipeline() as pipe:
        for (key, dtype), tokens in untold.items():
            note_ceiling(pipe, key.name, ceiling_field(key.revision, key.architecture, dtype, device_class), tokens)
        pipe.execute()
    return len(untold)


def test_what_was_learned_outlives_the_model_in_memory() -> None:
    ceilings = Ceilings()

    ceilings.of(KEY, "float32").note_failure(1_000)

    assert ceilings.of(KEY, "float32").tokens == 500
    assert ceilings.of(KEY, "float16").tokens is None
    assert ceilings.of(model_key("org/b"), "float32").tokens is None


def test_identical_devices_begin_where_another_has_got_to(queue_redis: redis.Redis) -> None:
    first, identical, other = Ceilings(), Ceilings(), Ceilings()
    identical.look_up, other.look_up = (ceilings_of_others(queue_redis, card) for card in (CARD, OTHER_CARD))
    first.of(KEY, "float32").note_failure(1_000)

    tell(queue_redis, first, CARD)

    assert identical.of(KEY, "float32").tokens == 500
    assert identical.take_untold() == {}
    assert other.of(KEY, "float32").tokens is None
    assert footprints_of_others(queue_redis, CARD)(KEY, "float32") is None


def test_identical_devices_know_what_a_model_took_on_another(queue_redis: redis.Redis) -> None:
    with queue_redis.pipeline() as pipe:
        note_footprints(pipe, KEY.name, {field(KEY.revision, KEY.architecture, "float32", CARD): 7_000})
        pipe.execute()

    assert footprints_of_others(queue_redis, CARD)(KEY, "float32") == 7_000
    assert footprints_of_others(queue_redis, CARD)(KEY, "float16") is None
    assert footprints_of_others(queue_redis, OTHER_CARD)(KEY, "float32") is None


def test_only_what_has_changed_is_told(queue_redis: redis.Redis) -> None:
    ceilings = Ceilings()
    ceiling = ceilings.of(KEY, "float32")

    assert tell(queue_redis, ceilings, CARD) == 0
    ceiling.note_failure(1_000)
    assert tell(queue_redis, ceilings, CARD) == 1
    assert tell(queue_redis, ceilings, CARD) == 0
    ceiling.note_success(625)
    assert ceilings.take_untold() == {(KEY, "float32"): 625}
