"""A person's latent health and their body on one day: what the values of a visit are made of.

A person keeps a constitution (`Health`): deviates and chances that never change. On a day (`Body`) every trait is that
constitution plus the swing of the day, so visits of different years resemble each other as real ones do, and lasting
conditions (diabetes, hypertension, a nodule) begin at some age and stay. Figures are general knowledge of Chinese adult
exam populations ("memory", see `rehearsal.prevalence`), not taken from a study.
"""

from __future__ import annotations

from datetime import date
from math import exp, log, sqrt

import msgspec

from exam.kit.random import SeededRandom
from rehearsal.draws import Curve, chances, deviates

STEADINESS: dict[str, float] = {
    "height": 1.0, "weight": 0.97, "waist": 0.85, "hip": 0.85, "pressure": 0.72, "diastolic": 0.6, "pulse": 0.6, "temperature": 0.1,
    "oxygen": 0.2, "sugar": 0.7, "sugar_control": 0.5, "hba1c": 0.8, "after_meal": 0.4, "ldl": 0.8, "tg": 0.62, "hdl": 0.8,
    "tc": 0.0, "apoa1": 0.6, "apob": 0.6, "lpa": 0.95, "urate": 0.78, "crea": 0.85, "urea": 0.5, "cystatin": 0.7, "albuminuria": 0.75,
    "alt": 0.6, "ast": 0.4, "ggt": 0.8, "alp": 0.8, "alb": 0.5, "glb": 0.8, "tbil": 0.65, "dbil": 0.4, "tba": 0.2,
    "wbc": 0.6, "neutrophils": 0.5, "monocytes": 0.5, "eosinophils": 0.7, "basophils": 0.4, "hgb": 0.85, "mcv": 0.93, "mchc": 0.4,
    "rdw": 0.7, "plt": 0.85, "mpv": 0.7, "esr": 0.5, "tsh": 0.75, "ft3": 0.5, "ft4": 0.65, "tt3": 0.5, "tt4": 0.6, "tpo": 0.9, "tg_ab": 0.9,
    "afp": 0.85, "cea": 0.85, "ca199": 0.85, "ca724": 0.6, "cyfra": 0.6, "nse": 0.5, "scc": 0.6, "ca125": 0.7, "ca153": 0.85, "psa": 0.88,
    "fpsa": 0.8, "pg1": 0.8, "pg2": 0.8, "pt": 0.5, "aptt": 0.6, "fib": 0.5, "tt": 0.4, "dd": 0.5, "rf": 0.8, "aso": 0.6, "ccp": 0.7,
    "vitd": 0.6, "ferritin": 0.8, "iron": 0.4, "potassium": 0.3, "sodium": 0.3, "chloride": 0.3, "calcium": 0.4, "phosphate": 0.4,
    "magnesium": 0.4, "ldh": 0.6, "ck": 0.5, "ckmb": 0.5, "troponin": 0.7, "bnp": 0.7, "hcy": 0.8, "crp": 0.45, "lead": 0.7, "che": 0.6,
    "cohb": 0.5, "urine_sg": 0.1, "urine_ph": 0.1, "urine_rbc": 0.5, "urine_wbc": 0.3, "fat_mass": 0.9, "visceral": 0.8, "bone": 0.95,
    "eye_pressure": 0.8, "eye_other": 0.6, "sight": 0.95, "sight_other": 0.8, "pr": 0.9, "qrs": 0.9, "qtc": 0.7, "axis": 0.9,
    "fvc": 0.85, "fev1": 0.7, "pulse_wave": 0.85, "ankle": 0.8, "imt": 0.9, "ejection": 0.6, "hp": 0.7, "hearing": 0.9, "noise": 0.9,
}  # fmt: skip
"""The traits and how much of each stays from year to year (the correlation between two visits)."""

LUCK = (
    "smoker", "drinker", "aware_pressure", "aware_sugar", "thalassaemia", "iron", "hbv", "hbv_stage", "hbv_shield", "hcv", "hiv", "syphilis",
    "trust", "hp", "tpo", "thyroid", "kidney", "fatty", "myopia", "menopause", "fibrillation", "gilbert", "chylous", "blood_group", "rhesus",
    "rheuma", "constitution", "stones", "prostate", "coronary", "stroke", "lung", "colour", "sglt",
)  # fmt: skip
"""What chance decides once for a person."""

TURNS = (
    "infection", "urine_infection", "haematuria", "fast", "stool", "occult", "liver_hit", "chylous", "spike", "potassium", "bleeding",
    "collapse", "clot", "wrong_rate", "ubg", "protein", "sugar_spill", "platelets",
)  # fmt: skip
"""What chance decides on the day."""

_KEEP = tuple(sqrt(steady) for steady in STEADINESS.values())
_SWING = tuple(sqrt(1 - steady) for steady in STEADINESS.values())
_NAMES = tuple(STEADINESS)

_BMI = {
    "M": Curve((20, 22.7), (30, 24.2), (40, 24.9), (55, 24.9), (77, 24.1)),
    "F": Curve((20, 20.9), (30, 21.9), (45, 23.4), (60, 24.3), (77, 24.1)),
}
_SYSTOLIC = {
    "M": Curve((20, 118), (40, 122.5), (60, 130), (77, 135)),
    "F": Curve((20, 110), (40, 116.5), (60, 129), (77, 136)),
}
_HYPERTENSION = Curve((20, 1.95), (40, 1.05), (60, 0.22), (77, -0.10))
"""Above which deviate somebody of this age has hypertension: the curve falls, so nobody loses it again."""
_DIABETES = Curve((20, 2.85), (40, 1.78), (60, 1.08), (77, 0.80))
_KIDNEY = Curve((20, 3.2), (50, 2.08), (77, 1.15))
_FIBRILLATION = Curve((40, 0.0002), (60, 0.004), (77, 0.022))


class Health(msgspec.Struct, frozen=True):
    """What a person is made of, the same at every visit. `seed` gives the day's swing its own stream."""

    seed: str
    sex: str
    birth_on: date
    traits: tuple[float, ...]
    luck: tuple[float, ...]

    def age_on(self, day: date) -> int:
        """Full years on a day."""
        return day.year - self.birth_on.year - ((day.month, day.day) < (self.birth_on.month, self.birth_on.day))


def health_of(seed: str, sex: str, birth_on: date) -> Health:
    """The person of a seed; an ID number makes a good one, because then the same person comes with the same body."""
    source = SeededRandom(f"{seed}:health")
    return Health(seed, sex, birth_on, deviates(source, len(_NAMES)), chances(source, len(LUCK)))




class Body:
    """A person's body on one day. The attributes are its state before anything is measured; numbers are not yet rounded."""

    def __init__(self, health: Health, on: date) -> None:
        self.health = health
        self.on = on
        self.sex = health.sex
        self.is_male = health.sex == "M"
        self.age = health.age_on(on)
        self.years = (on - health.birth_on).days / 365.25
        # Two visits of one day are the same body; a day is as fine as the swing goes.
        source = SeededRandom(f"{health.seed}:{on.isoformat()}")
        swing = deviates(source, len(_NAMES))
        self.z = {
            name: keep * fixed + part * moved
            for name, keep, part, fixed, moved in zip(_NAMES, _KEEP, _SWING, health.traits, swing, strict=True)
        }
        self.fixed = dict(zip(_NAMES, health.traits, strict=True))
        self.luck = dict(zip(LUCK, health.luck, strict=True))
        self.turn = dict(zip(TURNS, chances(source, len(TURNS)), strict=True))
        self.day_source = source
        self._live()
        self._grow()
        self._press()
        self._sweeten()
        self._fatten()
        self._filter()

    def _live(self) -> None:
        """Habits, infections and the other things one has or has not."""
        luck = self.luck
        self.smokes = luck["smoker"] < (0.46 if self.is_male else 0.02)
        self.drinks = luck["drinker"] < (0.38 if self.is_male else 0.04)
        self.is_after_menopause = not self.is_male and self.years > 47.5 + 5 * luck["menopause"]
        self.has_fibrillation = luck["fibrillation"] < _FIBRILLATION.at(self.years)
        self.is_thalassaemic = luck["thalassaemia"] < 0.11
        self.lacks_iron = not self.is_male and luck["iron"] < (0.04 if self.is_after_menopause else 0.14)
        # Those born after the vaccination of newborns began (1992, wide from 2002) are rarely carriers.
        is_young = self.health.birth_on.year >= 1995
        self.has_hbv = luck["hbv"] < (0.018 if is_young else 0.066)
        self.has_hp = luck["hp"] < 0.42
        self.has_infection = self.turn["infection"] < 0.018
        self.has_tpo = luck["tpo"] < (0.07 if self.is_male else 0.15)

    def _grow(self) -> None:
        z, years = self.z, self.years
        shrinks = 0.1 * max(0.0, years - 30)
        self.height = 172.6 - shrinks + 5.7 * z["height"] if self.is_male else 160.6 - shrinks + 5.3 * z["height"]
        self.bmi = _BMI[self.sex].at(years) * exp(0.138 * z["weight"])
        self.weight = self.bmi * (self.height / 100) ** 2
        over = self.bmi - 24
        if self.is_male:
            self.waist = 83.6 + 2.35 * over + 0.1 * (years - 45) + 2.8 * z["waist"]
        else:
            self.waist = 77.6 + 2.15 * over + 0.16 * (years - 45) + 3.2 * z["waist"]
        self.hip = max(self.waist + 1.5, 94.5 + 1.55 * over + 2.4 * z["hip"])

    def _press(self) -> None:
        z, fixed, over = self.z, self.fixed, self.bmi - 24
        score = (fixed["pressure"] + 0.4 * fixed["weight"]) / 1.077
        self.has_hypertension = score > _HYPERTENSION.at(self.years)
        self.knows_hypertension = self.has_hypertension and self.luck["aware_pressure"] < 0.62
        push = z["pressure"]
        systolic = _SYSTOLIC[self.sex].at(self.years) + 0.9 * over + 12.0 * push + 1.2 * (push * push - 1)
        if self.knows_hypertension:  # tablets pull towards the target, not always all the way
            systolic = 135 + 0.42 * (systolic - 135) + 5 * z["diastolic"]
        elif self.turn["spike"] < 0.003:  # tablets forgotten, fright or pain
            systolic += 30 if self.turn["spike"] > 0.0006 else 62
        self.sbp = max(86.0, systolic)
        sag = 0.28 * max(0.0, self.years - 55)
        diastolic = 77.0 + 0.40 * (self.sbp - 122) - sag + 0.25 * over + 5.8 * z["diastolic"] + (2.0 if self.is_male else -1.0)
        self.dbp = max(48.0, min(diastolic, self.sbp - 22))
        fast = 0.12 * over + (3.5 if self.has_infection else 0) + (1.5 if not self.is_male else 0)
        self.rate = 73.5 + fast + 8.8 * z["pulse"] + (10 if self.has_fibrillation else 0)
        if self.turn["wrong_rate"] < 0.00012:
            self.rate = 41.0 if self.years > 60 else 156.0
        self.rate = max(42.0 if self.turn["wrong_rate"] >= 0.00012 else 38.0, self.rate)

    def _sweeten(self) -> None:
        z, fixed = self.z, self.fixed
        score = (fixed["sugar"] + 0.45 * fixed["weight"]) / 1.0966
        self.has_diabetes = score > _DIABETES.at(self.years)
        self.knows_diabetes = self.has_diabetes and self.luck["aware_sugar"] < 0.87
        if not self.has_diabetes:
            usual = 5.2 + 0.010 * (self.years - 45) + 0.05 * (self.bmi - 24)
            self.glucose = min(6.95, max(3.75, usual + 0.47 * z["sugar"]))
            self.hba1c = min(6.4, 5.42 + 0.34 * (self.glucose - 5.15) + 0.004 * (self.years - 45) + 0.19 * z["hba1c"])
        else:
            control = z["sugar_control"]
            middle, spread = (7.2, 0.17) if self.knows_diabetes else (8.1, 0.16)
            self.glucose = max(5.4 if self.knows_diabetes else 7.0, middle * exp(spread * control + 0.05 * max(0.0, control) ** 2))
            if self.turn["collapse"] < 0.012:  # out of control
                self.glucose = 16.9 + 3 * self.turn["protein"]
            self.hba1c = max(5.6 if self.knows_diabetes else 6.5, 6.75 + 0.62 * (self.glucose - 7.3) + 0.35 * z["hba1c"])
            self.hba1c = min(self.hba1c, 15.5)
        self.after_meal = self.glucose * (1.62 if self.has_diabetes else 1.2) + 0.9 * z["after_meal"]

    def _fatten(self) -> None:
        z, years, over = self.z, self.years, self.bmi - 24
        late = 0.12 if self.is_after_menopause else 0.0
        middle = log(1.45) - 0.006 * abs(years - 48) if self.is_male else log(1.06) + late
        self.tg = exp(middle + 0.055 * over + 0.49 * z["tg"] + (0.16 if self.has_diabetes else 0) + (0.07 if self.drinks else 0))
        if self.luck["chylous"] < 0.012 and self.turn["chylous"] < 0.3:
            self.tg = min(24.0, 5 * self.tg)
        self.hdl = max(0.52, (1.23 if self.is_male else 1.43) - 0.2 * log(self.tg / 1.2) - 0.012 * over + 0.23 * z["hdl"])
        age_part = 0.012 * (min(years, 58) - 45) + (0.22 if self.is_after_menopause else 0)
        self.ldl = max(0.9, 2.95 + age_part + 0.77 * z["ldl"] + 0.015 * over)
        if self.ldl > 4.4:  # the highest are treated
            self.ldl = 4.4 + 0.55 * (self.ldl - 4.4)
        fat = self.tg / 2.2
        if self.tg >= 4.5:  # beyond Friedewald: remnants carry less, and the LDL that is measured falls
            fat = 4.5 / 2.2 + 0.22 * (self.tg - 4.5)
            self.ldl = max(0.8, self.ldl - 0.12 * (self.tg - 4.5))
        self.tc = self.hdl + self.ldl + fat + 0.06 * z["tc"]
        grease = -1.35 + 0.33 * over + 1.05 * log(self.tg / 1.2) + (0.35 if self.is_male else -0.05) + 0.012 * (min(years, 65) - 45)
        depth = grease - log(self.luck["fatty"] / (1 - self.luck["fatty"]))
        self.fatty_grade = 0 if depth <= 0 else 1 if depth < 2.6 else 2 if depth < 4.6 else 3
        base = 366 if self.is_male else 274 + (24 if self.is_after_menopause else 0)
        self.urate = max(120.0, base + 7.0 * over + 14 * log(self.tg / 1.2) + (66 if self.is_male else 52) * z["urate"])
        self.urate *= 1.03 if self.drinks else 1.0

    def _filter(self) -> None:
        """The kidneys."""
        z = self.z
        score = 0.93 * self.fixed["crea"] + 0.25 * self.has_hypertension + 0.35 * self.has_diabetes
        limit = _KIDNEY.at(self.years)
        self.kidney_loss = max(0.0, score - limit)  # grows with age, so a failing kidney goes on failing
        usual = (75.5 if self.is_male else 56.5) + 0.05 * (self.years - 45)
        self.crea = max(32.0, usual * exp(0.125 * z["crea"]) * (1 + 0.55 * self.kidney_loss**1.6))
        if self.luck["kidney"] < 0.0001 + 0.000004 * self.years:
            self.crea = 720 + 90 * abs(z["urea"])
        if self.crea > 110:
            self.urate = max(self.urate, 395 + 25 * z["urate"])
        leak = 0.85 * self.has_diabetes + 0.32 * self.has_hypertension + 1.1 * min(self.kidney_loss, 2) + (0.25 if not self.is_male else 0)
        self.uacr = 6.4 * exp(leak + 0.70 * z["albuminuria"] + (2.4 if self.turn["protein"] < 0.004 else 0))

    @property
    def history(self) -> list[str]:
        """What the person tells of earlier illness."""
        luck = self.luck
        told = []
        if self.knows_hypertension:
            told.append("高血压")
        if self.knows_diabetes:
            told.append("糖尿病")
        if luck["coronary"] < Curve((40, 0.0), (60, 0.035), (77, 0.10)).at(self.years):
            told.append("冠心病")
        if luck["stroke"] < Curve((45, 0.0), (60, 0.012), (77, 0.045)).at(self.years):
            told.append("脑卒中")
        if self.has_hbv and luck["hbv_stage"] < 0.7:
            told.append("肝炎")
        if luck["lung"] < 0.012:
            told.append("结核")
        if luck["stones"] > 1 - Curve((20, 0.04), (50, 0.14), (77, 0.24)).at(self.years):
            told.append("手术史")
        if 0.5 < luck["rheuma"] < 0.57:
            told.append("药物过敏")
        return told or ["无特殊"]
