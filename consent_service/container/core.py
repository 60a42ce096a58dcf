"""The floors of one running service: store, vault, log, accounts, jobs, policies, models, signing.

In: settings. Out: a `Core` the slices are built on. Adapters are chosen here and nowhere else.
"""

from contextlib import ExitStack
from dataclasses import dataclass

import obstore.store
from obstore.store import ObjectStore
from sqlalchemy import Engine

from consent_service.accounts.addresses import AddressRules
from consent_service.accounts.service import AccountService
from consent_service.accounts.webhooks import WebhookDelivery
from consent_service.audit.service import AuditLog
from consent_service.biometrics.registry import ModelRegistry
from consent_service.container.keys import PKI_FOLDER, Keys, load
from consent_service.db.engine import create_database, scrub
from consent_service.jobs.runtime import JobRuntime
from consent_service.kernel.clock import Clock, SystemClock
from consent_service.kernel.errors import UnavailableError
from consent_service.policy.engine import PolicyEngine
from consent_service.settings import Settings
from consent_service.vault.service import Vault
from consent_service.web import uploads
from consent_service.web.idempotency import Idempotency
from provenance.manifests import DevelopmentTimestampAuthority


@dataclass(frozen=True, slots=True)
class Core:
    """What every slice may stand on.

    Attributes:
        timestamp_url: RFC 3161 authority in force; None signs without a timestamp.
        resources: What is let go of when the service stops.
    """

    settings: Settings
    clock: Clock
    engine: Engine
    store: ObjectStore
    keys: Keys
    vault: Vault
    audit: AuditLog
    accounts: AccountService
    idempotency: Idempotency
    webhooks: WebhookDelivery
    policy: PolicyEngine
    models: ModelRegistry
    runtime: JobRuntime
    timestamp_url: str | None
    resources: ExitStack


def build_core(settings: Settings, clock: Clock | None = None) -> Core:
    """Build the floors; nothing runs yet but, in development, the local timestamp authority.

    Raises:
        UnavailableError: Keys or policies are missing, broken, or not fit for this environment.
    """
    resources = ExitStack()
    try:
        return _build(settings, clock or SystemClock(), resources)
    except BaseException:
        resources.close()
        raise


def _build(settings: Settings, clock: Clock, resources: ExitStack) -> Core:
    keys = load(settings)
    engine = create_database(settings.database)
    resources.callback(engine.dispose)
    vault = Vault(keys.master, clock)
    rules = AddressRules(allow_loopback=settings.environment == "development")
    webhooks = WebhookDelivery(engine, keys.master, clock, rules)
    idempotency = Idempotency(engine, keys.master, clock)
    return Core(
        settings=settings,
        clock=clock,
        engine=engine,
        store=_store(settings),
        keys=keys,
        vault=vault,
        audit=AuditLog(keys.audit, _origin(settings), clock),
        accounts=AccountService(vault, keys.master, clock, rules),
        idempotency=idempotency,
        webhooks=webhooks,
        policy=PolicyEngine.load(settings.policies_dir),
        models=ModelRegistry.from_settings(settings),
        runtime=_runtime(settings, engine, clock, webhooks, idempotency),
        timestamp_url=_timestamps(settings, resources),
        resources=resources,
    )


def _store(settings: Settings) -> ObjectStore:
    settings.files_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return obstore.store.LocalStore(settings.files_dir)


def _runtime(
    settings: Settings, engine: Engine, clock: Clock, webhooks: WebhookDelivery, idempotency: Idempotency
) -> JobRuntime:
    runtime = JobRuntime(settings, engine, clock)
    runtime.every("webhooks", 0.5, webhooks.deliver_due)
    runtime.every("forget-answers", 600.0, idempotency.prune)
    runtime.every("scrub", 60.0, lambda: scrub(engine))  # an erased key leaves the disk within a minute
    runtime.every("sweep-uploads", 600.0, lambda: uploads.sweep(settings, clock.now()))
    return runtime


def _timestamps(settings: Settings, resources: ExitStack) -> str | None:
    """Return the timestamp authority in force; in development a local one runs in this process."""
    if settings.timestamp_policy == "skip":
        return None
    if settings.timestamp_url is not None:
        return settings.timestamp_url
    if settings.environment == "production":
        raise UnavailableError(
            "timestamp_authority_missing",
            "production needs `CONSENT_TIMESTAMP_URL`; the development authority is refused",
        )
    authority = DevelopmentTimestampAuthority.load(settings.keys_dir / PKI_FOLDER)
    return resources.enter_context(authority).url


def _origin(settings: Settings) -> str:
    """Return the log's name: where it is found, without the scheme, as C2SP asks."""
    return settings.public_url.split("://", 1)[-1].rstrip("/") + "/v1/log"
