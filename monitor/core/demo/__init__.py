"""A simulated cluster of 40 workers with incidents, to learn the monitor on."""
