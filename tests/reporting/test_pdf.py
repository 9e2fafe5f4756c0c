"""The report on paper, read back with programs that know nothing of us."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image
from pypdf import PdfReader

from exam.kit.paper import Fonts, fonts
from reporting.composing import compose, compose_supplement
from reporting.document import Conclusion, DepartmentResult, Reading, Signature
from reporting.pdf import SEAL_SIDE, draw
from tests.reporting.cases import DRAWN_AT, HEADER, HOSTILE, a_report
from tests.reporting.reading import barcodes_of, joined, pages_of, text_of


@pytest.fixture(scope="module")
def faces() -> Fonts:
    return fonts()


def test_the_same_document_gives_the_same_bytes(faces: Fonts) -> None:
    document = compose(a_report())
    assert draw(document, DRAWN_AT, faces) == draw(document, DRAWN_AT, faces)
    assert draw(document, DRAWN_AT + timedelta(seconds=1), faces).pdf != draw(document, DRAWN_AT, faces).pdf


def test_every_page_says_whose_it_is_and_which_of_how_many(faces: Fonts) -> None:
    drawn = draw(compose(a_report()), DRAWN_AT, faces)
    pages = text_of(drawn.pdf).split("\f")[:-1]
    assert len(pages) == drawn.page_count > 2
    for number, page in enumerate(pages, start=1):
        assert "梅志远" in page and HEADER.visit_no in page and f"第 {number} / {drawn.page_count} 页" in page


def test_the_barcode_of_every_page_can_be_read(faces: Fonts) -> None:
    drawn = draw(compose(a_report()), DRAWN_AT, faces)
    for picture in pages_of(drawn.pdf, 203.2):
        assert barcodes_of(picture) == [HEADER.visit_no]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_is_drawn_literally_and_copies_exactly(faces: Fonts, hostile: str) -> None:
    report = a_report(
        departments=(DepartmentResult("内科", (Reading("所见", hostile),), summary=hostile, doctor=hostile),),
        conclusions=(Conclusion(hostile, 2, hostile, hostile, (hostile,)),),
        closing=hostile,
    )
    text = text_of(draw(compose(report), DRAWN_AT, faces).pdf, is_raw=False)
    assert text.count(hostile) >= 6
    assert "49" not in text


def test_a_direction_override_is_visible_and_never_in_the_file(faces: Fonts) -> None:
    text = text_of(draw(compose(a_report(closing="正常\u202e常异")), DRAWN_AT, faces).pdf)
    assert "正常[U+202E]常异" in text and "\u202e" not in text


def test_characters_without_a_glyph_are_reported(faces: Fonts) -> None:
    assert draw(compose(a_report(closing="张😀三 𠮷 𬭼")), DRAWN_AT, faces).missing_characters == "😀𠮷"
    assert draw(compose(a_report()), DRAWN_AT, faces).missing_characters == ""


def test_ten_thousand_characters_flow_over_pages_without_losing_one(faces: Fonts) -> None:
    long = "".join(f"第{number}句所见无异常，" for number in range(1000))[:10_000]
    assert len(long) == 10_000
    report = a_report(departments=(DepartmentResult("超声科", (Reading("所见", long), Reading("提示", "无"))),))
    drawn = draw(compose(report), DRAWN_AT, faces)
    pages = text_of(drawn.pdf).split("\f")
    bodies = [page.split(f"\n{HEADER.visit_no}\n")[0].replace("超声科 （续）\n", "") for page in pages]
    assert long in joined("".join(bodies))
    assert drawn.page_count >= 7


def test_a_table_over_several_pages_repeats_its_department_and_head(faces: Fonts) -> None:
    readings = tuple(Reading(f"项目{number:03d}", "1.0", "g/L", "0–2") for number in range(120))
    report = a_report(
        departments=(DepartmentResult("检验科", readings, is_laboratory=True, group_name="全套"),), conclusions=()
    )
    pages = text_of(draw(compose(report), DRAWN_AT, faces).pdf, is_raw=False).split("\f")
    with_rows = [page for page in pages if re.search(r"项目\d{3}", page)]
    assert len(with_rows) >= 3
    for page in with_rows:
        assert "参考范围" in page and "检验科" in page
    assert all("（续）" in page for page in with_rows[1:])
    assert sorted(re.findall(r"项目(\d{3})", "".join(pages))) == [f"{number:03d}" for number in range(120)]


def test_abnormal_values_are_red_and_others_are_not(faces: Fonts) -> None:
    def reds(is_abnormal: bool) -> int:
        readings = (Reading("血钾", "6.8", "mmol/L", "3.5–5.3", "↑" if is_abnormal else "", is_abnormal),)
        report = a_report(departments=(DepartmentResult("内科", readings),), conclusions=(), notices=(), not_done=())
        pages = pages_of(draw(compose(report), DRAWN_AT, faces).pdf, 50)
        bytes_of = [page.convert("RGB").tobytes() for page in pages]
        pixels = [page[at : at + 3] for page in bytes_of for at in range(0, len(page), 3)]
        return sum(red > 170 and green < 90 and blue < 90 for red, green, blue in pixels)

    assert reds(is_abnormal=False) == 0
    assert reds(is_abnormal=True) > 5


def test_the_seal_stands_on_the_page_of_the_signatures_and_inside_it(faces: Fonts) -> None:
    for count in (1, 2, 9, 40):
        people = tuple(Signature("主检医师", f"医师{number}", "主任医师", DRAWN_AT) for number in range(count))
        drawn = draw(compose(a_report(signatures=people)), DRAWN_AT, faces)
        pages = text_of(drawn.pdf).split("\f")
        assert "体检机构电子签章" in pages[drawn.seal_page] and f"医师{count - 1} " in pages[drawn.seal_page]
        left, bottom, right, top = drawn.seal_box
        assert right - left == pytest.approx(SEAL_SIDE, abs=0.05) and top - bottom == pytest.approx(SEAL_SIDE, abs=0.05)
        assert 0 < left < right < 596 and 56 < bottom < top < 842


def test_a_signature_picture_is_drawn(faces: Fonts) -> None:
    out = BytesIO()
    Image.new("RGB", (120, 40), "#123456").save(out, "PNG")
    people = (Signature("主检医师", "何慧敏", "主任医师", DRAWN_AT, picture_id="sig-1"),)
    document = compose(a_report(signatures=people))
    with_picture = draw(document, DRAWN_AT, faces, {"sig-1": out.getvalue()})
    page = PdfReader(BytesIO(with_picture.pdf)).pages[with_picture.seal_page]
    assert len(page.images) == 1
    assert with_picture == draw(document, DRAWN_AT, faces, {"sig-1": out.getvalue()})


def test_all_fonts_are_embedded_and_none_is_a_builtin(faces: Fonts) -> None:
    reader = PdfReader(BytesIO(draw(compose(a_report()), DRAWN_AT, faces).pdf))
    fonts_seen = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    assert fonts_seen
    for font in fonts_seen:
        assert "/FontFile2" in font["/FontDescriptor"] and "NotoSansSC" in font["/BaseFont"]


def test_the_supplement_names_itself_and_nothing_public(faces: Fonts) -> None:
    supplement = compose_supplement(a_report())
    assert supplement is not None
    text = text_of(draw(supplement, DRAWN_AT, faces).pdf)
    assert "仅供本人拆阅" in text and "乙肝表面抗原" in text and "血钾" not in text


@pytest.mark.parametrize("before", range(8, 22))
def test_no_row_stands_alone_under_a_repeated_head(faces: Fonts, before: int) -> None:
    def part(name: str, count: int) -> DepartmentResult:
        return DepartmentResult(name, tuple(Reading(f"{name}第{number}项", "1.0", "g/L", "0–2") for number in range(count)))

    drawn = draw(compose(a_report(departments=(part("甲科", before), part("乙科", 26)))), DRAWN_AT, faces)
    pages = [page for page in text_of(drawn.pdf).split("\f") if "乙科第" in page]
    assert len(pages) <= 2
    assert min(len(re.findall("乙科第", page)) for page in pages) >= 2


def titled(count: int) -> tuple[DepartmentResult, ...]:
    """Departments of three to twelve rows, as a usual package has them."""
    return tuple(
        DepartmentResult(
            f"科室{place:02d}", tuple(Reading(f"科室{place:02d}项目{row:02d}", "1.0", "g/L", "0–2") for row in range(3 + place * 5 % 10)),
            f"科室{place:02d}未见明显异常", "李秀英", DRAWN_AT,
        )
        for place in range(count)
    )  # fmt: skip


@pytest.mark.parametrize("conclusions", range(1, 16, 2))
def test_pages_are_filled_and_neither_a_title_nor_a_conclusion_is_torn(faces: Fonts, conclusions: int) -> None:
    told = tuple(
        Conclusion(f"结论{number:02d}甲", 2, f"结论{number:02d}乙，" * 12, "戒烟。", (f"结论{number:02d}丙",), f"结论{number:02d}丁")
        for number in range(conclusions)
    )
    drawn = draw(compose(a_report(departments=titled(14), conclusions=told, not_done=())), DRAWN_AT, faces)
    pages = text_of(drawn.pdf).split("\f")[:-1]
    for number in range(conclusions):
        # Twice each: the summary's line is of the same words.
        own = [page for page in pages if f"结论{number:02d}丙" in page]
        assert len(own) == 1 and f"结论{number:02d}甲" in own[0] and f"结论{number:02d}丁" in own[0]
        assert joined(own[0]).count(f"结论{number:02d}乙，") == 12
    for place in range(14):
        rows = [len(re.findall(rf"科室{place:02d}项目", page)) for page in pages]
        assert 1 not in rows, "a row stands alone with its title"
        titles = [bool(re.search(rf"^科室{place:02d}( （续）)?$", page, re.MULTILINE)) for page in pages]
        assert titles == [many > 0 for many in rows]
    for title, first in (("三 主检结论与建议", "结论00丙"), ("四 各科检查结果", "科室00项目00"), ("五 签名", "何慧敏")):
        assert [title in page.split("\n") and first in page for page in pages].count(True) == 1
    # No page but the cover and the last is left empty for more than what the next thing needs.
    for picture in pages_of(drawn.pdf, 25.4)[1:-1]:
        grey = picture.convert("L").crop((18, 0, 192, 279))
        lowest = max(at for at in range(grey.height) if min(grey.crop((0, at, grey.width, at + 1)).tobytes()) < 245)
        assert lowest > 297 - 20 - 75


def test_the_next_chapter_begins_on_the_page_that_has_room_for_it(faces: Fonts) -> None:
    drawn = draw(compose(a_report(notices=(), conclusions=(Conclusion("高钾血症", 5, "立即就诊。"),))), DRAWN_AT, faces)
    pages = text_of(drawn.pdf).split("\f")[:-1]
    page = next(page for page in pages if "阅读说明" in page)
    assert "三 主检结论与建议" in page.split("\n") and "四 各科检查结果" in page.split("\n")
    assert drawn.page_count == 3


@pytest.mark.parametrize("before", range(12, 42, 2))
def test_no_page_says_nothing_but_who_signed(faces: Fonts, before: int) -> None:
    parts = (*titled(2), DepartmentResult("科室02", tuple(Reading(f"项目{row}", "1.0") for row in range(before))), titled(1)[0])
    drawn = draw(compose(a_report(departments=parts, not_done=())), DRAWN_AT, faces)
    last = text_of(drawn.pdf).split("\f")[drawn.seal_page]
    assert "何慧敏" in last and "科室00未见明显异常" in last


def test_a_conclusion_longer_than_a_page_loses_nothing(faces: Fonts) -> None:
    long = "".join(f"第{number}条建议，" for number in range(900))
    told = (Conclusion("甲", 2, "短。"), Conclusion("乙", 2, long), Conclusion("丙", 2, "短。"))
    pages = text_of(draw(compose(a_report(departments=(), conclusions=told)), DRAWN_AT, faces).pdf).split("\f")
    text = joined("".join(page.split(f"\n{HEADER.visit_no}\n")[0] for page in pages))
    assert set(re.findall(r"第(\d+)条建议", text)) == {str(number) for number in range(900)}


def test_a_doctor_who_said_little_signs_on_the_same_line(faces: Fonts) -> None:
    def lines(summary: str) -> list[str]:
        part = DepartmentResult("内科", (Reading("心律", "齐"),), summary, "李秀英", DRAWN_AT)
        return text_of(draw(compose(a_report(departments=(part,))), DRAWN_AT, faces).pdf, is_raw=False).split("\n")

    assert any("未见明显异常" in line and "检查医生：李秀英" in line for line in lines("未见明显异常"))
    assert not any("心律" in line and "检查医生" in line for line in lines("心律不齐，" * 20))
    assert any("检查医生：李秀英" in line for line in lines("心律不齐，" * 20))


def test_nothing_is_printed_where_the_seal_is_stamped(faces: Fonts) -> None:
    drawn = draw(compose(a_report()), DRAWN_AT, faces)
    left, bottom, right, top = drawn.seal_box
    found: list[tuple[str, float, float]] = []

    def visit(text: str, cm: list[float], tm: list[float], font: object, size: float) -> None:
        found.append((text, tm[4] * cm[0] + cm[4], tm[5] * cm[3] + cm[5]))

    PdfReader(BytesIO(drawn.pdf)).pages[drawn.seal_page].extract_text(visitor_text=visit)
    assert any(text.strip() for text, _, _ in found)
    assert not [text for text, x, y in found if text.strip() and left < x < right and bottom < y < top]
