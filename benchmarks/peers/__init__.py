"""The task queues that `benchmarks.queue` compares: one app each, and the program that measures them all alike.

An app runs in its system's own virtual environment, in the worker and in the client, so only this project's own app
imports anything of ours.
"""
