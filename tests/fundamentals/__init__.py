"""The system in the order in which a newcomer meets it, one idea a test."""
