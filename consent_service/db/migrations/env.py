"""Alembic's entry: runs the revisions on the connection `migrate.upgrade` hands over.

Only online runs exist: the service migrates itself (`consent-service init`, start-up).
"""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from consent_service.db.types import UtcDateTime


def render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write column types as a revision should name them, free of SQLModel's own."""
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    if kind == "type" and isinstance(item, UtcDateTime):
        return "UtcDateTime()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    render_item=render,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
