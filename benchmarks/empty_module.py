"""What the engine looks at in a module, for models that are not there."""

import torch
from transformers import PretrainedConfig


class EmptyModule(torch.nn.Module):
    """A model without weights, and without a limit to its context."""

    def __init__(self) -> None:
        super().__init__()
        self.config = PretrainedConfig()
