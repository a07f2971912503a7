"""What serves embeddings in `benchmarks.serving`: one app each, the model that all of them run, and their clients.

An app runs in its library's own environment, and finds torch and transformers behind it, in this project's.
"""
