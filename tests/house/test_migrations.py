"""Migrations and models agree, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from exam.kit.db import Model, append_only_tables
from exam.kit.house import House


def test_the_migrated_schema_is_what_the_models_say(house: House) -> None:
    with house.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = [each for each in compare_metadata(context, Model.metadata) if "dummy" not in str(each)]
    assert differences == []


def test_every_append_only_table_is_guarded_by_the_database(house: House) -> None:
    if house.is_sqlite:
        query = "select name from sqlite_master where type = 'trigger'"
        wanted = {f"{table}_no_{verb}" for table in append_only_tables() for verb in ("update", "delete")}
    else:
        query = "select tgname from pg_trigger where not tgisinternal"
        wanted = {f"{table}_no_change" for table in append_only_tables()}
    with house.engine.connect() as connection:
        assert wanted <= {row[0] for row in connection.exec_driver_sql(query)}
    assert len(append_only_tables()) >= 12
