"""Trains the two tiny, real models that the demo and the tests use."""
