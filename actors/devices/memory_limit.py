"""How much of a Linux host's RAM a process may take: a container or a service may have less than there is."""

from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")

OWN_GROUPS = Path("/proc/self/cgroup")

#: Where a limit is, by the controllers that a line of OWN_GROUPS names: the one hierarchy, and the older ones.
_LIMITS = {"": (".", "memory.max"), "memory": ("memory", "memory.limit_in_bytes")}


def memory_limit(groups: Path = GROUPS, own_groups: Path = OWN_GROUPS) -> int | None:
    """The smallest limit of the groups that this process is in; None when nothing bounds it."""
    try:
        lines = own_groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits: list[int] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers in _LIMITS:
            root, file = _LIMITS[controllers]
            limits += _limits(groups / root, group, file)
    return min(limits, default=None)


def _limits(root: Path, group: str, file: str) -> list[int]:
    """Those of a group and of all that it is in; in a container the root is the container's own."""
    folder = root / group.lstrip("/")
    texts = [_text(place / file) for place in (folder, *folder.parents) if place.is_relative_to(root)]
    return [int(text) for text in texts if text.isdecimal()]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""
