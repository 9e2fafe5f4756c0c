"""Documents that the code answers for: state tables, slots, the golden route table, the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exam.kit.jobs import import_models
from exam.kit.module import load
from exam.settings import CORE, MODEL_PACKAGES
from tools.write_documents import DOCUMENTS

ROOT = Path(__file__).parent.parent.parent
SOURCES = [path for name in (*CORE, "rehearsal") for path in (ROOT / name).rglob("*.py")]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_a_written_document_says_what_the_code_says(path: Path) -> None:
    import_models([*MODEL_PACKAGES])
    assert path.read_text(encoding="utf-8") == DOCUMENTS[path](load(CORE)), "run: python -m tools.write_documents"


def test_every_route_declares_a_permission_that_exists() -> None:
    modules = load(CORE)
    known = {*modules.permissions, "open", "signed_in"}
    assert [handler for module in modules.all for handler in module.routes if handler.opt.get("may") not in known] == []


def test_every_permission_is_used_by_a_route_or_asked_for_in_code() -> None:
    modules = load(CORE)
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name != "module.py")
    templates = "\n".join(path.read_text(encoding="utf-8") for name in CORE for path in (ROOT / name).rglob("*.html"))
    assert [name for name in modules.permissions if name not in code and name not in templates] == []


def test_every_code_word_of_the_glossary_is_in_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    words = re.findall(r"`([A-Za-z_.]+)`", (ROOT / "GLOSSARY.md").read_text(encoding="utf-8"))
    known = set(re.findall(r"\w+", code))
    missing = [word for word in words if word.rpartition(".")[2] not in known]
    assert len(words) > 40
    assert missing == []


def test_no_name_is_written_in_pinyin_or_hides_in_a_drawer() -> None:
    drawers = {"utils", "helpers", "common", "manager", "misc", "helper", "util"}
    pinyin = re.compile(r"\b(tijian|xingming|nianling|shenfenzheng|danwei|baogao|zongjian|keshi|xiangmu|taocan|jianyi)\b", re.I)
    assert [path for path in SOURCES if path.stem in drawers] == []
    assert [path for path in SOURCES if pinyin.search(path.read_text(encoding="utf-8"))] == []


def test_files_stay_small() -> None:
    most = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in most.items() if lines > 480 and "migrations" not in name} == {}


def test_every_python_file_begins_with_a_docstring() -> None:
    assert [path for path in SOURCES if not path.read_text(encoding="utf-8").lstrip().startswith('"""')] == []


def test_only_the_house_commits() -> None:
    allowed = {"exam/kit/house.py", "exam/migrations/env.py"}
    found = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if re.search(r"\.commit\(\)", path.read_text(encoding="utf-8")) and "backup" not in path.name
    }
    assert found <= allowed


def test_chromiums_tests_stand_where_make_test_looks_for_them() -> None:
    marked = [
        path for path in (ROOT / "tests").rglob("*.py") if re.search(r"pytest\.mark\.browser", path.read_text(encoding="utf-8"))
    ]
    assert len(marked) > 10
    assert [path for path in marked if path.parent.name != "browser" and not path.match("test_*_browser.py")] == []
