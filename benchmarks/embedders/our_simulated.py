"""The service's worker with the simulated accelerator: `dramatiq benchmarks.embedders.our_simulated --processes 1`."""

import actors  # noqa: F401  # the broker and the actors
from actors.engine.task import TASKS

TASKS["embed"] = ("benchmarks.embedders.simulated_embed", "SimulatedEmbed")
