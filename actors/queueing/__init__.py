"""How tasks come out of Redis, and how results and streams go back through it."""
