"""The broker and its middleware in boot order: the worker's architecture on one screen."""

import os

import dramatiq
from dramatiq.middleware import AgeLimit, CurrentMessage, Middleware
from dramatiq.results import Results
from periodiq import PeriodiqMiddleware

from actors.middleware.cancelling import Cancelling
from actors.middleware.delivery_limit import DeliveryLimit
from actors.middleware.device_claim import DeviceClaim
from actors.middleware.device_loss import DeviceLoss
from actors.middleware.engine_life import EngineLife
from actors.middleware.failure_answer import FailureAnswer
from actors.middleware.heartbeat import Heartbeat
from actors.middleware.local_redis import LocalRedis
from actors.middleware.log_privacy import LogPrivacy
from actors.middleware.next_tasks import LastingCallbacks, LastingPipelines
from actors.middleware.own_queue import OwnQueue
from actors.middleware.recovery import RecoveryLife
from actors.middleware.recycling import Recycling
from actors.middleware.retries import Retries
from actors.middleware.time_limit import ThreadTimeLimit
from actors.queueing.broker import ClusterBroker
from actors.queueing.cancellations import Cancellations
from actors.queueing.results import ResultBackend
from settings import keys
from settings.config import Settings, current_settings
from settings.connections import queue_client

#: Milliseconds of silence after which a process's tasks are given to others. The same in every process, gateways too.
HEARTBEAT_TIMEOUT_MS = 60_000

#: Never: `actors.queueing.recovery` does what Dramatiq's maintenance does, sooner and without KEYS.
MAINTENANCE_CHANCE_PER_MILLION = 0

#: Dead letters are kept for a day.
DEAD_MESSAGE_TTL_MS = 86_400_000

#: The task's own deadline comes first; Dramatiq's limit is for a thread that does not look at it.
TIME_LIMIT_MARGIN_SECONDS = 60


def create_broker(settings: Settings) -> ClusterBroker:
    """The broker of gateways, workers and the scheduler; hooks for workers do nothing in the others."""
    results, result_ttl_ms = ResultBackend(settings), settings.result_ttl * 1000
    return ClusterBroker(
        swap_max_wait=settings.swap_max_wait,
        client=queue_client(settings),
        namespace=keys.DRAMATIQ_NAMESPACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=MAINTENANCE_CHANCE_PER_MILLION,
        dead_message_ttl=DEAD_MESSAGE_TTL_MS,
        middleware=[
            *_task_hooks(settings, results, result_ttl_ms),
            *_worker_hooks(settings, results),
        ],
    )


def _task_hooks(settings: Settings, results: ResultBackend, result_ttl_ms: int) -> list[Middleware]:
    return [
        AgeLimit(),
        ThreadTimeLimit(time_limit=(settings.task_timeout + TIME_LIMIT_MARGIN_SECONDS) * 1000),
        LastingCallbacks(),
        LastingPipelines(),
        FailureAnswer(results, result_ttl_ms),
        Retries(),
        CurrentMessage(),
        Results(backend=results, store_results=True, result_ttl=result_ttl_ms),
        PeriodiqMiddleware(skip_delay=30),
    ]


def _worker_hooks(settings: Settings, results: ResultBackend) -> list[Middleware]:
    worker_id = f"{settings.host_name}-{os.getpid()}"
    claim, cancellations = DeviceClaim(settings), Cancellations(results.client)
    delivery_limit, recycling, device_loss = DeliveryLimit(claim, worker_id), Recycling(), DeviceLoss(claim, worker_id)
    return [
        LogPrivacy(),
        LocalRedis(settings),
        recycling,
        device_loss,
        claim,
        RecoveryLife(claim, worker_id),
        delivery_limit,
        Heartbeat(settings, claim, worker_id),
        OwnQueue(worker_id),
        EngineLife(settings, claim, worker_id, cancellations, delivery_limit, recycling, device_loss),
        Cancelling(claim, cancellations),
    ]


broker = create_broker(current_settings())
dramatiq.set_broker(broker)
