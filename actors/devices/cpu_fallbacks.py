"""How often torch-directml left an operator to the CPU, as its warnings tell."""

import logging
import re
import warnings
from collections import Counter
from typing import TextIO

import torch

logger = logging.getLogger(__name__)

_WARNING = re.compile(r"The operator '([^']+)' is not currently supported on the DML backend")


class CpuFallbacks:
    """Counts in the thread that computes; any thread may read `calls`."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()

    @property
    def calls(self) -> dict[str, int]:
        """How often each operator was computed on the CPU."""
        return dict(self._calls)

    def listen(self) -> None:
        """Takes these warnings from those that Python prints, for the rest of the process."""
        # Otherwise torch-directml warns of the first such operator only, and of no other in the whole process.
        torch.set_warn_always(True)
        warnings.filterwarnings("always", _WARNING.pattern, UserWarning)
        show = warnings.showwarning

        def count_or_show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not self._count(str(message)):
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = count_or_show

    def _count(self, text: str) -> bool:
        if not (warning := _WARNING.match(text)):
            return False
        operator = warning[1]
        if operator not in self._calls:
            logger.warning("DirectML has no kernel for %s; the CPU computes it, which takes longer.", operator)
        self._calls[operator] += 1
        return True
