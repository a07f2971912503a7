"""Cards of amdgpu, read from folders like the kernel's."""

from pathlib import Path

import pytest

from actors.devices.amdgpu import AmdCard

GIGABYTE = 2**30

#: An RX 6800 at work, as `cat` shows its files.
RADEON = {
    "mem_info_vram_total": "17163091968\n",
    "mem_info_vram_used": "5392642048\n",
    "mem_info_gtt_total": "33523716096\n",
    "mem_info_gtt_used": "41943040\n",
    "gpu_busy_percent": "87\n",
    "hwmon/hwmon4/temp1_input": "61000\n",
}


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """/sys/class/drm with two identical cards, their connectors, and a card of another maker."""
    for number, address in enumerate(["0000:03:00.0", "0000:0a:00.0"]):
        add_card(tmp_path, number, address, RADEON)
        (tmp_path / "drm" / f"card{number}-HDMI-A-1").mkdir()
    add_card(tmp_path, 2, "0000:00:02.0", {"vendor": "0x8086\n"})
    return tmp_path / "drm"


def add_card(root: Path, number: int, address: str, files: dict[str, str]) -> None:
    folder = root / "pci0000:00" / address
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="ascii")
    (root / "drm" / f"card{number}").mkdir(parents=True)
    (root / "drm" / f"card{number}" / "device").symlink_to(folder)


def card_at(address: str, cards: Path) -> AmdCard:
    card = AmdCard.find(address, cards)
    assert card
    return card


def test_identical_cards_are_told_apart_by_their_address(cards: Path) -> None:
    assert card_at("0000:0a:00.0", cards).pci_address == "0000:0a:00.0"
    assert AmdCard.find("0000:00:02.0", cards) is None


def test_without_an_address_one_of_two_cards_is_not_guessed(cards: Path) -> None:
    assert AmdCard.find(None, cards) is None


def test_without_an_address_the_only_card_is_meant(tmp_path: Path) -> None:
    add_card(tmp_path, 0, "0000:03:00.0", RADEON)

    card = AmdCard.find(None, tmp_path / "drm")

    assert card
    assert card.pci_address == "0000:03:00.0"


def test_a_cards_memory_leaves_out_the_ram_that_it_may_use(cards: Path) -> None:
    memory = card_at("0000:03:00.0", cards).memory()

    assert (memory.total, memory.used) == (17_163_091_968, 5_392_642_048)
    assert (memory.shared_total, memory.shared_used) == (33_523_716_096, 41_943_040)
    assert memory.source == "amdgpu (sysfs)"


def test_how_busy_and_how_hot_a_card_is(cards: Path) -> None:
    activity = card_at("0000:03:00.0", cards).activity()

    assert (activity.busy_percent, activity.temperature_celsius) == (87, 61.0)


def test_what_a_card_does_not_tell_is_none(tmp_path: Path) -> None:
    add_card(tmp_path, 0, "0000:03:00.0", {"mem_info_vram_total": "17163091968\n", "gpu_busy_percent": "\n"})
    card = card_at("0000:03:00.0", tmp_path / "drm")

    assert card.memory().used is None
    assert (card.activity().busy_percent, card.activity().source) == (None, None)
