"""Measurements of the running system, each against a peer or a limit in the same run."""
