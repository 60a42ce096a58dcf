"""A service whose jobs nobody runs yet, and the worker that runs them until it is killed.

The helpers of the tests that need no running service: of crashes and of bad input.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.registry import ModelRegistry
from consent_service.cameos.sealing import Sealer, face_place, voice_place
from consent_service.cameos.tables import LikenessRow
from consent_service.clips.domain import Declaration
from consent_service.clips.record import Clip
from consent_service.container import Container
from consent_service.db.session import transaction
from consent_service.demo.studio import Frame
from consent_service.grants.domain import Grant
from consent_service.grants.terms import GrantTerms
from consent_service.grants.terms import Use as GrantUse
from consent_service.kernel.ids import LikenessId, PersonId, RelyingPartyId, new_id

if TYPE_CHECKING:
    import subprocess


@dataclass(frozen=True, slots=True)
class World:
    """A service whose jobs nobody runs yet, a person enrolled in it, and her clip; one for each test file."""

    container: Container
    person: PersonId
    likeness: LikenessId
    party: RelyingPartyId
    key: str
    declaration: Declaration
    clip: Path
    environment: dict[str, str]


def enrol(container: Container, models: ModelRegistry, still: Frame) -> tuple[PersonId, LikenessId]:
    """Put an enrolled likeness into the database, without the usual recording."""
    analyzer = FaceAnalyzer(models)
    (face, *_) = analyzer.detect(still)
    template = analyzer.template(still, analyzer.mesh(still, face))
    likeness = LikenessId(new_id("lik"))
    with transaction(container.engine) as session:
        person, _ = container.accounts.create_person(session)
        sealer = Sealer(container.vault)
        row = LikenessRow(id=likeness, person_id=person, enrolled_at=container.clock.now())
        row.sealed_face = sealer.seal(session, person, template, face_place(likeness))
        voice = np.full(256, 1 / 16, np.float32)
        row.sealed_voice = sealer.seal(session, person, voice, voice_place(likeness))
        session.add(row)
    return person, likeness


def grant_to(
    container: Container, person: PersonId, likeness: LikenessId, party: RelyingPartyId, requester: str
) -> Grant:
    """Let a person grant the use of their face to one account of a platform."""
    now = container.clock.now().replace(microsecond=0)
    terms = GrantTerms(
        relying_party_id=party,
        requesters=frozenset({requester}),
        uses=frozenset({GrantUse.FACE}),
        purposes=frozenset({"entertainment"}),
        commercial=False,
        regions=frozenset({"001"}),
        description="A short clip that survives the death of its maker.",
        not_before=now,
        not_after=now + timedelta(days=1),
    )
    return container.grants.issue(person, likeness, terms)


def drifting(still: Frame) -> Iterator[Frame]:
    for index in range(30):
        yield np.roll(still, index // 2, axis=1)


def rain(seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    noise = np.random.default_rng(7).standard_normal(round(seconds * 16_000)).astype(np.float32)
    return np.convolve(noise, np.ones(3, np.float32) / 3, "same").astype(np.float32) * 0.1


class MortalWorker:
    """The program `crash_worker.py`: each order is one worker process, which may be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def send(self, clip: Clip, point: str, *, largest_file: int | None = None, **settings: str) -> str:
        """Let a worker live until it is killed at `point` or the clip rests; return what became of it."""
        order = {
            "clip_id": clip.clip_id,
            "point": point,
            "largest_file": largest_file,
            "settings": settings,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        for line in self._process.stdout:  # the service's own log goes there too
            if line.startswith(("killed", "ended")):
                return line.strip()
        return "gone"
