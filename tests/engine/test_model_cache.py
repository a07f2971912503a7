"""The models in a device's memory keep to its budget, the cheapest to lose first, and never lose one in use."""

import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.engine import model_cache
from actors.engine.garbage import collect_all, set_aside
from actors.engine.loader import LoadedModel
from actors.engine.model_cache import ModelCache
from actors.engine.work import ModelKey
from actors.errors import ModelTooLarge
from tests.engine.jobs import model_key, stored_model

BUDGET = 100


@pytest.fixture(scope="module", autouse=True)
def _small_heap() -> Iterator[None]:
    """Every eviction collects garbage, which takes long with torch on the heap: here torch stays set aside."""
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_cache, "collect_all", gc.collect)
        patch.setattr(model_cache, "set_aside", lambda: None)
        yield
    gc.unfreeze()


class Device:
    """Counts how often memory was given back, and loads models that are numbers only."""

    def __init__(self, budget_bytes: int | None = BUDGET) -> None:
        self.releases = 0
        self.loads: list[str] = []
        self.cache = ModelCache(budget_bytes, self._release)

    def _release(self) -> None:
        self.releases += 1

    def use(self, name: str, expected: int, measured: int | None = None) -> None:
        """Uses a model, which is measured as large as it was expected to be unless the test says otherwise."""
        with self.cache.use(model_key(name), expected, lambda: self._load(name, measured or expected)):
            pass

    def _load(self, name: str, footprint: int) -> LoadedModel:
        self.loads.append(name)
        return loaded_model(name, footprint)

    @property
    def loaded(self) -> list[str]:
        """What is in memory, least recently used first."""
        return [model.key.name for model in self.cache.models]


def loaded_model(name: str, footprint: int) -> LoadedModel:
    """A model without weights, as slow to load as it is large: so the order of use alone decides what goes first."""
    nothing: Any = None
    model = LoadedModel(model_key(name), stored_model(name), nothing, object(), nothing, "float32", footprint)
    model.load_seconds = footprint
    return model


def test_a_model_is_loaded_once_and_counts_its_uses() -> None:
    device = Device()

    for _ in range(3):
        device.use("a", 10)

    assert device.loads == ["a"]
    assert device.cache.models[0].uses == 3
    assert device.releases == 0


def test_the_least_recently_used_model_makes_room() -> None:
    device = Device()
    for name in ("a", "b", "c", "a"):
        device.use(name, 30)

    device.use("d", 30)

    assert device.loaded == ["c", "a", "d"]
    assert device.releases == 1


def test_as_many_models_go_as_are_in_the_way_and_no_more() -> None:
    device = Device()
    for name in ("a", "b", "c", "d"):
        device.use(name, 25)

    device.use("large", 50)

    assert device.loaded == ["c", "d", "large"]


def test_a_model_that_fills_the_budget_exactly_fits() -> None:
    device = Device()
    device.use("a", 1)

    device.use("large", BUDGET)

    assert device.loaded == ["large"]


def test_a_model_that_is_too_large_is_refused_with_both_numbers_before_anything_is_unloaded() -> None:
    device = Device(budget_bytes=1_000)
    device.use("a", 10)

    with pytest.raises(ModelTooLarge, match=r"large@main needs 1,001 bytes, and models may take 1,000 on this device"):
        device.use("large", 1_001)

    assert device.loads == ["a"]
    assert device.loaded == ["a"]


def test_a_model_that_measures_larger_than_expected_makes_room_for_the_rest_of_it() -> None:
    device = Device()
    device.use("a", 40)
    device.use("b", 40)

    device.use("c", 20, measured=60)

    assert device.loaded == ["b", "c"]
    assert device.cache.used_bytes == BUDGET


def test_a_model_that_measures_larger_than_the_budget_is_unloaded_again() -> None:
    device = Device()

    with pytest.raises(ModelTooLarge, match="needs 101 bytes"):
        device.use("a", 20, measured=101)

    assert device.loaded == []
    assert device.releases == 1


def test_a_model_in_use_is_never_unloaded() -> None:
    device = Device()
    device.use("idle", 30)
    with device.cache.use(model_key("busy"), 30, lambda: loaded_model("busy", 30)):
        device.use("idle", 30)

        device.use("new", 60)
        assert device.loaded == ["busy", "new"]
        assert device.cache.evict_idle()
        assert not device.cache.evict_idle()

    assert device.loaded == ["busy"]
    assert device.cache.evict_idle()


def test_a_use_that_fails_leaves_its_model_idle() -> None:
    device = Device()
    key = model_key("a")

    with pytest.raises(ZeroDivisionError), device.cache.use(key, 10, lambda: loaded_model("a", 10)):
        raise ZeroDivisionError

    assert device.cache.evict_idle()


def test_a_load_that_fails_leaves_no_trace() -> None:
    device = Device()

    def fail() -> LoadedModel:
        raise MemoryError

    with pytest.raises(MemoryError), device.cache.use(model_key("a"), 10, fail):
        pass

    assert model_key("a") not in device.cache
    assert not device.cache.evict_idle()


def test_without_a_budget_nothing_is_unloaded() -> None:
    device = Device(budget_bytes=None)

    for name in ("a", "b", "c"):
        device.use(name, 10**15)

    assert device.loaded == ["a", "b", "c"]


def test_what_is_unloaded_is_gone_before_its_memory_is_given_back() -> None:
    alive: list[bool] = []
    cache = ModelCache(BUDGET, lambda: alive.append(module() is not None))
    with cache.use(model_key("a"), 10, lambda: _with_a_circle("a")) as model:
        module = weakref.ref(model.module)
    del model

    cache.clear()

    assert alive == [False]


def test_a_reader_that_still_looks_at_the_models_does_not_keep_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[bool] = []
    cache = ModelCache(BUDGET, lambda: alive.append(module() is not None))
    with cache.use(model_key("a"), 10, lambda: _with_a_circle("a")) as model:
        module = weakref.ref(model.module)
    held = [cache.models]
    del model
    monkeypatch.setattr(model_cache.time, "sleep", lambda seconds: held.clear())

    cache.clear()

    assert alive == [False]


def test_what_an_unload_gives_back_is_measured_around_it() -> None:
    measured: list[tuple[str, int, bool]] = []

    @contextmanager
    def unloading(key: ModelKey, footprint: int) -> Iterator[None]:
        measured.append((key.name, footprint, module() is not None))
        yield
        measured.append((key.name, footprint, module() is not None))

    cache = ModelCache(BUDGET, lambda: None, unloading=unloading)
    with cache.use(model_key("a"), 10, lambda: _with_a_circle("a")) as model:
        module, footprint = weakref.ref(model.module), model.footprint
    del model

    cache.clear()

    assert measured == [("a", footprint, True), ("a", footprint, False)]


def test_what_measured_too_large_is_gone_before_its_memory_is_given_back() -> None:
    alive: list[bool] = []
    modules: list[weakref.ref[object]] = []
    cache = ModelCache(1, lambda: alive.append(modules[0]() is not None))

    def load() -> LoadedModel:
        model = _with_a_circle("a")
        modules.append(weakref.ref(model.module))
        return model

    with pytest.raises(ModelTooLarge), cache.use(model_key("a"), 1, load):
        pass

    assert alive == [False]


class _Module:
    """Refers to itself, as torch's modules do."""

    def __init__(self) -> None:
        self.itself = self


def _with_a_circle(name: str) -> LoadedModel:
    model = loaded_model(name, 10)
    model.module = _Module()
    return model


sizes = st.integers(1, BUDGET + 20)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), sizes, sizes), max_size=25))
def test_whatever_is_asked_for_the_budget_holds_and_the_oldest_go_first(uses: list[tuple[str, int, int]]) -> None:
    device = Device()
    expected: dict[str, int] = {}
    unloaded = 0

    for name, promised, measured in uses:
        before = list(expected)
        if name not in expected:
            too_large = _make_room(expected, promised) or _make_room(expected, measured)
            unloaded += len(before) - len(expected) + (promised <= BUDGET < measured)
            if too_large:
                with pytest.raises(ModelTooLarge):
                    device.use(name, promised, measured)
                continue
        device.use(name, promised, measured)
        expected[name] = expected.pop(name, measured)

        assert device.loaded == list(expected)
        assert device.cache.used_bytes == sum(expected.values()) <= BUDGET
    assert device.releases == unloaded


def _make_room(loaded: dict[str, int], size: int) -> bool:
    """Unloads the oldest until there is room; True when there never will be."""
    if size > BUDGET:
        return True
    while sum(loaded.values()) + size > BUDGET:
        del loaded[next(iter(loaded))]
    return False


def test_other_threads_may_read_the_models_while_they_change() -> None:
    device, errors, ended = Device(), [], threading.Event()

    def read() -> None:
        while not ended.is_set():
            try:
                assert sum(model.footprint for model in device.cache.models) <= BUDGET
            except Exception as error:  # noqa: BLE001  # whatever it is, the test tells it
                errors.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    reader = threading.Thread(target=read)
    reader.start()
    for use in range(2_000):
        device.use("abcdefg"[use % 7], 20)
    ended.set()
    reader.join()
    sys.setswitchinterval(interval)

    assert errors == []


def test_what_a_model_brought_along_is_spared_by_the_garbage_collector_and_still_given_back() -> None:
    class Part:
        """Refers to itself, as modules do."""

        def __init__(self) -> None:
            self.own = self

    part = Part()
    gone = weakref.ref(part)
    set_aside()
    del part
    gc.collect()
    assert gone() is not None

    collect_all()

    assert gone() is None
