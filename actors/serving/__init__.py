"""Inference tasks in a worker process with a device: from claimed messages to acknowledged ones."""
