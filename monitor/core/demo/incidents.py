"""What goes wrong in the demo, and when; each passes by itself."""

from dataclasses import dataclass
from typing import Literal

#: rush: many more tasks; silent: no beat, later lost; thrash: two models in turns; letters: tasks fail for good;
#: full: another program takes the device's memory; quarantine: different tasks fail; skew: the host's clock is wrong;
#: hung: beats, and takes no tasks.
Kind = Literal["rush", "silent", "thrash", "letters", "full", "quarantine", "skew", "hung"]

#: After so long everything happens again.
CYCLE_SECONDS = 900.0


@dataclass(frozen=True)
class Incident:
    """Something that is wrong from one second of the cycle to another, with a model or with the worker of a number."""

    kind: Kind
    begins: float
    ends: float
    model: str = ""
    worker: int = -1


INCIDENTS = (
    Incident("rush", 70.0, 240.0, model="Qwen/Qwen3-8B"),
    Incident("hung", 80.0, 230.0, worker=5),
    Incident("silent", 100.0, 480.0, worker=12),
    Incident("letters", 150.0, 560.0, model="BAAI/bge-m3"),
    Incident("thrash", 170.0, 320.0, worker=37),
    Incident("full", 200.0, 430.0, worker=9),
    Incident("silent", 230.0, 250.0, worker=20),
    Incident("skew", 260.0, 520.0, worker=30),
    Incident("quarantine", 330.0, 540.0, worker=17),
    Incident("rush", 350.0, 450.0, model="stabilityai/sdxl-turbo"),
)


def happening(kind: Kind, second: float) -> list[Incident]:
    """The incidents of a kind at a second since the demo began."""
    place = second % CYCLE_SECONDS
    return [each for each in INCIDENTS if each.kind == kind and each.begins <= place < each.ends]
