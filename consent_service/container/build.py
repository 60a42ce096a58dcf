"""Puts the slices on the floors.

In: settings. Out: a `Container` that routes and workers reach their services through. Building starts nothing
that runs by itself but the development timestamp authority; `close` lets go of everything.
"""

from dataclasses import dataclass, fields

from consent_service.container.core import Core, build_core
from consent_service.container.keys import create_missing
from consent_service.db.engine import create_database
from consent_service.db.migrate import upgrade
from consent_service.kernel.clock import Clock, SystemClock
from consent_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Container(Core):
    """One running service: the floors, and the slices on them."""

    def close(self) -> None:
        """Stop the jobs of this process and let go of everything."""
        self.runtime.shutdown()
        self.resources.close()


def build(settings: Settings, clock: Clock | None = None) -> Container:
    """Put a service together on an initialised data folder.

    Raises:
        UnavailableError: Keys or policies are missing, broken, or not fit for this environment.
    """
    core = build_core(settings, clock)
    floors = {field.name: getattr(core, field.name) for field in fields(core)}
    return Container(**floors)


def initialise(settings: Settings, clock: Clock | None = None) -> tuple[str, ...]:
    """Make what is missing (folders, keys, schema) and return what was made. Safe to run again.

    Raises:
        UnavailableError: The master key is gone while it is still needed.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = create_missing(settings, clock or SystemClock())
    engine = create_database(settings.database)
    try:
        upgrade(engine)
    finally:
        engine.dispose()
    return made
