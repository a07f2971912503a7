"""Real tracebacks, made by calling the standard library wrongly."""

import contextlib
import io
import linecache
import random
import traceback
import types
import warnings
from collections.abc import Iterator
from importlib import import_module

from scripts.train_demo_models.corpus import STANDARD_LIBRARY, Document, without_addresses

#: Modules that touch no file, process or socket however they are called, and fail the same way each time.
HARMLESS_MODULES = (
    "array", "ast", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "colorsys", "configparser",
    "copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "email.message", "email.utils", "enum", "fnmatch",
    "fractions", "functools", "hashlib", "heapq", "hmac", "html", "importlib.metadata", "inspect", "ipaddress",
    "itertools", "json", "keyword", "math", "numbers", "operator", "pprint", "queue", "re", "reprlib",
    "shlex", "statistics", "string", "struct", "textwrap", "tokenize", "types", "typing", "unicodedata",
    "urllib.parse", "uuid", "weakref", "xml.etree.ElementTree", "zlib", "zoneinfo",
)  # fmt: skip

AWKWARD_ARGUMENTS = ("", "None", "'spam'", "-1", "[]", "b'\\xff'", "'spam eggs (', 3", "{}, None", "'a', 'b', 'c', 'd'")

#: Everyday mistakes that no single module stands for.
EVERYDAY_FAILURES = (
    "1 / 0", "{}['colour']", "[][3]", "'5' + 5", "None.name", "undefined_name", "int('twelve')", "float('spam')",
    "open('missing-file.txt')", "import_module('no_such_module')", "(1, 2)[2] = 3", "'caf\\xe9'.encode('ascii')",
    "b'\\xff'.decode('utf-8')", "next(iter([]))", "10.0 ** 400", "[].remove(1)", "{1, 2}.pop(3)", "len(42)",
    "a, b = (1, 2, 3)", "(lambda x: x)()", "[1, 2].index(9)", "range(0, 10, 0)", "object().colour",
    "assert sum([1, 2]) == 4, 'the totals differ'", "raise RuntimeError('the queue is closed')",
    "raise TimeoutError('no answer within 30 seconds')", "raise PermissionError(13, 'Permission denied', '/etc/key')",
    "raise ConnectionRefusedError(111, 'Connection refused')", "raise MemoryError", "raise KeyboardInterrupt",
    "raise ValueError('expected a positive number') from KeyError('size')", "raise NotImplementedError('later')",
)  # fmt: skip

#: Where people keep their code; a model that learned this machine's folders would know nothing else.
PROJECTS = ("/home/ada/shop/", "/srv/app/", "C:\\Users\\grace\\work\\", "/Users/alan/code/", "", "./")
FILE_NAMES = ("main.py", "report.py", "worker.py", "views.py", "load_orders.py", "train.py", "cli.py")
FUNCTION_NAMES = ("main", "run", "load_settings", "parse_row", "total_price", "handle_request", "build_index")
LIBRARIES = ("/usr/lib/python3.11", "/usr/local/lib/python3.12", "C:\\Python311\\Lib", "/opt/venv/lib/python3.13")


def tracebacks() -> Iterator[Document]:
    """Yield one document a module, and one an everyday failure."""
    choices = random.Random(0)
    for name in HARMLESS_MODULES:
        calls = [f"{name}.{call}" for call in _wrong_calls(import_module(name))]
        yield Document(name, tuple(_printed_failures(calls, choices)))
    for statement in EVERYDAY_FAILURES:
        yield Document(statement, tuple(_printed_failures([statement] * 6, choices)))


def _wrong_calls(module: types.ModuleType) -> Iterator[str]:
    names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    for name in names:
        if callable(getattr(module, name)) and name != "main":  # which reads our own command line
            yield from (f"{name}({arguments})" for arguments in AWKWARD_ARGUMENTS)


def _printed_failures(statements: list[str], choices: random.Random) -> Iterator[str]:
    for statement in statements:
        printed = _printed_failure(statement, choices)
        if printed:
            yield without_addresses(printed.replace(str(STANDARD_LIBRARY), choices.choice(LIBRARIES)))


def _printed_failure(statement: str, choices: random.Random) -> str | None:
    """Run a statement as a small program and return the traceback it ends with."""
    file_name = choices.choice(PROJECTS) + choices.choice(FILE_NAMES)
    function = choices.choice(FUNCTION_NAMES)
    blank_lines = "\n" * choices.randint(2, 90)
    program = f"{blank_lines}def {function}():\n    {statement}\n\n{function}()\n"
    linecache.cache[file_name] = (len(program), None, program.splitlines(keepends=True), file_name)
    with _silence():
        try:
            exec(compile(program, file_name, "exec"), _imported_names())
        except (Exception, KeyboardInterrupt) as failure:  # noqa: BLE001 - every failure is welcome here
            own_frames = failure.__traceback__.tb_next if failure.__traceback__ else None
            return "".join(traceback.format_exception(type(failure), failure, own_frames))
    return None


def _imported_names() -> dict[str, object]:
    packages = {name.partition(".")[0] for name in HARMLESS_MODULES}
    return {package: import_module(package) for package in packages} | {"import_module": import_module}


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    nowhere = io.StringIO()
    with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
