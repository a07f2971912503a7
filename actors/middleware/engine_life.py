"""Starts the engine on the claimed device and ends it after the last task."""

import importlib
import logging
import os
from functools import partial
from typing import cast

from dramatiq import Broker, Worker
from dramatiq.middleware import Middleware

from actors.context import DeviceWorker, device_worker, set_device_worker
from actors.errors import DeviceUnavailable
from actors.middleware.delivery_limit import DeliveryLimit
from actors.middleware.device_claim import DeviceClaim, WorkerCannotStart
from actors.middleware.device_loss import DeviceLoss
from actors.middleware.recycling import Recycling
from actors.model_store.origin import Origin
from actors.queueing.broker import ClusterBroker
from actors.queueing.cancellations import Cancellations
from actors.queueing.inputs import open_inputs
from actors.queueing.results import result_backend
from actors.queueing.streams import StreamPublisher
from actors.serving.footprints import ceilings_of_others, footprints_of_others
from actors.serving.inference_task import Surroundings
from actors.serving.preloading import preload
from actors.serving.registration import Registration
from actors.serving.tasks_in_hand import TasksInHand
from settings.config import Settings

logger = logging.getLogger(__name__)

#: Reached by name: importing it imports torch, which only a process with a device needs.
ENGINE_MODULE = "actors.engine.engine"

#: Tasks end by TASK_TIMEOUT; this much later a process ends without them.
STOP_MARGIN_SECONDS = 30

#: Read by libraries when they are imported. Threads that spin while they wait for one another take the cores from the
#: other processes of the host; and nothing is ever fetched from the Hub.
ENGINE_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


class EngineLife(Middleware):
    """Runs in worker processes that hold a device; in all others every hook does nothing."""

    def __init__(
        self,
        settings: Settings,
        claim: DeviceClaim,
        worker_id: str,
        cancellations: Cancellations,
        delivery_limit: DeliveryLimit,
        recycling: Recycling,
        device_loss: DeviceLoss,
    ) -> None:
        self._settings, self._claim, self._worker_id = settings, claim, worker_id
        self._cancellations, self._delivery_limit, self._recycling = cancellations, delivery_limit, recycling
        self._device_loss = device_loss
        self._registration: Registration | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread, after the claim."""
        if (name := self._claim.device) is None:
            return
        for variable, value in ENGINE_ENVIRONMENT.items():
            os.environ.setdefault(variable, value)
        try:
            engine = importlib.import_module(ENGINE_MODULE).Engine(name, self._settings)
            device = engine.start()
        except (DeviceUnavailable, ImportError) as error:
            raise WorkerCannotStart(f"This worker cannot start on {name}: {error}.") from None
        except Exception as error:
            # Dramatiq would log it and go on without a device.
            logger.exception("The engine cannot be started.")
            raise WorkerCannotStart(f"This worker cannot start on {name}: {error}.") from error
        self._streams = StreamPublisher(result_backend(broker).client, self._settings.result_ttl)
        inputs = open_inputs(result_backend(broker).client, self._settings)
        surroundings = Surroundings(self._worker_id, device, engine, self._streams, inputs, self._settings)
        tasks = TasksInHand(cast("ClusterBroker", broker), surroundings, self._cancellations, self._delivery_limit)
        running = DeviceWorker(self._worker_id, device, engine, tasks)
        set_device_worker(running)
        client = cast("ClusterBroker", broker).client
        engine.footprints.look_up = footprints_of_others(client, running.device_class)
        engine.ceilings.look_up = ceilings_of_others(client, running.device_class)
        engine.unreturned.when_due = self._recycling.request
        engine.when_lost = partial(self._device_loss.note, broker)
        preload(engine, self._settings)

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when tasks are being taken."""
        if (running := device_worker()) and self._settings.model_manager_register and self._settings.model_manager_url:
            origin = Origin(self._settings.model_manager_url, self._settings.model_manager_token)
            host = self._settings.host_name
            self._registration = Registration(origin, self._worker_id, host, running.device)
            self._registration.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, while the consumers still live and say so to Redis; waits for the tasks in hand."""
        if running := device_worker():
            if self._registration:
                self._registration.stop()
            running.engine.stop_bringing()  # a download may take longer than all of the tasks
            running.tasks.stop(self._settings.task_timeout + STOP_MARGIN_SECONDS)
            self._streams.stop()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Main thread, when no task is left or their time is over."""
        if running := device_worker():
            running.engine.stop()
            set_device_worker(None)
