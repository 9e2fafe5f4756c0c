"""How common findings are among the rehearsal's people, beside what is expected of a Chinese adult exam centre.

The expected shares are general knowledge ("memory": the national nutrition and chronic disease report of 2020, the adult lipid,
hypertension and diabetes surveys, large exam-centre series); none is quoted from a text at hand, so none may be cited.
They are for people of 20 to 77 years in equal parts, which is how `rehearsal.cast` invents them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from exam.knowledge.book import RuleBook
from exam.knowledge.facts import AlertClass, Case, Reading, Subject
from exam.knowledge.rules import CompiledRules, compute_all, judge
from rehearsal.bodies import Body
from rehearsal.values import ITEMS, Values, values_of

MEMORY = "memory"
URGENT = frozenset({AlertClass.A, AlertClass.CRITICAL})


class Visitor:
    """A body with its values, read as numbers where the shares ask for numbers."""

    __slots__ = ("age", "body", "is_male", "values")

    def __init__(self, body: Body) -> None:
        self.body = body
        self.age = body.age
        self.is_male = body.is_male
        self.values: Values = values_of(body)

    def number(self, code: str) -> float:
        """A measured number as it was written."""
        return float(str(self.values[code]))

    def says(self, code: str, *texts: str) -> bool:
        """Whether one of these choices was picked, or one that begins like it."""
        picked = self.values.get(code, ())
        return any(each.startswith(texts) for each in ([picked] if isinstance(picked, str) else picked))

    @property
    def bmi(self) -> float:
        """Body mass index of the written height and weight."""
        return self.number("WT") / (self.number("HT") / 100) ** 2


class Share(msgspec.Struct, frozen=True):
    """One line of the table: the expected share in percent (from, to), and who counts. `of` tells whom it is a share of."""

    name: str
    low: float
    high: float
    counts: Callable[[Visitor], bool]
    of: Callable[[Visitor], bool] = lambda visitor: True
    source: str = MEMORY


def _is_male(visitor: Visitor) -> bool:
    return visitor.is_male


def _is_female(visitor: Visitor) -> bool:
    return not visitor.is_male


def _older_woman(visitor: Visitor) -> bool:
    return not visitor.is_male and visitor.age >= 60


def _has_pressure(visitor: Visitor) -> bool:
    return visitor.number("SBP") >= 140 or visitor.number("DBP") >= 90


def _has_fats(visitor: Visitor) -> bool:
    number = visitor.number
    return number("TC") >= 6.2 or number("LDL") >= 4.1 or number("TG") >= 2.3 or number("HDL") < 1.0


def _has_sugar(visitor: Visitor) -> bool:
    return visitor.number("GLU") >= 7.0 or visitor.number("HBA1C") >= 6.5


SHARES: tuple[Share, ...] = (
    Share("体重过低 BMI <18.5", 3, 8, lambda v: v.bmi < 18.5),
    Share("超重 BMI 24–27.9", 31, 37, lambda v: 24 <= v.bmi < 28),
    Share("肥胖 BMI ≥28", 12, 18, lambda v: v.bmi >= 28),
    Share("血压 ≥140/90", 15, 23, _has_pressure),
    Share("血压 ≥140/90 或高血压病史", 24, 31, lambda v: _has_pressure(v) or v.says("MED_HIS", "高血压")),
    Share("血压 ≥160/100", 1.0, 3.0, lambda v: v.number("SBP") >= 160 or v.number("DBP") >= 100),
    Share("血脂异常", 30, 40, _has_fats),
    Share("高尿酸(男 >428,女 >357)", 14, 21, lambda v: v.number("UA") > (428 if v.is_male else 357)),
    Share("糖尿病(病史,或 GLU ≥7.0,或 HBA1C ≥6.5)", 7.5, 12, lambda v: _has_sugar(v) or v.says("MED_HIS", "糖尿病")),
    Share("空腹血糖受损 6.1–6.9", 3, 11, lambda v: 6.1 <= v.number("GLU") < 7.0),
    Share("ALT 升高", 5, 12, lambda v: v.number("ALT") > (50 if v.is_male else 40)),
    Share("脂肪肝", 26, 34, lambda v: v.says("US_ABD", "脂肪肝")),
    Share("胆囊结石", 3.5, 7, lambda v: v.says("US_ABD", "胆囊结石")),
    Share("胆囊息肉", 4, 9, lambda v: v.says("US_ABD", "胆囊息肉样病变")),
    Share("肾结石", 3, 8, lambda v: v.says("US_ABD", "肾结石")),
    Share("甲状腺结节", 30, 41, lambda v: v.says("US_THY", "甲状腺结节")),
    Share("肺结节(CT)", 20, 30, lambda v: v.says("CT_CHE", "肺微小结节", "肺结节", "实性结节", "部分实性结节", "纯磨玻璃结节")),
    Share("HBsAg 阳性", 4.5, 6.8, lambda v: v.says("HBSAG", "阳性")),
    Share("幽门螺杆菌", 37, 46, lambda v: v.number("C13") >= 4),
    Share("贫血,男", 1, 5, lambda v: v.number("HGB") < 130, _is_male),
    Share("贫血,女", 9, 18, lambda v: v.number("HGB") < 115, _is_female),
    Share("EGFR <60(按 CREA 估)", 0.8, 3.5, lambda v: egfr(v) < 60),
    Share("UACR ≥30", 5, 12, lambda v: v.number("UACR") >= 30),
    Share("TSH >4.2", 5, 11, lambda v: v.number("TSH") > 4.2),
    Share("同型半胱氨酸 >15", 14, 28, lambda v: v.number("HCY") > 15),
    Share("便隐血阳性", 0.5, 2.5, lambda v: v.says("F_OB", "阳性")),
    Share("颈动脉斑块", 17, 30, lambda v: v.says("US_CAR", "颈动脉斑块")),
    Share("骨质疏松,女 ≥60 岁", 18, 35, lambda v: v.number("BMD_T") <= -2.5, _older_woman),
    Share("裸眼视力 <5.0", 45, 70, lambda v: min(v.number("VA_R"), v.number("VA_L")) < 5.0),
    Share("乳腺增生", 22, 40, lambda v: v.says("US_BRE", "乳腺增生"), _is_female),
    Share("子宫肌瘤", 8, 18, lambda v: v.says("US_UTE", "子宫肌瘤"), _is_female),
    Share("高危型 HPV 阳性", 6, 14, lambda v: any(v.says(code, "阳性") for code in ("HPV16", "HPV18", "HPV_OT")), _is_female),
    Share("前列腺增生或增大,≥50 岁", 40, 62, lambda v: v.says("US_PRO", "前列腺增"), lambda v: v.is_male and v.age >= 50),
    Share("PSA >4,≥50 岁", 2, 8, lambda v: v.number("PSA") > 4, lambda v: v.is_male and v.age >= 50),
    Share("心房颤动", 0.3, 1.2, lambda v: v.says("ECG_CON", "心房颤动")),
    Share("心电图异常", 25, 50, lambda v: not v.says("ECG_CON", "正常心电图")),
)
"""What is expected and counted: the finding, the share in percent from and to, and where the figure comes from."""


def egfr(visitor: Visitor) -> float:
    """CKD-EPI 2021 from the written creatinine, as the dictionary's formula computes it."""
    kappa, alpha, factor = (0.9, -0.302, 1.0) if visitor.is_male else (0.7, -0.241, 1.012)
    ratio = visitor.number("CREA") / 88.4 / kappa
    return float(142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**visitor.age * factor)


def shares_of(visitors: Iterable[Visitor]) -> list[tuple[Share, int, int, float]]:
    """Every line of the table: how many of how many, and the percentage."""
    found = [0] * len(SHARES)
    asked = [0] * len(SHARES)
    for visitor in visitors:
        for place, share in enumerate(SHARES):
            if share.of(visitor):
                asked[place] += 1
                found[place] += share.counts(visitor)
    return [
        (share, count, of, 100 * count / of if of else 0.0)
        for share, count, of in zip(SHARES, found, asked, strict=True)
    ]


def case_of(body: Body, values: Values, codes: Iterable[str] | None = None) -> Case:
    """The values as the rules judge them, computed items included; of all items, or of these."""
    subject = Subject(body.sex, body.age, frozenset(body.history))
    wanted = ITEMS if codes is None else {code: ITEMS[code] for code in codes}
    readings: dict[str, Reading] = {
        code: judge(item, values[code], "", subject) for code, item in wanted.items() if code in values
    }
    for code, computed in compute_all(wanted, {**readings}, subject).items():
        if computed.number is not None:
            readings[code] = judge(ITEMS[code], f"{computed.number:f}", "", subject)
    return Case(subject, body.on, readings)


class Alerts:
    """Counts who carries an important finding, by the alert rules of a book."""

    def __init__(self, book: RuleBook) -> None:
        self.rules = CompiledRules(RuleBook(rules=tuple(rule for rule in book.rules if rule.alert is not None)))
        self.people = self.carriers = self.urgent = 0
        self.by_rule: dict[str, int] = {}
        self.names = {rule.code: (rule.alert.name or rule.text) for rule in self.rules.book.rules if rule.alert is not None}

    def add(self, case: Case) -> frozenset[AlertClass]:
        """Counts one visit; the classes it carries."""
        fired = self.rules.fired(case)
        classes = frozenset(rule.alert.alert_class for rule in fired if rule.alert is not None)
        self.people += 1
        self.carriers += bool(classes)
        self.urgent += bool(classes & URGENT)
        for rule in fired:
            self.by_rule[rule.code] = self.by_rule.get(rule.code, 0) + 1
        return classes
