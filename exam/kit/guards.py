"""What the database itself refuses: changing or deleting facts. Installed after the migrations, on either database."""

from __future__ import annotations

from sqlalchemy import Connection, text

from exam.kit.db import append_only_tables


def install(connection: Connection, application_role: str = "") -> None:
    """Puts a trigger on every append-only table; on PostgreSQL also grants the application role no more than it needs."""
    tables = append_only_tables()
    if connection.dialect.name == "sqlite":
        for table in tables:
            for verb in ("update", "delete"):
                connection.execute(
                    text(
                        f"create trigger if not exists {table}_no_{verb} before {verb} on {table} "
                        f"begin select raise(abort, '{table} is append-only'); end"
                    )
                )
        return
    connection.execute(
        text(
            "create or replace function exam_refuse_change() returns trigger language plpgsql as "
            "$$ begin raise exception '% is append-only', tg_table_name; end $$"
        )
    )
    for table in tables:
        connection.execute(text(f"drop trigger if exists {table}_no_change on {table}"))
        connection.execute(
            text(
                f"create trigger {table}_no_change before update or delete or truncate on {table} "
                "for each statement execute function exam_refuse_change()"
            )
        )
    if application_role:
        _grant(connection, application_role, tables)


def _grant(connection: Connection, role: str, append_only: list[str]) -> None:
    if not role.isidentifier():
        raise ValueError("the application role's name must be a plain identifier")
    connection.execute(text(f"grant usage on schema public to {role}"))
    connection.execute(text(f"grant select, insert, update, delete on all tables in schema public to {role}"))
    connection.execute(text(f"revoke all on table alembic_version from {role}"))
    connection.execute(text(f"grant select on table alembic_version to {role}"))
    for table in append_only:
        connection.execute(text(f"revoke update, delete, truncate on table {table} from {role}"))
