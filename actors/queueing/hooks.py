"""Calls the middleware's hooks for each message as Dramatiq does, without those that do nothing."""

from collections.abc import Callable
from typing import Any

from dramatiq import Broker
from dramatiq.middleware import Middleware, MiddlewareError

#: A hook of one of the middleware.
Hook = Callable[..., None]


class Hooks:
    """The hooks of a broker by their names. Most of a middleware's are inherited, and cost time for each task."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._by_name: dict[str, list[Hook]] = {}
        self._middleware: list[Middleware] = []

    def emit(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Calls one hook of all middleware: `before_` in their order, `after_` in the reverse.

        Raises:
          MiddlewareError: What a `before_` hook raises to change what happens to the message.
        """
        for hook in self._of(name):
            try:
                hook(self._broker, *args, **kwargs)
            except Exception as error:
                if isinstance(error, MiddlewareError) and name.startswith("before_"):
                    raise
                self._broker.logger.critical("Unexpected failure in %s.", hook, exc_info=True)

    def _of(self, name: str) -> list[Hook]:
        if self._middleware != self._broker.middleware:
            self._middleware, self._by_name = list(self._broker.middleware), {}
        if (hooks := self._by_name.get(name)) is None:
            ordered = self._middleware if name.startswith("before_") else self._middleware[::-1]
            hooks = self._by_name[name] = [getattr(each, name) for each in ordered if _has_own(each, name)]
        return hooks


def _has_own(middleware: Middleware, name: str) -> bool:
    return getattr(type(middleware), name, None) is not getattr(Middleware, name, None)
