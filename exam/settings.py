"""Settings: one frozen struct, read from the environment once. Nothing else reads the environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import msgspec

CORE = (
    "exam", "billing", "registration", "group_orders", "results", "critical_values", "chief_review", "reporting",
    "interfaces",
)  # fmt: skip
"""The core rooms in order, from the ground floor up."""

MODEL_PACKAGES = ("exam.staff", "exam.calendar", "exam.people", "exam.catalog", "exam.knowledge", "exam.visits", "exam.messages", *CORE[1:])


DEMO_PHONE = "0771-0000000"
"""A demonstration's messages name this one; a centre sets its own (EXAM_CENTRE_PHONE)."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How this installation runs. `database_url` empty means the embedded, encrypted SQLite database in `data`."""

    data: Path
    keys: Path
    database_url: str = ""
    owner_url: str = ""
    plugins: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 8000
    site: str = "01"
    device: str = "01"
    centre_name: str = "健康体检中心"
    centre_phone: str = ""
    sms_url: str = ""
    sms_key: str = ""
    payments: str = ""
    invoices: str = ""
    demo: bool = False
    demo_password: str = ""
    trusted_proxy: str = ""
    tls_certificate: str = ""
    tls_key: str = ""
    password_profile: str = "dengbao3"  # noqa: S105 - the name of a policy
    idle_minutes: int = 15
    absolute_hours: int = 12
    signing_minutes: int = 30
    signing_count: int = 200
    copies: str = ""
    crash_at: str = ""

    def crash(self) -> None:
        """Kills this process at once, as a power switch would; only a durability test names a crash point."""
        os.kill(os.getpid(), signal.SIGKILL)

    @property
    def modules(self) -> tuple[str, ...]:
        """The rooms to load, core first."""
        return (*CORE, *self.plugins)


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `EXAM_…` variables; `PORT` changes the port. Relative folders are below the working folder."""
    env = os.environ if environment is None else environment
    home = Path(env.get("EXAM_HOME", "var")).resolve()

    def text(name: str, default: str = "") -> str:
        return env.get(f"EXAM_{name}", default).strip()

    return Settings(
        data=Path(text("DATA") or home / "data"),
        keys=Path(text("KEYS") or home / "keys"),
        database_url=text("DATABASE_URL"),
        owner_url=text("OWNER_URL"),
        plugins=tuple(name for name in text("PLUGINS").split(",") if name),
        host=text("HOST", "127.0.0.1"),
        port=int(env.get("PORT", "") or text("PORT", "8000")),
        site=text("SITE", "01"),
        device=text("DEVICE", "01"),
        centre_name=text("CENTRE_NAME", "健康体检中心"),
        centre_phone=text("CENTRE_PHONE", DEMO_PHONE if text("DEMO") == "1" else ""),
        sms_url=text("SMS_URL"),
        sms_key=text("SMS_KEY"),
        payments=text("PAYMENTS"),
        invoices=text("INVOICES"),
        demo=text("DEMO") == "1",
        demo_password=text("DEMO_PASSWORD"),
        trusted_proxy=text("TRUSTED_PROXY"),
        tls_certificate=text("TLS_CERTIFICATE"),
        tls_key=text("TLS_KEY"),
        password_profile=text("PASSWORD_PROFILE", "dengbao3"),
        idle_minutes=int(text("IDLE_MINUTES", "15")),
        copies=text("COPIES"),
        crash_at=text("CRASH_AT"),
    )
