"""Trains the demo models: ``python -m scripts.train_demo_models --out actors/demo/models``."""

import argparse
from pathlib import Path

import torch
from transformers import set_seed
from transformers.utils import logging

from scripts.train_demo_models import docs_writer, text_kind


def main() -> None:
    """Train both models, each from the same seed, and print what they weigh."""
    options = _parse_options()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    torch.set_num_threads(1)  # small tensors gain nothing from more threads, and lose repeatability

    set_seed(options.seed)
    docs_writer.make_docs_writer(_fresh_folder(options.out, docs_writer.NAME), options.seconds)
    set_seed(options.seed)
    text_kind.make_text_kind(_fresh_folder(options.out, text_kind.NAME), options.seconds, options.seed)

    for path in sorted(options.out.rglob("*.*")):
        print(f"{path.stat().st_size:9,} bytes  {path.relative_to(options.out)}")


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.train_demo_models", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("actors/demo/models"), help="folder of models (%(default)s)")
    parser.add_argument("--seconds", type=float, default=600, help="most seconds a model trains (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same weights on one machine (%(default)s)")
    return parser.parse_args()


def _fresh_folder(out: Path, name: str) -> Path:
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
