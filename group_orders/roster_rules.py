"""A roster's rows judged: every wrong cell at once with its address, the reason and the remedy; who is in the file twice; the cohort.

Nothing is guessed. What Excel has rounded (an ID number kept as a number) is refused, because its last digits are gone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from functools import partial

import msgspec

from exam.kit.errors import Refused
from exam.kit.workbook_guard import address
from exam.kit.workbook_reader import Cell
from exam.people import rules as people
from exam.people.facts import IdKind, IdNumber
from group_orders import roster_fields
from group_orders.facts import CohortRule, MemberDraft
from group_orders.roster_cells import BadCell, read_birth, read_id_text, read_phone, read_word
from group_orders.roster_fields import LABELS


class Problem(msgspec.Struct, frozen=True):
    """What is wrong in one cell: its field (empty: the row), its address, the reason, the remedy, all but the field for people."""

    field: str
    cell: str
    reason: str
    remedy: str


class CheckedRow(msgspec.Struct, frozen=True):
    """One row after checking: a draft where nothing is wrong; what is wrong; what somebody should look at.

    `standing` says what the database knows of the person: new, known, conflict (the number stands under another name),
    member (already in this order). `file` names the known file, `decision` is what was chosen for a conflict.
    """

    row: int
    name: str
    draft: MemberDraft | None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    standing: str = ""
    file: str = ""
    decision: str = ""


class Roster(msgspec.Struct, frozen=True):
    """What the rows are judged against: cohorts, the exam day, today, and the employees that the order already has."""

    cohorts: tuple[CohortRule, ...]
    exam_on: date
    today: date
    employee_nos: frozenset[str] = frozenset()


Row = tuple[int, list[Cell]]
"""A row as Excel counts it, and its cells."""


def required_columns(mapping: Mapping[str, int]) -> list[str]:
    """Labels of the columns without which no roster can be judged."""
    return [LABELS[name] for name in ("name", "id_no") if name not in mapping]


def check(rows: Sequence[Row], mapping: Mapping[str, int], roster: Roster) -> list[CheckedRow]:
    """Every row that holds anything in a mapped column, judged."""
    judge = _Judge(mapping, roster)
    readings = [
        judge.read(number, cells) for number, cells in rows if any(cells[place] not in ("", None) for place in mapping.values())
    ]
    judge.compare(readings)
    return [judge.checked(each) for each in readings]


def cohort_for(reading: Fitting, cohorts: Sequence[CohortRule], on: date) -> tuple[CohortRule, ...]:
    """The cohorts whose conditions a person meets on the exam day; exactly one is what an import needs."""
    return tuple(each for each in cohorts if not misfits(reading, each, on))


class Fitting(msgspec.Struct, frozen=True):
    """What a cohort asks of a person."""

    sex: str
    birth_on: date
    marital: str
    job: str
    post: str


def misfits(person: Fitting, cohort: CohortRule, on: date) -> list[str]:
    """The conditions of a cohort that a person does not meet, in words."""
    found = []
    age = people.age_on(person.birth_on, on) if person.birth_on <= on else 0
    if cohort.sex and person.sex != cohort.sex:
        found.append(f"限{'男' if cohort.sex == 'M' else '女'}性")
    if not cohort.age_from <= age <= cohort.age_to:
        found.append(f"限 {cohort.age_from}–{cohort.age_to} 岁(体检日 {age} 岁)")
    if cohort.marital and person.marital != cohort.marital:
        found.append(f"限{cohort.marital}")
    for wanted, held, label in ((cohort.jobs, person.job, "岗位"), (cohort.posts, person.post, "职务")):
        if wanted and fold(held) not in {fold(each) for each in wanted}:
            found.append(f"限{label} {'、'.join(wanted[:3])}{'等' if len(wanted) > 3 else ''}")
    return found


def fold(text: str) -> str:
    """What names of cohorts, jobs and posts are compared by: width, case and spaces make no difference."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


# --- reading one row -------------------------------------------------------------------------------------------------


class _Reading:
    """A row while it is judged: the values that could be read, and what is wrong so far."""

    __slots__ = ("document", "number", "problems", "values", "warnings")

    def __init__(self, number: int) -> None:
        self.number = number
        self.values: dict[str, str] = {}
        self.document: IdNumber | None = None
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []


_WITH_READER = frozenset({"name", "id_kind", "id_no", "birth_on", "phone"})


class _Judge:
    def __init__(self, mapping: Mapping[str, int], roster: Roster) -> None:
        self.mapping = mapping
        self.roster = roster
        self.cohort_of = {fold(each.name): each for each in reversed(roster.cohorts)}
        self.births: dict[int, date | None] = {}
        self.cohorts: dict[int, CohortRule | None] = {}
        self.nearest: dict[str, BadCell] = {}
        # Departments and jobs repeat: each text is read once.
        self.words: list[tuple[str, int, dict[str, str]]] = [
            (name, place, {"": ""}) for name, place in mapping.items() if name not in _WITH_READER
        ]

    def problem(self, reading: _Reading, field: str, reason: str, remedy: str, *, is_warning: bool = False) -> None:
        place = self.mapping.get(field)
        cell = address(reading.number, place + 1) if place is not None else f"第 {reading.number} 行"
        (reading.warnings if is_warning else reading.problems).append(Problem(field, cell, reason, remedy))

    def take(self, reading: _Reading, cells: list[Cell], field: str, read: Callable[[Cell], str]) -> str:
        """One cell through its reader; what it refuses is noted at the cell and leaves an empty text."""
        place = self.mapping.get(field)
        if place is None or (cell := cells[place]) in ("", None):
            return ""
        try:
            return read(cell)
        except BadCell as bad:
            self.problem(reading, field, bad.reason, bad.remedy)
        except Refused as refused:
            self.problem(reading, field, refused.text, refused.hint or "请核对后修改")
        return ""

    def read(self, number: int, cells: list[Cell]) -> _Reading:
        """One row's own cells, each by its reader, and what they say of each other."""
        reading = _Reading(number)
        values = reading.values
        for name, place, words in self.words:
            cell = cells[place]
            if type(cell) is str and cell in words:
                values[name] = words[cell]
                continue
            values[name] = word = self.take(reading, cells, name, partial(read_word, field=roster_fields.BY_NAME[name]))
            if word and type(cell) is str:
                words[cell] = word
        values["name"] = self.take(
            reading, cells, "name", lambda cell: people.read_name(read_word(cell, roster_fields.BY_NAME["name"]))
        )
        if not values["name"] and not any(each.field == "name" for each in reading.problems):
            self.problem(reading, "name", "姓名未填写", "请填写证件上的姓名")
        values["phone"] = self.take(reading, cells, "phone", read_phone)
        self.read_document(reading, cells)
        self.read_basics(reading, cells)
        self.read_family(reading)
        self.read_cohort(reading)
        return reading

    def read_document(self, reading: _Reading, cells: list[Cell]) -> None:
        words = self.take(reading, cells, "id_kind", lambda cell: read_word(cell, roster_fields.BY_NAME["id_kind"]))
        kind = roster_fields.ID_KIND_WORDS.get(words) if words else None
        if words and kind is None:
            near = get_close_matches(words, roster_fields.ID_KIND_WORDS, 1, 0.4)
            hint = f"是否为“{near[0]}”?" if near else "请填写:" + "、".join(list(roster_fields.ID_KIND_WORDS)[:7])
            self.problem(reading, "id_kind", f"不认识证件类型“{words}”", hint)
            return
        text = self.take(reading, cells, "id_no", read_id_text)
        if any(each.field == "id_no" for each in reading.problems):
            return
        if not text and kind is None:
            self.problem(reading, "id_no", "证件号码未填写", "请填写完整号码;确无证件的,证件类型填“无证件”")
            return
        self.take_number(reading, kind, text)

    def take_number(self, reading: _Reading, kind: IdKind | None, text: str) -> None:
        if kind is None:
            kind = people.guess_kind(text) or IdKind.RESIDENT
            if kind in (IdKind.PASSPORT, IdKind.TAIWAN_PERMIT):  # shapes that a mistyped number has as well
                self.problem(
                    reading, "id_no", f"号码有 {len(text)} 位,不是 18 位居民身份证号", "请核对号码;其他证件请在“证件类型”列写明"
                )
                return
        try:
            reading.document = people.read_id_number(kind, text, self.roster.today)
        except Refused as refused:
            self.problem(reading, "id_no", refused.text, refused.hint)
            return
        for warning in reading.document.warnings:
            self.problem(reading, "id_no", warning, "请核对", is_warning=True)

    def read_basics(self, reading: _Reading, cells: list[Cell]) -> None:
        """Sex and birth date: what the number tells and what is typed must agree; without a number both must be typed."""
        document = reading.document
        typed = reading.values.get("sex", "")
        sex = roster_fields.SEX_WORDS.get(typed.lower(), "")
        if typed and not sex:
            self.problem(reading, "sex", f"性别“{typed}”无法识别", "请填写男或女")
        elif sex and document is not None and document.sex and sex != document.sex:
            self.problem(reading, "sex", "性别与证件号码不一致", "请核对证件后修改性别或号码")
        elif not typed and document is not None and document.sex is None:
            self.problem(reading, "sex", "性别未填写,该证件不能得出性别", "请填写男或女")
        reading.values["sex"] = (document.sex if document is not None else None) or sex
        born = self.take(reading, cells, "birth_on", lambda cell: read_birth(cell).isoformat())
        birth_on = date.fromisoformat(born) if born else None
        is_bad = any(each.field == "birth_on" for each in reading.problems)
        if birth_on and not people.EARLIEST_BIRTH_ON <= birth_on <= self.roster.today:
            self.problem(reading, "birth_on", f"出生日期 {birth_on} 不合理", "请核对出生日期")
        elif birth_on and document is not None and document.birth_on and birth_on != document.birth_on:
            self.problem(reading, "birth_on", "出生日期与证件号码不一致", "请核对证件后修改出生日期或号码")
        elif not birth_on and not is_bad and document is not None and document.birth_on is None:
            self.problem(reading, "birth_on", "出生日期未填写,该证件不能得出出生日期", "请填写,例如 1985-03-15")
        self.births[reading.number] = (document.birth_on if document is not None else None) or birth_on
        word = reading.values.get("marital", "")
        if word and word not in roster_fields.MARITAL_WORDS:
            self.problem(reading, "marital", f"婚姻状况“{word}”无法识别", f"请填写:{'、'.join(roster_fields.MARITAL_STATES)}")
        reading.values["marital"] = roster_fields.MARITAL_WORDS.get(word, "")

    def read_family(self, reading: _Reading) -> None:
        relation = reading.values.get("relation", "")
        of = reading.values.get("of_employee_no", "")
        is_employee = relation in roster_fields.OWN_RELATIONS
        reading.values["relation"] = "" if is_employee else relation
        if not is_employee and not of:
            self.problem(reading, "of_employee_no", f"与员工关系为“{relation}”,但没有填写员工工号", "请填写该家属所属员工的工号")
        if is_employee and of:
            if of != reading.values.get("employee_no", of):
                self.problem(reading, "relation", "填写了员工工号,但没有填写与员工关系", "家属请填写关系;员工本人请清空员工工号")
            reading.values["of_employee_no"] = ""

    # --- the cohort

    def read_cohort(self, reading: _Reading) -> None:
        self.cohorts[reading.number] = None
        named, birth_on, sex = reading.values.get("cohort", ""), self.births[reading.number], reading.values["sex"]
        if named:
            cohort = self.cohort_of.get(fold(named)) or self.only_named(reading, named)
            if cohort is None:
                return
            self.cohorts[reading.number] = cohort
        if birth_on is None or not sex:
            return
        values = reading.values
        person = Fitting(sex, birth_on, values["marital"], values.get("job", ""), values.get("post", ""))
        on = self.roster.exam_on
        if named:
            self.warn_of_misfit(reading, person, self.cohorts[reading.number], on)
            return
        found = cohort_for(person, self.roster.cohorts, on)
        if len(found) == 1:
            self.cohorts[reading.number] = found[0]
        elif found:
            names = "、".join(each.name for each in found[:4])
            self.problem(reading, "cohort", f"同时符合 {len(found)} 个分组:{names}", "请在“分组”列写明,或修改分组条件使其不重叠")
        else:
            told = f"{'男' if sex == 'M' else '女'},体检日 {people.age_on(birth_on, on) if birth_on <= on else 0} 岁"
            if values["marital"]:
                told += f",{values['marital']}"
            self.problem(reading, "cohort", f"没有符合条件的分组({told})", "请在“分组”列写明,或增加、修改分组条件")

    def only_named(self, reading: _Reading, named: str) -> CohortRule | None:
        bad = self.nearest.get(named)
        if bad is None:
            names = [each.name for each in self.roster.cohorts]
            near = get_close_matches(named, names, 1, 0.3)
            hint = f"最接近的是“{near[0]}”,请核对" if near else f"本批次的分组有:{'、'.join(names[:8]) or '(尚未建立)'}"
            bad = self.nearest[named] = BadCell(f"没有名为“{named}”的分组", hint)
        self.problem(reading, "cohort", bad.reason, bad.remedy)
        return None

    def warn_of_misfit(self, reading: _Reading, person: Fitting, cohort: CohortRule | None, on: date) -> None:
        if cohort is None or not (found := misfits(person, cohort, on)):
            return
        is_wrong_sex = bool(cohort.sex) and cohort.sex != person.sex
        self.problem(
            reading, "cohort", f"不符合分组“{cohort.name}”的条件:{';'.join(found)}", "请核对分组", is_warning=not is_wrong_sex
        )

    # --- rows against each other

    def compare(self, readings: Sequence[_Reading]) -> None:
        """Whoever is in the file twice, on every row that names them; families against the employees of file and order."""
        by_number: dict[tuple[bool, str], list[_Reading]] = {}
        by_employee: dict[str, list[_Reading]] = {}
        by_basics: dict[tuple[str, str, date | None], list[_Reading]] = {}
        for each in readings:
            values = each.values
            if each.document is not None and each.document.number:
                number = people.index_id(each.document.number)
                by_number.setdefault((each.document.kind in people.CARD_KINDS, number), []).append(each)
            elif values["name"]:
                by_basics.setdefault((values["name"], values["sex"], self.births[each.number]), []).append(each)
            if values.get("employee_no") and not values["relation"]:
                by_employee.setdefault(values["employee_no"], []).append(each)
        self.note_doubles(by_number.values(), "id_no", "证件号码", "请核对,每人只保留一行")
        self.note_doubles(by_employee.values(), "employee_no", "工号", "请核对工号")
        self.note_doubles(by_basics.values(), "name", "姓名、性别、出生日期", "请核对是否为同一人", is_warning=True)
        for each in readings:
            of = each.values.get("of_employee_no", "")
            if of and of not in by_employee and of not in self.roster.employee_nos:
                self.problem(each, "of_employee_no", f"员工工号 {of} 不在本文件和本批次名单中", "请核对工号,或先导入员工本人")

    def note_doubles(
        self, groups: Iterable[list[_Reading]], field: str, label: str, remedy: str, *, is_warning: bool = False
    ) -> None:
        for group in groups:
            if len(group) < 2:
                continue
            first, second = group[0].number, group[1].number
            for each in group:
                other = second if each.number == first else first
                more = f"(共 {len(group)} 行)" if len(group) > 2 else ""
                self.problem(each, field, f"第 {each.number} 行与第 {other} 行{label}相同{more}", remedy, is_warning=is_warning)

    # --- the outcome

    def checked(self, reading: _Reading) -> CheckedRow:
        values, cohort, birth_on = reading.values, self.cohorts[reading.number], self.births[reading.number]
        warnings = tuple(reading.warnings)
        if reading.problems or reading.document is None or cohort is None or birth_on is None:
            return CheckedRow(reading.number, values["name"], None, tuple(reading.problems), warnings)
        draft = MemberDraft(
            row=reading.number, person_id=None, name=values["name"], id_kind=reading.document.kind, id_no=reading.document.number,
            sex=values["sex"], birth_on=birth_on, phone=values["phone"], marital=values["marital"],
            department=values.get("department", ""), job=values.get("job", ""), post=values.get("post", ""),
            employee_no=values.get("employee_no", ""), cohort_id=cohort.cohort_id, relation=values["relation"],
            of_employee_no=values.get("of_employee_no", ""), remark=values.get("remark", ""),
        )  # fmt: skip
        return CheckedRow(reading.number, values["name"], draft, (), warnings)
