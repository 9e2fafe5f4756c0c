"""What the rooms, the heart's curve and the imaging find in a body, as choices of the dictionary; no finding contradicts a value."""

from __future__ import annotations

from functools import lru_cache
from math import exp, sqrt

from exam.kit.random import SeededRandom
from rehearsal.bodies import Body
from rehearsal.draws import Curve, chances
from rehearsal.finding_tables import LASTING, MANY, PASSING

Answers = dict[str, float | str | list[str]]

_LASTING_COUNT = sum(len(rows) if item in MANY else 1 for item, rows in LASTING.items())
_PASSING_COUNT = sum(len(rows) if item in MANY else 1 for item, rows in PASSING.items())
_EXTRA = 32


@lru_cache(maxsize=512)
def _plan(sex: str, age: int, is_lasting: bool) -> tuple[tuple[str, bool, tuple[tuple[str, float, str], ...]], ...]:
    """The table of one sex and age: each item, whether it takes one choice, and the shares of its findings."""
    table = LASTING if is_lasting else PASSING
    return tuple(
        (item, item not in MANY, tuple((row.text, row.share(sex, age), row.risk) for row in rows)) for item, rows in table.items()
    )


def _risks(body: Body) -> dict[str, float]:
    """How many times likelier than in others of this age: about 1 on the average.

    Only what lasts counts, not the day's values: a gallstone does not dissolve because somebody weighs less this year.
    """
    fixed = body.fixed
    vessel = exp(0.25 * body.has_hypertension + 0.3 * body.has_diabetes + 0.2 * body.smokes + 0.18 * fixed["ldl"]) * 0.85
    return {
        "": 1.0,
        "fat": exp(0.2 * fixed["weight"]),
        "hbv": 6.0 if body.has_hbv else 0.7,
        "urate": exp(0.18 * fixed["urate"]),
        "kidney": 8.0 if body.kidney_loss > 0 else 0.7,
        "vessel": vessel,
        "pressure": 1.7 if body.has_hypertension else 0.7,
        "smoke": 1.5 if body.smokes else 0.8,
    }


def _drawn(body: Body, is_lasting: bool, luck: tuple[float, ...], risks: dict[str, float], found: dict[str, list[str]]) -> None:
    place = 0
    for item, is_one, rows in _plan(body.sex, body.age, is_lasting):
        if is_one:
            lucky, place = luck[place], place + 1
            for text, share, risk in rows:
                lucky -= share * risks[risk]
                if lucky < 0:
                    found.setdefault(item, []).append(text)
                    break
        else:
            texts = [text for (text, share, risk), lucky in zip(rows, luck[place : place + len(rows)], strict=True) if lucky < share * risks[risk]]
            place += len(rows)
            found.setdefault(item, []).extend(texts)


def findings(body: Body) -> Answers:
    """The answers of the rooms and the imaging, without the normal ones: `rehearsal.values` fills these from the dictionary."""
    luck = chances(SeededRandom(f"{body.health.seed}:findings"), _LASTING_COUNT + _EXTRA)
    turn = chances(body.day_source, _PASSING_COUNT + _EXTRA)
    found: dict[str, list[str]] = {}
    risks = _risks(body)
    _drawn(body, True, luck, risks, found)
    _drawn(body, False, turn, risks, found)
    own, passing = luck[_LASTING_COUNT:], turn[_PASSING_COUNT:]
    answers: Answers = {"MED_HIS": body.history}
    _abdomen(body, found)
    _thyroid(body, found, answers, own)
    _heart(body, found, answers, passing)
    _vessels(body, found, answers)
    _lungs(body, found, answers, own)
    _bones_and_breath(body, answers)
    _eyes(body, answers, passing)
    _hearing(body, answers)
    if body.is_male:
        _prostate(body, found, own)
    else:
        _breasts(body, found, answers, own)
        _womb(body, found, answers, passing)
    for item, texts in found.items():
        if texts:
            answers[item] = texts if item in MANY else texts[0]
    return answers


def _abdomen(body: Body, found: dict[str, list[str]]) -> None:
    texts = found["US_ABD"]
    if body.fatty_grade:
        texts.insert(0, ("脂肪肝(轻度)", "脂肪肝(中度)", "脂肪肝(重度)")[body.fatty_grade - 1])
    if "胆囊切除术后" in texts:
        found["US_ABD"] = [text for text in texts if not text.startswith("胆囊") or text == "胆囊切除术后"]
    elif "胆囊息肉样病变(≥10mm)" in texts and "胆囊息肉样病变" in texts:
        texts.remove("胆囊息肉样病变")
    if "肝硬化" in texts and "肝实质回声增粗" in texts:
        texts.remove("肝实质回声增粗")


_TIRADS = (("3", 0.62), ("2", 0.9825), ("4A", 0.9955), ("4B", 0.998), ("4C", 0.9993))


def _thyroid(body: Body, found: dict[str, list[str]], answers: Answers, own: tuple[float, ...]) -> None:
    texts = found["US_THY"]
    if body.has_tpo and own[0] < 0.45:
        texts.append("桥本甲状腺炎可能" if own[0] < 0.2 else "甲状腺弥漫性病变")
    if "甲状腺结节" in texts or "甲状腺结节伴钙化" in texts:
        lucky = own[1]
        answers["US_TIRADS"] = next((grade for grade, below in _TIRADS if lucky < below), "5")
        if own[2] < 0.10:
            answers["SUR_THY"] = "结节"
    elif texts:
        answers["US_TIRADS"] = "2"
    if "SUR_THY" not in answers and own[2] > 0.99:
        answers["SUR_THY"] = "Ⅰ°肿大"


def _heart(body: Body, found: dict[str, list[str]], answers: Answers, passing: tuple[float, ...]) -> None:
    """The curve's statement follows its own figures."""
    z, years = body.z, body.years
    rate = float(round(body.rate))
    answers.update(PULSE=rate, MED_HR=float(round(max(38.0, rate + 2.2 * z["oxygen"]))))
    answers["TEMP"] = 36.5 + 0.18 * z["temperature"] + 0.5 * body.has_infection
    curve_rate = float(round(max(39.0 if rate >= 42 else 36.0, rate - 3 + 3.5 * z["temperature"])))
    said: list[str] = []
    lucky = passing[0]
    older = max(0.0, years - 40)
    pr, qrs = 152 + 15 * z["pr"] + 0.25 * older, 93 + 6.5 * z["qrs"]
    if body.has_fibrillation:
        said.append("心房颤动")
        answers["MED_RHY"] = "房颤律"
    elif lucky < 0.006 + 0.0006 * older:
        said.append("房性早搏" if lucky < 0.003 + 0.0004 * older else "室性早搏")
        answers["MED_RHY"] = "早搏"
    elif lucky > 0.9993:
        said.append("频发室性早搏")
        answers["MED_RHY"] = "早搏"
    elif passing[1] < 0.05 and years < 45:
        said.append("窦性心律不齐")
    if not body.has_fibrillation:
        answers["ECG_PR"] = pr
        if round(pr) > 200:
            said.append("一度房室阻滞")
        if curve_rate < 60:
            said.insert(0, "窦性心动过缓")
        elif curve_rate > 100:
            said.insert(0, "窦性心动过速")
    block = body.luck["coronary"]
    if block > 1 - (0.012 + 0.0009 * older):
        said.append("完全性右束支阻滞")
        qrs = max(qrs, 128 + 5 * z["qrs"])
    elif block > 1 - (0.028 + 0.001 * older):
        said.append("不完全性右束支阻滞")
    elif block < 0.0003 + 0.00003 * older:
        said.append("完全性左束支阻滞")
        qrs = max(qrs, 138 + 5 * z["qrs"])
    axis = 52 - 0.35 * older - 1.2 * (body.bmi - 24) + 23 * z["axis"]
    axis = float(round(max(-85.0, min(axis, 150.0))))
    if axis < -30:
        said.append("电轴左偏")
    elif axis > 90:
        said.append("电轴右偏")
    if (body.has_hypertension and passing[2] < 0.10) or (body.is_male and years < 35 and passing[2] < 0.03):
        said.append("左室高电压")
    repolarisation = passing[3]
    likely = 0.018 + 0.0011 * older + 0.025 * body.has_hypertension + 0.01 * (not body.is_male)
    if repolarisation < 0.0006:
        said.append("显著ST-T改变")
    elif repolarisation < likely:
        said.append("T波改变" if repolarisation > 0.4 * likely else "ST-T改变")
    elif repolarisation > 0.9993:
        said.append("损伤型ST段抬高")
    if years > 55 and block < 0.004:
        said.append("陈旧性心肌梗死")
    qtc = (404 if body.is_male else 415) + 14.5 * z["qtc"] + 0.25 * older + max(0.0, qrs - 110) * 0.5
    qtc = min(qtc, 498.0) if passing[4] < 0.9994 else 508.0
    qt = float(round(min(qtc, 515) * sqrt(60 / curve_rate)))
    corrected = float(round(qt / sqrt(60 / curve_rate)))
    if corrected > 465:
        said.append("QT间期延长")
    answers.update(ECG_HR=curve_rate, ECG_QRS=qrs, ECG_QT=qt, ECG_QTC=corrected, ECG_AX=axis)
    if said:
        answers["ECG_CON"] = said
    echo = found["US_ECHO"]
    stiff = Curve((30, 0.0), (50, 0.16), (70, 0.62)).at(years) * (1.3 if body.has_hypertension else 0.85)
    if body.luck["stroke"] > 1 - stiff:
        echo.append("左室舒张功能减退")
    answers["LVEF"] = lvef = round(64.5 + 3.6 * z["ejection"] - (14 if "室壁节段性运动异常" in echo else 0))
    if lvef < 50:
        echo.append("左室收缩功能减退")
    if body.has_fibrillation and "左房增大" not in echo:
        echo.append("左房增大")


def _vessels(body: Body, found: dict[str, list[str]], answers: Answers) -> None:
    z, years = body.z, body.years
    strain = 0.004 * (body.sbp - 122) + 0.05 * body.has_diabetes + 0.03 * body.smokes + 0.05 * (body.ldl - 3)
    thick = max(0.4, 0.58 + 0.0068 * (years - 35) + 0.45 * strain + 0.09 * z["imt"])
    texts = found["US_CAR"]
    narrowed = [text for text in texts if text.startswith("颈动脉狭窄")]
    if len(narrowed) > 1:
        texts.remove("颈动脉狭窄(<50%)")
    lucky = body.luck["constitution"]
    lasting = 0.15 * body.has_hypertension + 0.1 * body.has_diabetes + 0.04 * body.smokes + 0.05 * body.fixed["ldl"] - 0.05
    plaque = Curve((35, 0.01), (50, 0.15), (65, 0.42), (77, 0.6)).at(years) * (1.0 if body.is_male else 0.72) * exp(lasting)
    if lucky < plaque or narrowed or "颈动脉不稳定斑块" in texts:
        texts.insert(0, "颈动脉斑块")
    if round(thick, 1) >= 1.0:
        texts.insert(0, "颈动脉内中膜增厚")
    answers["CIMT"] = min(thick, 1.9)
    wave = 1230 + 9.5 * (years - 40) + 6.5 * (body.sbp - 120) + 60 * body.has_diabetes + 95 * z["pulse_wave"]
    wave = max(850.0, wave)
    answers.update(BAPWV_R=wave + 18 * z["ankle"], BAPWV_L=wave - 18 * z["ankle"])
    is_narrow = body.luck["kidney"] > 1 - Curve((45, 0.001), (60, 0.01), (77, 0.06)).at(years)
    ankle = (0.82 if is_narrow else 1.12) + 0.055 * z["ankle"]
    answers.update(ABI_R=ankle, ABI_L=ankle + 0.025 * z["imt"])


def _lungs(body: Body, found: dict[str, list[str]], answers: Answers, own: tuple[float, ...]) -> None:
    z, years = body.z, body.years
    lucky, size = own[3], own[4]
    share = Curve((20, 0.08), (40, 0.19), (60, 0.30), (77, 0.38)).at(years) * (1.12 if body.smokes else 0.97)
    if lucky < share:
        ct = found["CT_CHE"]
        if size < 0.80:
            ct.insert(0, "肺微小结节(<6mm)")
        elif size < 0.980:
            ct.insert(0, "肺结节")
        else:
            ct.insert(0, "实性结节(≥8mm)" if size < 0.989 else "纯磨玻璃结节(≥8mm)" if size < 0.996 else "部分实性结节(≥6mm)")
    is_ill = body.smokes and body.luck["lung"] > 1 - Curve((40, 0.02), (77, 0.25)).at(years)
    ratio = 82.5 - 0.17 * (years - 45) + 3.6 * z["fev1"] - (1.5 if body.smokes else 0) - (13 if is_ill else 0)
    ratio = min(97.0, ratio)
    fvc = 99 + 9.0 * z["fvc"] - (6 if is_ill else 0)
    answers.update(FEV1R=ratio, FVCP=fvc, FEV1P=fvc * ratio / (82.5 - 0.17 * (years - 45)) + 1.5 * z["oxygen"])
    answers["SPO2"] = float(max(91, min(99, round(98.0 + 0.7 * z["oxygen"] - (2 if is_ill else 0)))))
    answers.update(SBP=body.sbp, DBP=body.dbp, HT=body.height, WT=body.weight, WC=body.waist, HC=body.hip)
    fat = 1.2 * body.bmi + 0.23 * years - (16.2 if body.is_male else 5.4)
    answers["BFP"] = max(6.0, fat - 2.5 + 1.8 * z["fat_mass"])
    answers["VFA"] = max(15.0, 82 + 11 * (body.bmi - 24) + 0.5 * (years - 45) + (10 if body.is_male else -8) + 14 * z["visceral"])


def _bones_and_breath(body: Body, answers: Answers) -> None:
    years = body.years
    if body.is_male:
        middle = Curve((20, 0.0), (50, -0.6), (77, -1.25)).at(years)
    else:
        middle = Curve((20, 0.0), (47, -0.38), (60, -1.35), (77, -2.15)).at(years)
    answers["BMD_T"] = max(-4.8, middle + 0.85 * body.z["bone"] + 0.035 * (body.bmi - 24))


def _eyes(body: Body, answers: Answers, passing: tuple[float, ...]) -> None:
    z, years = body.z, body.years
    born = body.health.birth_on.year
    is_short_sighted = body.luck["myopia"] < Curve((1950, 0.16), (1970, 0.30), (1985, 0.55), (2000, 0.80)).at(born)
    dims = 0.012 * max(0.0, years - 55)
    middle = 4.52 + 0.22 * z["sight"] if is_short_sighted else 5.10 + 0.055 * z["sight"] - dims
    for side, sign in (("R", 1), ("L", -1)):
        seen = round(max(3.7, min(5.3, middle + 0.07 * sign * z["sight_other"])), 1)
        answers[f"VA_{side}"] = seen
        if seen < 4.9:  # corrected sight is only measured where glasses are worn
            answers[f"VAC_{side}"] = max(seen, min(5.1, round(5.0 - 0.5 * dims + 0.05 * z["sight"], 1)))
    pressure = 15.2 + 2.5 * z["eye_pressure"]
    answers.update(IOP_R=max(8.0, pressure + 0.45 * z["eye_other"]), IOP_L=max(8.0, pressure - 0.45 * z["eye_other"]))
    lucky = passing[5]
    hardened = Curve((35, 0.01), (60, 0.14), (77, 0.33)).at(years) * (1.7 if body.has_hypertension else 0.7)
    if body.knows_diabetes and lucky < 0.035:
        answers["EYE_FUN"] = "出血渗出"
    elif body.luck["colour"] > 0.994:
        answers["EYE_FUN"] = "杯盘比大"
    elif body.luck["prostate"] > 1 - Curve((50, 0.002), (77, 0.05)).at(years):
        answers["EYE_FUN"] = "黄斑变性"
    elif lucky < hardened:
        answers["EYE_FUN"] = "动脉硬化Ⅰ级" if lucky > 0.35 * hardened else "动脉硬化Ⅱ级"


_LOSS = {"500": 0.12, "1000": 0.15, "2000": 0.28, "3000": 0.42, "4000": 0.55, "6000": 0.62}


def _hearing(body: Body, answers: Answers) -> None:
    """Thresholds in steps of 5 dB: the high tones go first, with age and with noise; bone follows air."""
    z, years = body.z, body.years
    base = 9 + 4 * z["hearing"]
    noise = max(0.0, 9 * z["noise"] - 4) if body.is_male else 0.0
    for side, other in (("R", 1.0), ("L", -1.0)):
        for tone, weight in _LOSS.items():
            loss = base + weight * max(0.0, years - 30) + noise * (weight > 0.4) + 2.0 * other * z["sight_other"]
            air = 5 * round(max(-5.0, min(loss, 95.0)) / 5)
            answers[f"AC_{side}_{tone}"] = float(air)
            if tone in ("500", "1000", "2000", "4000"):
                answers[f"BC_{side}_{tone}"] = float(max(-5, air - 5 if other * z["eye_other"] > 0 else air))


def _prostate(body: Body, found: dict[str, list[str]], own: tuple[float, ...]) -> None:
    grown = body.luck["prostate"] < Curve((35, 0.02), (50, 0.24), (65, 0.55), (77, 0.75)).at(body.years)
    if "前列腺术后改变" in found["US_PRO"]:
        grown = False
    if grown:
        found["US_PRO"].insert(0, "前列腺增生" if body.years > 50 else "前列腺增大")
        if own[5] < 0.55:
            found["SUR_PRO"] = ["增大Ⅰ°" if own[5] < 0.42 else "增大Ⅱ°"]
    if "前列腺结节" in found["US_PRO"] and own[6] < 0.3:
        found["SUR_PRO"] = ["结节"]


def _breasts(body: Body, found: dict[str, list[str]], answers: Answers, own: tuple[float, ...]) -> None:
    years, texts = body.years, found["US_BRE"]
    if own[7] < Curve((20, 0.35), (40, 0.55), (50, 0.42), (60, 0.10), (77, 0.02)).at(years):
        texts.insert(0, "乳腺增生")
        if own[8] < 0.3:
            found["SUR_BRE"] = ["增生"]
    nodule, grade = own[9], own[10]
    if nodule < Curve((20, 0.10), (45, 0.20), (77, 0.12)).at(years):
        texts.append("乳腺结节")
        answers["US_BIRADS"] = "3" if grade < 0.72 else "2" if grade < 0.962 else "4A" if grade < 0.987 else "4B" if grade < 0.992 else "0"
        if own[8] > 0.985:
            found["SUR_BRE"] = ["结节"]
    else:
        answers["US_BIRADS"] = "2" if texts else "1"
    film = own[11]
    answers["MG_BIRADS"] = (
        "1" if film < 0.46 else "2" if film < 0.90 else "3" if film < 0.972 else "0" if film < 0.985 else "4A" if film < 0.995 else "4B"
    )


def _womb(body: Body, found: dict[str, list[str]], answers: Answers, passing: tuple[float, ...]) -> None:
    """Cells follow the virus, the gynaecologist's hand follows the ultrasound, and the coil leaves with the menopause."""
    texts = found["US_UTE"]
    if "子宫切除术后" in texts:
        found["US_UTE"] = texts = ["子宫切除术后"]
    elif body.is_after_menopause:
        texts[:] = [text for text in texts if text != "盆腔积液"]
        if passing[6] < 0.012:
            texts.append("绝经后子宫内膜增厚(≥5mm)")
    else:
        if passing[6] < 0.018:
            texts.append("子宫内膜增厚")
        if body.years > 28 and body.luck["lung"] > 0.80:
            texts.append("节育器位置正常")
    if "子宫肌瘤" in texts and passing[7] < 0.25:
        found["GYN_UTE"] = ["增大"]
    has = [passing[8] < 0.016, 0.3 < passing[8] < 0.308, 0.6 < passing[8] < 0.66]
    answers.update(zip(("HPV16", "HPV18", "HPV_OT"), ("阳性" if each else "阴性" for each in has), strict=True))
    lucky = passing[9]
    if has[0] or has[1]:
        answers["TCT"] = "HSIL" if lucky < 0.03 else "LSIL" if lucky < 0.09 else "ASC-US" if lucky < 0.2 else "NILM"
    elif has[2]:
        answers["TCT"] = "LSIL" if lucky < 0.04 else "ASC-US" if lucky < 0.13 else "NILM"
    else:
        answers["TCT"] = "ASC-US" if lucky < 0.018 else "LSIL" if lucky > 0.9985 else "NILM"
    if "LEU_TRI" in found or "LEU_FUN" in found or "LEU_BV" in found:
        found["GYN_VAG"] = ["炎症"]
