"""One person's visit, from the front desk to the sealed report, through the JSON interface and on both databases."""

from __future__ import annotations

from exam.kit.house import House
from tests.flows.cases import Day, Sit, ok, refused


def test_a_person_comes_is_examined_concluded_and_gets_a_sealed_report(house: House, desk: Sit) -> None:
    day = Day(house, desk)
    # Lin types the ID number; the visit is registered and has to be paid before check-in.
    day.register()
    assert refused(day.at_desk("lin", "check-in")) == "billing.unpaid"
    # A second visit on the same day is refused.
    again = desk("lin").post("/api/visits", json={"name": "韦𬭼", "id_no": "450110198503150018", "package": "P02"})
    assert refused(again) in ("visits.same_day", "registration.same_day")
    # HBV markers are barred in an entry exam.
    assert refused(day.at_desk("lin", "lines", groups=["G050"])) == "catalog.barred_category"
    day.pay_and_check_in()
    assert ok(desk("lin").get("/api/board"))["blood_drawn"] == 1
    # He refuses the surgical room; the desk records it with a reason.
    surgery = next(line["id"] for line in day.visit()["lines"] if line["department"] == "SUR")
    ok(day.at_desk("qin", "lines/refuse", line_ids=[surgery], reason="受检者拒绝"))
    for department, login in {"GEN": "wu", "MED": "wu", "EYE": "huang", "ECG": "lu", "RAD": "lu"}.items():
        day.enter(login, department)
        day.verify(login, department)
    general = ok(desk("wu").get(f"/api/results/GEN/{day.visit_no}"))
    flags = {reading["item"]: reading["flag"] for reading in general["readings"]}
    assert (flags["SBP"], flags["BMI"]) == ("high", "normal")
    assert "收缩压" in general["summary"]
    # The eye doctor may not write into the general room, and nobody into the laboratory but its own people.
    body = {"base_version": 1, "values": {"SBP": "120"}}
    foreign = desk("huang").post(f"/api/results/GEN/{day.visit_no}/enter", json=body)
    assert foreign.status_code in (403, 404)
    ok(day.at_desk("lin", "return"))
    # The laboratory reports after the sheet is back; then the visit is in the chief's queue.
    day.enter("nong", "LAB", HGB="95")
    day.verify("nong", "LAB")
    assert day.visit()["card"]["state"] == "sections_done"
    review = ok(desk("he").post(f"/api/reviews/{day.visit_no}/start"))
    texts = " ".join(line["text"] for line in review["lines"])
    assert "血压升高" in texts and "轻度贫血" in texts
    # Removing the line of a flagged value leaves it without an answer: signing is refused.
    fewer = [{"key": line["key"], "text": line["text"]} for line in review["lines"] if "贫血" not in line["text"]]
    saved = ok(desk("he").post(f"/api/reviews/{day.visit_no}/save", json={"base_version": review["version"], "lines": fewer}))
    assert refused(day.sign("he", "first")).startswith("chief_review.")
    lines = [{"key": line["key"], "text": line["text"], "advice": line.get("advice", "")} for line in review["lines"]]
    body = {"base_version": saved["version"], "lines": [*lines, {"text": "贫血,请血液科就诊", "covers": ["HGB"]}]}
    ok(desk("he").post(f"/api/reviews/{day.visit_no}/save", json=body))
    ok(day.sign("he", "first"))
    # The author cannot sign finally, nor can anybody without the title.
    assert refused(day.sign("he", "final")).startswith("chief_review.")
    # His blood pressure is an important finding (B): no final signature before he was told.
    assert refused(day.sign("zhao", "final")) == "chief_review.alert_untold"
    day.tell()
    ok(day.sign("zhao", "final"))
    ok(desk("zhao").post(f"/api/reports/{day.visit_no}/issue", json={}))
    pdf = desk("zhao").get(f"/api/reports/{day.visit_no}/pdf")
    assert pdf.headers["content-type"] == "application/pdf" and pdf.content.startswith(b"%PDF")
    assert day.visit()["card"]["state"] == "published"
    assert day.breaches() == []


def test_a_correction_after_the_final_review_goes_back_one_step_at_a_time(house: House, desk: Sit) -> None:
    day = Day(house, desk)
    day.register()
    day.pay_and_check_in()
    day.examine_everything()
    ok(day.at_desk("lin", "return"))
    ok(desk("he").post(f"/api/reviews/{day.visit_no}/start"))
    ok(day.sign("he", "first"))
    day.tell()
    ok(day.sign("zhao", "final"))
    ok(desk("zhao").post(f"/api/reports/{day.visit_no}/issue", json={}))
    # Neither the doctor nor the chief can reach below the issued report.
    reopened = desk("wu").post(f"/api/results/GEN/{day.visit_no}/reopen", json={"reason": "录入有误"})
    assert refused(reopened)
    undone = desk("zhao").post(f"/api/reviews/{day.visit_no}/undo", json={"level": "final", "reason": "补充"})
    assert refused(undone)
    # The chief recalls the report, takes both signatures back and returns the record; the doctor corrects it.
    ok(desk("zhao").post(f"/api/reports/{day.visit_no}/recall", json={"reason": "血压有误"}))
    ok(desk("zhao").post(f"/api/reviews/{day.visit_no}/undo", json={"level": "final", "reason": "血压有误"}))
    ok(desk("zhao").post(f"/api/reviews/{day.visit_no}/undo", json={"level": "first", "reason": "血压有误"}))
    ok(desk("zhao").post(f"/api/reviews/{day.visit_no}/return", json={"department": "GEN", "reason": "请复核血压"}))
    day.enter("wu", "GEN", SBP="124", DBP="78")
    day.verify("wu", "GEN")
    # He had been told of the wrong pressure, so he is told that it was wrong.
    correction = next(each for each in day.alerts() if each["next_step"] == "tell_correction")
    assert correction["state"] == "superseded"
    ok(day.step("he", correction, "notice", channel="phone", recipient="person", recipient_name="本人", outcome="reached"))
    review = ok(desk("he").post(f"/api/reviews/{day.visit_no}/start"))
    assert "血压升高" not in " ".join(line["text"] for line in review["lines"])
    ok(day.sign("he", "first"))
    ok(day.sign("zhao", "final"))
    ok(desk("zhao").post(f"/api/reports/{day.visit_no}/issue", json={}))
    report = ok(desk("zhao").get(f"/api/reports/{day.visit_no}"))
    assert [version["number"] for version in report["versions"]] == [2, 1] and report["current"] == 2
    assert day.breaches() == []
