"""The model card: a README.md that says where a model comes from and what was measured."""

import platform
from pathlib import Path

CARD = """\
---
license: other
license_name: psf-2.0
library_name: transformers
pipeline_tag: {task}
language: en
---

# {name}

{facts}
The data is part of CPython {python}: nothing was downloaded. Python and its documentation are
Copyright (c) Python Software Foundation, under the
[PSF License Version 2](https://docs.python.org/3/license.html).

Trained by `python -m scripts.train_demo_models`, which also wrote this card.
"""


def write_model_card(folder: Path, name: str, task: str, facts: str) -> None:
    """Write a model's README.md beside its weights."""
    card = CARD.format(name=name, task=task, facts=facts, python=platform.python_version())
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
