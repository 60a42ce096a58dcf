"""Prometheus metrics: how many requests, how long they took; routes as templates, so that no id is a label.

In: finished requests. Out: the text exposition at `/metrics`. Each application has a registry of its own.
Source: Prometheus text exposition format 0.0.4.
"""

from fastapi import APIRouter, Request, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)

router = APIRouter(include_in_schema=False)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "consent_http_requests_total",
            "Requests by route.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "consent_http_request_seconds", "Time to answer.", ("method", "route"), registry=self.registry
        )

    def finished(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


@router.get("/metrics")
def exposition(request: Request) -> Response:
    """Return all metrics. Keep this path from the public at the proxy."""
    metrics: Metrics = request.app.state.metrics
    # The process-wide registry holds what floors count by themselves, such as policy errors.
    text = generate_latest(metrics.registry) + generate_latest(REGISTRY)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
