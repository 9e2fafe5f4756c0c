"""Files of an alert's handling and call-backs (a discharge letter, a report of another hospital): sealed, only ever added."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar.datastructures import UploadFile
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from critical_values import board
from critical_values.facts import CriticalAlert
from critical_values.models import AlertAttachment, AlertRow, AlertStep
from critical_values.ports import FILE_SCANS
from exam.kit import audit, uploads
from exam.kit.errors import BadInput, NotFound, Refused
from exam.kit.house import House, actor_of, house_of
from exam.kit.sealed_files import SealedFiles
from exam.kit.uploads import Upload
from exam.visits import service as visits

FIELD = "files"
MOST_BYTES = 5 * 1024 * 1024
"""Of one file."""
MOST_AT_ONCE = 5
MOST_OF_ALERT = 30
OF_STEPS = ("handled", "called_back")
"""The steps that carry files."""
_NAME = "critical_values_attachment.name"


class Attachment(msgspec.Struct, frozen=True):
    """One file as a screen names it; `step` is the number of the step that it came with, `size` bytes."""

    id: UUID
    step: int
    name: str
    kind: str
    size: int
    put_at: datetime
    put_by: str

    @property
    def size_words(self) -> str:
        """The size as people say it."""
        return f"{self.size / 1024 / 1024:.1f} MB" if self.size >= 1024 * 1024 else f"{max(1, round(self.size / 1024))} KB"


class AttachmentFiles(SealedFiles):
    """Where the contents lie."""

    NAME, SUFFIX, PLACE = "attachments", ".sealed", "critical_values_attachment.content"
    ROOM, TITLE = "critical_values", "附件"


def handed_in(db: Session, given: Any) -> list[Upload]:
    """The files of a form, each checked by its content; an empty choice is none. Refuses all of them when one is wrong."""
    chosen = [each for each in (given if isinstance(given, list) else [given]) if isinstance(each, UploadFile) and each.filename]
    if len(chosen) > MOST_AT_ONCE:
        raise BadInput([(FIELD, f"一次最多 {MOST_AT_ONCE} 个附件,其余可随后补充")])
    found, problems = [], []
    for each in chosen:
        try:
            upload = uploads.checked(each.filename, each.file.read(MOST_BYTES + 1), MOST_BYTES, FIELD)
        except BadInput as refused:
            problems += refused.problems
            continue
        scans = (scan(upload.content) for scan in house_of(db).modules.fillings(FILE_SCANS))
        problems += [(FIELD, f"“{upload.name}”未通过安全检查:{told}") for told in scans if told]
        found.append(upload)
    if problems:
        raise BadInput(problems, code="critical_values.attachment_refused")
    return found


def keep(db: Session, alert_id: UUID, step_number: int, files: Sequence[Upload]) -> None:
    """Adds files to a step. Their contents are on the disk before the rows that name them."""
    house, store = house_of(db), AttachmentFiles(house_of(db))
    known = db.scalar(select(func.count()).where(AlertAttachment.alert_id == alert_id)) or 0
    if known + len(files) > MOST_OF_ALERT:
        raise BadInput([(FIELD, f"一项危急值最多 {MOST_OF_ALERT} 个附件,已有 {known} 个")])
    for each in files:
        row_id = house.ids.new()
        db.add(
            AlertAttachment(
                id=row_id, alert_id=alert_id, step_number=step_number, name=house.cipher.seal(each.name, f"{_NAME}:{row_id}"),
                kind=each.kind, size=len(each.content), sha256=store.put(each.content), put_at=house.clock.now(),
                put_by=actor_of(db).name,
            )
        )  # fmt: skip
    db.flush()


def add(db: Session, alert: CriticalAlert, step_number: int, files: Sequence[Upload]) -> None:
    """Adds files to a step that was taken before; the loop itself does not move."""
    visits.lock(db, alert.visit_id)
    if not files:
        raise BadInput([(FIELD, "请选择要添加的文件")])
    steps = {each.number: board.kind_of(each.step) for each in board.steps_of(db, alert.id)}
    if steps.get(step_number) not in OF_STEPS:
        raise Refused("critical_values.no_such_step", "该步骤不是处理或回访,不能添加附件", "请选择一次处理或回访", "step")
    keep(db, alert.id, step_number, files)
    audit.note(db, "critical_values.attach", subject=f"alert:{alert.id}", reason=f"{len(files)} 个附件")


def of_alert(db: Session, alert_id: UUID) -> dict[int, list[Attachment]]:
    """The files of an alert by the number of their step, in the order in which they came."""
    found: dict[int, list[Attachment]] = {}
    house = house_of(db)
    for row in db.scalars(select(AlertAttachment).where(AlertAttachment.alert_id == alert_id).order_by(AlertAttachment.id)):
        found.setdefault(row.step_number, []).append(_to_attachment(house, row))
    return found


def content(db: Session, alert: CriticalAlert, attachment_id: UUID) -> tuple[Attachment, bytes]:
    """One file of this alert with its content, checked against its digest."""
    row = db.get(AlertAttachment, attachment_id)
    if row is None or row.alert_id != alert.id:
        raise NotFound("没有这个附件", "请从危急值页面打开")
    return _to_attachment(house_of(db), row), AttachmentFiles(house_of(db)).get(row.sha256)


def _to_attachment(house: House, row: AlertAttachment) -> Attachment:
    name = house.cipher.open(row.name, f"{_NAME}:{row.id}")
    return Attachment(row.id, row.step_number, name, row.kind, row.size, row.put_at, row.put_by)


def breaches(db: Session) -> Iterator[str]:
    """Every attachment belongs to a step that carries files, and its content is the one that was handed in."""
    store = AttachmentFiles(house_of(db))
    rows = (
        select(AlertAttachment.id, AlertAttachment.sha256, AlertStep.kind)
        .join(AlertRow, AlertRow.id == AlertAttachment.alert_id)
        .outerjoin(AlertStep, (AlertStep.alert_id == AlertAttachment.alert_id) & (AlertStep.number == AlertAttachment.step_number))
    )
    for row in db.execute(rows.execution_options(yield_per=200)):
        if row.kind not in OF_STEPS:
            yield f"attachment {row.id}: its step carries no files"
        elif (problem := store.problem_of(row.sha256)) is not None:
            yield f"attachment {row.id}: {problem}"
