"""Fonts, wrapping, literal text and barcodes, read back with poppler and zxing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exam.kit.paper import A5, MM, Paper, clean, code128_bars, code128_width, fonts
from exam.kit.paper_text import NO_END, NO_START, Fonts
from tests.reporting.reading import barcodes_of, pages_of, text_of

DRAWN_AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def paper() -> Paper:
    drawn = Paper(fonts(), A5, DRAWN_AT, title="试")
    drawn.new_page()
    return drawn


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("a\tb", "a b"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("正\u202e常", "正[U+202E]常"),
        ("a\x00b\x1b", "a[U+0000]b[U+001B]"),
        ("\ufeffa\u200bb\u00adc\ufe0f", "abc"),
        ("\ud800", "[U+D800]"),
        ("葛\U000e0100飾", "葛飾"),
        ("WBC < 3.5 & {{7*7}}", "WBC < 3.5 & {{7*7}}"),
    ],
)
def test_nothing_in_a_text_can_steer_the_reader(typed: str, shown: str) -> None:
    assert clean(typed) == shown


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean(clean(text)) == clean(text)


words = st.text(alphabet="检查结果正常，。（）“”血压 abcXYZ0123.5%/()<>&", max_size=120)


@settings(max_examples=150, deadline=None)
@given(words, st.floats(min_value=40, max_value=300))
@example("000““”“0000000", 40.0)
def test_wrapped_lines_fit_and_lose_nothing_but_spaces(text: str, width: float) -> None:
    faces = fonts()
    lines = faces.wrap(text, width, 9)
    assert all(faces.width(line, 9) <= width + 0.1 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one() -> None:
    text = "肝脏（右叶）回声增强，胆囊“壁光滑”；脾脏正常。" * 40
    for width in range(60, 200, 7):
        lines = fonts().wrap(text, width, 9)
        assert not [line for line in lines if line[0] in NO_START or line[-1] in NO_END]


def test_latin_words_and_numbers_stay_whole_unless_wider_than_the_line() -> None:
    lines = fonts().wrap("血钾 6.8mmol/L 与 hs-cTnI 升高，复查", 60, 9)
    assert lines == ["血钾", "6.8mmol/L 与", "hs-cTnI 升高，", "复查"]
    assert len(fonts().wrap("x" * 200, 60, 9)) > 5


def test_a_line_of_nothing_but_marks_still_breaks() -> None:
    lines = fonts().wrap("，" * 500, 100, 9)
    assert "".join(lines) == "，" * 500 and all(fonts().width(line, 9) <= 100.1 for line in lines)


@pytest.mark.parametrize("text", ["𬭼 䶮 㛃 𬸪", "𠮷", "张😀三", "×10⁹/L 10⁻¹²", "<b>&amp;</b>", "{{7*7}}", "\\(a)\\"])
def test_what_is_drawn_is_what_is_copied(text: str) -> None:
    for is_bold in (False, True):
        drawn = paper()
        drawn.text(20, 40, text, 12, is_bold=is_bold)
        assert text_of(drawn.finish(), is_raw="⁹" not in text).strip() == text


def test_a_missing_glyph_is_a_box_on_paper_and_is_reported() -> None:
    with_box, with_emoji = paper(), paper()
    with_box.text(20, 40, "张□三", 12)
    with_emoji.text(20, 40, "张😀三", 12)
    assert list(with_emoji.missing) == ["😀"] and not with_box.missing
    (box,), (emoji,) = pages_of(with_box.finish(), 100), pages_of(with_emoji.finish(), 100)
    assert box.tobytes() == emoji.tobytes()
    assert fonts().missing("张😀三⁹") == "😀"


def test_the_same_drawing_gives_the_same_bytes_in_every_thread() -> None:
    def draw(_: int) -> bytes:
        drawn = paper()
        drawn.paragraph(20, 40, "检查结果：王𬭼，血红蛋白 156 g/L。" * 20, 300, 9)
        drawn.barcode(20, 300, "010126112100012301", 30)
        return drawn.finish()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw, range(12)))) == 1


def test_fonts_are_loaded_once() -> None:
    assert fonts() is fonts()


def test_missing_font_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"NotoSansSC-Regular\.ttf"):
        Fonts(tmp_path)


def test_eighteen_digits_take_the_modules_of_subset_c() -> None:
    # start + nine pairs + check at 11 modules each, and the stop of 13 (ISO/IEC 15417)
    assert sum(code128_bars("010126112100012301")) == 11 * 11 + 13
    assert sum(code128_bars("0101261121000123")) == 10 * 11 + 13
    assert code128_width("010126112100012301", 1.0) == 134


@pytest.mark.parametrize("dots_per_inch", [203.2, 300, 600])
@pytest.mark.parametrize("content", ["010126112100012301", "0101261121000123", "TJ-0001"])
def test_a_drawn_barcode_can_be_read(content: str, dots_per_inch: float) -> None:
    drawn = paper()
    drawn.barcode(20 * MM, 20 * MM, content, 10 * MM)
    (page,) = pages_of(drawn.finish(), dots_per_inch)
    assert barcodes_of(page) == [content]
