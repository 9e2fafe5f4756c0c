"""The desks of a day as programs use them: what each does over the JSON interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exam import commands
from exam.kit.house import House, system_actor
from exam.knowledge.rules import check_entry
from exam.staff import accounts
from rehearsal.cast import Dice
from rehearsal.day import ITEMS
from rehearsal.values import value_of
from tests.conftest import Desk

Sit = Callable[[str], Desk]

NORMAL = {
    "HT": "172.0", "WT": "70.0", "WC": "82.0", "HC": "95.0", "SBP": "168", "DBP": "96", "PULSE": "72", "TEMP": "36.5", "SPO2": "98",
    "GLU": "5.20", "HGB": "150", "WBC": "6.00",
}  # fmt: skip


TOLD = {
    "channel": "phone", "recipient": "person", "recipient_name": "本人", "outcome": "confirmed", "read_back": "三天内到心内科就诊",
}  # fmt: skip


def ok(answer: Any) -> Any:
    """The JSON of an answer that went well."""
    assert answer.status_code in (200, 201), (answer.status_code, answer.text)
    return answer.json()


def refused(answer: Any, status: int = 409) -> str:
    """The code of a refusal; its words are Chinese and name a remedy."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    problem = answer.json()
    assert any("\u4e00" <= character <= "\u9fff" for character in problem["title"])
    return str(problem["type"])


class Day:
    """The desks of one day and the visit they work on."""

    def __init__(self, house: House, sit: Sit) -> None:
        self.house = house
        self.sit = sit
        self.visit_no = ""

    def register(self, package: str = "P01") -> None:
        body = {"name": "韦𬭼", "id_no": "450110198503150018", "phone": "13800138000", "package": package}
        self.visit_no = ok(self.sit("lin").post("/api/visits", json=body))["visit_no"]

    def visit(self) -> Any:
        return ok(self.sit("lin").get(f"/api/visits/{self.visit_no}"))

    def at_desk(self, login: str, action: str, **body: Any) -> Any:
        return self.sit(login).post(f"/api/visits/{self.visit_no}/{action}", json=body)

    def pay_and_check_in(self) -> None:
        due = self.visit()["balance"]["due_fen"]
        ok(self.at_desk("lin", "payments", amount_fen=due, receipt_no="R-1"))
        for tube in ok(self.at_desk("lin", "check-in"))["tubes"]:
            ok(self.at_desk("lin", "tubes/collect", barcode=tube["barcode"]))

    def enter(self, login: str, department: str, **values: Any) -> Any:
        path = f"/api/results/{department}/{self.visit_no}"
        record = ok(self.sit(login).get(path))
        filled = {code: values.get(code) or NORMAL.get(code) or self.normal(code) for code in record["missing"]}
        body = {"base_version": record["version"], "values": {**filled, **values}}
        return ok(self.sit(login).post(f"{path}/enter", json=body))

    def normal(self, code: str) -> Any:
        value = value_of(ITEMS[code], "M", 41, False, Dice(code))
        assert value is None or check_entry(ITEMS[code], value) is None
        return value

    def verify(self, login: str, department: str) -> Any:
        path = f"/api/results/{department}/{self.visit_no}"
        version = ok(self.sit(login).get(path))["version"]
        return ok(self.sit(login).post(f"{path}/verify", json={"seen_version": version}))

    def examine_everything(self) -> None:
        rooms = {"GEN": "wu", "MED": "wu", "SUR": "wu", "EYE": "huang", "ECG": "lu", "RAD": "lu", "LAB": "nong"}
        for department, login in rooms.items():
            self.enter(login, department)
            self.verify(login, department)

    def sign(self, login: str, level: str) -> Any:
        desk = self.sit(login)
        self.house.clock.advance(seconds=60)  # type: ignore[attr-defined]
        with self.house.unit(system_actor("01"), write=False) as db:
            code = accounts.present_code(db, login)
        ok(desk.post("/api/signing-window", json={"code": code}))
        digest = ok(desk.get(f"/api/reviews/{self.visit_no}"))["review"]["digest"]
        return desk.post(f"/api/reviews/{self.visit_no}/sign-{level}", json={"digest": digest})

    def alerts(self) -> list[Any]:
        """The open alerts of this visit, what is due first first."""
        listed = ok(self.sit("he").get("/api/alerts"))["alerts"]
        return [each for each in listed if each["visit_no"] == self.visit_no]

    def step(self, login: str, alert: Any, type_: str, **facts: Any) -> Any:
        """One step of somebody on an alert, from a screen that shows it as given."""
        body = {"seen": alert["version"], "step": {"type": type_, **facts}}
        return self.sit(login).post(f"/api/alerts/{alert['id']}/steps", json=body)

    def tell(self, login: str = "he") -> None:
        """Confirms every alert of the visit and tells the person, who repeats it."""
        for alert in self.alerts():
            if alert["state"] == "found":
                alert = ok(self.step(login, alert, "confirmed", way="doctor"))
            if alert["state"] == "confirmed":
                ok(self.step(login, alert, "notice", **TOLD))

    def breaches(self) -> list[Any]:
        return [(name, found) for name, found in commands.breaches_of(self.house) if found]
