"""What an operator watches beside requests: work that waits, notices that failed, the length of the log.

In: the container, asked at each scrape. Out: Prometheus gauges. Alert on `dead` notices and on a growing
backlog.
"""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from consent_service.container import Container
from consent_service.db.session import reading


class Gauges(Collector):
    """Reads the gauges from the database when they are asked for; says nothing while it cannot be read."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering does not query."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the present values."""
        try:
            yield from self._collect()
        except SQLAlchemyError:
            return

    def _collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "consent_jobs_waiting", "Jobs no runner has taken over.", self._container.runtime.backlog()
        )
        notices = GaugeMetricFamily("consent_notices", "Webhook notices by state.", labels=("state",))
        found = self._container.webhooks.backlog()
        for state in ("pending", "delivered", "dead"):
            notices.add_metric((state,), found.get(state, 0))
        yield notices
        with reading(self._container.engine) as session:
            size = self._container.audit.size(session)
        yield GaugeMetricFamily("consent_log_entries", "Leaves of the transparency log.", size)
