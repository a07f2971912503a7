"""The service's actors. Importing this package sets Dramatiq's broker; it brings no torch."""

from actors.broker import broker
from actors.health import publish_cluster_health
from actors.inference import classify, embed, generate, run_pipeline

__all__ = ["broker", "classify", "embed", "generate", "publish_cluster_health", "run_pipeline"]
