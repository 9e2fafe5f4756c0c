"""The catalogue's screens over the real app: finding, history, changing with a day and a reason, and import with preview."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from exam.catalog import columns, service, workbook
from exam.catalog.columns import COLUMNS, RANGE_COLUMNS
from exam.kit import audit
from exam.kit.clock import day_of
from exam.kit.house import House
from tests.catalog.test_workbook import book_of, cells

Desks = Callable[[str], Any]


def today(house: House) -> Any:
    return day_of(house.clock.now())


def present(house: House) -> Any:
    with house.unit(None, write=False) as db:
        return service.catalogue(db, today(house))


def form_of(house: House, kind: str, code: str, /, **changed: str) -> dict[str, str]:
    """What a browser sends when somebody opens the form, changes some fields and saves."""
    catalogue = present(house)
    entry = workbook.by_kind(catalogue)[kind][code]
    form = {each.name: columns.text_of(each, getattr(entry, each.name)) for each in COLUMNS[kind]}
    for number, row in enumerate(getattr(entry, "ranges", ())):
        form |= {f"range.{number}.{each.name}": columns.text_of(each, getattr(row, each.name)) for each in RANGE_COLUMNS}
    if kind == "package":
        form.pop("price_fen")
    return {**form, "seen": str(catalogue.revision), "valid_from": today(house).isoformat(), "reason": "测试", **changed}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("kind=group&q=血沉", "G060"), ("kind=group&q=xc", "G060"), ("kind=group&q=g060", "G060"), ("kind=package&q=crjc", "P02"),
     ("kind=item&q=体重指数", "BMI"), ("kind=tube", "EDTA"), ("kind=department&q=内科", "MED")],
)  # fmt: skip
def test_entries_are_found_by_name_code_and_pinyin(desk: Desks, query: str, expected: str) -> None:
    answer = desk("tan").get(f"/catalog?{query}")
    assert re.search(rf'href="/catalog/entries/\w+/{expected}"', answer.text)


def test_the_catalogue_is_paged_and_an_unknown_kind_is_not_found(desk: Desks) -> None:
    tan = desk("tan")
    pages = [tan.get(f"/catalog?kind=item&page={page}").text for page in (1, 2)]
    first, second = (set(re.findall(r"/catalog/entries/item/([^\"/]+)", page)) for page in pages)
    assert len(first) == 50
    assert not first & second
    assert tan.get("/catalog?kind=nothing").status_code == 404
    assert tan.get("/catalog/entries/item/NOTHING").status_code == 404


def test_who_may_only_read_cannot_change(desk: Desks, house: House) -> None:
    lin = desk("lin")
    assert lin.get("/catalog").status_code == 200
    assert "/catalog/new/" not in lin.get("/catalog").text
    assert lin.get("/catalog/entries/item/WC/edit").status_code == 403
    assert lin.post("/catalog/entries/item/WC", form_of(house, "item", "WC")).status_code == 403


def test_a_changed_item_has_a_history_with_who_when_why_and_what(desk: Desks, house: House) -> None:
    tan = desk("tan")
    form = form_of(house, "item", "WC", reason="按新指南", name="腰围(立位)", **{"range.0.high": "88.5"})
    assert tan.htmx("/catalog/entries/item/WC", form).headers["hx-redirect"] == "/catalog/entries/item/WC"
    assert [each.high for each in present(house).items["WC"].ranges] == ["88.5", "85"]
    page = unescape(tan.get("/catalog/entries/item/WC").text)
    for words in ("按新指南", "谭静怡", "<del>腰围</del>", "<ins>腰围(立位)</ins>", "<88.5"):
        assert words in page


@pytest.mark.parametrize("kind", list(COLUMNS))
def test_every_kind_has_a_form_that_changes_nothing_by_itself(desk: Desks, house: House, kind: str) -> None:
    tan, code = desk("tan"), next(iter(workbook.by_kind(present(house))[kind]))
    assert tan.get(f"/catalog/entries/{kind}/{code}/edit").status_code == 200
    assert tan.get(f"/catalog/new/{kind}").status_code == 200
    assert "没有修改任何内容" in tan.htmx(f"/catalog/entries/{kind}/{code}", form_of(house, kind, code)).text
    order = {"draw_order": "77"} if kind == "tube" else {"order": "777"}
    assert tan.htmx(f"/catalog/entries/{kind}/{code}", form_of(house, kind, code, **order)).status_code == 200


def test_a_change_needs_a_reason_and_a_day_that_is_not_over(desk: Desks, house: House) -> None:
    tan = desk("tan")
    assert "必须填写原因" in tan.htmx("/catalog/entries/item/WC", form_of(house, "item", "WC", name="x", reason=" ")).text
    past = form_of(house, "item", "WC", name="x", valid_from="2026-11-20")
    assert "不能早于今天" in tan.htmx("/catalog/entries/item/WC", past).text
    assert tan.htmx("/catalog/entries/item/WC", form_of(house, "item", "WC", name="x", valid_from="soon")).status_code == 422


def test_a_change_from_a_screen_that_is_no_longer_true_is_refused(desk: Desks, house: House) -> None:
    tan = desk("tan")
    form = form_of(house, "item", "WC", name="一")
    assert tan.htmx("/catalog/entries/item/WC", form).status_code == 200
    answer = tan.htmx("/catalog/entries/item/WC", {**form, "name": "二"})
    assert (answer.status_code, "已被他人修改" in answer.text) == (409, True)
    assert present(house).items["WC"].name == "一"


def test_every_wrong_field_is_named_at_once(desk: Desks, house: House) -> None:
    form = form_of(house, "item", "WC", name="", decimals="一", **{"range.0.high": "高"})
    answer = desk("tan").htmx("/catalog/entries/item/WC", form)
    assert answer.status_code == 422
    for field in ("name", "decimals", "range.0.high"):
        assert f'data-field="{field}"' in answer.text


def test_overlapping_ranges_are_refused(desk: Desks, house: House) -> None:
    answer = desk("tan").htmx("/catalog/entries/item/WC", form_of(house, "item", "WC", **{"range.0.sex": ""}))
    assert "重叠" in answer.text


def test_a_groups_new_price_changes_the_packages_that_hold_it(desk: Desks, house: House) -> None:
    before = present(house)
    answer = desk("tan").htmx("/catalog/entries/group/G001", form_of(house, "group", "G001", price_fen="13.50"))
    assert answer.status_code == 200, answer.text
    after = present(house)
    assert after.groups["G001"].price_fen == 1350
    holding = [code for code, each in before.packages.items() if "G001" in each.groups]
    assert all(after.packages[code].price_fen != before.packages[code].price_fen for code in holding)
    assert after.revision == before.revision + 1


def test_a_package_price_is_computed(desk: Desks, house: House) -> None:
    assert desk("tan").htmx("/catalog/entries/package/P01", form_of(house, "package", "P01", factor="1")).status_code == 200
    after = present(house)
    assert after.packages["P01"].price_fen == sum(after.groups[code].price_fen for code in after.packages["P01"].groups)


def test_a_change_for_a_later_day_holds_from_that_day(desk: Desks, house: House) -> None:
    form = form_of(house, "department", "MED", location="三层", valid_from="2026-12-01")
    assert desk("tan").htmx("/catalog/entries/department/MED", form).status_code == 200
    assert present(house).departments["MED"].location != "三层"
    assert "待生效" in desk("tan").get("/catalog/entries/department/MED").text
    house.clock.advance(days=10)  # type: ignore[attr-defined]
    assert present(house).departments["MED"].location == "三层"


def test_a_new_entry_is_added_once_and_retired_once(desk: Desks, house: House) -> None:
    tan = desk("tan")
    form = form_of(house, "tube", "EDTA", code="NEWT", name="新管")
    assert tan.htmx("/catalog/new/tube", form).status_code == 200
    again = {**form, "seen": str(present(house).revision)}
    assert "已被使用过" in tan.htmx("/catalog/new/tube", again).text
    form = {"seen": str(present(house).revision), "valid_from": today(house).isoformat(), "reason": "不再采购"}
    assert tan.htmx("/catalog/entries/tube/NEWT/retire", form).status_code == 200
    assert "NEWT" not in present(house).tubes
    assert "已停用" in tan.get("/catalog/entries/tube/NEWT").text
    form["seen"] = str(present(house).revision)
    assert tan.htmx("/catalog/entries/tube/NEWT/retire", form).status_code == 409
    assert "容器“EDTA”不存在" in tan.htmx("/catalog/entries/tube/EDTA/retire", form).text


# --- what people read and type instead of codes ----------------------------------------------------------------------


def test_the_list_shows_common_units_and_chinese_sources_and_only_the_entry_names_the_interfaces_unit(desk: Desks) -> None:
    page = desk("tan").get("/catalog?kind=item&q=收缩压").text
    assert "mmHg" in page and "mm[Hg]" not in page
    assert "临床指南" in page and "guideline" not in page
    entry = desk("tan").get("/catalog/entries/item/SBP").text
    assert "<dd>mmHg</dd>" in entry and "<dt>接口用单位</dt><dd>mm[Hg](UCUM)</dd>" in entry
    assert "UCUM" not in desk("tan").get("/catalog/entries/item/HT").text
    assert "90–139(临床指南,已审核)" in entry and "guideline" not in entry


def test_ages_are_told_in_words(desk: Desks) -> None:
    tan = desk("tan")
    assert "<dt>适用年龄</dt><dd>18–99岁</dd>" in tan.get("/catalog/entries/package/P02").text
    group = tan.get("/catalog/entries/group/G030").text
    assert "<dt>适用年龄</dt><dd>不限</dd>" in group and "年龄起" not in group and "男 18岁及以上 4.3–5.8" in group


def test_a_unit_and_a_source_are_typed_as_people_say_them(desk: Desks, house: House) -> None:
    form = form_of(house, "item", "WC", unit="mmHg", source="试剂说明书")
    assert (form_of(house, "item", "PULSE")["unit"], form_of(house, "item", "SBP")["source"]) == ("次/分", "临床指南")
    assert desk("tan").htmx("/catalog/entries/item/WC", form).status_code == 200
    after = present(house).items["WC"]
    assert (after.unit, after.source) == ("mm[Hg]", "kit")


def test_the_list_is_narrowed_to_a_department(desk: Desks) -> None:
    page = desk("tan").get("/catalog?kind=group&department=USG").text
    assert "腹部彩超" in page and "血沉" not in page
    assert '<option value="USG" data-initials="csk" selected>超声科</option>' in page
    assert "血沉" in desk("tan").get("/catalog?kind=group&department=NOTHING").text


def test_our_own_groups_are_marked_until_somebody_approves_them(desk: Desks, house: House) -> None:
    tan = desk("tan")
    assert "待审定" in tan.get("/catalog?kind=group&q=铁蛋白").text
    assert "待审定" not in tan.get("/catalog?kind=group&q=血沉").text
    assert "自拟待审" in tan.get("/catalog/entries/group/G077").text
    assert tan.htmx("/catalog/entries/group/G077", form_of(house, "group", "G077", source="医务科2026-12审定")).status_code == 200
    assert "待审定" not in tan.get("/catalog?kind=group&q=铁蛋白").text


def test_a_package_and_a_group_show_what_they_hold_by_name_with_prices(desk: Desks) -> None:
    package = desk("lin").get("/catalog/entries/package/P02").text
    assert re.search(r'href="/catalog/entries/group/G030">血常规五分类</a>.*?20\.00', package)
    assert "674.00" in package and "593.12" in package
    group = desk("lin").get("/catalog/entries/group/G030").text
    assert re.search(r'href="/catalog/entries/item/WBC">白细胞计数</a>.*?×10⁹/L.*?3\.5–9\.5', group)


def test_what_a_form_can_name_is_on_the_page_for_searching(desk: Desks) -> None:
    page = desk("tan").get("/catalog/entries/package/P02/edit").text
    assert 'data-picker="group"' in page and 'data-factor="factor"' in page
    wanted = r'<option value="G060" label="血沉" data-initials="xc" data-note="检验科 1 项" data-fen="800">'
    assert re.search(wanted, page)


def test_names_are_taken_for_codes_and_an_unknown_one_is_refused_by_name(desk: Desks, house: House) -> None:
    tan = desk("tan")
    before = present(house).packages["P08"].groups
    form = form_of(house, "package", "P08", groups="、".join([*before[:-1], "血沉", before[-1].lower()]))
    assert tan.htmx("/catalog/entries/package/P08", form).status_code == 200
    assert present(house).packages["P08"].groups == (*before[:-1], "G060", before[-1])
    answer = tan.htmx("/catalog/entries/package/P08", form_of(house, "package", "P08", groups="G001 G999 血沉沉"))
    assert answer.status_code == 422
    assert 'data-field="groups"' in answer.text and "目录中没有组合“G999”" in answer.text


def test_a_form_sent_without_scripts_comes_back_with_everything_typed(desk: Desks, house: House) -> None:
    form = form_of(house, "package", "P08", groups="G001 G999", name="改了名", reason="没有脚本")
    answer = desk("tan").post("/catalog/entries/package/P08", form)
    assert answer.status_code == 422
    assert "目录中没有组合“G999”" in answer.text
    for typed in ("G001 G999</textarea>", 'value="改了名"', 'value="没有脚本"'):
        assert typed in answer.text
    assert present(house).packages["P08"].name != "改了名"
    ranged = form_of(house, "item", "WC", decimals="一", **{"range.0.high": "高"})
    back = desk("tan").post("/catalog/entries/item/WC", ranged)
    assert 'value="高"' in back.text and 'value="85"' in back.text


def test_a_formula_is_shown_and_edited_by_the_names_of_its_items(desk: Desks, house: House) -> None:
    tan = desk("tan")
    assert "白蛋白 ÷ (总蛋白 − 白蛋白)" in unescape(tan.get("/catalog/entries/item/AGR").text)
    assert "体重 ÷ (身高 ÷ 100) ^ 2</textarea>" in tan.get("/catalog/entries/item/BMI/edit").text
    form = form_of(house, "item", "BMI", formula="体重 ÷ (身高 ÷ 100) ^ 2 × 1.5")
    assert tan.htmx("/catalog/entries/item/BMI", form).status_code == 200
    assert present(house).items["BMI"].formula == ["*", ["/", "WT", ["^", ["/", "HT", 100], 2]], 1.5]
    assert "<ins>体重 ÷ (身高 ÷ 100) ^ 2 × 1.5</ins>" in unescape(tan.get("/catalog/entries/item/BMI").text)


@pytest.mark.parametrize(
    ("formula", "words"),
    [("体重 ÷ (身高", "应为右括号"), ("体胖 ÷ 2", "“体胖”不是目录中的项目"), ("体重", "公式中没有运算"), ("心律 × 2", "不是数值"),
     ("体重指数 + 1", "公式循环引用")],
)  # fmt: skip
def test_a_wrong_formula_is_refused_with_the_reason(desk: Desks, house: House, formula: str, words: str) -> None:
    answer = desk("tan").htmx("/catalog/entries/item/BMI", form_of(house, "item", "BMI", formula=formula))
    assert answer.status_code == 422
    assert words in answer.text


def test_the_barred_categories_are_ticked(desk: Desks, house: House) -> None:
    tan = desk("tan")
    assert re.search(r'value="入职体检" checked', tan.get("/catalog/entries/group/G050/edit").text)
    form: dict[str, Any] = form_of(house, "group", "G050")
    assert form["barred_categories"] == "入职体检、入学体检"
    form["barred_categories"] = ["", "入学体检", "老年人体检"]
    assert tan.htmx("/catalog/entries/group/G050", form).status_code == 200
    assert present(house).groups["G050"].barred_categories == ("school", "elderly")


def test_the_history_of_a_list_names_what_went_out_and_what_came_in(desk: Desks, house: House) -> None:
    groups = [code for code in present(house).packages["P08"].groups if code != "G072"]
    form = form_of(house, "package", "P08", groups="、".join([*groups, "G060"]))
    assert desk("tan").htmx("/catalog/entries/package/P08", form).status_code == 200
    page = unescape(desk("tan").get("/catalog/entries/package/P08").text)
    assert "<del>主检与报告(G072)</del> → <ins>血沉(G060)</ins>" in page


# --- the workbook ----------------------------------------------------------------------------------------------------


def upload(who: Any, house: House, content: bytes) -> Any:
    form = {"valid_from": today(house).isoformat()}
    return who.htmx("/catalog/import", form, files={"file": ("目录.xlsx", content)})


def fields_of(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)}


def test_export_and_import_again_shows_no_difference(desk: Desks, house: House) -> None:
    tan = desk("tan")
    exported = tan.get("/catalog/export")
    assert "filename*=UTF-8''" in exported.headers["content-disposition"]
    assert "没有差别" in upload(tan, house, exported.content).text


def test_an_import_is_shown_first_and_becomes_true_when_accepted(desk: Desks, house: House) -> None:
    tan = desk("tan")
    sheets = cells(tan.get("/catalog/export").content)
    tubes = sheets["试管"]
    tubes[1][tubes[0].index("名称")] = "蓝管(新)"
    tubes.append(["NEWT", "新管", *tubes[2][2:]])
    before = present(house).revision
    preview = upload(tan, house, book_of(sheets))
    assert "<ins>蓝管(新)</ins>" in unescape(preview.text)
    assert present(house).revision == before
    answer = tan.htmx("/catalog/import/accept", {**fields_of(preview.text), "reason": "年度调整"})
    assert answer.headers.get("hx-redirect") == "/catalog", answer.text
    after = present(house)
    assert ("NEWT" in after.tubes, after.tubes[str(tubes[1][0])].name, after.revision) == (True, "蓝管(新)", before + 1)
    again = tan.htmx("/catalog/import/accept", {**fields_of(preview.text), "reason": "再一次"})
    assert again.status_code == 409
    with house.unit(None, write=False) as db:
        assert [*audit.breaches(db), *audit.row_breaches(db)] == []


def test_an_import_tells_what_is_new_with_it_by_name(desk: Desks, house: House) -> None:
    tan = desk("tan")
    sheets = cells(tan.get("/catalog/export").content)
    sheets["试管"].append(["NEWT", "新管", *sheets["试管"][2][2:]])
    groups = sheets["组合"]
    row = next(row for row in groups if row[0] == "G030")
    row[groups[0].index("试管编码")] = "NEWT"
    assert "<ins>新管</ins>" in unescape(upload(tan, house, book_of(sheets)).text)


def test_an_import_that_leaves_something_out_says_so_and_retires_it(desk: Desks, house: House) -> None:
    tan = desk("tan")
    sheets = cells(tan.get("/catalog/export").content)
    packages = sheets["套餐"]
    gone = str(packages.pop()[0])
    preview = upload(tan, house, book_of(sheets)).text
    assert "停用" in preview
    assert gone in preview
    assert tan.htmx("/catalog/import/accept", {**fields_of(preview), "reason": "停售"}).status_code == 200
    assert gone not in present(house).packages


def test_what_contradicts_the_rules_is_told_with_its_row(desk: Desks, house: House) -> None:
    tan = desk("tan")
    sheets = cells(tan.get("/catalog/export").content)
    packages = sheets["套餐"]
    packages[1][packages[0].index("价格(元)")] = "1.00"
    page = unescape(upload(tan, house, book_of(sheets)).text)
    assert "价格应为" in page
    assert "/catalog/import/accept" not in page


def test_a_file_that_is_none_and_a_forged_preview_are_refused(desk: Desks, house: House) -> None:
    tan = desk("tan")
    assert "不是有效的 xlsx" in upload(tan, house, b"nothing").text
    assert tan.htmx("/catalog/import", {"valid_from": ""}).status_code == 409
    form = {"seen": "1", "valid_from": today(house).isoformat(), "reason": "x"}
    for entries in ("", "[", '[["nothing", {}]]', '[["tube", {"code": 1}]]'):
        assert "预览内容已失效" in tan.htmx("/catalog/import/accept", {**form, "entries": entries}).text
    assert desk("lin").get("/catalog/import").status_code == 403
