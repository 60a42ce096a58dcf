"""Recordings made once and kept: composing takes seconds, and tests ask for the same ones again and again.

In: what the studio is asked for. Out: the path of a recording, composed on first demand, by one process only.
"""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from consent_service.biometrics.registry import ModelRegistry
from consent_service.demo.people import Person
from consent_service.demo.performance import Script
from consent_service.demo.studio import Studio, Take


class StudioCache:
    """The studio with a memory on disk; safe to share a folder between processes."""

    def __init__(self, models: ModelRegistry, directory: Path) -> None:
        self._models = models
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    @cached_property
    def studio(self) -> Studio:
        """The studio itself, set up on first use."""
        return Studio(self._models)

    def compose(self, person: Person, script: Script, take: Take | None = None) -> Path:
        """Return `Studio.compose` of these arguments."""
        return self._once(
            ("compose", person, script, take),
            lambda path: self.studio.compose(person, script, path, take),
        )

    def flat_photo(self, person: Person, script: Script, take: Take | None = None) -> Path:
        """Return `Studio.flat_photo` of these arguments."""
        return self._once(
            ("flat_photo", person, script, take),
            lambda path: self.studio.flat_photo(person, script, path, take),
        )

    def two_people(self, speaker: Person, other: Person, script: Script, take: Take | None = None) -> Path:
        """Return `Studio.two_people` of these arguments."""
        return self._once(
            ("two_people", speaker, other, script, take),
            lambda path: self.studio.two_people(speaker, other, script, path, take),
        )

    def _once(self, wanted: tuple[object, ...], make: Callable[[Path], Path]) -> Path:
        name = hashlib.sha256(repr(wanted).encode()).hexdigest()[:24]
        finished = self._directory / f"{name}.mp4"
        with _exclusive(self._directory / f"{name}.lock"):
            if not finished.exists():
                unfinished = self._directory / f"{name}.part.mp4"
                make(unfinished).rename(finished)
        return finished


@contextmanager
def _exclusive(lock: Path) -> Iterator[None]:
    """Let one process at a time pass."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
