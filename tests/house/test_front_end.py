"""The front end's own law: templates compile and render, nothing inline, words as in facts.py, locks that name no host."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from jinja2 import Environment, UndefinedError

from exam import app
from exam.kit import web
from exam.kit.module import MenuEntry
from exam.knowledge.facts import FLAG_SIGNS, Flag
from exam.knowledge.rules import TrendPoint
from exam.people.facts import SEX_NAMES
from exam.settings import CORE
from exam.visits.facts import CATEGORY_NAMES, LINE_STATE_NAMES, TUBE_STATE_NAMES, VISIT_STATE_NAMES, VisitCard, VisitState

ROOT = Path(__file__).parents[2]
SKIPPED = {"node_modules", "var", "vendor", "build"}


def _ours(pattern: str) -> list[Path]:
    """Files of our rooms that match, without what was fetched or made."""
    rooms = [folder for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    found = [path for room in rooms if room.name not in SKIPPED for path in room.rglob(pattern)]
    return sorted(path for path in found if not SKIPPED & set(path.relative_to(ROOT).parts))


TEMPLATES = [path for path in _ours("*.html") if "templates" in path.parts]
SCRIPTS = [path for path in _ours("*.js") if "static" in path.parts]
STYLES = [path for path in _ours("*.css") if "static" in path.parts]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _in_templates(pattern: str) -> set[Any]:
    """Every match of a pattern in any template."""
    return {found for path in TEMPLATES for found in re.findall(pattern, _read(path))}


@cache
def _environment() -> Environment:
    return web.make_templates(sorted({path.relative_to(ROOT).parts[0] for path in TEMPLATES}))


BASE: dict[str, Any] = {
    "actor": SimpleNamespace(name="李医生", title="内科", login="li", unread=2, may=lambda permission: True),
    "csrf_token": 'token\'"<',
    "menu": [{"title": "登记", "url": "/registration", "icon": "user-plus", "is_current": True}],
    "centre_name": "仁和健康体检中心",
    "is_demo": True,
    "static_version": "0",
    "path": "/registration",
}
REFUSAL: dict[str, Any] = {
    "text": "收缩压过高", "hint": "请核对后重试", "problems": [("sbp", "收缩压过高")], "code": "results.too_high",
}  # fmt: skip


def _render(source: str, **values: Any) -> str:
    return _environment().from_string(source).render(values)


# --- templates -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_compiles(path: Path) -> None:
    room, _, inside = path.relative_to(ROOT).as_posix().partition("/templates/")
    assert _environment().get_template(f"{room}/{inside}").filename == str(path)


FORBIDDEN_IN_TEMPLATES = {
    "a style attribute": r"""\sstyle\s*=""",
    "a style element": r"<style\b",
    "a script without src": r"<script\b(?![^>]*\bsrc=)",
    "an event attribute": r"""<[a-z][^>]*\son[a-z]+\s*=""",
    "htmx script attributes": r"\bhx-on\b|\bhx-on:|\bhx-vars\b|js:",
    "a javascript address": r"javascript:",
    "a foreign address": r"""(?:src|href|action|hx-[a-z]+)\s*=\s*["'](?:https?:)?//""",
    "text that escapes nothing": r"\|\s*safe\b|autoescape\s+false",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_a_template_keeps_to_the_strict_content_security_policy(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", _read(path), flags=re.DOTALL)
    found = [what for what, pattern in FORBIDDEN_IN_TEMPLATES.items() if re.search(pattern, text, re.IGNORECASE)]
    assert found == []


@pytest.mark.parametrize(
    "bad",
    [
        '<p style="color:red">', "<style>p{}</style>", "<script>run()</script>", '<button onclick="run()">',
        '<div hx-on:click="x()">', '<a href="javascript:x()">', '<img src="//elsewhere/x.png">', "{{ text|safe }}",
    ],
)  # fmt: skip
def test_the_policy_check_itself_finds_what_it_looks_for(bad: str) -> None:
    assert any(re.search(pattern, bad, re.IGNORECASE) for pattern in FORBIDDEN_IN_TEMPLATES.values())


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_our_scripts_make_no_code_and_no_markup_from_text(path: Path) -> None:
    text = _read(path)
    forbidden = r"\beval\(|new Function\b|\.innerHTML|\.outerHTML\s*=|insertAdjacentHTML|document\.write|https?://"
    assert re.findall(forbidden, text) == []


@pytest.mark.parametrize("path", STYLES, ids=_name)
def test_our_styles_fetch_nothing_from_elsewhere(path: Path) -> None:
    assert re.findall(r"@import|url\(\s*['\"]?(?:https?:)?//", _read(path)) == []


def test_the_desk_look_has_no_text_below_14_pixels() -> None:
    sizes = [float(size) for size in re.findall(r"font(?:-size)?:[^;}]*?(\d*\.?\d+)rem", _read(ROOT / "exam/static/exam.css"))]
    assert len(sizes) > 10
    assert min(sizes) >= 0.875


class _Outline(HTMLParser):
    """Collects landmarks, headings, labels and the ids they point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.label_targets: list[str] = []
        self.named: dict[str, str | None] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag == "label" and values.get("for"):
            self.label_targets.append(str(values["for"]))
        if tag in ("input", "select", "textarea") and values.get("type") not in ("hidden", "radio", "checkbox"):
            self.named[str(values.get("name"))] = values.get("id")


PAGE = '{% extends "exam/base.html" %}{% block title %}今日名单{% endblock %}{% block content %}<p>x</p>{% endblock %}'
PLAIN = '{% extends "exam/base_plain.html" %}{% block title %}登录{% endblock %}{% block content %}<p>x</p>{% endblock %}'


@pytest.mark.parametrize(("source", "values"), [(PAGE, BASE), (PLAIN, {**BASE, "actor": None, "menu": [], "csrf_token": ""})])
def test_a_page_has_one_heading_one_main_part_and_the_two_live_regions(source: str, values: dict[str, Any]) -> None:
    text = _render(source, **values)
    outline = _Outline(text)
    assert (outline.tags.count("h1"), outline.tags.count("main")) == (1, 1)
    assert {"main", "refusal", "toast"} <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))
    assert '<html lang="zh-CN">' in text
    assert re.search(r"<h1>(今日名单|登录)</h1>", text)


def test_the_htmx_configuration_shows_refusals_and_allows_no_eval() -> None:
    text = _render(PAGE, **BASE)
    found = re.search(r"name=\"htmx-config\" content='([^']+)'", text)
    assert found is not None
    config = json.loads(found[1])
    first = {status: next(rule for rule in config["responseHandling"] if re.search(rule["code"], status)) for status in
             ("200", "204", "303", "409", "422", "401", "404", "500")}  # fmt: skip
    assert {status for status, rule in first.items() if rule["swap"]} == {"200", "303", "409", "422"}
    assert {status for status, rule in first.items() if rule.get("error")} == {"401", "404", "500"}
    assert (config["allowEval"], config["selfRequestsOnly"], config["includeIndicatorStyles"]) == (False, True, False)


def test_the_token_travels_escaped_in_header_and_hidden_field() -> None:
    text = _render(PAGE, **BASE)
    found = re.search(r"hx-headers='([^']+)'", text)
    assert found is not None
    assert json.loads(found[1]) == {"X-CSRF-Token": BASE["csrf_token"]}
    assert 'name="csrf" value="token&#39;&#34;&lt;"' in text
    field = _render('{% from "exam/_field.html" import csrf_field %}{{ csrf_field("abc") }}')
    assert field == '<input type="hidden" name="csrf" value="abc">'
    with pytest.raises(UndefinedError):
        _render('{% from "exam/_field.html" import csrf_field %}{{ csrf_field() }}')


@pytest.mark.parametrize("actor", [BASE["actor"], None])
@pytest.mark.parametrize("template", ["exam/refused.html", "exam/not_found.html", "exam/_refusal.html"])
def test_a_refusal_names_its_field_reason_and_remedy(template: str, actor: Any) -> None:
    text = _environment().get_template(template).render({**BASE, **REFUSAL, "actor": actor})
    assert 'data-field="sbp"' in text
    assert 'data-refusal="results.too_high"' in text
    assert "收缩压过高" in text and "请核对后重试" in text


def test_a_refusal_with_many_problems_lists_every_one() -> None:
    problems = [("sbp", "收缩压过高"), ("", "表单不完整"), ("note", "<b>过长</b>")]
    text = _environment().get_template("exam/_refusal.html").render({**BASE, **REFUSAL, "problems": problems})
    assert re.findall(r'data-field="([^"]*)"', text) == ["sbp", "note"]
    assert "有 3 处需要更正" in text and "表单不完整" in text and "&lt;b&gt;" in text


FIELDS = """{% from "exam/_field.html" import text_field, number_field, select_field %}
{% from "exam/_field.html" import textarea_field, date_field, password_field %}
{{ text_field("a", "甲", none, problem="有误", attrs={"data-scan": ""}) }}{{ number_field("b", "乙", "<0.5", unit="mmol/L") }}
{{ select_field("c", "丙", [(1, "一"), (2, "二")], "2") }}{{ textarea_field("d", "丁", "\\n首行") }}
{{ date_field("e", "戊", min="2026-01-01") }}{{ password_field("f", "己", id="other") }}"""


def test_every_field_has_a_label_that_points_to_it() -> None:
    text = _render(FIELDS)
    outline = _Outline(text)
    assert outline.named == {"a": "a", "b": "b", "c": "c", "d": "d", "e": "e", "f": "other"}
    assert outline.label_targets == list(outline.named.values())
    assert 'value="&lt;0.5"' in text and "None" not in text
    assert re.findall(r'<option value="(\d)" selected', text) == ["2"]
    assert re.search(r'id="a-problem"[^>]*>有误<', text) and 'aria-invalid="true"' in text


def test_digit_choices_number_their_options_and_mark_the_chosen_one() -> None:
    source = '{% from "exam/_field.html" import radio_field %}{{ radio_field("h", "心律", options, "i") }}'
    text = _render(source, options=[("r", "齐"), ("i", "不齐")])
    assert "data-digit-choice" in text and re.findall(r"<kbd[^>]*>(\d)</kbd>", text) == ["1", "2"]
    assert re.findall(r'value="(\w)" checked', text) == ["i"]


@pytest.mark.parametrize(("url", "expected"), [("/list", "/list?page=3"), ("/list?q=1", "/list?q=1&amp;page=3")])
def test_the_pager_adds_the_page_to_any_address(url: str, expected: str) -> None:
    text = _render('{% from "exam/_table.html" import pager %}{{ pager(url, 2, 5, 88) }}', url=url)
    assert f'href="{expected}"' in text.replace("&page", "&amp;page")


def test_the_words_of_badges_are_those_of_the_facts() -> None:
    badges: dict[str, dict[Any, str]] = {
        "visit_badge": VISIT_STATE_NAMES, "line_badge": LINE_STATE_NAMES, "tube_badge": TUBE_STATE_NAMES,
    }  # fmt: skip
    for macro, names in badges.items():
        for state, name in names.items():
            text = _render(f'{{% from "exam/_badge.html" import {macro} %}}{{{{ {macro}(state) }}}}', state=state)
            assert re.sub(r"<[^>]+>", "", text).strip() == name
    for flag, sign in FLAG_SIGNS.items():
        text = _render('{% from "exam/_badge.html" import flag_sign %}{{ flag_sign(flag) }}', flag=flag)
        assert (f'aria-hidden="true">{sign}<' in text) == bool(sign)
    abnormal = _render('{% from "exam/_badge.html" import flagged %}{{ flagged("6.8", flag) }}', flag=Flag.HIGH)
    assert "is-abnormal" in abnormal and "偏高" in abnormal


def _card(**changes: Any) -> VisitCard:
    values: dict[str, Any] = {
        "id": UUID(int=1), "visit_no": "0101261121000013", "site": "01", "person_id": UUID(int=2), "person_name": "王秀英",
        "sex": "F", "age": 46, "category": "health", "exam_on": date(2026, 11, 21), "state": VisitState.IN_EXAM,
        "package_name": "<套餐>", "amount_due_fen": 12345,
    }  # fmt: skip
    return VisitCard(**{**values, **changes})


def test_the_visit_card_shows_who_it_is_and_what_is_due() -> None:
    source = '{% from "exam/_visit_card.html" import visit_card %}{{ visit_card(card, "1101***********258") }}'
    text = _render(source, card=_card())
    shown = ("王秀英", "女", "46岁", "0101261121000013", "1101***********258", "检查中", "&lt;套餐&gt;", "¥123.45")
    assert [each for each in shown if each not in text] == []
    assert "待缴" not in _render(source, card=_card(amount_due_fen=0))


@pytest.mark.parametrize("category", sorted(CATEGORY_NAMES))
def test_the_visit_card_knows_every_category_and_sex(category: str) -> None:
    for sex, word in SEX_NAMES.items():
        source = '{% from "exam/_visit_card.html" import visit_card %}{{ visit_card(card) }}'
        text = _render(source, card=_card(category=category, sex=sex))
        assert f">{CATEGORY_NAMES[category]}<" in text and f">{word}<" in text


def test_a_trend_carries_its_numbers_as_json_and_as_words() -> None:
    source = '{% from "exam/_trend.html" import trend %}{{ trend("钾\\"<", points, "mmol/L", 3.5) }}'
    text = _render(source, points=[TrendPoint("2025-05-01", "4.1"), TrendPoint("2026-11-21", "6.8", "方法不同")])
    attribute = next(value for tag, value in _attributes(text) if tag == "data-trend")
    assert json.loads(attribute) == {
        "label": '钾"<', "unit": "mmol/L", "points": [["2025-05-01", 4.1, ""], ["2026-11-21", 6.8, "方法不同"]], "low": 3.5, "high": None,
    }  # fmt: skip
    assert "2026-11-21:6.8" in text and "方法不同</span>" in text


def _attributes(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []

    class Collector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend((name, value or "") for name, value in attrs)

    Collector().feed(text)
    return found


# --- files and locks -------------------------------------------------------------------------------------------------


def test_the_package_file_pins_exact_versions_and_the_lock_agrees() -> None:
    package = json.loads(_read(ROOT / "package.json"))
    lock = json.loads(_read(ROOT / "package-lock.json"))
    pins = {**package["dependencies"], **package["devDependencies"]}
    assert [pin for pin in pins.values() if not re.fullmatch(r"\d+\.\d+\.\d+", pin)] == []
    assert {name: lock["packages"][f"node_modules/{name}"]["version"] for name in pins} == pins
    assert all("integrity" in entry for path, entry in lock["packages"].items() if path)


def test_the_locks_name_no_host() -> None:
    assert '"resolved"' not in _read(ROOT / "package-lock.json")
    assert "omit-lockfile-registry-resolved=true" in _read(ROOT / ".npmrc").split()
    locks = sorted(ROOT.glob("requirements*.lock"))
    assert locks
    for lock in locks:
        assert re.findall(r"https?://|--index|--extra-index|--find-links|--trusted-host", _read(lock)) == []


def _icons() -> set[str]:
    found = re.search(r"const ICONS = `([^`]+)`", _read(ROOT / "vendor.mjs"))
    assert found is not None
    return set(found[1].split())


def test_every_icon_that_is_used_is_in_the_sprite() -> None:
    in_templates = _in_templates(r"""\bicon(?:_name=|\()["']([a-z0-9-]+)["']""")
    menu_entry = r"""\bicon\s*=\s*["']([a-z0-9-]+)["']"""
    in_menus = {name for path in _ours("*.py") if path.name == "module.py" for name in re.findall(menu_entry, _read(path))}
    assert (in_templates | in_menus) - _icons() == set()
    assert {"logout", "search"} <= in_templates
    assert MenuEntry("题", "/", "x").icon in _icons()


def test_every_vendored_file_that_a_template_asks_for_is_copied() -> None:
    script = _read(ROOT / "vendor.mjs")
    asked = _in_templates(r"/static/exam/vendor/([\w.-]+)")
    assert {name for name in asked if f'"{name}"' not in script} == set()
    assert {"htmx.min.js", "tabler.min.css"} <= asked


def test_every_own_static_file_that_a_template_asks_for_exists() -> None:
    asked = _in_templates(r"/static/(\w+)/([\w.-]+)[?\"']")
    assert [f"{room}/static/{name}" for room, name in sorted(asked) if not (ROOT / room / "static" / name).is_file()] == []


def test_every_static_address_carries_the_version_that_any_rooms_file_changes(tmp_path: Path) -> None:
    """Browsers keep a static file for a week: only another address makes them ask again."""
    bare = {found for found in _in_templates(r"/static/[\w./-]+[^\w./-]") if found[-1] not in "?{"}
    assert bare == set()
    assert set(app._static_folders(CORE)) >= {"exam", "critical_values", "chief_review"}
    folders = {"exam": tmp_path / "one", "results": tmp_path / "two"}
    for folder in folders.values():
        folder.mkdir()
        (folder / "page.css").write_text("p {}", encoding="utf-8")
    before = app._static_version(folders)
    (folders["results"] / "page.css").write_text("p { color: red }", encoding="utf-8")
    assert app._static_version(folders) != before


def test_a_visit_number_is_grouped_for_the_eye_and_copied_as_plain_digits() -> None:
    page = _render('{% from "exam/_number.html" import grouped %}{{ grouped("0101261121000012") }}')
    assert re.sub(r"<[^>]+>", "", page) == "0101261121000012"
    assert re.findall(r"<span>(\d+)</span>", page) == ["0101", "261121", "00001", "2"]
    shown = [(_name(path), found) for path in TEMPLATES for found in re.findall(r">[^<]*\{\{ [\w.]*visit_no \}\}", _read(path))]
    assert shown == [], "a visit number that people read goes through exam/_number.html"


def test_the_key_that_closes_has_one_name_on_every_screen() -> None:
    page = _render('{% from "exam/_field.html" import link_button %}{{ link_button("返回", "/", hotkey="Escape") }}')
    assert 'data-hotkey="Escape"' in page and ">Esc</kbd>" in page
    legends = [(_name(path), found) for path in TEMPLATES for found in re.findall(r'\("Escape", "(?!Esc")|<kbd[^>]*>Escape<', _read(path))]
    assert legends == []


def test_a_template_is_compiled_once_for_all_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = sorted({path.relative_to(ROOT).parts[0] for path in TEMPLATES})
    web.make_templates(rooms).get_template("exam/refused.html")
    again = web.make_templates(rooms)
    if again.bytecode_cache is None:
        pytest.skip("the folder of the templates cannot be written")
    monkeypatch.setattr(Environment, "compile", lambda *given, **more: pytest.fail("compiled again"))
    assert again.get_template("exam/refused.html").name
    again.autoescape = False
    other = web._compiled_templates(again)
    assert other is not None and other.pattern != again.bytecode_cache.pattern  # type: ignore[attr-defined]
