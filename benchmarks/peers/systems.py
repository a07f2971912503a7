"""The systems that are compared: what is installed, how workers are started, and which settings that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from actors.demo.models import SHIPPED_MODELS

#: Arguments of Python, a list for each program that is started.
Commands = list[list[str]]


@dataclass(frozen=True)
class System:
    """One way to run one library."""

    name: str
    app: str
    """The module in `benchmarks.peers`."""
    settings: str
    """What differs from the library's defaults, for the report."""
    workers: Callable[[int], Commands]
    """The programs of so many worker processes."""
    requirements: Sequence[str] = ()
    """What its virtual environment holds; empty for this project's own environment."""
    variant: str = ""
    """What the app reads from BENCHMARK_CLIENT."""
    drain_tasks: int = 5_000
    """Fewer for a system that would take minutes."""
    environment: Mapping[str, str] = field(default_factory=dict)
    is_quick: bool = False
    """Whether `--quick` measures it when nobody names systems."""
    counts_idle_commands: bool = False


def _dramatiq(app: str) -> Callable[[int], Commands]:
    return lambda processes: [["-m", "dramatiq", f"benchmarks.peers.{app}", "--processes", str(processes)]]


def _celery(*options: str) -> list[str]:
    return ["-m", "celery", "-A", "benchmarks.peers.celery_app", "worker", "--loglevel", "WARNING", *options]


def _celery_prefork(processes: int) -> Commands:
    return [_celery("--concurrency", str(processes))]


def _celery_threads(processes: int) -> Commands:
    options = ("--pool", "threads", "--concurrency", "8", "--hostname")
    return [_celery(*options, f"noop{number}@%h") for number in range(processes)]


def _rq(worker_class: str) -> Callable[[int], Commands]:
    command = ["-m", "rq.cli", "worker", "noop", "--quiet", "--worker-class", worker_class]
    return lambda processes: [command] * processes


def _taskiq(processes: int) -> Commands:
    app = "benchmarks.peers.taskiq_app:broker"
    return [["-m", "taskiq", "worker", app, "--workers", str(processes), "--log-level", "WARNING"]]


def _arq(processes: int) -> Commands:
    app = "benchmarks.peers.arq_app"
    return [["-m", "arq", f"{app}.WorkerSettings", "--custom-log-dict", f"{app}.QUIET"]] * processes


_DRAMATIQ = ("dramatiq[redis]==2.2.1", "hiredis==3.5.0")
_CELERY = ("celery[redis]==5.7.0", "hiredis==3.5.0")
_RQ = ("rq==3.0.0", "hiredis==3.5.0")
_TASKIQ = ("taskiq[orjson,uv]==0.13.0", "taskiq-redis==1.2.4", "hiredis==3.5.0")
_ARQ = ("arq==0.28.0",)

#: Workers on the CPU, and a store with the model that tasks name.
_OURS = {"GPU_DEVICES": "cpu:0,cpu:1", "CPU_THREADS": "1", "MODEL_MANAGER_PATH": str(SHIPPED_MODELS)}

#: The system that the others are compared with.
BASELINE = "ours"

SYSTEMS = (
    System(
        *("ours", "ours_app", "defaults; an embed that computes nothing, with every check; AsyncClient"),
        workers=_dramatiq("ours_worker"),
        environment=_OURS,
        is_quick=True,
        counts_idle_commands=True,
    ),
    System(
        *("ours-client", "ours_app", "the same with Client in one thread"),
        workers=_dramatiq("ours_worker"),
        variant="threads",
        environment=_OURS,
    ),
    System(
        *("dramatiq", "dramatiq_app", "defaults (8 threads), Results with RedisBackend"),
        workers=_dramatiq("dramatiq_app"),
        requirements=_DRAMATIQ,
        is_quick=True,
        counts_idle_commands=True,
    ),
    System(
        *("celery-prefork", "celery_app", "worker_prefetch_multiplier 64"),
        workers=_celery_prefork,
        requirements=_CELERY,
        is_quick=True,
    ),
    System(
        *("celery-threads", "celery_app", "worker_prefetch_multiplier 64, --pool threads --concurrency 8"),
        workers=_celery_threads,
        requirements=_CELERY,
    ),
    System(
        *("rq", "rq_app", "Worker (forks for each job)"),
        workers=_rq("rq.worker.Worker"),
        requirements=_RQ,
        variant="forked",
        drain_tasks=500,
    ),
    System(
        *("rq-simple", "rq_app", "SimpleWorker"),
        workers=_rq("rq.worker.SimpleWorker"),
        requirements=_RQ,
    ),
    System(
        *("taskiq", "taskiq_app", "RedisStreamBroker, uvloop, check_interval 0.2 (default)"),
        workers=_taskiq,
        requirements=_TASKIQ,
    ),
    System(
        *("taskiq-tuned", "taskiq_app", "ListQueueBroker (no acknowledgements), uvloop, check_interval 0.01"),
        workers=_taskiq,
        requirements=_TASKIQ,
        variant="tuned",
    ),
    System(
        *("arq", "arq_app", "poll_delay 0.5 (default), max_jobs 10"),
        workers=_arq,
        requirements=_ARQ,
        drain_tasks=1_000,
    ),
    System(
        *("arq-tuned", "arq_app", "poll_delay 0.01 in worker and result, max_jobs 10"),
        workers=_arq,
        requirements=_ARQ,
        variant="tuned",
        drain_tasks=2_000,
    ),
)
