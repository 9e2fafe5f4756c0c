"""What a PostgreSQL server must be like before facts are entrusted to it: a kill shows no wrong setting, only a power cut does."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import make_url

from exam.kit.errors import Refused

OLDEST_SERVER = 15
"""The oldest major version that the tests run on."""

_SETTINGS = (
    "SELECT name, setting FROM pg_settings WHERE name IN "
    "('fsync', 'full_page_writes', 'synchronous_commit', 'server_encoding', 'server_version', 'server_version_num')"
)

_REMEDIES = {
    "fsync": ("off", "acknowledged commits are lost and the cluster may be damaged in a power cut", "set fsync = on"),
    "full_page_writes": ("off", "pages torn by a power cut cannot be repaired", "set full_page_writes = on"),
    "synchronous_commit": (
        "off, local",
        "a commit is acknowledged before it is safe, on this server or on its synchronous standby",
        "set synchronous_commit = on in postgresql.conf, and see that no ALTER ROLE or ALTER DATABASE sets it otherwise",
    ),
}


def problems_of(settings: Mapping[str, str]) -> list[str]:
    """Everything in a server's settings that facts must not be entrusted to, each with its remedy; for operators, in English."""
    found = [
        f"{name} is {settings[name]}: {danger}; {remedy}"
        for name, (refused, danger, remedy) in _REMEDIES.items()
        if settings[name] in refused.split(", ")
    ]
    if int(settings["server_version_num"]) // 10_000 < OLDEST_SERVER:
        found.append(f"the server is version {settings['server_version']}: {OLDEST_SERVER} or newer is needed")
    if settings["server_encoding"] != "UTF8":
        found.append(
            f"the database's encoding is {settings['server_encoding']}: Chinese names would be damaged; "
            "make it anew with createdb -E UTF8 -T template0"
        )
    return found


def require_safe_server(url: str) -> None:
    """Refuses a PostgreSQL server that may lose or damage what it acknowledged. An empty `url` is the embedded database.

    The settings are those of the role and database in `url`: `ALTER ROLE … SET` counts.
    """
    if not url:
        return
    import psycopg  # the embedded database starts without it

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    # The driver itself: SQLAlchemy does not get as far as our question in a database of another encoding.
    try:
        with psycopg.connect(address, client_encoding="utf8", connect_timeout=10) as connection:
            settings: dict[str, str] = dict(connection.execute(_SETTINGS).fetchall())
    except psycopg.Error as error:  # also an option of the address that the driver does not know
        raise Refused("server.unreachable", f"PostgreSQL does not answer: {error}", "\nSee docs/install.md") from None
    if problems := problems_of(settings):
        raise Refused("server.unsafe", "PostgreSQL is not safe to run on:\n  " + "\n  ".join(problems), "\nSee docs/install.md")
