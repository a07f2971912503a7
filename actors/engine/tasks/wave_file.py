"""WAV files to samples, with what Python brings; other sound files need a decoder that a worker may not have."""

import io
import wave
from typing import Any

import numpy


def read_wave(content: bytes) -> tuple[Any, int]:
    """The samples of uncompressed audio from -1 to 1, its channels mixed, and their number in a second.

    Raises:
      ValueError: When it is not a WAV file, or is compressed.
    """
    try:
        with wave.open(io.BytesIO(content)) as clip:
            channels, rate = clip.getnchannels(), clip.getframerate()
            samples = _samples(clip.readframes(clip.getnframes()), clip.getsampwidth())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"not a WAV file: {error}") from None
    if rate < 1:
        raise ValueError("not a WAV file: it has no sampling rate")
    return samples.reshape(-1, channels).mean(axis=1, dtype=numpy.float32), rate


def _samples(frames: bytes, width: int) -> Any:
    if width == 1:  # the only unsigned one
        return numpy.frombuffer(frames, "u1").astype(numpy.float32) / 128 - 1
    if width == 3:  # as four bytes, the lowest of them 0
        frames = numpy.pad(numpy.frombuffer(frames, "u1").reshape(-1, 3), ((0, 0), (1, 0))).tobytes()
        width = 4
    return numpy.frombuffer(frames, f"<i{width}").astype(numpy.float32) / 2.0 ** (8 * width - 1)
