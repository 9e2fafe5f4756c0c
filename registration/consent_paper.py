"""The consent form on A4, for a signature by hand. Pure drawing from plain facts."""

from __future__ import annotations

from datetime import datetime

import msgspec

from exam.kit.clock import local
from exam.kit.paper import A4, MM, Fonts, Paper, clean, code128_width, fonts
from registration.facts import CONSENT_GIVER_NAMES, ConsentAsked, ConsentGiver
from registration.slips import GREY, HAIR, INK, TEAL, TEAL_LINE, TEAL_SOFT


class ConsentForm(msgspec.Struct, frozen=True):
    """Who is asked, what for, and the text with its version."""

    visit_no: str
    name: str
    sex: str
    age_text: str
    masked_id_number: str
    asked: ConsentAsked
    printed_at: datetime
    centre_name: str = ""


def consent_form_pdf(form: ConsentForm, faces: Fonts | None = None) -> bytes:
    """The form; a long text goes on to further pages, the signatures stand under its end."""
    faces = faces or fonts()
    paper = Paper(faces, A4, form.printed_at, title=f"知情同意书 {form.visit_no}", subject=form.centre_name)
    left, right, text = 18 * MM, paper.width - 18 * MM, form.asked.text
    lowest = paper.height - 22 * MM
    y = _head(paper, form, left, right)
    for paragraph in text.body.split("\n"):
        for line in faces.wrap(clean(paragraph), right - left, 10.5) or [""]:
            if y > lowest:
                paper.new_page()
                y = 24 * MM
            paper.text(left, y, line, 10.5, INK)
            y += 17
        y += 4
    if y + 40 * MM > lowest:
        paper.new_page()
        y = 24 * MM
    _signatures(paper, form, left, y + 6 * MM)

    def stamp(number: int, count: int) -> None:
        paper.rule(left, paper.height - 15 * MM, right, paper.height - 15 * MM, HAIR, 0.5)
        origin = f"第 {text.version} 版    {text.issued_on.isoformat()}    {text.source}"
        paper.text(left, paper.height - 11 * MM, faces.shorten(clean(origin), 120 * MM, 8), 8, GREY)
        printed = f"打印 {local(form.printed_at):%Y-%m-%d %H:%M}    第 {number} / {count} 页"
        paper.text(right, paper.height - 11 * MM, printed, 8, GREY, align="right")

    return paper.finish(stamp)


def _head(paper: Paper, form: ConsentForm, left: float, right: float) -> float:
    """Centre, title, barcode, who it is and which items it is about; returns where the text begins."""
    paper.new_page()
    faces = paper.fonts
    width = code128_width(form.visit_no)
    if form.centre_name:
        paper.text(left, 18 * MM, faces.shorten(clean(form.centre_name), 100 * MM, 10, True), 10, TEAL, is_bold=True)
    paper.text(left, 28 * MM, "知 情 同 意 书", 20, INK, is_bold=True)
    paper.barcode(right - width, 13 * MM, form.visit_no, 12 * MM)
    paper.text(right - width / 2, 28.6 * MM, form.visit_no, 9, INK, align="centre")
    top = 34 * MM
    # Signed already: the form is printed again for items that are still to be added, which the desk writes in by hand.
    blank = "____________________________________________" if not form.asked.names else "____________________"
    names = "、".join((*form.asked.names, blank) if form.asked.given or not form.asked.names else form.asked.names)
    rows = faces.wrap(clean(names), right - left - 30 * MM, 10.5)
    height = (14 + 6 * len(rows)) * MM
    paper.box(left, top, right - left, height, fill=TEAL_SOFT, stroke=TEAL_LINE, radius=1.5 * MM)
    name = clean(form.name)
    size = faces.size_to_fit(name, 60 * MM, 14, 7, True)
    paper.text(left + 4 * MM, top + 8 * MM, faces.shorten(name, 60 * MM, size, True), size, INK, is_bold=True)
    after = left + 8 * MM + min(faces.width(name, size, True), 60 * MM)
    who = f"{form.sex}   {form.age_text}" + (f"   证件 {form.masked_id_number}" if form.masked_id_number else "")
    paper.text(after, top + 8 * MM, who, 10, INK)
    paper.text(left + 4 * MM, top + 15.5 * MM, "涉及项目", 9, GREY)
    for number, row in enumerate(rows):
        paper.text(left + 24 * MM, top + (15.5 + 6 * number) * MM, row, 10.5, INK, is_bold=bool(form.asked.names))
    return top + height + 10 * MM


def _signatures(paper: Paper, form: ConsentForm, left: float, y: float) -> None:
    who = CONSENT_GIVER_NAMES[form.asked.giver]
    paper.text(left, y, "我已阅读并理解以上内容,自愿同意。", 11, INK, is_bold=True)
    labels = [f"{who}签字", "日期"]
    if form.asked.giver is ConsentGiver.GUARDIAN:
        labels.insert(1, "与受检者关系")
    for place, label in enumerate(labels):
        x = left + place * 58 * MM
        label_width = paper.fonts.width(label, 9.5) + 2 * MM
        paper.text(x, y + 16 * MM, label, 9.5, GREY)
        paper.rule(x + label_width, y + 16.6 * MM, x + 52 * MM, y + 16.6 * MM, GREY, 0.5)
