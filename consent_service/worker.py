"""Runs the durable jobs in a process of their own, beside one or more `serve` processes.

In: settings. Out: jobs done, until SIGTERM or SIGINT. What is interrupted resumes at the next start.
"""

import signal
from threading import Event

from consent_service.container import build
from consent_service.db.migrate import upgrade
from consent_service.settings import Settings


def run(settings: Settings) -> None:
    """Run jobs until the process is asked to stop."""
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    container = build(settings)
    try:
        upgrade(container.engine)
        container.run_jobs()
        stop.wait()
    finally:
        container.close()
