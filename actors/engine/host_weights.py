"""A module's weights in host memory, and the places in the module that they belong to."""

import torch


class HostWeights:
    """Copies of all parameters and buffers. What is one tensor in several places, such as tied weights, stays one."""

    def __init__(self, module: torch.nn.Module) -> None:
        self._copies: dict[int, torch.Tensor] = {}
        self._places: list[tuple[torch.nn.Module, str, bool, torch.Tensor]] = []
        for part in module.modules():
            for name, tensor in part.named_parameters(recurse=False, remove_duplicate=False):
                self._places.append((part, name, True, self._copy_of(tensor)))
            for name, tensor in part.named_buffers(recurse=False, remove_duplicate=False):
                self._places.append((part, name, False, self._copy_of(tensor)))
        self._copies.clear()  # ids of tensors that may end before this does

    def put_back(self) -> None:
        """Gives the module these weights; what it had elsewhere is free unless others hold it."""
        parameters: dict[int, torch.nn.Parameter] = {}
        for part, name, is_parameter, copy in self._places:
            if is_parameter and id(copy) not in parameters:
                # A new one each time: moving a module to a device changes its parameters themselves.
                parameters[id(copy)] = torch.nn.Parameter(copy, requires_grad=False)
            setattr(part, name, parameters[id(copy)] if is_parameter else copy)

    def _copy_of(self, tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in self._copies:
            self._copies[id(tensor)] = tensor.detach().to("cpu", copy=True)
        return self._copies[id(tensor)]


def tensor_bytes(module: torch.nn.Module) -> int:
    """What parameters and buffers take; shared ones count once."""
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
