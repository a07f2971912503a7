"""Dramatiq's hooks: each adapts one part of the worker to the process's life; the parts themselves are elsewhere."""
