"""A process's bound on memory, read from folders like the kernel's."""

from pathlib import Path

import pytest

from actors.devices import cpu
from actors.devices.memory_limit import memory_limit
from settings.config import Settings

MEGABYTE = 2**20


def host(root: Path, own_groups: str, limits: dict[str, str]) -> tuple[Path, Path]:
    """The files of a host on which this process is in some groups."""
    (root / "own").write_text(own_groups, encoding="utf-8")
    for name, text in limits.items():
        (root / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "groups" / name).write_text(f"{text}\n", encoding="ascii")
    return root / "groups", root / "own"


@pytest.mark.parametrize(
    ("own_groups", "limits", "expected"),
    [
        ("0::/", {"memory.max": str(512 * MEGABYTE)}, 512 * MEGABYTE),
        ("0::/", {"memory.max": "max"}, None),
        ("0::/system.slice/worker.service", {"system.slice/memory.max": "4096", "memory.max": "max"}, 4096),
        ("0::/a/b", {"a/b/memory.max": "8192", "a/memory.max": "4096"}, 4096),
        ("5:devices:/x\n4:memory:/docker/1f\n0::/", {"memory/docker/1f/memory.limit_in_bytes": "4096"}, 4096),
        ("4:memory:/docker/1f", {"memory/memory.limit_in_bytes": "4096"}, 4096),
    ],
    ids=["a container", "no limit", "a slice", "the smallest", "older groups", "an older container"],
)
def test_a_processs_limit_is_the_smallest_of_its_groups(
    own_groups: str, limits: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    assert memory_limit(*host(tmp_path, own_groups, limits)) == expected


def test_a_system_without_groups_has_no_limit(tmp_path: Path) -> None:
    assert memory_limit(tmp_path, tmp_path / "missing") is None


def test_a_cpu_in_a_container_has_the_containers_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    device = cpu.open_device(0, Settings(_env_file=None))
    monkeypatch.setattr(cpu, "memory_limit", lambda: 300 * MEGABYTE)

    memory = device.memory()

    assert (memory.total, memory.source) == (300 * MEGABYTE, "cgroup (total), psutil (used)")


def test_a_limit_above_the_hosts_memory_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    device = cpu.open_device(0, Settings(_env_file=None))
    # Without a limit, older groups say the largest number that they can.
    monkeypatch.setattr(cpu, "memory_limit", lambda: 9_223_372_036_854_771_712)

    assert device.memory().source == "psutil"
