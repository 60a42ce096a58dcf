"""Is it alive, and is it ready? The second answer names what is not, for operators and load balancers.

In: the container. Out: 200 with every check, or 503 with the failing ones. No check waits for the network.
"""

import os
import shutil
from collections.abc import Callable
from typing import Final, cast

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from consent_service.container import Container
from consent_service.db.migrate import is_current
from consent_service.kernel.errors import ConsentError

router = APIRouter(tags=["operations"])
_ROOM_NEEDED: Final = 2  # times the largest upload: the file, and its marked copy


class Health(BaseModel):
    """The process answers."""

    status: str = "alive"


class Readiness(BaseModel):
    """Whether requests can be served, check by check."""

    ready: bool
    checks: dict[str, str] = Field(description="`ok`, or a reason.", examples=[{"database": "ok"}])


@router.get("/healthz", summary="Is the process alive?")
def healthz() -> Health:
    """Answer; nothing else is looked at."""
    return Health()


@router.get("/readyz", summary="Can requests be served?", responses={503: {"model": Readiness}})
def readyz(request: Request, response: Response) -> Readiness:
    """Look at database, schema, models, keys, disk and jobs."""
    container = cast("Container", request.app.state.container)
    checks = {name: _told(check, container) for name, check in _CHECKS.items()}
    ready = all(found == "ok" for found in checks.values())
    response.status_code = 200 if ready else 503
    response.headers["Cache-Control"] = "no-store"
    return Readiness(ready=ready, checks=checks)


def _told(check: Callable[[Container], str], container: Container) -> str:
    try:
        return check(container)
    except ConsentError as error:
        return f"{error.code}: {error.detail}"
    except (SQLAlchemyError, OSError) as error:
        return f"failed: {type(error).__name__}"


def _database(container: Container) -> str:
    with container.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return "ok"


def _schema(container: Container) -> str:
    return "ok" if is_current(container.engine) else "outdated: run `consent-service init`"


def _models(container: Container) -> str:
    for model in container.models.models(frozenset({"service"})):
        container.models.path(model.id)
    return "ok"


def _keys(container: Container) -> str:
    return "ok" if container.keys.tokens.kid else "missing"


def _disk(container: Container) -> str:
    folder = container.settings.data_dir
    if not os.access(folder, os.W_OK):
        return "the data folder cannot be written"
    free = shutil.disk_usage(folder).free
    return "ok" if free >= _ROOM_NEEDED * container.settings.max_upload_bytes else "nearly full"


def _jobs(container: Container) -> str:
    if not container.settings.embedded_worker or container.runtime.launched:
        return "ok"
    return "not running"


_CHECKS: Final[dict[str, Callable[[Container], str]]] = {
    "database": _database,
    "schema": _schema,
    "models": _models,
    "keys": _keys,
    "disk": _disk,
    "jobs": _jobs,
}
