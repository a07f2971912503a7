"""Where a Redis is, as it may be told: without user and password."""

from redis.connection import parse_url

#: What is told of an address that cannot be parsed: it may hold a password in any place.
UNREADABLE = "an address that cannot be read"


def redis_address(url: str) -> str:
    """HOST:PORT of a Redis URL, with the database when it is not the first, or the path of its socket."""
    try:
        parts = parse_url(url)
    except ValueError:
        return UNREADABLE
    database = f"/{parts['db']}" if parts.get("db") else ""
    if path := parts.get("path"):
        return f"{path}{database}"
    host = str(parts.get("host", "localhost"))
    return f"{f'[{host}]' if ':' in host else host}:{parts.get('port', 6379)}{database}"
