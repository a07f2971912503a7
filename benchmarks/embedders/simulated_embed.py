"""`embed` on a simulated accelerator: everything but the forward is the service's own."""

import time
from collections.abc import Sequence

import numpy

from actors.engine.loader import LoadedModel
from actors.engine.tasks.embed import Embed
from actors.engine.work import Deliver, Output, Row
from benchmarks.embedders.model import BATCH_SECONDS, ITEM_SECONDS, VECTOR_SIZE

_VECTOR = numpy.linspace(-1, 1, VECTOR_SIZE)


class SimulatedEmbed(Embed):
    """Tokenises and encodes for real, and sleeps where the model would compute."""

    def compute(self, model: LoadedModel, rows: Sequence[Row], deliver: Deliver) -> None:
        time.sleep(BATCH_SECONDS + ITEM_SECONDS * len(rows))
        for row in rows:
            deliver(row, Output(_VECTOR))
