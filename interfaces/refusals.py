"""Refused callbacks in the audit: who knocked with what was wrong, and no more of them than a disk can take."""

from __future__ import annotations

import logging

from exam.kit import audit
from exam.kit.house import Actor, House

log = logging.getLogger("interfaces")

MOST_AUDITED = 60
"""Refused callbacks that are audited in a minute; of more only the count is logged, or a flood would fill the disk."""


def audit_refusal(house: House, actor: Actor, terminal: str, act: str, subject: str, problem: str) -> None:
    """Writes a refused callback down, without anything that it said."""
    minute = int(house.clock.now().timestamp()) // 60
    counted: tuple[int, int] = house.cache.get(f"refused.{act}", (0, 0))
    count = counted[1] + 1 if counted[0] == minute else 1
    house.cache[f"refused.{act}"] = (minute, count)
    log.warning("%s was refused: %s", act, problem)
    if count > MOST_AUDITED:
        return
    with house.unit(actor) as db:
        db.info["terminal"] = terminal
        audit.note(db, act, subject=subject, reason=problem, result="refused")
