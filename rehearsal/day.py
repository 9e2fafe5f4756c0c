"""A day of the centre: one visit's way through every station, played as the staff would, over HTTP."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterable
from datetime import date
from enum import IntEnum
from typing import Any

import msgspec

from chief_review.facts import EditedLine
from exam.catalog.starter import load
from exam.staff.demo import CAST
from rehearsal.bodies import Body
from rehearsal.cast import Dice, Invented
from rehearsal.desk import Answered, Desk, Stopwatch
from rehearsal.values import ITEMS, Values, value_of, values_of

OPTIONAL: dict[str, tuple[str, ...]] = {
    group.code: tuple(code for code in group.items if ITEMS[code].optional) for group in load().groups
}
"""By group, the items that may stay empty: a record does not miss them, yet who has something there gets it written down."""
FIRST_CHIEF = "he"
FINAL_CHIEFS = ("zhao", "liang")
EDITED = {field.name for field in msgspec.structs.fields(EditedLine)}
DESK_DEPARTMENTS = {department: login for login, _, _, _, grants in CAST for role, department in grants if role == "doctor"}


class Stage(IntEnum):
    """How far a visit goes; a demonstration leaves some at every stage."""

    BOOKED = 0
    REGISTERED = 1
    PAID = 2
    CHECKED_IN = 3
    DRAWN = 4
    PARTLY_EXAMINED = 5
    EXAMINED = 6
    SHEET_RETURNED = 7
    SECTIONS_DONE = 8
    FIRST_REVIEWED = 9
    FINAL = 10
    PUBLISHED = 11


class Centre:
    """The desks of the centre, each signed in once and shared by the threads that play the day."""

    def __init__(self, base: str, password: str, code: Callable[[str], str], watch: Stopwatch, seed: str) -> None:
        self.watch = watch
        self.seed = seed
        self.desks = {login: Desk(base, login, password, code, watch) for login, _, _, kind, _ in CAST if kind == "staff"}
        self.receipts = threading.Lock()
        self._receipt = 0

    def receipt_no(self) -> str:
        """The hospital window's next receipt number."""
        with self.receipts:
            self._receipt += 1
            return f"R{self.seed}-{self._receipt:06d}"

    def play(self, people: Iterable[tuple[int, Invented, Stage]], workers: int) -> None:
        """Plays many visits with several threads; an error ends that visit and is counted, the day goes on."""
        waiting: queue.SimpleQueue[tuple[int, Invented, Stage] | None] = queue.SimpleQueue()
        for each in people:
            waiting.put(each)
        for _ in range(workers):
            waiting.put(None)

        def work() -> None:
            while (each := waiting.get()) is not None:
                journey = Journey(self, each[0], each[1])
                try:
                    journey.go(each[2])
                except Answered as refused:
                    self.watch.failed(refused.step, str(refused))
                except Exception as error:
                    self.watch.failed("journey", f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=work, name=f"walker-{number}") for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Journey:
    """One visit's way through the centre."""

    def __init__(self, centre: Centre, number: int, person: Invented) -> None:
        self.centre = centre
        self.number = number
        self.person = person
        self.dice = Dice(f"{centre.seed}:{number}")
        self.visit_no = ""
        self.visit: dict[str, Any] = {}
        self.measured: Values = {}

    def go(self, until: Stage) -> None:
        """Plays the stations up to and including `until`."""
        stations = (
            self.register, self.pay, self.check_in, self.draw, self.examine_first_half, self.examine_rest, self.return_sheet,
            self.finish_laboratory, self.first_review, self.final_review, self.publish,
        )  # fmt: skip
        if until is Stage.BOOKED:
            self.book()
            return
        for stage, station in enumerate(stations, 1):
            if stage > until:
                return
            station()

    # --- reception

    def _body(self) -> dict[str, Any]:
        person = self.person
        body: dict[str, Any] = {"name": person.name, "id_no": person.id_no, "phone": person.phone, "package": person.package}
        return body | {"takes_sms": self.number % 10 < 7}  # some agree to SMS, some do not

    def book(self) -> None:
        """The desk books a place by telephone: today for the board."""
        lin = self.centre.desks["lin"]
        today = date.fromisoformat(lin.get("board", "/api/board")["day"])
        lin.post("book", "/api/visits", {**self._body(), "exam_on": today.isoformat()})

    def register(self) -> None:
        """The ID number is typed, the file found or made, the visit opened; some people add a group, some change their mind."""
        lin = self.centre.desks["lin"]
        lin.post("recognise", "/api/people/recognise", {"id_no": self.person.id_no})
        opened = lin.post("register", "/api/visits", self._body())
        self.visit_no = opened["visit_no"]
        if self.person.extra:
            lin.post("add groups", f"/api/visits/{self.visit_no}/lines", {"groups": self.person.extra})
        self._look()
        if self.number % 11 == 5:
            line = next((each for each in self.visit["lines"] if each["group_code"] == "G008" and each["state"] == "pending"), None)
            if line:
                path = f"/api/visits/{self.visit_no}/lines/{line['id']}/remove"
                lin.post("remove a line", path, {"reason": "受检者要求退项"})
                self._look()

    def _look(self) -> None:
        self.visit = self.centre.desks["lin"].get("visit page", f"/api/visits/{self.visit_no}")

    def pay(self) -> None:
        """The person pays at the hospital's window, the desk notes the receipt."""
        due = self.visit["balance"]["due_fen"]
        if due > 0:
            body = {"amount_fen": due, "receipt_no": self.centre.receipt_no()}
            self.centre.desks["lin"].post("pay", f"/api/visits/{self.visit_no}/payments", body)

    def check_in(self) -> None:
        """The person is here: tubes are planned, slips printed."""
        lin = self.centre.desks["lin"]
        self.visit = lin.post("check in", f"/api/visits/{self.visit_no}/check-in")
        slips = [f"{each['kind']}:{each['subject']}" for each in self.visit["printables"]]
        lin.post("print slips", f"/api/visits/{self.visit_no}/prints", {"slips": slips[:20]})
        lin.get("board", "/api/board")

    def draw(self) -> None:
        """The nurse scans each tube; now and then one is scanned by mistake and taken back."""
        lin = self.centre.desks["lin"]
        for number, tube in enumerate(self.visit["tubes"]):
            body = {"barcode": tube["barcode"]}
            lin.post("collect a tube", f"/api/visits/{self.visit_no}/tubes/collect", body)
            if number == 0 and self.number % 13 == 6:
                lin.post("undo a tube", f"/api/visits/{self.visit_no}/tubes/undo", {**body, "reason": "扫错人"})
                lin.post("collect a tube", f"/api/visits/{self.visit_no}/tubes/collect", body)

    # --- departments

    def _departments(self) -> list[str]:
        found = dict.fromkeys(
            line["department"] for line in self.visit["lines"]
            if line["state"] not in ("removed", "refused", "postponed") and not line.get("service_only", False)
        )  # fmt: skip
        return [department for department in found if department in DESK_DEPARTMENTS]

    def examine_first_half(self) -> None:
        """The rooms, half of them; one in nine people refuses an examination."""
        self._look()
        if self.person.refuses:
            line = next((each for each in self.visit["lines"] if each["department"] == "SUR" and each["state"] == "pending"), None)
            if line:
                body = {"line_ids": [line["id"]], "reason": "受检者拒绝"}
                self.centre.desks["qin"].post("refuse a line", f"/api/visits/{self.visit_no}/lines/refuse", body)
                self._look()
        rooms = [each for each in self._departments() if each != "LAB"]
        for department in rooms[: (len(rooms) + 1) // 2]:
            self.examine(department)

    def examine_rest(self) -> None:
        """The other rooms."""
        self._look()
        rooms = [each for each in self._departments() if each != "LAB"]
        for department in rooms[(len(rooms) + 1) // 2 :]:
            self.examine(department)

    def examine(self, department: str) -> None:
        """A room: the work list, the entry screen, saving, verifying; now and then a correction afterwards."""
        desk = self.centre.desks[DESK_DEPARTMENTS[department]]
        if self.number % 4 == 0:
            desk.get("work list", f"/api/results/{department}")
        path = f"/api/results/{department}/{self.visit_no}"
        record = desk.get("entry screen", path)
        saved = desk.post("save results", f"{path}/enter", {"base_version": record["version"], "values": self._values(record, department)})
        verified = desk.post("verify", f"{path}/verify", {"seen_version": saved["version"]})
        if self.number % 10 == 7 and department == "GEN":
            reopened = desk.post("undo results", f"{path}/reopen", {"reason": "血压录入有误"})
            body = {"base_version": reopened["version"], "values": self._second_pressure()}
            saved = desk.post("save results", f"{path}/enter", body)
            verified = desk.post("verify", f"{path}/verify", {"seen_version": saved["version"]})
        assert verified["state"] == "verified", verified["state"]

    def _values(self, record: dict[str, Any], department: str) -> Values:
        """What this body shows: the items the record misses, and of the optional ones those there is something to say about."""
        card = self.visit["card"]
        if not self.measured:
            self.measured = values_of(Body(self.person.health, date.fromisoformat(card["exam_on"])))
        values: Values = {}
        for code in record["missing"]:
            # An item of the hospital's own, which no body knows, still gets a likely value.
            value = self.measured.get(code) or value_of(ITEMS[code], card["sex"], card["age"], False, self.dice)
            if value is not None:
                values[code] = value
        for line in self.visit["lines"]:
            if line["department"] == department and line["state"] not in ("removed", "refused", "postponed"):
                for code in OPTIONAL.get(line["group_code"], ()):
                    if code in self.measured and ITEMS[code].department == department:
                        values[code] = self.measured[code]
        return values

    def _second_pressure(self) -> dict[str, str]:
        """The blood pressure after some minutes of rest: a little lower, as second readings are."""
        rested = {code: int(str(self.measured.get(code, usual))) - 4 for code, usual in (("SBP", "128"), ("DBP", "78"))}
        return {code: str(number) for code, number in rested.items()}

    def return_sheet(self) -> None:
        """The sheet comes back: what was not examined is refused by itself."""
        self.visit = self.centre.desks["lin"].post("return the sheet", f"/api/visits/{self.visit_no}/return", {})

    def finish_laboratory(self) -> None:
        """The laboratory's results arrive after the sheet."""
        if any(line["department"] == "LAB" and line["state"] not in ("removed", "refused") for line in self.visit["lines"]):
            self.examine("LAB")

    # --- chief review and report

    def first_review(self) -> None:
        """The first chief reads everything, takes the suggestions, adds a line of their own and signs."""
        he = self.centre.desks[FIRST_CHIEF]
        if self.number % 4 == 0:
            he.get("review queue", "/api/reviews")
        path = f"/api/reviews/{self.visit_no}"
        he.get("review screen", path)
        review = he.post("start the review", f"{path}/start")
        if self.number % 12 == 3:
            he.post("return to a department", f"{path}/return", {"department": "GEN", "reason": "请核对血压"})
            self._correct_pressure()
            review = he.post("start the review", f"{path}/start")
        review = self._conclude(he, path, review)
        he.sign("first signature", f"{path}/sign-first", {"digest": review["digest"]})

    def _correct_pressure(self) -> None:
        desk = self.centre.desks[DESK_DEPARTMENTS["GEN"]]
        path = f"/api/results/GEN/{self.visit_no}"
        record = desk.get("entry screen", path)
        body = {"base_version": record["version"], "values": self._second_pressure()}
        saved = desk.post("save results", f"{path}/enter", body)
        desk.post("verify", f"{path}/verify", {"seen_version": saved["version"]})

    def _conclude(self, he: Desk, path: str, review: dict[str, Any]) -> dict[str, Any]:
        """The suggested lines as they stand, reordered by nobody; one chief in five adds a line of their own."""
        lines = [{name: value for name, value in line.items() if name in EDITED} for line in review["lines"]]
        if self.number % 5 == 2:
            lines.append({"text": "建议每年定期体检"})
        body = {"base_version": review["version"], "lines": lines, "is_nothing_abnormal": not lines}
        saved: dict[str, Any] = he.post("save conclusions", f"{path}/save", body)
        return saved

    def _answer_alerts(self) -> None:
        """Critical and important results are confirmed and the person is told: before that no report may go out."""
        he = self.centre.desks[FIRST_CHIEF]
        strip = he.read("alerts of a visit", f"/alerts/visits/{self.visit_no}/strip").text
        for is_ended, alert in re.findall(r'<li class="(is-ended)?">.*?"/alerts/([0-9a-f-]{36})"', strip, re.DOTALL):
            if is_ended:
                continue
            path = f"/alerts/{alert}"
            seen = int(re.findall(r'name="seen" value="([0-9]+)"', he.read("alert", path).text)[0])
            he.send_form("confirm an alert", f"{path}/confirm", {"seen": str(seen), "way": "doctor"})
            told = {"channel": "phone", "recipient": "person", "recipient_name": self.person.name, "outcome": "confirmed"}
            read_back = "本人复述:结果异常,尽快就诊"
            he.send_form("tell the person", f"{path}/notify", {"seen": str(seen + 1), **told, "read_back": read_back})

    def final_review(self) -> None:
        """Another chief, with the title, signs finally; some take it back and sign again."""
        self._answer_alerts()
        chief = self.centre.desks[FINAL_CHIEFS[self.number % 2]]
        path = f"/api/reviews/{self.visit_no}"
        digest = chief.get("review screen", path)["review"]["digest"]
        chief.sign("final signature", f"{path}/sign-final", {"digest": digest})
        if self.number % 15 == 8:
            chief.post("undo the final review", f"{path}/undo", {"level": "final", "reason": "补充建议"})
            digest = chief.get("review screen", path)["review"]["digest"]
            chief.sign("final signature", f"{path}/sign-final", {"digest": digest})

    def publish(self) -> None:
        """The report is issued and fetched; now and then recalled and issued again as a new version."""
        chief = self.centre.desks[FINAL_CHIEFS[self.number % 2]]
        chief.post("issue the report", f"/api/reports/{self.visit_no}/issue")
        content = chief.read("fetch the report", f"/api/reports/{self.visit_no}/pdf").content
        if not content.startswith(b"%PDF"):
            raise Answered("fetch the report", 200, "", "not a PDF")
        if self.number % 17 == 9:
            chief.post("recall the report", f"/api/reports/{self.visit_no}/recall", {"reason": "姓名更正"})
            chief.post("issue the report", f"/api/reports/{self.visit_no}/issue")
