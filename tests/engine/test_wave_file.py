"""Sound files that Python reads by itself."""

import base64
import io
import wave

import numpy
import pytest

from actors.engine.tasks.run_pipeline import RunPipeline
from actors.engine.tasks.wave_file import read_wave
from actors.errors import InvalidRequest
from actors.payloads import RunPipelineRequest


def wav(frames: bytes, width: int = 2, channels: int = 1, rate: int = 16_000) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setnchannels(channels)
        clip.setsampwidth(width)
        clip.setframerate(rate)
        clip.writeframes(frames)
    return file.getvalue()


@pytest.mark.parametrize(
    ("width", "frames"),
    [
        (1, bytes([0, 128, 192])),
        (2, numpy.array([-(2**15), 0, 2**14], "<i2").tobytes()),
        (3, b"\x00\x00\x80" + b"\x00\x00\x00" + b"\x00\x00\x40"),
        (4, numpy.array([-(2**31), 0, 2**30], "<i4").tobytes()),
    ],
)
def test_samples_of_every_width_are_between_minus_one_and_one(width: int, frames: bytes) -> None:
    samples, rate = read_wave(wav(frames, width))

    assert samples.tolist() == [-1.0, 0.0, 0.5]
    assert (samples.dtype, rate) == (numpy.float32, 16_000)


def test_channels_are_mixed() -> None:
    samples, _ = read_wave(wav(numpy.array([2**14, 0, 2**14, 2**14], "<i2").tobytes(), channels=2))

    assert samples.tolist() == [0.25, 0.5]


COMPRESSED = bytearray(wav(b"\0\0"))
COMPRESSED[20] = 85  # MP3 in a WAV file


@pytest.mark.parametrize("content", [b"", b"RIFF", b"OggS" + bytes(100), bytes(COMPRESSED), wav(b"\0\0" * 9)[:30]])
def test_another_file_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match="not a WAV file"):
        read_wave(content)


def _prepared(task: str, inputs: object) -> object:
    request = RunPipelineRequest(model="org/a", task=task, inputs=inputs)
    ((item,),) = RunPipeline().prepare(None, [request])
    return item.content[0]


def test_a_sound_files_bytes_are_audio_inputs_inline_and_by_reference() -> None:
    content = wav(numpy.array([0, 2**14], "<i2").tobytes(), rate=8_000)

    for inputs in (content, base64.b64encode(content).decode()):
        prepared = _prepared("automatic-speech-recognition", inputs)
        assert (prepared["raw"].tolist(), prepared["sampling_rate"]) == ([0.0, 0.5], 8_000)


def test_a_text_pipeline_reads_bytes_as_text() -> None:
    assert _prepared("text-classification", "größer".encode()) == "größer"
    with pytest.raises(InvalidRequest, match="inputs must be text in UTF-8"):
        _prepared("text-classification", b"\xff")


@pytest.mark.parametrize("task", ["automatic-speech-recognition", "image-classification"])
def test_bytes_of_neither_kind_are_refused(task: str) -> None:
    if task == "image-classification":
        pytest.importorskip("PIL")

    with pytest.raises(InvalidRequest, match="inputs must be"):
        _prepared(task, b"neither")


def test_an_image_files_bytes_are_an_image_input() -> None:
    images = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    images.new("RGB", (3, 2)).save(file, "PNG")

    assert _prepared("image-classification", file.getvalue()).size == (3, 2)
