"""A critical value from the moment it is stored to the closed loop, through the JSON interface and on both databases."""

from __future__ import annotations

from typing import Any

from critical_values import service as alerts
from exam.kit.house import House
from tests.flows.cases import TOLD, Day, Sit, ok, refused


def found(day: Day, item: str) -> Any:
    return next(each for each in day.alerts() if any(item in text for text in each["evidence"]))


def test_a_potassium_of_six_point_eight_is_told_handled_and_followed(house: House, desk: Sit) -> None:
    day = Day(house, desk)
    day.register()
    day.pay_and_check_in()
    for department, login in {"GEN": "wu", "MED": "wu", "SUR": "wu", "EYE": "huang", "ECG": "lu", "RAD": "lu"}.items():
        day.enter(login, department, **({"SBP": "122", "DBP": "78"} if department == "GEN" else {}))
        day.verify(login, department)
    # The laboratory has only the glucose so far: it is not the panel that counts, it is the value.
    record = ok(desk("nong").get(f"/api/results/LAB/{day.visit_no}"))
    ok(desk("nong").post(f"/api/results/LAB/{day.visit_no}/enter", json={"base_version": record["version"], "values": {"GLU": "26.0"}}))
    alert = found(day, "血糖")
    assert (alert["alert_class"], alert["state"], alert["next_step"]) == ("critical", "found", "confirm")
    # A colleague of another department cannot confirm it; the laboratory does, by a second run.
    assert desk("huang").post(f"/api/alerts/{alert['id']}/steps", json={"seen": 0, "step": {"type": "confirmed", "way": "doctor"}}).status_code == 403
    assert refused(day.step("nong", alert, "confirmed", way="retest"), 422) == "critical_values.facts_missing"
    alert = ok(day.step("nong", alert, "confirmed", way="retest", note="复测 25.8"))
    # Nobody answers the phone. Half an hour later the chiefs hear of it; then she is reached and repeats what she heard.
    alert = ok(day.step("he", alert, "notice", channel="phone", recipient="person", recipient_name="本人", outcome="not_reached", note="无人接听"))
    house.clock.advance(minutes=31)  # type: ignore[attr-defined]
    alerts.escalate_due(house)
    alert = found(day, "血糖")
    assert (alert["level"], alert["attempts"]) == (1, 1)
    # Two at once: the second one hears that somebody was faster.
    stale = {**alert, "version": alert["version"] - 1}
    assert refused(day.step("he", stale, "notice", **TOLD)) == "critical_values.moved_on"
    alert = ok(day.step("he", alert, "notice", **TOLD))
    assert (alert["state"], alert["level"]) == ("received", 0)
    # It cannot be closed by a wave of the hand.
    assert refused(day.step("he", alert, "closed")) == "critical_values.not_possible"
    alert = ok(day.step("he", alert, "handled", advice="立即急诊", department="急诊科", appointment_no="E-17", is_green_channel=True))
    house.clock.advance(days=1)  # type: ignore[attr-defined]
    alert = ok(day.step("he", alert, "called_back", round=0, outcome="hospitalised", channel="phone", diagnosis="糖尿病酮症", fee_fen=35_000_00))
    alert = ok(day.step("he", alert, "closed", note="住院治疗中"))
    assert alert["state"] == "closed"
    # The rest of the panel is reported; her report says it, is signed by two and issued.
    day.enter("nong", "LAB", GLU="26.0")
    day.verify("nong", "LAB")
    ok(day.at_desk("lin", "return"))
    review = ok(desk("he").post(f"/api/reviews/{day.visit_no}/start"))
    assert any(line["severity"] == 5 and "GLU" in line.get("covers", ()) for line in review["lines"])
    ok(day.sign("he", "first"))
    day.tell()
    ok(day.sign("zhao", "final"))
    ok(desk("zhao").post(f"/api/reports/{day.visit_no}/issue", json={}))
    assert day.breaches() == []
