"""Models on one device: waiting rows become batches, one thread computes them. Knows nothing of Dramatiq or Redis."""
