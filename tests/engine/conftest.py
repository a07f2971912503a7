"""Hypothesis on a busy machine: slow is not wrong."""

from hypothesis import HealthCheck, settings

settings.register_profile("cluster-manager", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("cluster-manager")
