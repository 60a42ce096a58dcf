"""Puts the slices on the floors.

In: settings. Out: a `Container` that routes and workers reach their services through. Building starts nothing
that runs by itself but the development timestamp authority; `close` lets go of everything.
"""

from dataclasses import dataclass, fields, replace

from sqlmodel import Session

from consent_service.biometrics.faces import FaceAnalyzer
from consent_service.biometrics.voices import VoiceAnalyzer
from consent_service.cameos import workflows as cameo_jobs
from consent_service.cameos.analysis import RecordingAnalyzer
from consent_service.cameos.enrolment import Enrolment
from consent_service.cameos.recordings import Recordings
from consent_service.cameos.service import CameoService
from consent_service.clips import workflows as clip_jobs
from consent_service.clips.files import ClipFiles
from consent_service.clips.finishing import Finisher
from consent_service.clips.ledger import Ledger
from consent_service.clips.manifests import ClipManifests
from consent_service.clips.publishing import Publisher
from consent_service.clips.scanning import LikenessScanner
from consent_service.clips.service import ClipService
from consent_service.clips.withdrawals import Withdrawals
from consent_service.container.core import Core, build_core
from consent_service.container.keys import create_missing
from consent_service.db.engine import create_database
from consent_service.db.migrate import upgrade
from consent_service.grants.service import Floors, GrantService
from consent_service.kernel.clock import Clock, SystemClock
from consent_service.kernel.ids import LikenessId
from consent_service.reviews.service import ReviewService
from consent_service.settings import Settings
from consent_service.verification.service import VerificationService
from consent_service.web import uploads
from provenance.media import MediaLimits


@dataclass(frozen=True, slots=True)
class Container(Core):
    """One running service: the floors, and the slices on them."""

    cameos: CameoService
    grants: GrantService
    clips: ClipService
    verification: VerificationService
    reviews: ReviewService

    def start(self) -> None:
        """Bring the schema up to date, clear what a crash left, and run jobs if this process is to."""
        upgrade(self.engine)
        uploads.sweep(self.settings, self.clock.now())
        if self.settings.embedded_worker:
            self.run_jobs()

    def run_jobs(self) -> None:
        """Run the durable jobs in this process, first those a crash interrupted."""
        self.clips.sweep()
        self.cameos.sweep()
        self.runtime.launch()

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
    cameos = _cameos(core)
    grants = _grants(core, cameos)
    files = ClipFiles(core.store, settings.data_dir / "work" / "clips")
    clips = _clips(core, cameos, grants, files)
    floors = {field.name: getattr(core, field.name) for field in fields(Core)}
    return Container(
        **floors,
        cameos=cameos,
        grants=grants,
        clips=clips,
        verification=VerificationService(
            core.engine,
            grants,
            core.keys.trust,
            core.keys.watermark,
            ClipManifests(core.engine, files),
            _limits(settings),
        ),
        reviews=ReviewService(core.engine, core.clock, core.audit, clips, cameos),
    )


def _cameos(core: Core) -> CameoService:
    recordings = Recordings(core.store, core.settings.data_dir / "work" / "cameos")
    limits = replace(_limits(core.settings), max_seconds=core.settings.max_cameo_seconds)
    enrolment = Enrolment(
        core.engine, core.clock, core.vault, core.audit, recordings, RecordingAnalyzer(core.models), limits
    )
    service = CameoService(
        core.engine,
        core.clock,
        core.vault,
        core.audit,
        recordings,
        enrolment,
        core.runtime,
        core.settings.challenge_seconds,
    )
    cameo_jobs.register(core.runtime, service)
    return service


def _grants(core: Core, cameos: CameoService) -> GrantService:
    floors = Floors(
        engine=core.engine,
        clock=core.clock,
        vault=core.vault,
        audit=core.audit,
        policy=core.policy,
        runtime=core.runtime,
        likenesses=cameos,
    )
    grants = GrantService(floors, core.keys.tokens, core.settings.public_url)

    def end_grants(session: Session, likeness_id: LikenessId) -> None:
        grants.revoke_all(session, likeness_id)

    cameos.when_erased(end_grants)
    return grants


def _clips(core: Core, cameos: CameoService, grants: GrantService, files: ClipFiles) -> ClipService:
    ledger = Ledger(core.engine, core.clock, core.audit)
    limits = _limits(core.settings)
    scanner = LikenessScanner(FaceAnalyzer(core.models), VoiceAnalyzer(core.models), limits)
    finisher = Finisher(core.keys.watermark, core.keys.signer, core.timestamp_url, core.keys.trust, limits)
    publisher = Publisher(ledger, files, grants, cameos, core.policy, scanner, finisher)
    clip_jobs.register(core.runtime, publisher, Withdrawals(ledger))
    return ClipService(ledger, files, core.runtime, limits)


def _limits(settings: Settings) -> MediaLimits:
    return MediaLimits(max_bytes=settings.max_upload_bytes, max_seconds=settings.max_clip_seconds)


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
