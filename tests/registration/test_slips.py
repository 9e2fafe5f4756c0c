"""Guide sheets, tube labels and request forms, read back from paper."""

from __future__ import annotations

from datetime import UTC, date, datetime
from io import BytesIO

import msgspec
import pytest
from pypdf import PdfReader

from exam.kit.errors import Refused
from registration.slips import (
    GuideSheet,
    GuideStop,
    RequestForm,
    TubeLabel,
    guide_sheet_pdf,
    request_forms_pdf,
    tube_labels_pdf,
)
from tests.reporting.reading import barcodes_of, joined, pages_of, text_of

PRINTED_AT = datetime(2026, 11, 20, 23, 41, tzinfo=UTC)
VISIT_NO = "0101261121000123"

SHEET = GuideSheet(
    visit_no=VISIT_NO,
    name="梅志远",
    sex="男",
    age_text="46 岁",
    masked_id_number="1201**********3517",
    package="40+男性综合套餐",
    exam_on=date(2026, 11, 21),
    organization="海河精密机械制造有限公司",
    stops=(
        GuideStop("采血室", "1 层 101", ("血常规五分类", "肝功能12项"), "采血后按压 5 分钟。", needs_fasting=True),
        GuideStop("超声科", "2 层 203", ("腹部彩超",), needs_fasting=True, needs_full_bladder=True),
        GuideStop("内科", "1 层 106", ("内科常规",)),
    ),
    printed_at=PRINTED_AT,
    centre_name="海河市第一人民医院健康管理中心",
    hints=("请先完成标注“空腹”的项目再用早餐。",),
)

LABEL = TubeLabel(
    barcode=f"{VISIT_NO}01",
    name="梅志远",
    sex="男",
    age_text="46岁",
    tube_name="EDTA",
    colour="紫",
    group_names=("血常规五分类", "糖化血红蛋白"),
    visit_no=VISIT_NO,
    printed_at=PRINTED_AT,
)

FORM = RequestForm(
    title="放射科检查申请单",
    request_no=f"{VISIT_NO}41",
    visit_no=VISIT_NO,
    name="梅志远",
    sex="男",
    age_text="46 岁",
    department="放射科",
    location="负 1 层 B02",
    group_names=("胸部低剂量CT",),
    requested_by="林晓",
    requested_at=PRINTED_AT,
    cautions=("请取下金属饰物。",),
)


def test_a_guide_sheet_says_who_goes_where_for_what() -> None:
    text = text_of(guide_sheet_pdf(SHEET))
    for word in ("梅志远", "46 岁", "1201**********3517", "40+男性综合套餐", "采血室", "1 层 101", "腹部彩超"):
        assert word in text
    assert text.count("空腹") == 3 and text.count("憋尿") == 1
    assert "拒检人签字" in text and "检查签字" in text and "2026-11-21 07:41" in text
    assert "次打印" not in text and "第 2 次打印" in text_of(guide_sheet_pdf(msgspec.structs.replace(SHEET, copy_no=2)))


def test_the_guide_sheets_barcode_can_be_read() -> None:
    (page,) = pages_of(guide_sheet_pdf(SHEET), 203.2)
    assert barcodes_of(page) == [VISIT_NO]


@pytest.mark.parametrize("count", [0, 1, 14, 40])
def test_no_stop_is_lost_when_the_sheet_grows(count: int) -> None:
    stops = tuple(GuideStop(f"科室{n:02d}室", f"{n} 号", (f"项目{n:02d}号",) * 3, "注意事项") for n in range(count))
    pdf = guide_sheet_pdf(msgspec.structs.replace(SHEET, stops=stops))
    text = joined(text_of(pdf))
    assert all(f"科室{n:02d}室" in text and f"项目{n:02d}号、项目{n:02d}号" in text for n in range(count))
    pages = text_of(pdf).split("\f")[:-1]
    assert all("梅志远" in page and VISIT_NO in page for page in pages)
    assert "收单人" in pages[-1]


def test_slips_are_the_same_bytes_each_time() -> None:
    assert guide_sheet_pdf(SHEET) == guide_sheet_pdf(SHEET)
    assert tube_labels_pdf([LABEL]) == tube_labels_pdf([LABEL])
    assert request_forms_pdf([FORM]) == request_forms_pdf([FORM])


def test_each_label_is_one_page_of_fifty_by_thirty_millimetres() -> None:
    labels = [msgspec.structs.replace(LABEL, barcode=f"{VISIT_NO}{n:02d}") for n in range(1, 6)]
    pages = PdfReader(BytesIO(tube_labels_pdf(labels))).pages
    assert len(pages) == 5
    for page in pages:
        assert float(page.mediabox.width) * 25.4 / 72 == pytest.approx(50, abs=0.02)
        assert float(page.mediabox.height) * 25.4 / 72 == pytest.approx(30, abs=0.02)


@pytest.mark.parametrize("dots_per_inch", [203.2, 300])
def test_every_label_can_be_read_at_the_printers_own_resolution(dots_per_inch: float) -> None:
    labels = [msgspec.structs.replace(LABEL, barcode=f"{VISIT_NO}{n:02d}") for n in range(1, 6)]
    for label, page in zip(labels, pages_of(tube_labels_pdf(labels), dots_per_inch), strict=True):
        assert barcodes_of(page) == [label.barcode]


def test_bars_stand_on_whole_printer_dots_with_white_on_both_sides() -> None:
    (page,) = pages_of(tube_labels_pdf([LABEL]), 203.2)
    row = [page.convert("L").getpixel((x, 100)) for x in range(page.width)]
    dark = [x for x, value in enumerate(row) if value < 128]
    edges = [x for x in range(1, page.width) if (row[x] < 128) != (row[x - 1] < 128)]
    assert dark[-1] - dark[0] + 1 == 134 * 2
    assert all((edge - dark[0]) % 2 == 0 for edge in edges)
    assert dark[0] >= 20 and page.width - 1 - dark[-1] >= 20


@pytest.mark.parametrize("name", ["阿卜杜热合曼·买买提江·吐尔逊", "𬭼䶮", "<b>张</b>", "Alexandra-Maria Wolfeschlegel"])
def test_a_name_is_never_cut_on_a_label(name: str) -> None:
    label = msgspec.structs.replace(LABEL, name=name, tube_name="分离胶促凝", colour="黄")
    pdf = tube_labels_pdf([label])
    assert joined(name) in joined(text_of(pdf))
    assert barcodes_of(pages_of(pdf, 203.2)[0]) == [label.barcode]


def test_a_barcode_that_runs_off_the_label_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        tube_labels_pdf([msgspec.structs.replace(LABEL, barcode="1" * 40)])
    assert refusal.value.code == "registration.barcode_too_long" and refusal.value.field == "barcode"


def test_nothing_to_print_is_refused_with_a_remedy() -> None:
    for refused in (lambda: tube_labels_pdf([]), lambda: request_forms_pdf([])):
        with pytest.raises(Refused) as refusal:
            refused()
        assert refusal.value.hint


def test_a_request_form_can_be_read_and_goes_on_over_pages() -> None:
    text = text_of(request_forms_pdf([FORM]))
    for word in ("放射科检查申请单", "梅志远", "胸部低剂量CT", "负 1 层 B02", "林晓", "请取下金属饰物。"):
        assert word in text
    (page,) = pages_of(request_forms_pdf([FORM]), 203.2)
    assert barcodes_of(page) == [FORM.request_no]
    long = msgspec.structs.replace(FORM, group_names=tuple(f"部位{n:02d}摄影" for n in range(60)))
    pages = text_of(request_forms_pdf([long])).split("\f")[:-1]
    assert len(pages) > 1 and all("梅志远" in page and "检查时间" in page for page in pages)
    assert all(f"部位{n:02d}摄影" in "".join(pages) for n in range(60))


def test_a_page_that_goes_on_is_filled_to_its_end_and_a_sheet_that_nearly_fits_is_drawn_on_one() -> None:
    stops = tuple(GuideStop(f"科室{number:02d}", "二层", ("项目",), "请提前到达。") for number in range(1, 15))
    pages = PdfReader(BytesIO(guide_sheet_pdf(msgspec.structs.replace(SHEET, stops=stops)))).pages
    assert len(pages) == 1, "fourteen short stops fit when drawn tight"
    many = tuple(GuideStop(f"科室{number:02d}", "二层", ("项目",), "请提前到达。") for number in range(1, 20))
    reader = PdfReader(BytesIO(guide_sheet_pdf(msgspec.structs.replace(SHEET, stops=many))))
    first, second = (page.extract_text() for page in reader.pages)
    assert "科室15" in first and "受检者签字" not in first
    assert "科室19" in second and "受检者签字" in second


def test_a_tube_says_its_colour_once_and_none_where_it_has_none() -> None:
    said = joined(text_of(tube_labels_pdf([msgspec.structs.replace(LABEL, tube_name="紫管", colour="紫")])))
    assert "紫管" in said and "紫管·紫" not in said
    assert "无" not in joined(text_of(tube_labels_pdf([msgspec.structs.replace(LABEL, tube_name="便盒", colour="无")])))
