"""A whole service on a fresh data folder, called through its HTTP surface."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from fastapi.testclient import TestClient

from consent_service.container import Container, build, initialise
from consent_service.db.session import transaction
from consent_service.main import create_app
from consent_service.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Log without the coloured tracebacks structlog draws by default: they take seconds."""
    structlog.configure(processors=[structlog.stdlib.add_log_level, structlog.processors.KeyValueRenderer()])


@pytest.fixture
def service_settings(tmp_path: Path) -> Settings:
    """Settings of a development service without a worker, with the models already pulled."""
    return Settings(
        data_dir=tmp_path / "service",
        models_dir=Settings().models,
        embedded_worker=False,
        max_upload_bytes=2_000_000,
    )


@pytest.fixture
def container(service_settings: Settings) -> Container:
    """The container of a service that is initialised; closed by the client."""
    initialise(service_settings)
    return build(service_settings)


@pytest.fixture
def client(container: Container) -> Iterator[TestClient]:
    """A caller without a key."""
    app = create_app(container.settings, container)
    with TestClient(app, raise_server_exceptions=False) as made:
        yield made


class Callers:
    """Makes principals; each comes as id and headers."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def person(self) -> tuple[str, dict[str, str]]:
        with transaction(self._container.engine) as session:
            identifier, key = self._container.accounts.create_person(session)
        return identifier, bearer(key)

    def relying_party(self, webhook: str | None = None) -> tuple[str, dict[str, str]]:
        with transaction(self._container.engine) as session:
            identifier, key, _ = self._container.accounts.create_relying_party(session, "Acme", webhook)
        return identifier, bearer(key)

    def moderator(self) -> tuple[str, dict[str, str]]:
        with transaction(self._container.engine) as session:
            identifier, key = self._container.accounts.create_moderator(session, "Mo")
        return identifier, bearer(key)


@pytest.fixture
def callers(container: Container) -> Callers:
    """Return a maker of principals."""
    return Callers(container)


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries an API key."""
    return {"Authorization": f"Bearer {key}"}
