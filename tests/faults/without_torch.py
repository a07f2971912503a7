"""Named after `actors` on Dramatiq's command line: the real broker, hooks and actors on an engine without torch."""

from actors.middleware import engine_life
from tests import stand_in_engine

engine_life.ENGINE_MODULE = stand_in_engine.MODULE
