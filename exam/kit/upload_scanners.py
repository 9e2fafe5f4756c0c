"""Scanners of files that come in: every one that a module brings looks at a file before anything reads it (IN-04)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from exam.kit.errors import Refused
from exam.kit.house import house_of
from exam.kit.module import Slot

UPLOAD_SCANNERS: Slot[Callable[[bytes], str]] = Slot(
    "Looks at an uploaded file before it is read, for example for viruses; returns what is wrong with it in Chinese, or an empty text."
)


def scan(db: Session, content: bytes) -> None:
    """Refuses a file that any scanner has found something in. Without scanners nothing is refused."""
    for look in house_of(db).modules.fillings(UPLOAD_SCANNERS):
        if found := look(content):
            raise Refused("kit.upload_infected", f"文件未通过安全扫描:{found}", "请在本机杀毒后重新导出文件再上传", "file")
