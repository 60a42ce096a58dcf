"""The relational store: engine, transactions, column types, migrations. Knows no slice.

SQLite for one machine, PostgreSQL for several; slices write portable SQLModel statements only.
"""

from typing import Final

from sqlmodel import SQLModel

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint gets a predictable name, so that a later migration can drop it on any database."""

SQLModel.metadata.naming_convention = NAMING
