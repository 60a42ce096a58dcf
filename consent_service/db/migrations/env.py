"""Alembic's entry: runs the revisions on the connection `migrate.upgrade` hands over.

Only online runs exist: the service migrates itself (`consent-service init`, start-up).
"""

from alembic import context
from sqlmodel import SQLModel

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
