"""`python -m actors.demo`: the whole service on this machine, with real models, in one command."""
