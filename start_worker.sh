#!/bin/sh
# start_worker.sh [DEVICE ...]: one worker process for each device; without arguments all of GPU_DEVICES.

# .env and the packages are found beside this file, wherever it is called from.
CDPATH='' cd -- "$(dirname -- "$0")" || exit 1

# Installing is the operator's decision: a start must not wait for a download, or change what runs.
if [ ! -x .venv/bin/python ]; then
    echo "No virtual environment in $PWD/.venv: make one here with" >&2
    echo "  python3 -m venv .venv && .venv/bin/pip install -e '.[inference]'" >&2
    exit 1
fi

# exec: a service manager's signals reach the launcher itself, which lets its workers finish.
exec .venv/bin/python -m actors.launch "$@"
