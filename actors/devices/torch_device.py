"""What devices of all backends have in common when torch drives them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import torch

from actors.devices.backend import DeviceActivity, DeviceMemory, DeviceName
from actors.errors import DeviceUnavailable

#: How far a float32 result may be from the CPU's before a device is not trusted.
SELF_TEST_TOLERANCE = 1e-2


class TorchDevice:
    """A device that torch moves tensors to with `.to`; see `actors.devices.backend.Device`."""

    dtypes = frozenset({"float32", "float16", "bfloat16"})
    keeps_checkpoint_dtype = True
    reading_dtype: str | None = None
    attention: str | None = None
    identity: str | None = None
    batch_tokens = 16_384
    inference: Callable[[], AbstractContextManager[object]] = torch.inference_mode

    def __init__(self, name: DeviceName, label: str, torch_device: torch.device) -> None:
        self.name, self.label, self.torch_device = name, label, torch_device

    def place_module(self, module: torch.nn.Module) -> torch.nn.Module:
        return module.to(self.torch_device)

    def place_tensors(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {name: tensor.to(self.torch_device) for name, tensor in tensors.items()}

    def memory(self) -> DeviceMemory:
        return DeviceMemory()

    def after_batch(self) -> None:
        """Nothing to read: what torch's drivers tell, they tell every thread."""

    def activity(self) -> DeviceActivity:
        return DeviceActivity()

    def cpu_fallbacks(self) -> Mapping[str, int]:
        return {}  # a missing kernel is an error

    def release(self) -> None:
        """Nothing to give back unless a backend knows how."""

    def self_test(self) -> None:
        """Compares the operations that every transformer needs with the CPU's.

        Raises:
          DeviceUnavailable: When they fail or differ.
        """
        try:
            here, there = self._transformer_step(self.torch_device), self._transformer_step(torch.device("cpu"))
        except RuntimeError as error:
            raise DeviceUnavailable(f"{self.name} ({self.label}) failed its start-up test: {error}") from error
        difference = (here - there).abs().max().item()
        if not difference <= SELF_TEST_TOLERANCE:
            raise DeviceUnavailable(
                f"{self.name} ({self.label}) computes wrong results: {difference:.3g} away from the CPU's"
            )

    def _transformer_step(self, device: torch.device) -> torch.Tensor:
        """Embedding, attention, normalisation and a cache that grows, on fixed numbers; returned on the CPU."""
        table = torch.linspace(-1, 1, 16 * 8).reshape(16, 8).to(device)
        tokens = torch.tensor([[1, 5, 9, 2]]).to(device)
        with self.inference():
            hidden = torch.nn.functional.embedding(tokens, table)
            keys = torch.cat([hidden, hidden], dim=1)
            weights = torch.softmax(hidden @ keys.transpose(1, 2), dim=-1)
            attended = torch.nn.functional.gelu(weights @ keys)
            return torch.nn.functional.layer_norm(attended, (8,)).to("cpu", copy=True)
