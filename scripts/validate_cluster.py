"""`python scripts/validate_cluster.py`: checks the cluster as this host sees it, and says how to mend what is wrong.

Exits with 0 when all is well, 1 when a check failed, 2 when Redis does not answer and nothing else could be checked.
"""

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":  # a script's own folder is on the path, and not the one that it belongs to
    sys.path.insert(0, str(Path(__file__).parent.parent))

from scripts.cluster_checks.check import Check
from scripts.cluster_checks.report import as_json, as_text
from settings.config import InvalidConfiguration, read_settings

#: Reached by name once the settings are right: importing the actors reads them.
CLUSTER_CHECKS = "scripts.cluster_checks.cluster"

#: Exit codes.
HEALTHY, TROUBLE, UNKNOWN = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the checks, prints them, and returns the exit code."""
    options = _parser().parse_args(arguments)
    checks = []
    for check in _checks(options.model, options.timeout):
        checks.append(check)
        if not options.json:
            print(as_text(check), flush=True)
    if options.json:
        print(as_json(checks))
    return _exit_code(checks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Checks the cluster as this host sees it.")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON, all at the end")
    parser.add_argument("--timeout", metavar="SECONDS", type=float, default=60.0, help="for all workers to answer: 60")
    parser.add_argument("--model", metavar="ID", help="the model to try the workers with: the smallest that there is")
    return parser


def _checks(model: str | None, timeout_seconds: float) -> Iterator[Check]:
    try:
        settings = read_settings()
    except InvalidConfiguration as error:
        yield Check("settings", "failed", str(error), "correct it in .env or in the environment")
        return
    yield Check("settings", "ok", "can be used")
    yield from importlib.import_module(CLUSTER_CHECKS).check_cluster(settings, model, timeout_seconds)


def _exit_code(checks: Sequence[Check]) -> int:
    failed = [check.name for check in checks if check.status == "failed"]
    if "redis" in failed:
        return UNKNOWN
    return TROUBLE if failed else HEALTHY


if __name__ == "__main__":
    sys.exit(main())
