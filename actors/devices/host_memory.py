"""How much RAM there is for this process, and how much of it nobody needs now."""

import psutil

from actors.devices.memory_limit import memory_limit

#: The share of the RAM that is left to everything else on the host.
RESERVE = 0.1


def host_memory_bytes() -> int:
    """What this process may take at most: the host's RAM, or the limit of its container."""
    total: int = psutil.virtual_memory().total
    limit = memory_limit()
    return total if limit is None else min(total, limit)


def spare_host_bytes() -> int:
    """What can be taken without making memory short; less than 0 when it is short already."""
    free, limit = psutil.virtual_memory().available, memory_limit()
    if limit is not None:
        free = min(free, limit - psutil.Process().memory_info().rss)
    return int(free - RESERVE * host_memory_bytes())
