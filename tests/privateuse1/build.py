"""Builds the pretend adapters of `device.cpp`, once for each torch and each version of the source."""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

from filelock import FileLock

#: As `device.cpp` names it.
MODULE_NAME = "fake_adapters"
SOURCE = Path(__file__).resolve().with_name("device.cpp")
SITE = SOURCE.with_name("site")
CACHE = SOURCE.parents[2] / ".cache" / "privateuse1"

#: Seconds to wait for another process that is building: a minute on a busy machine, and room to spare.
LOCK_TIMEOUT_SECONDS = 600


def why_not() -> str | None:
    """The one-sentence reason why the adapters cannot be built here, or `None` when they can."""
    if sys.platform != "linux":
        return "The pretend adapters are built on Linux only."
    if importlib.util.find_spec("torch") is None:
        return "torch is not installed."
    if _compiler() is None:
        return "There is no C++ compiler on the PATH (g++, clang++ or the one that CXX names)."
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "The headers of this Python are not installed (python3-dev)."
    return None


def build() -> Path:
    """Returns the folder of the built extension, building it first when no one has."""
    extension = _extension()
    if not extension.exists():
        extension.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(extension.with_suffix(".lock"), timeout=LOCK_TIMEOUT_SECONDS):
            if not extension.exists():
                _compile(extension)
    return extension.parent


def load() -> ModuleType:
    """Returns the extension, which is also the tests' way to an adapter's bytes, limit and loss."""
    if MODULE_NAME not in sys.modules:
        build()
        spec = importlib.util.spec_from_file_location(MODULE_NAME, _extension())
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[MODULE_NAME] = module
    return sys.modules[MODULE_NAME]


def _extension() -> Path:
    source_hash = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    folder = f"{importlib.metadata.version('torch')}-{source_hash}"
    return CACHE / folder / f"{MODULE_NAME}{sysconfig.get_config_var('EXT_SUFFIX')}"


def _compiler() -> str | None:
    names = (os.environ.get("CXX"), "g++", "clang++", "c++")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def _compile(extension: Path) -> None:
    # Under another name until it is complete: a process that dies while building leaves nothing that looks built.
    unfinished = extension.with_suffix(".unfinished")
    subprocess.run(_compile_command(unfinished), check=True)
    unfinished.replace(extension)


def _compile_command(output: Path) -> list[str]:
    import torch

    assert torch.__file__ is not None
    library = Path(torch.__file__).parent
    headers = library / "include"
    return [
        _compiler() or "c++",
        *("-O1", "-std=c++20", "-fPIC", "-shared", "-w"),
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        *(f"-I{folder}" for folder in (headers, headers / "torch/csrc/api/include", sysconfig.get_path("include"))),
        *("-o", str(output), str(SOURCE)),
        *(f"-L{library / 'lib'}", "-lc10", "-ltorch_cpu"),
    ]
