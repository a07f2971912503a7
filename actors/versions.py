"""The installed versions of what a task's outcome depends on, without importing any of it."""

import importlib.metadata
from functools import cache

PACKAGES = ("cluster-manager", "torch", "torch-directml", "transformers")


@cache
def installed_versions() -> dict[str, str]:
    """Package → version; what is not installed is left out."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
