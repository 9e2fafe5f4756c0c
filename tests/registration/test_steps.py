"""What happened to a visit, step by step, each with who and when."""

from __future__ import annotations

from collections.abc import Callable

from billing import service as billing
from exam.kit.house import Actor, House
from exam.visits import orders, tubes
from exam.visits import service as visits
from registration import consents, drawing, service, sheet
from registration.facts import WalkIn
from registration.rules import open_lines
from registration.steps import Step
from tests.registration.cases import no_breaches, walk_in

Acting = Callable[[str], Actor]


def steps_of(house: House, actor: Actor, visit_id: object) -> list[Step]:
    with house.unit(actor) as db:
        return list(sheet.visit_sheet(db, visits.card(db, visit_id).visit_no).steps)  # type: ignore[arg-type]


def test_every_change_of_a_visit_stands_in_its_course_with_who_did_it(house: House, acting: Acting) -> None:
    lin, qin = acting("lin"), acting("qin")
    tick = house.clock.advance  # type: ignore[attr-defined]
    visit_id = walk_in(house, lin, WalkIn(name="韦小明", id_no="450110198503150018", package="P02")).visit_id
    tick(minutes=1)
    with house.unit(lin) as db:
        due = billing.amount_due(db, visit_id)
        wrong = service.pay(db, visit_id, due, "A0001")
    tick(minutes=1)
    with house.unit(qin) as db:
        billing.undo_payment(db, visit_id, wrong, "金额或收据号有误")
    tick(minutes=1)
    with house.unit(lin) as db:
        service.add_groups(db, visit_id, ["G052", "G061"])
        service.pay(db, visit_id, billing.amount_due(db, visit_id), "A0002")
    tick(minutes=1)
    with house.unit(lin) as db:
        consents.give(db, visit_id, consents.text_in_force(db).version)
        service.check_in(db, visit_id)
        first, second, third = open_lines(orders.lines(db, visit_id))[:3]
    for act in (
        lambda db: service.refuse_line(db, visit_id, [first.id, second.id], "受检者拒绝"),
        lambda db: service.resume_line(db, visit_id, second.id),
        lambda db: service.postpone_line(db, visit_id, third.id, visits.card(db, visit_id).exam_on.replace(year=2027), "身体不适"),
        lambda db: service.remove_line(db, visit_id, first.id, "开错项目"),
        lambda db: drawing.collect(db, visit_id, tubes.of_visit(db, visit_id)[-1].barcode),
        lambda db: drawing.undo(db, visit_id, tubes.of_visit(db, visit_id)[-1].barcode, "扫错人"),
    ):
        tick(minutes=1)
        with house.unit(qin) as db:
            act(db)
    found = steps_of(house, lin, visit_id)
    told = [(step.name, step.actor, step.reason) for step in found]
    assert told[0][0] == "登记" and [step.at for step in found] == sorted(step.at for step in found)
    for expected in (
        ("收款", "林晓燕", ""), ("撤销收款登记", "覃丽华", "金额或收据号有误"), ("加项", "林晓燕", ""), ("签署知情同意书", "林晓燕", ""),
        ("报到", "林晓燕", ""), ("拒检", "覃丽华", "受检者拒绝"), ("恢复检查", "覃丽华", "恢复检查"), ("延期", "覃丽华", "身体不适"),
        ("退项", "覃丽华", "开错项目"), ("采集", "覃丽华", ""), ("撤销采集", "覃丽华", "扫错人"),
    ):  # fmt: skip
        assert expected in told, told
    by_name = {step.name: step for step in found}
    assert by_name["加项"].about == "HIV抗体、血型" or by_name["加项"].about == "血型、HIV抗体"
    assert by_name["拒检"].about == f"{first.name}、{second.name}", "one act is one step"
    assert by_name["采集"].was_undone and "至 2027-11-21" in by_name["延期"].about
    assert no_breaches(house)
