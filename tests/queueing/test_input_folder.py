"""Files as inputs: below one folder, regular, and not too large."""

import os
from pathlib import Path

import pytest

from actors.errors import InputNotFound, InvalidRequest, RequestTooLarge, StoreUnreachable
from actors.queueing.input_folder import InputFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A shared folder beside a secret."""
    shared = tmp_path / "shared"
    (shared / "sub").mkdir(parents=True)
    (shared / "sub" / "clip.wav").write_bytes(b"RIFF")
    (tmp_path / "secret").write_text("secret")
    return shared


def read(folder: Path | None, path: str, max_bytes: int = 1_000) -> bytes:
    return InputFolder(folder, max_bytes).read(path)


def test_a_file_of_the_folder_is_read(folder: Path) -> None:
    assert read(folder, "sub/clip.wav") == b"RIFF"


def test_without_a_folder_every_file_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="INPUT_FOLDER is not set on this worker"):
        read(None, "sub/clip.wav")


@pytest.mark.parametrize("path", ["sub/other.wav", "sub/clip.wav/more", "nowhere/a"])
def test_a_file_that_is_not_there_is_told(folder: Path, path: str) -> None:
    with pytest.raises(InputNotFound, match=f"there is no file '{path}' in INPUT_FOLDER"):
        read(folder, path)


def test_a_link_that_stays_inside_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "sub")

    assert read(folder, "link/clip.wav") == b"RIFF"


def test_a_folder_that_is_a_link_itself_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mount").symlink_to(folder)

    assert read(tmp_path / "mount", "sub/clip.wav") == b"RIFF"


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", ".."])
def test_a_link_that_leads_out_is_refused(folder: Path, target: str) -> None:
    (folder / "link").symlink_to(target)

    with pytest.raises(InvalidRequest, match="is not a regular file inside INPUT_FOLDER") as refusal:
        read(folder, "link")
    assert "secret" not in str(refusal.value)


def test_a_linked_folder_that_leads_out_is_refused(folder: Path) -> None:
    (folder / "link").symlink_to("..")

    with pytest.raises(InvalidRequest, match="is not a regular file inside INPUT_FOLDER"):
        read(folder, "link/secret")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd"])
def test_a_path_that_leads_out_is_refused_here_too(folder: Path, path: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a regular file inside INPUT_FOLDER"):
        read(folder, path)


def test_links_in_a_circle_are_no_file(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")

    with pytest.raises(InputNotFound):
        read(folder, "a")


def test_a_folder_is_no_file(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="'sub' is not a regular file"):
        read(folder, "sub")


def test_a_pipe_is_refused_without_waiting_for_its_other_end(folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    with pytest.raises(InvalidRequest, match="'pipe' is not a regular file"):
        read(folder, "pipe")


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe")
    monkeypatch.setattr(Path, "is_file", lambda self: True)  # it was one when it was looked at

    with pytest.raises(InvalidRequest, match="'pipe' is not a regular file"):
        read(folder, "pipe")


def test_too_large_a_file_is_refused_and_not_read_to_its_end(folder: Path) -> None:
    with (folder / "large").open("wb") as large:
        large.truncate(50_000_000_000)

    with pytest.raises(RequestTooLarge, match=r"'large' has more than 1,000 bytes \(MAX_BLOB_BYTES\)"):
        read(folder, "large")


def test_a_share_that_is_away_may_come_back(folder: Path) -> None:
    with pytest.raises(StoreUnreachable, match="cannot be read"):
        read(folder / "unmounted", "a")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(folder: Path) -> None:
    (folder / "closed").write_text("x")
    (folder / "closed").chmod(0)

    with pytest.raises(StoreUnreachable, match="Permission denied"):
        read(folder, "closed")
