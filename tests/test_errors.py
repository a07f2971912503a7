"""The drawn tree of errors is the real one, and every class says when it is raised."""

import inspect
import re

from actors import errors
from actors.errors import BY_NAME, CallerError, ClusterError, DeviceUnavailable, PermanentError, TransientError

#: `    - ModelNotFound`, or `  x CallerError    raised at the caller only`.
_DRAWN = re.compile(r"^(?P<indent> *)[*x+-] (?P<name>\w+)", re.MULTILINE)


def _drawn_parents() -> dict[str, str | None]:
    """Class name → the name of the class that it is drawn below."""
    above: list[tuple[int, str]] = []
    parents: dict[str, str | None] = {}
    for line in _DRAWN.finditer(errors.__doc__ or ""):
        depth, name = len(line["indent"]), line["name"]
        above = [(other_depth, other) for other_depth, other in above if other_depth < depth]
        parents[name] = above[-1][1] if above else None
        above.append((depth, name))
    return parents


def _classes() -> dict[str, type[ClusterError]]:
    members = inspect.getmembers(errors, inspect.isclass)
    return {name: value for name, value in members if issubclass(value, ClusterError)}


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    real_parents = {
        name: None if error is ClusterError else error.__mro__[1].__name__ for name, error in _classes().items()
    }

    assert _drawn_parents() == real_parents


def test_every_error_says_in_one_line_when_it_is_raised() -> None:
    unclear = [name for name, error in _classes().items() if not re.fullmatch(r"[^\n]+\.", error.__doc__ or "")]

    assert unclear == []


def test_a_failed_tasks_result_may_name_every_error_that_a_worker_raises() -> None:
    raised_elsewhere = {error for error in _classes().values() if issubclass(error, CallerError | DeviceUnavailable)}

    assert set(BY_NAME.values()) == set(_classes().values()) - raised_elsewhere - {ClusterError}
    assert all(name == error.__name__ for name, error in BY_NAME.items())


def test_no_error_is_both_permanent_and_transient() -> None:
    confused = [
        error for error in BY_NAME.values() if issubclass(error, PermanentError) == issubclass(error, TransientError)
    ]

    assert confused == []
