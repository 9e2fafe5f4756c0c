"""Alembic's environment: the models come through the module list, the engine through the configuration's attributes."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine

from exam.kit.db import Model
from exam.kit.jobs import import_models
from exam.settings import MODEL_PACKAGES

import_models([*MODEL_PACKAGES])


def run() -> None:
    """Runs the migrations on the engine that `exam.migrations` was given."""
    engine: Engine = context.config.attributes["engine"]
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("set lock_timeout = '10s'")
            connection.commit()
        context.configure(connection=connection, target_metadata=Model.metadata, render_as_batch=False, compare_type=False)
        with context.begin_transaction():
            context.run_migrations()


run()
