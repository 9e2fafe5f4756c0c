"""Schema migrations: one line for the core; `upgrade` builds or brings up a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from exam.kit import guards

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent


def config_for(engine: Engine) -> Config:
    """Alembic's configuration for one engine."""
    from alembic.config import Config  # a server that starts does not migrate, and starts sooner without it

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("file_template", "%%(year)d-%%(month).2d-%%(day).2d-%%(hour).2d%%(minute).2d_%%(slug)s")
    config.attributes["engine"] = engine
    return config


def upgrade(engine: Engine, application_role: str = "") -> None:
    """Brings the schema up to the newest revision, then installs the guards of the append-only tables."""
    from alembic import command

    command.upgrade(config_for(engine.execution_options(write=True)), "heads")
    with engine.execution_options(write=True).begin() as connection:
        guards.install(connection, application_role)
