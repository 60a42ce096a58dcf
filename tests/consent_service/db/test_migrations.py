from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect
from sqlmodel import SQLModel

import consent_service.main.app  # noqa: F401  # loads the tables of every slice
from consent_service.db.engine import create_database
from consent_service.db.migrate import configuration, is_current, upgrade


def test_the_revisions_make_exactly_the_tables_of_the_models(tmp_path: Path) -> None:
    engine = create_database(f"sqlite:///{tmp_path / 'consent.db'}")
    assert not is_current(engine)
    upgrade(engine)
    assert is_current(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


def test_upgrading_again_changes_nothing(tmp_path: Path) -> None:
    engine = create_database(f"sqlite:///{tmp_path / 'consent.db'}")
    upgrade(engine)
    tables = set(inspect(engine).get_table_names())
    upgrade(engine)
    assert set(inspect(engine).get_table_names()) == tables
    engine.dispose()


def test_the_revisions_can_be_taken_back(tmp_path: Path) -> None:
    engine = create_database(f"sqlite:///{tmp_path / 'consent.db'}")
    upgrade(engine)
    config = configuration()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert set(inspect(engine).get_table_names()) == {"alembic_version"}
    engine.dispose()
