import pytest

from monitor.core.address import shown_address
from settings.redis_address import UNREADABLE


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://127.0.0.1:6379/0", "127.0.0.1:6379"),
        ("redis://gpu-hub", "gpu-hub:6379"),
        ("rediss://user:secret@gpu-hub:6380/3", "gpu-hub:6380/3"),
        ("redis://[::1]:6379/0", "[::1]:6379"),
        ("redis://gpu-hub?password=secret@x", "gpu-hub:6379"),
        ("unix:///run/redis.sock?db=2", "/run/redis.sock/2"),
        ("redis://:sec/ret@gpu-hub", UNREADABLE),
        ("redis://gpu-hub:port", UNREADABLE),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert shown_address(url) == shown
