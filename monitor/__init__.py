"""The dashboard: what the cluster's queues and workers do right now, read from Redis alone."""
