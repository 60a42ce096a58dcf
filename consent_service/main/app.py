"""Builds the application: routes of every slice, one error map, one edge.

In: settings. Out: a FastAPI application that owns its container from start-up to shutdown, so that several
can be made one after the other in one process.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from consent_service import problems
from consent_service.accounts.api import router as accounts_router
from consent_service.audit.api import router as audit_router
from consent_service.cameos.api import router as cameos_router
from consent_service.clips.api import router as clips_router
from consent_service.container import Container, build
from consent_service.grants.api import router as grants_router
from consent_service.main import health, reference
from consent_service.main.gauges import Gauges
from consent_service.main.openapi import describe
from consent_service.reviews.api import router as reviews_router
from consent_service.settings import Settings
from consent_service.verification.api import router as verification_router
from consent_service.verification.pages import router as verify_page_router
from consent_service.web import metrics, pages
from consent_service.web.middleware import Edge

ROUTERS = (
    grants_router,  # routes are tried in turn, and a check is asked before every use
    pages.router,
    reference.router,
    verify_page_router,
    accounts_router,
    cameos_router,
    clips_router,
    verification_router,
    reviews_router,
    audit_router,
    health.router,
    metrics.router,
)

_FIELD_BYTES: Final = 64 * 1024  # fields of a form are held in memory, and anybody may send one


def create_app(settings: Settings | None = None, container: Container | None = None) -> FastAPI:
    """Return an application that closes its container when it stops.

    Args:
        settings: Operator settings; from the environment when absent.
        container: Built already, so that an error shows before serving; else it is built at start-up.
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Building and closing wait for disks and threads, so they happen beside the event loop.
        ready = container
        if ready is None:
            ready = await run_in_threadpool(build, chosen)
        try:
            app.state.container = ready
            app.state.metrics.registry.register(Gauges(ready))
            await run_in_threadpool(ready.start)
            yield
        finally:
            await run_in_threadpool(ready.close)

    app = FastAPI(
        title="Likeness consent and provenance",
        version=version("consent-provenance"),
        lifespan=lifespan,
        docs_url=None,  # the stock page loads its viewer from a third party; ours loads nothing
        redoc_url=None,
        separate_input_output_schemas=False,
        form_limits={"max_files": 1, "max_fields": 4, "max_part_size": _FIELD_BYTES},
    )
    app.state.metrics = metrics.Metrics()
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    app.add_middleware(problems.LastResort)
    app.add_middleware(
        Edge,
        metrics=app.state.metrics,
        max_upload_bytes=chosen.max_upload_bytes,
        https=chosen.public_url.startswith("https://"),
    )
    return app
