"""Structured logs: one JSON object a line, without personal data, bodies, query strings or secrets.

In: events from any module through structlog. Out: lines on standard error. Ids of requests and jobs are
opaque, so a log tells what happened, not to whom.
"""

import logging
import sys
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SECRET_WORDS: Final = ("key", "secret", "token", "password", "authorization", "template", "cookie")
_QUIET: Final = ("dbos", "httpx", "httpcore", "uvicorn.access", "alembic", "faster_whisper", "numba")


def configure(stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging through one JSON renderer."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    renderer = structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            unspoken,
            structlog.processors.JSONRenderer(),
        ],
        foreign_pre_chain=shared,
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(renderer)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def unspoken(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop the messages of exceptions: nobody can say what they quote. Type and place remain."""
    for link in event.get("exception") or ():
        if isinstance(link, dict):
            link.pop("exc_value", None)
    return event


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Blank values whose names say they are secrets: the last line of defence, not the first."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "[redacted]"
    return event
