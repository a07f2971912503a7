"""Where a Redis is, as it may be shown: without user and password, and without what a terminal would obey."""

from monitor.core.formatting import printable
from settings.redis_address import redis_address


def shown_address(url: str) -> str:
    """HOST:PORT of a Redis URL, with the database when it is not the first, or the path of its socket."""
    return printable(redis_address(url))
