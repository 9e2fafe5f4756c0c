"""The invented staff of a demonstration: one person for each desk. Tests use the same cast."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from exam.kit.clock import CENTRE_ZONE
from exam.kit.house import house_of
from exam.staff import accounts, rules
from exam.staff.models import Grant, PasswordHistory, Role, Staff, StaffPractice
from exam.staff.passwords import HASHER

CAST: tuple[tuple[str, str, str, str, tuple[tuple[str, str], ...]], ...] = (
    ("lin", "林晓燕", "", "staff", (("reception", ""), ("phlebotomist", ""))),
    ("qin", "覃丽华", "", "staff", (("desk_chief", ""), ("phlebotomist", ""))),
    ("wu", "吴建国", "主治医师", "staff", (("doctor", "GEN"), ("doctor", "MED"), ("doctor", "SUR"))),
    ("huang", "黄美玲", "主治医师", "staff", (("doctor", "EYE"), ("doctor", "ENT"), ("doctor", "DEN"), ("doctor", "GYN"))),
    (
        "lu",
        "陆志强",
        "主治医师",
        "staff",
        (("doctor", "ECG"), ("doctor", "USG"), ("doctor", "RAD"), ("doctor", "FUN"), ("doctor", "AUD")),
    ),
    ("nong", "农秋月", "主管技师", "staff", (("doctor", "LAB"), ("doctor", "PAT"), ("doctor", "END"))),
    ("mo", "莫文斌", "医师", "staff", (("doctor", "TCM"), ("doctor", "OCC"), ("doctor", "MED"))),
    ("he", "何志远", "主治医师", "staff", (("chief", ""),)),
    ("zhao", "赵慧敏", "副主任医师", "staff", (("chief", ""),)),
    ("liang", "梁国栋", "主任医师", "staff", (("chief", ""),)),
    ("qiu", "裘雪莹", "主管护师", "staff", (("critical_keeper", ""),)),
    ("su", "苏明远", "副主任医师", "staff", (("specialist", ""),)),
    ("tan", "谭静怡", "", "staff", (("catalog_keeper", ""),)),
    ("ning", "宁雅琴", "", "staff", (("group_keeper", ""),)),
    ("gan", "甘立新", "", "staff", (("group_chief", ""),)),
    ("chen", "陈秀兰", "", "staff", (("cashier", ""),)),
    ("lan", "蓝小凤", "", "staff", (("cashier", ""),)),
    ("fang", "方志华", "", "staff", (("cashier_chief", ""),)),
    ("deng", "邓会计", "", "staff", (("finance", ""),)),
    ("system", "系统管理员", "", "system", ()),
    ("security", "安全管理员", "", "security", ()),
    ("audit", "审计管理员", "", "audit", ()),
)
"""`(login, name, title, kind, ((role, department), …))`."""


def make_staff(db: Session, password: str) -> list[tuple[str, str, str, bool]]:
    """Makes the cast with one password, activated; returns `(login, name, title or kind, has second factor)`.

    Chiefs and administrators get a second factor. Accounts that exist already are left alone.
    """
    house = house_of(db)
    actor = db.info["actor"]
    present = set(db.scalars(select(Staff.login)))
    known_roles = set(db.scalars(select(Role.code)))
    now = house.clock.now()
    hashed = HASHER.hash(password)
    made = []
    for login, name, title, kind, grants in CAST:
        if login in present:
            continue
        staff_id = house.ids.new()
        needs_code = kind != "staff" or any(role == "chief" for role, _ in grants)
        secret = rules.totp_secret(house.random.token_bytes(rules.TOTP_SECRET_BYTES)) if needs_code else ""
        db.add(
            Staff(
                id=staff_id, login=login, name=name, title=title, kind=kind, site=actor.site, active=True, password_hash=hashed,
                password_changed_at=now, password_must_change=False, password_expires_at=None,
                totp_secret=house.cipher.seal(secret, f"exam_staff.totp_secret:{staff_id}"), created_at=now, ver=1,
            )
        )  # fmt: skip
        db.flush()
        db.add(PasswordHistory(id=house.ids.new(), staff_id=staff_id, password_hash=hashed, at=now))
        for role, department in grants:
            if role in known_roles:
                db.add(
                    Grant(
                        id=house.ids.new(), staff_id=staff_id, staff_kind="staff", role=role, site=actor.site,
                        department=department, granted_by="system", granted_at=now,
                    )
                )  # fmt: skip
        made.append((login, name, title or accounts.KIND_NAMES[kind], needs_code))
        if login in CHIEFS:
            db.add(
                StaffPractice(
                    id=house.ids.new(), staff_id=staff_id, title=title, specialty=CHIEFS[login], from_at=datetime(2020, 1, 1, tzinfo=CENTRE_ZONE),
                    source="演示数据", put_by="system", put_at=now,
                )
            )  # fmt: skip
    return made


CHIEFS = {"he": "内科专业", "zhao": "内科专业", "liang": "外科专业"}
"""The specialties of those who sign chief reports."""
