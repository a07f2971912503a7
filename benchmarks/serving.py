"""Embedding tasks in closed loops: the service, what others build, and the limit of one process, in one run.

`python -m benchmarks.serving [--quick] [--json] [--only NAME...] [--device simulated|cpu]` starts a Redis of its own
and one server after another, each with its own client. The simulated device takes 4 ms a batch and 0.1 ms a text.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import NotInstalled, python_with
from benchmarks.own_redis import own_redis
from settings.local_redis import _free_port as free_port

#: The programs find this package here, wherever they are installed.
ROOT = Path(__file__).parents[1]

OUTSTANDING = (1, 8, 32, 64)

#: Importing torch from a cold disk is most of it.
START_SECONDS = 120.0


@dataclass(frozen=True)
class Contender:
    """Something that serves embeddings, and the client that its users would use."""

    name: str
    load: str
    """A kind of `benchmarks.embedders.load`."""
    requirements: tuple[str, ...] = ()
    """What its own environment holds; none is this environment."""
    devices: tuple[str, ...] = ("simulated",)
    serve: Callable[[str, int], list[str]] = lambda device, port: []
    """Its command after the interpreter, for a device and a port."""
    path: str = ""
    """Where it answers over HTTP."""


def _serve_ours(device: str, port: int) -> list[str]:
    module = "benchmarks.embedders.our_simulated" if device == "simulated" else "actors"
    return ["-m", "dramatiq", module, "--processes", "1"]


BOTH = ("simulated", "cpu")

CONTENDERS = (
    Contender("cluster-manager", "ours", devices=BOTH, serve=_serve_ours),
    Contender(
        "dramatiq",
        "dramatiq",
        devices=BOTH,
        serve=lambda device, port: ["-m", "dramatiq", "benchmarks.embedders.dramatiq_app", "--processes", "1"],
    ),
    Contender(
        "celery",
        "celery",
        ("celery[redis]==5.7.0", "hiredis==3.5.0"),
        BOTH,
        lambda device, port: ["-m", "celery", "-A", "benchmarks.embedders.celery_app", "worker", "-c1", "-lERROR"],
    ),
    Contender(
        "litserve",
        "http",
        ("litserve==0.2.19",),
        serve=lambda device, port: ["-m", "benchmarks.embedders.litserve_app", str(port)],
        path="/predict",
    ),
    Contender(
        "mosec",
        "http",
        ("mosec==0.9.8",),
        serve=lambda device, port: ["-m", "benchmarks.embedders.mosec_app", "--port", str(port), "--timeout", "60000"],
        path="/inference",
    ),
    Contender(
        "bentoml",
        "http",
        ("bentoml==1.4.39",),
        serve=lambda device, port: [
            *("-m", "bentoml", "serve", "benchmarks.embedders.bentoml_app:Embedder"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        path="/embed",
    ),
)


def main() -> None:
    """Runs what is asked for and prints its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--quick", action="store_true", help="two seconds a figure, rougher numbers")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these contenders")
    parser.add_argument("--device", choices=BOTH, help="this device; both when not given")
    arguments = parser.parse_args()
    chosen = [contender for contender in CONTENDERS if contender.name in arguments.only]
    devices = (arguments.device,) if arguments.device else BOTH
    report = _measure(chosen, devices, seconds=2.0 if arguments.quick else 8.0)
    print(json.dumps(report, indent=2) if arguments.json else _text(report))


def _measure(chosen: list[Contender], devices: tuple[str, ...], seconds: float) -> dict[str, Any]:
    from benchmarks.machine import describe_machine

    interpreters = _interpreters(chosen)
    report: dict[str, Any] = {"machine": describe_machine(), "seconds": seconds, "devices": {}}
    with tempfile.TemporaryDirectory() as folder, own_redis(Path(folder)) as redis_url:
        for device in devices:
            environment = _environment(Path(folder), redis_url, device)
            limit = _answer([sys.executable, "-m", "benchmarks.embedders.limits", str(seconds)], environment)
            report["devices"][device] = {"limit": limit, "contenders": {}}
            for one in (one for one in chosen if one.name in interpreters and device in one.devices):
                levels = _levels(one, interpreters[one.name], device, environment, seconds)
                report["devices"][device]["contenders"][one.name] = levels
    return report


def _interpreters(chosen: list[Contender]) -> dict[str, str]:
    """Those whose environments can be made; the others are named and left out."""
    interpreters = {}
    for contender in chosen:
        try:
            interpreters[contender.name] = python_with(contender.requirements)
        except NotInstalled as error:
            print(f"{contender.name} is left out: {error}", file=sys.stderr)
    return interpreters


def _environment(folder: Path, redis_url: str, device: str) -> dict[str, str]:
    """The same for all: where Redis and the model are, and which device is served."""
    from actors.demo.models import EMBEDDING_MODEL, build_model_folder

    models = build_model_folder(folder / "models")
    # An accelerator takes whatever waits.
    batch_tokens = {"BATCH_TOKENS": "1000000"} if device == "simulated" else {}
    return {
        **os.environ,
        **batch_tokens,
        "PYTHONPATH": str(ROOT),
        "STATE_DIR": str(folder),
        "REDIS_URL": redis_url,
        "PEER_REDIS_URL": redis_url.removesuffix("/0") + "/2",
        "GPU_DEVICES": "cpu",
        "MODEL_MANAGER_PATH": str(models),
        "BENCHMARK_MODEL": str(models / EMBEDDING_MODEL),
        "BENCHMARK_DEVICE": device,
        "BENCHMARK_LIBRARIES": sysconfig.get_path("purelib"),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _levels(
    contender: Contender, interpreter: str, device: str, environment: Mapping[str, str], seconds: float
) -> list[dict[str, float]]:
    port = free_port()
    environment = {**environment, "PEER_HTTP": f"127.0.0.1 {port} {contender.path}"}
    if contender.load != "ours":
        # Their best on the CPU: torch's threads spin while they wait, which costs Celery nine tenths of its rate.
        environment["OMP_NUM_THREADS"] = "1"
    log = Path(environment["STATE_DIR"]) / f"{contender.name}-{device}.log"
    with _running([interpreter, *contender.serve(device, port)], environment, log):
        if contender.load == "http":
            _wait_until_it_serves(port, contender.path, log)
        outstanding = map(str, OUTSTANDING)
        command = [interpreter, "-m", "benchmarks.embedders.load", contender.load, str(seconds), *outstanding]
        levels: list[dict[str, float]] = _answer(command, environment)
        return levels


@contextmanager
def _running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """A server and its children, in a session of their own so that all of them end."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield
    finally:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(timeout=20)
        with suppress(ProcessLookupError):  # LitServe leaves its workers behind, which would take part in what follows
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_until_it_serves(port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while problem := asyncio.run(_what_is_wrong(port, path)):
        if time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-1500:]
            raise SystemExit(f"{log.stem} does not answer: {problem!r}. Its log ends:\n{tail}")
        time.sleep(0.2)


async def _what_is_wrong(port: int, path: str) -> Exception | None:
    """Why a server does not answer yet."""
    from benchmarks.embedders.load import post, request_body

    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await post(reader, writer, path, request_body(path, "a text"))
        writer.close()
    except (OSError, IndexError, asyncio.IncompleteReadError) as error:
        return error
    return None


def _answer(command: list[str], environment: Mapping[str, str]) -> Any:
    """What a program of this package prints as JSON."""
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _text(report: dict[str, Any]) -> str:
    blocks = [_table(device, measured) for device, measured in report["devices"].items()]
    return "\n\n".join([str(report["machine"]), *blocks])


def _table(device: str, measured: dict[str, Any]) -> str:
    limit, lines = measured["limit"], []
    lines.append(f"{device}: per second (p50 / p99 ms); a lone text takes {limit['lone_ms']} ms in process")
    lines.append(f"{'outstanding':<18}" + "".join(f"{outstanding:>26}" for outstanding in OUTSTANDING))
    lines.append(f"{'in process':<18}" + "".join(f"{limit['per_second'][str(n)]:>26,.0f}" for n in OUTSTANDING))
    for name, levels in measured["contenders"].items():
        cells = [f"{level['per_second']:,.0f} ({level['p50_ms']:.1f} / {level['p99_ms']:.1f})" for level in levels]
        lines.append(f"{name:<18}" + "".join(f"{cell:>26}" for cell in cells))
    return "\n".join([*lines, *_ratios(measured)])


def _ratios(measured: dict[str, Any]) -> list[str]:
    """The service's throughput over each other's."""
    contenders = dict(measured["contenders"])
    if (ours := contenders.pop("cluster-manager", None)) is None:
        return []
    lone_ms = measured["limit"]["lone_ms"]
    others = {name: [level["per_second"] for level in levels] for name, levels in contenders.items()}
    others = {"in process": [measured["limit"]["per_second"][str(n)] for n in OUTSTANDING], **others}
    lines = [f"A lone task takes {ours[0]['p50_ms'] - lone_ms:.2f} ms more than in process."]
    for name, rates in others.items():
        cells = [f"{level['per_second'] / rate:>25.2f}x" for level, rate in zip(ours, rates, strict=True)]
        lines.append(f"{'ours / ' + name:<18}" + "".join(cells))
    return lines


if __name__ == "__main__":
    main()
