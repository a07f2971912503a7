"""The service's actors. Importing this package sets Dramatiq's broker; it brings no torch."""

from actors.broker import broker
from actors.control import command_worker
from actors.health import publish_cluster_health
from actors.inference import classify, embed, generate, run_pipeline

__all__ = ["broker", "classify", "command_worker", "embed", "generate", "publish_cluster_health", "run_pipeline"]
