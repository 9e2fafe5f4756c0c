"""Files of a handling or call-back: told by their content, sealed on the disk, never changed, read only by who may."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from critical_values import attachments
from critical_values import service as alerts
from critical_values.facts import Confirmed, CriticalAlert
from critical_values.models import AlertAttachment
from exam.kit.audit import Audit
from exam.kit.house import House
from exam.kit.uploads import Upload
from tests.conftest import Desk, actor_named
from tests.critical_values.cases import HANDLED, TOLD, breaches, taken
from tests.critical_values.test_pages import found

Sit = Callable[[str], Desk]
PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
CALL = {"outcome": "visited", "channel": "phone", "diagnosis": "肺炎"}


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(file, kind)
    return file.getvalue()


def handled(house: House) -> CriticalAlert:
    _, alert = found(house)
    he = actor_named(house, "he")
    for step in (Confirmed("doctor"), TOLD, HANDLED):
        alert = taken(house, he, alert, step)
    return alert


def called_back(he: Desk, alert: CriticalAlert, *files: tuple[str, bytes], seen: int = 3) -> Any:
    sent = [("files", (name, content, "application/octet-stream")) for name, content in files]
    return he.htmx(f"/alerts/{alert.id}/call-back", {"seen": str(seen), **CALL}, files=sent)


def kept(house: House, alert_id: UUID) -> list[Any]:
    table = AlertAttachment.__table__
    with house.unit(None, write=False) as db:
        return list(db.execute(select(table).where(table.c.alert_id == alert_id).order_by(table.c.id)))


def test_a_call_back_keeps_its_files_sealed_and_gives_them_back(house: House, desk: Sit) -> None:
    alert, he = handled(house), desk("he")
    answer = called_back(he, alert, ("出院小结.pdf", PDF), ("照片.jpeg", picture("JPEG")), ("图.txt", picture("PNG")))
    assert answer.status_code == 200, answer.text
    rows = kept(house, alert.id)
    assert [(row.kind, row.step_number) for row in rows] == [("pdf", 4), ("jpeg", 4), ("png", 4)]
    assert "出院小结".encode() not in bytes(rows[0].name)
    path = attachments.AttachmentFiles(house).path_of(rows[0].sha256)
    assert path.is_relative_to(house.data / "attachments")
    assert b"%PDF" not in path.read_bytes()
    page = he.get(f"/alerts/{alert.id}").text
    assert "出院小结.pdf" in page and "照片.jpg" in page and "图.png" in page
    file = he.get(f"/alerts/{alert.id}/attachments/{rows[0].id}")
    assert (file.content, file.headers["content-type"]) == (PDF, "application/pdf")
    assert file.headers["x-content-type-options"] == "nosniff"
    with house.unit(None, write=False) as db:
        acts = list(db.scalars(select(Audit.act)))
        assert "critical_values.read_attachment" in acts
        assert any("critical_values_attachment" in each for each in db.scalars(select(Audit.rows)))
    assert breaches(house) == []


@pytest.mark.parametrize(("name", "content", "words"), [
    ("病历.pdf", b"MZ\x90\x00 a program", "不是完整的 PDF、JPEG 或 PNG"),
    ("病历.pdf", b"%PDF-1.7 cut short", "不是完整的"),
    ("图.png", b"\x89PNG\r\n\x1a\n and nothing", "不是完整的"),
    ("图.jpg", picture("JPEG")[:200], "不是完整的"),
    ("图.svg", b"<svg onload='alert(1)'/>", "不是完整的"),
    ("空.pdf", b"", "空文件"),
    ("大.pdf", PDF[:-6] + b" " * attachments.MOST_BYTES + b"%%EOF", "超过 5 MB"),
])  # fmt: skip
def test_what_is_no_such_file_is_refused_by_name_and_nothing_is_kept(
    house: House, desk: Sit, name: str, content: bytes, words: str
) -> None:
    alert = handled(house)
    answer = called_back(desk("he"), alert, ("好.pdf", PDF), (name, content))
    assert answer.status_code == 422
    assert words in answer.text and name.split(".")[0] in answer.text and 'data-field="files"' in answer.text
    assert kept(house, alert.id) == []
    with house.unit(actor_named(house, "he"), write=False) as db:
        assert alerts.alert_of(db, alert.id).ver == 3


def test_a_name_leads_nowhere(house: House, desk: Sit) -> None:
    alert, he = handled(house), desk("he")
    called_back(he, alert, ("../../<b>etc\\x.pdf", PDF))
    page = he.get(f"/alerts/{alert.id}").text
    assert "x.pdf" in page and "<b>etc" not in page
    assert [path.suffix for path in (house.data / "attachments").rglob("*") if path.is_file()] == [".sealed"]


def test_a_file_may_come_later_and_only_to_a_handling_or_call_back(house: House, desk: Sit) -> None:
    alert, he = handled(house), desk("he")
    files = [("files", ("入院记录.pdf", PDF, "application/pdf"))]
    assert he.htmx(f"/alerts/{alert.id}/attachments", {"step": "3"}, files=files).status_code == 200
    assert [row.step_number for row in kept(house, alert.id)] == [3]
    assert "不能添加附件" in he.htmx(f"/alerts/{alert.id}/attachments", {"step": "1"}, files=files).text
    assert (
        he.htmx(f"/alerts/{alert.id}/attachments", {"step": "3"}, files=[("files", ("", b"", "application/pdf"))]).status_code
        == 422
    )
    assert desk("wu").htmx(f"/alerts/{alert.id}/attachments", {"step": "3"}, files=files).status_code in (403, 409)
    assert len(kept(house, alert.id)) == 1
    assert breaches(house) == []


def test_who_may_not_read_alerts_or_asks_by_another_alert_gets_nothing(house: House, desk: Sit) -> None:
    alert = handled(house)
    called_back(desk("he"), alert, ("出院小结.pdf", PDF))
    url = f"/alerts/{alert.id}/attachments/{kept(house, alert.id)[0].id}"
    assert desk("lin").get(url).status_code == 403
    assert desk("he").get(url.replace(str(alert.id), str(UUID(int=7)))).status_code == 404
    assert desk("he").get(f"/alerts/{alert.id}/attachments/{UUID(int=7)}").status_code == 404


def test_a_private_findings_file_is_for_who_may_read_private_items(
    house: House, desk: Sit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_is_private", lambda *_: True)
    alert = handled(house)
    assert called_back(desk("he"), alert, ("出院小结.pdf", PDF)).status_code == 200
    url = f"/alerts/{alert.id}/attachments/{kept(house, alert.id)[0].id}"
    assert desk("he").get(url).status_code == 200
    assert desk("huang").get(url).status_code == 404
    assert "出院小结" not in desk("huang").get(f"/alerts/{alert.id}").text


def test_the_database_refuses_to_change_one_and_a_damaged_file_is_found(house: House, desk: Sit) -> None:
    alert, he = handled(house), desk("he")
    called_back(he, alert, ("出院小结.pdf", PDF))
    row = kept(house, alert.id)[0]
    for statement in ("update critical_values_attachment set sha256 = 'x'", "delete from critical_values_attachment"):
        with pytest.raises(DatabaseError), house.unit(None) as db:
            db.execute(text(statement))
    path = attachments.AttachmentFiles(house).path_of(row.sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert "损坏" in he.get(f"/alerts/{alert.id}/attachments/{row.id}").text
    assert any("attachments of alerts" in name for name, _ in breaches(house))


def test_files_are_in_the_backup_and_a_drill_finds_one_that_was_lost(sqlite_house: House, tmp_path: Path) -> None:
    from exam.backup_chain import newest
    from exam.backup_drill import drill
    from exam.backup_restore import restore
    from exam.backup_ship import ship

    house, copies = sqlite_house, tmp_path / "copies"
    alert, he = handled(house), actor_named(house, "he")
    with house.unit(he) as db:
        attachments.add(db, alert, 3, [Upload("出院小结.pdf", "pdf", PDF)])
    ship(house, copies)
    generation = newest(copies, house.keys["anchor"])
    assert generation is not None
    restore(generation.folder, tmp_path / "restored", house.keys)
    stored = attachments.AttachmentFiles(house).path_of(kept(house, alert.id)[0].sha256)
    again = tmp_path / "restored" / stored.relative_to(house.data)
    assert again.read_bytes() == stored.read_bytes()
    is_good, page = drill(house.settings, copies, house.clock, house)
    assert is_good, page
    (copies / stored.relative_to(house.data)).unlink()
    house.cache.pop("backup.reports", None)
    (copies / "attachments").mkdir(exist_ok=True)
    is_good, page = drill(house.settings, copies, house.clock, None)
    assert not is_good
    assert "附件缺失" in page
