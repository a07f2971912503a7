"""Checks as text for people and as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from scripts.cluster_checks.check import Check

#: Lines are printed as checks end, before the longest name is known.
NAME_CELLS = 30


def as_text(check: Check) -> str:
    """One line, and what mends it below."""
    line = f"{check.status:<8} {check.name:<{NAME_CELLS}} {check.detail}"
    return f"{line}\n{'':<8} -> {check.mend}" if check.mend else line


def as_json(checks: Sequence[Check]) -> str:
    """`{"ok": …, "checks": [{"name": …, "status": …, "detail": …, "mend": …}]}`."""
    is_ok = all(check.status != "failed" for check in checks)
    return json.dumps({"ok": is_ok, "checks": [asdict(check) for check in checks]}, indent=2)
