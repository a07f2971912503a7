"""The devices that models run on: one backend a file, reached by name, so that torch comes only where it is used."""
