"""Workbooks of rosters that go out: the centre's own template, and the list of faults of a file that came in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import BytesIO

from exam.kit.sheets import workbook
from exam.people.facts import ID_KIND_NAMES, SEX_NAMES
from group_orders.roster_fields import FIELDS, MARITAL_STATES
from group_orders.roster_rules import CheckedRow

ROSTER_SHEET, EXAMPLE_SHEET, NOTES_SHEET = "名单", "示例", "填表说明"
EMPTY_ROWS = 5_000
"""Rows that carry the text format and the choices, so that nobody's typing is turned into a number."""

_EXAMPLE = {
    "name": "张示例", "id_no": "11010519491231002X", "phone": "13800000000", "marital": "已婚", "department": "一车间",
    "employee_no": "A0001", "job": "焊工", "post": "班长",
}  # fmt: skip
_FAMILY = {
    "name": "李示例", "id_kind": "护照", "id_no": "E00000000", "sex": "女", "birth_on": "1990-07-22", "phone": "13900000000",
    "relation": "配偶", "of_employee_no": "A0001",
}  # fmt: skip
_NOTES = (
    "第一行是表头,请勿改动;每人一行,从第二行开始填写。",
    "“姓名”和“证件号码”必填;没有证件的,证件类型选“无证件”,并填写性别和出生日期。",
    "证件号码、手机号码、工号等列已设为文本格式,请勿改为数字:Excel 的数字只保留 15 位,身份证号会丢失末几位。",
    "从其他表格粘贴时,请用“选择性粘贴→数值”,以保留文本格式。",
    "居民身份证能得出性别和出生日期,可以不填;填写时必须与证件一致。",
    "“分组”留空时按性别、年龄、婚姻状况、岗位、职务自动分组。",
    "家属:填写与员工关系,并在“员工工号”填写所属员工的工号。",
    "上传后先显示全部错误和人数,确认之前不会登记任何人。",
)


def template(cohorts: Sequence[str]) -> bytes:
    """The centre's template: drop-downs, text cells for everything Excel would take for a number, an example and notes."""
    import xlsxwriter  # only who downloads waits for it

    choices = {
        "id_kind": list(ID_KIND_NAMES.values()), "sex": list(SEX_NAMES.values()), "marital": list(MARITAL_STATES), "cohort": list(cohorts),
    }  # fmt: skip
    content = BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        text = book.add_format({"num_format": "@"})
        heads = {
            is_required: book.add_format(
                {"bold": True, "num_format": "@", "bottom": 1, "bg_color": "#FCE8D5" if is_required else "#E7EDF3"}
            )
            for is_required in (True, False)
        }
        for name, examples in ((ROSTER_SHEET, ()), (EXAMPLE_SHEET, (_EXAMPLE, _FAMILY))):
            sheet = book.add_worksheet(name)
            for column, field in enumerate(FIELDS):
                sheet.set_column(column, column, field.width, text)
                is_required = field.name in ("name", "id_no")
                sheet.write_string(0, column, field.label + ("*" if is_required else ""), heads[is_required])
                if field.note:
                    sheet.write_comment(0, column, field.note)
                for row, example in enumerate(examples, 1):
                    sheet.write_string(row, column, example.get(field.name, ""), text)
                if choices.get(field.name):
                    sheet.data_validation(1, column, EMPTY_ROWS, column, _list_of(book, field.label, choices[field.name]))
            sheet.freeze_panes(1, 2)
        notes = book.add_worksheet(NOTES_SHEET)
        notes.set_column(0, 0, 100)
        for row, note in enumerate(_NOTES):
            notes.write_string(row, 0, f"{row + 1}. {note}")
    return content.getvalue()


def _list_of(book: object, label: str, texts: Sequence[str]) -> dict[str, object]:
    """A drop-down. Excel takes 255 characters in the cell itself; longer lists stand on a hidden sheet."""
    told: dict[str, object] = {
        "validate": "list",
        "error_title": label,
        "error_message": "请从列表中选择,或清空",
        "error_type": "warning",
    }
    if len(",".join(texts)) <= 255 and not any("," in each for each in texts):
        return {**told, "source": list(texts)}
    name = f"选项_{label}"
    sheet = next((each for each in book.worksheets() if each.get_name() == name), None)  # type: ignore[attr-defined]
    if sheet is None:
        sheet = book.add_worksheet(name)  # type: ignore[attr-defined]
        sheet.hide()
        for row, each in enumerate(texts):
            sheet.write_string(row, 0, each)
    return {**told, "source": f"='{name}'!$A$1:$A${len(texts)}"}


def faults(rows: Iterable[CheckedRow]) -> bytes:
    """Every fault and warning of a roster with its cell, for whoever has to correct the file."""
    lines = [
        (row.row, each.cell, row.name, kind, each.reason, each.remedy)
        for row in rows
        for kind, found in (("错误", row.problems), ("提示", row.warnings))
        for each in found
    ]
    return workbook([("错误清单", ("行", "单元格", "姓名", "类别", "原因", "处理办法"), lines)])
