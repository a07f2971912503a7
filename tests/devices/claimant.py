"""A process that claims a device, says so, and holds it until it ends; its arguments: LOCK_DIR START DEVICE…"""

import sys
from pathlib import Path

from actors.devices.backend import DeviceName
from actors.devices.claim import claim_device
from actors.errors import DeviceUnavailable


def main() -> None:
    lock_dir, start, *devices = sys.argv[1:]
    try:
        claim = claim_device([DeviceName.parse(device) for device in devices], Path(lock_dir), start)
        print(claim.name if claim else "stands by", flush=True)
    except DeviceUnavailable as unavailable:
        print(unavailable, flush=True)
        return
    if sys.stdin.readline().strip() == "release" and claim:
        claim.release()
        print("released", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
