"""From a model's id to a folder of verified files."""
