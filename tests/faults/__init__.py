"""Processes, devices and connections that fail at the worst moment."""
