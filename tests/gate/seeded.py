"""The seeded-error set of the contradiction gate: reviews with one error each, and correct ones that look tricky.

Written from domain.md and from clinical common sense before there was a gate; it is not to be tuned to the gate's code. A row
says only what differs from an ordinary healthy visit of that sex (`BASE`); computed items follow from their sources unless given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

Texts = dict[str, str]

HEALTHY = "本次所检项目未见明显异常"

BASE = {
    "HT": "172.0", "WT": "68.0", "WC": "82.0", "HC": "96.0", "SBP": "122", "DBP": "78", "PULSE": "72", "TEMP": "36.5", "SPO2": "98",
    "MED_HIS": "无特殊", "MED_FAM": "无特殊", "MED_HR": "72", "MED_RHY": "齐", "MED_MUR": "未闻及", "MED_LUNG": "呼吸音清",
    "MED_ABD": "软,无压痛", "MED_LIV": "肋下未及", "MED_SPL": "肋下未及", "MED_KID": "阴性", "MED_NEU": "未见异常",
    "SUR_SKIN": "未见异常", "SUR_LN": "未触及", "SUR_THY": "未触及", "SUR_SPI": "无畸形", "SUR_EXT": "活动自如", "SUR_VAR": "未见曲张",
    "SUR_ANO": "未见异常", "SUR_HER": "无", "VA_R": "5.0", "VA_L": "5.0", "EYE_COL": "正常", "EYE_SLIT": "未见异常",
    "ENT_HEAR": "正常", "ENT_EAR": "未见异常", "ENT_NOSE": "未见异常", "ENT_PHA": "未见异常", "DEN_CAR": "无", "DEN_PER": "健康",
    "DEN_MIS": "无", "DEN_MUC": "正常", "ECG_HR": "72", "ECG_PR": "150", "ECG_QRS": "90", "ECG_QT": "390", "ECG_QTC": "427",
    "ECG_AX": "45", "ECG_CON": "正常心电图", "US_ABD": "肝、胆、胰、脾、双肾未见明显异常", "US_THY": "甲状腺未见明显异常", "US_TIRADS": "1",
    "XR_CHE": "心肺膈未见异常", "WBC": "6.00", "RBC": "4.80", "HGB": "148", "HCT": "43.5", "MCV": "90.6", "MCH": "30.8",
    "MCHC": "340", "RDW": "12.8", "PLT": "220", "MPV": "10.0", "NEUTP": "58.0", "LYMP": "33.0", "MONOP": "6.0", "EOSP": "2.5",
    "BASOP": "0.5", "ALT": "22", "AST": "21", "ALP": "75", "GGT": "25", "TP": "74.0", "ALB": "46.0", "TBIL": "12.0", "DBIL": "4.0",
    "TBA": "4.0", "UREA": "5.10", "CREA": "72", "UA": "320", "GLU": "5.10", "TC": "4.60", "TG": "1.10", "HDL": "1.35", "LDL": "2.75",
    "HCY": "10.0", "U_SG": "1.018", "U_PH": "6.0", "U_PRO": "−", "U_GLU": "−", "U_KET": "−", "U_BLD": "−", "U_NIT": "阴性",
    "U_LEU": "−", "U_BIL": "−", "U_UBG": "−", "U_RBC": "1.0", "U_WBC": "1.0", "F_COL": "软便", "F_OB": "阴性",
}  # fmt: skip
"""Values of an ordinary healthy visit, as written, in the dictionary's units."""

BASE_OF_SEX = {
    "M": {"SUR_PRO": "正常", "US_PRO": "前列腺未见明显异常"},
    "F": {
        "HT": "160.0", "WT": "56.0", "WC": "74.0", "HC": "92.0", "RBC": "4.40", "HGB": "131", "HCT": "39.5", "MCV": "89.8",
        "MCH": "29.8", "MCHC": "332", "CREA": "58", "UA": "260", "SUR_BRE": "未见异常", "US_BRE": "双侧乳腺未见明显异常",
        "US_BIRADS": "1", "US_UTE": "子宫及双侧附件未见明显异常",
    },
}  # fmt: skip

DONE = dict.fromkeys(("G001", "G002", "G003", "G004", "G007", "G008", "G012", "G013", "G014", "G020", "G030", "G031", "G032", "G033",
    "G035", "G036", "G038", "G044"), "confirmed")  # fmt: skip


@dataclass(frozen=True)
class SeededReview:
    """One visit with its review. `kind` is the class of its error, empty for a correct one. Texts are as people write them."""

    kind: str
    name: str
    sex: str
    age: int
    values: dict[str, tuple[str, ...]]
    conclusions: tuple[str, ...]
    summaries: dict[str, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    earlier: dict[str, tuple[str, ...]] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    advice: str = ""
    alerts_without_notice: int = 0


def seeded_review(
    kind: str, name: str, who: str, values: Texts, conclusions: Sequence[str], notes: Texts | None, history: Sequence[str],
    earlier: Texts | None, orders: Texts | None, advice: str, alerts: int,
) -> SeededReview:  # fmt: skip
    """`who` is the sex with the age; several choices of one item are divided by a bar, and an empty value takes one out."""
    sex, age = who[0], int(who[1:])
    whole = _computed(BASE | BASE_OF_SEX[sex] | values, sex, age) | values
    return SeededReview(
        kind, name, sex, age, _picked(whole), tuple(conclusions or [HEALTHY]), notes or {}, tuple(history), _picked(earlier or {}),
        DONE | (orders or {}), advice, alerts,
    )  # fmt: skip


def _picked(values: Texts) -> dict[str, tuple[str, ...]]:
    return {code: tuple(raw.split("|")) for code, raw in values.items() if raw}


def _computed(values: Texts, sex: str, age: int) -> Texts:
    """The computed items as the program computes them, of the values that are numbers."""
    made = dict(values)

    def put(code: str, inputs: tuple[str, ...], places: str, make: Callable[..., Decimal]) -> None:
        try:
            numbers = [Decimal(values[each]) for each in inputs]
            made.setdefault(code, str(make(*numbers).quantize(Decimal(places), ROUND_HALF_UP)))
        except (KeyError, ArithmeticError):
            return

    put("BMI", ("WT", "HT"), "0.1", lambda weight, height: weight / (height / 100) ** 2)
    put("WHR", ("WC", "HC"), "0.01", lambda waist, hip: waist / hip)
    put("GLB", ("TP", "ALB"), "0.1", lambda total, albumin: total - albumin)
    put("AGR", ("TP", "ALB"), "0.01", lambda total, albumin: albumin / (total - albumin))
    put("IBIL", ("TBIL", "DBIL"), "0.1", lambda total, direct: total - direct)
    put("NHDL", ("TC", "HDL"), "0.01", lambda total, hdl: total - hdl)
    put("NEUT", ("WBC", "NEUTP"), "0.01", lambda white, percent: white * percent / 100)
    put("LYM", ("WBC", "LYMP"), "0.01", lambda white, percent: white * percent / 100)
    put("FPSAR", ("FPSA", "PSA"), "0.01", lambda free, total: free / total)
    put("EGFR", ("CREA",), "1", lambda creatinine: _filtration(float(creatinine), sex, age))
    return made


def _filtration(creatinine: float, sex: str, age: int) -> Decimal:
    """CKD-EPI 2021, creatinine in µmol/L."""
    kappa, alpha = (0.7, -0.241) if sex == "F" else (0.9, -0.302)
    ratio = creatinine / 88.4 / kappa
    return Decimal(142 * min(ratio, 1) ** alpha * max(ratio, 1) ** -1.2 * 0.9938**age * (1.012 if sex == "F" else 1))


ERRORS: list[SeededReview] = []


def bad(
    kind: str, name: str, who: str, values: Texts, conclusions: Sequence[str] = (), *, notes: Texts | None = None,
    history: Sequence[str] = (), earlier: Texts | None = None, orders: Texts | None = None, advice: str = "", alerts: int = 0,
) -> None:  # fmt: skip
    """A review with one error of a kind."""
    ERRORS.append(seeded_review(kind, name, who, values, conclusions, notes, history, earlier, orders, advice, alerts))


# --- errors: sex against organ -----------------------------------------------------------------------------------------

bad("sex", "male with a uterus scan", "M45", {"US_UTE": "子宫肌瘤"}, ["子宫肌瘤"])
bad("sex", "male with uterine fibroid in the conclusion", "M52", {}, ["子宫肌瘤,建议妇科随访"])
bad("sex", "male with ovarian cyst", "M38", {}, ["左侧卵巢囊肿"], notes={"USG": "左侧卵巢囊肿 25×20mm"})
bad("sex", "male with cervicitis", "M41", {}, ["慢性宫颈炎"], notes={"MED": "慢性宫颈炎病史"})
bad("sex", "male with cytology", "M47", {"TCT": "LSIL"}, ["液基细胞学低度鳞状上皮内病变(LSIL)"])
bad("sex", "male with vaginitis", "M33", {}, ["细菌性阴道炎"])
bad("sex", "male with adnexal mass in a summary", "M60", {}, notes={"USG": "右侧附件区囊性包块 30mm"})
bad("sex", "male with gynaecological exam", "M29", {"GYN_CER": "柱状上皮异位"}, ["宫颈柱状上皮异位"])
bad("sex", "male with endometrium", "M55", {}, ["子宫内膜增厚"], notes={"USG": "子宫内膜厚12mm"})
bad("sex", "female with prostate enlarged", "F58", {}, ["前列腺增生"], notes={"USG": "前列腺增大,52×40×38mm"})
bad("sex", "female with prostate exam", "F62", {"SUR_PRO": "正常"})
bad("sex", "female with PSA", "F66", {"PSA": "5.20", "FPSA": "0.900"}, ["前列腺特异抗原升高"])
bad("sex", "female, summary praises the prostate", "F49", {}, notes={"USG": "膀胱充盈好,前列腺大小形态正常"})
bad("sex", "female with hydrocele", "F31", {}, ["右侧睾丸鞘膜积液"])
bad("sex", "female with varicocele", "F27", {}, ["左侧精索静脉曲张"], notes={"SUR": "左侧精索静脉曲张"})
bad("sex", "female with phimosis", "F24", {}, ["包皮过长"])
bad("sex", "female with epididymal cyst", "F40", {}, ["附睾囊肿"], notes={"USG": "右侧附睾头囊肿6mm"})
bad("sex", "female with prostate calcification", "F53", {"US_PRO": "前列腺钙化"}, ["前列腺钙化灶"])

# --- errors: unit slips ------------------------------------------------------------------------------------------------

for code, raw, line in (
    ("GLU", "98.00", "血糖升高"), ("GLU", "126.00", "血糖明显升高,考虑糖尿病"), ("GLU2H", "140.00", "餐后血糖升高"),
    ("CREA", "0.9", "肌酐偏低"), ("CREA", "1.2", "肌酐偏低"), ("HGB", "14.5", "重度贫血"), ("HGB", "9.8", "重度贫血"),
    ("TC", "186.00", "总胆固醇升高"), ("TG", "150.00", "甘油三酯升高"), ("HDL", "50.00", ""), ("LDL", "110.00", "低密度脂蛋白升高"),
    ("UA", "5.6", "尿酸偏低"), ("CA", "9.50", "高钙血症"), ("HCT", "0.44", "红细胞压积偏低"), ("WBC", "6000", "白细胞升高"),
    ("PLT", "220000", "血小板增多"), ("HBA1C", "42.0", "糖化血红蛋白升高"), ("ALB", "4.5", "低白蛋白血症"), ("TP", "7.2", "总蛋白降低"),
    ("TEMP", "98.6", "发热"), ("SBP", "16", "血压偏低"), ("DD", "250.00", "D-二聚体升高"), ("VA_R", "1.0", "右眼视力减退"),
    ("SPO2", "0.98", "血氧饱和度偏低"), ("MCHC", "33.5", "平均血红蛋白浓度偏低"), ("CIMT", "0.08", ""), ("U_SG", "1018", "尿比重升高"),
    ("HT", "1.72", "身高异常"), ("HT", "1720.0", ""), ("FIB", "280.00", "纤维蛋白原升高"), ("MG", "20.00", "血镁升高"),
    ("LVEF", "0.65", "射血分数降低"),
):  # fmt: skip
    bad("unit", f"{code} {raw}", "M45", {code: raw}, [line] if line else [])
bad("unit", "weight in jin", "M45", {"WT": "136.0"}, ["肥胖症"], earlier={"WT": "68.0", "HT": "172.0"})

# --- errors: a finding that no conclusion tells ------------------------------------------------------------------------

for who, values in (
    ("M55", {"GLU": "8.90"}), ("M49", {"SBP": "168", "DBP": "102"}), ("M50", {"UA": "560"}), ("M44", {"LDL": "4.60", "TC": "6.60"}),
    ("M57", {"CREA": "145"}), ("M36", {"ALT": "130", "AST": "82"}), ("M61", {"U_PRO": "2+"}), ("M42", {"HBSAG": "阳性"}),
    ("M47", {"TSH": "8.500", "FT3": "4.50", "FT4": "15.00"}), ("M58", {"F_OB": "阳性"}), ("M39", {"C13": "12.0"}),
    ("M45", {"WT": "92.0"}), ("M63", {"PSA": "6.80", "FPSA": "0.800"}), ("M51", {"CEA": "12.00"}), ("M52", {"US_ABD": "胆囊结石"}),
    ("F48", {"US_THY": "甲状腺结节", "US_TIRADS": "4A"}), ("F46", {"US_BRE": "乳腺结节", "US_BIRADS": "4A"}),
    ("F44", {"US_UTE": "子宫肌瘤"}), ("M59", {"CT_CHE": "实性结节(≥8mm)"}), ("M66", {"XR_CHE": "肺部肿块"}),
    ("M70", {"ECG_CON": "心房颤动", "MED_RHY": "房颤律"}), ("F39", {"TCT": "HSIL"}), ("F35", {"HPV16": "阳性"}),
    ("F37", {"GYN_ADN": "包块"}), ("M56", {"ENT_HEAR": "左减退"}), ("M34", {"SUR_HER": "腹股沟疝"}), ("M65", {"EYE_FUN": "出血渗出"}),
    ("M68", {"US_CAR": "颈动脉斑块"}), ("F67", {"BMD_T": "-3.0"}), ("M43", {"DEN_MUC": "白斑"}), ("M40", {"HCVAB": "阳性"}),
):  # fmt: skip
    bad("missing", f"nothing said of {values}", who, values)
bad("missing", "two findings, one told", "M52", {"US_ABD": "胆囊结石|肾结石"}, ["胆囊结石"])
bad("missing", "another organ's stone told", "M52", {"US_ABD": "胆囊结石"}, ["肾结石"])
bad("missing", "kidney stone only in the summary", "M45", {}, notes={"USG": "左肾下盏强回声,大小约6mm,考虑左肾结石"})
bad("missing", "lung nodule only in the summary", "M60", {}, notes={"RAD": "右肺上叶见一实性结节,大小约9mm"})
bad("missing", "thyroid nodule in the summary, lipids told", "F50", {"TG": "2.80"}, ["甘油三酯升高"],
    notes={"USG": "甲状腺右叶低回声结节,8×6mm,TI-RADS 3类"})  # fmt: skip
bad("missing", "breast nodule only in the summary", "F45", {}, ["乳腺增生"], notes={"USG": "左乳外上象限低回声结节 10×7mm,BI-RADS 4A"})
bad("missing", "healthy said beside anaemia", "F33", {"HGB": "88", "RBC": "4.00", "HCT": "28.0", "MCV": "70.0", "MCH": "22.0",
    "MCHC": "314"})  # fmt: skip
bad("missing", "ovarian cyst in the summary", "F36", {}, notes={"USG": "右侧卵巢囊肿,42×35mm"})

# --- errors: a conclusion without a finding ----------------------------------------------------------------------------

for who, values, line in (
    ("M45", {}, "脂肪肝(中度)"), ("M50", {}, "胆囊结石"), ("M48", {}, "高血压2级"), ("M52", {}, "2型糖尿病"), ("F42", {}, "甲状腺结节"),
    ("F35", {}, "轻度贫血"), ("M60", {"CT_CHE": "胸部CT未见明显异常"}, "肺结节"), ("M40", {"HBSAG": "阴性"}, "乙肝表面抗原阳性"),
    ("M37", {"C13": "1.2"}, "幽门螺杆菌感染"), ("F60", {"BMD_T": "0.3"}, "骨质疏松"), ("M64", {}, "前列腺增生"), ("F41", {}, "子宫肌瘤"),
    ("M62", {"US_CAR": "双侧颈动脉未见明显异常"}, "颈动脉斑块"), ("M46", {}, "高尿酸血症"), ("M54", {}, "血脂异常"), ("M58", {}, "肾功能不全"),
    ("M53", {}, "蛋白尿"), ("M28", {}, "窦性心动过缓"), ("F30", {}, "白细胞减少"), ("F44", {"TSH": "2.100", "FT3": "4.50", "FT4": "15.00"},
    "甲状腺功能减退"), ("M33", {}, "龋齿"), ("M39", {}, "超重"), ("M45", {}, "胆囊息肉"), ("M51", {}, "肾囊肿"), ("F47", {}, "乳腺结节"),
    ("M35", {}, "转氨酶升高"), ("M66", {}, "心房颤动"), ("M59", {"F_OB": "阴性"}, "便隐血阳性"),
):  # fmt: skip
    bad("unsupported", line, who, values, [line])

# --- errors: left against right ----------------------------------------------------------------------------------------

for who, values, dept, note, line in (
    ("M45", {"US_ABD": "肾囊肿"}, "USG", "左肾囊肿,15×12mm", "右肾囊肿"), ("M60", {"CT_CHE": "肺结节"}, "RAD", "右肺上叶结节 6mm", "左肺结节"),
    ("F45", {"US_BRE": "乳腺结节", "US_BIRADS": "3"}, "USG", "左乳低回声结节 8mm,BI-RADS 3类", "右侧乳腺结节(BI-RADS 3类)"),
    ("F50", {"US_THY": "甲状腺结节", "US_TIRADS": "3"}, "USG", "甲状腺左叶结节 6mm", "甲状腺右叶结节"),
    ("M40", {"MED_KID": "左阳性"}, "MED", "", "右肾区叩击痛阳性"), ("M55", {"ENT_HEAR": "左减退"}, "ENT", "", "右耳听力减退"),
    ("M58", {"IOP_R": "26.0", "IOP_L": "15.0"}, "EYE", "", "左眼眼压升高"),
    ("F36", {"US_UTE": "卵巢囊肿"}, "USG", "右侧卵巢囊肿 40×33mm", "左侧卵巢囊肿"),
    ("M66", {"US_CAR": "颈动脉斑块"}, "USG", "左侧颈动脉分叉处斑块 8×2mm", "右侧颈动脉斑块"),
    ("M48", {"US_ABD": "肾结石"}, "USG", "右肾结石 7mm", "左肾结石"),
    ("M62", {"XR_CHE": "胸腔积液(少量)"}, "RAD", "左侧少量胸腔积液", "右侧胸腔积液"),
    ("M23", {"VA_L": "4.5"}, "EYE", "", "右眼视力减退"), ("M70", {"ABI_L": "0.80", "ABI_R": "1.05"}, "FUN", "", "右下肢动脉缺血(ABI降低)"),
    ("M56", {"SUR_HER": "腹股沟疝"}, "SUR", "左侧腹股沟疝", "右侧腹股沟疝"),
    ("M64", {"EYE_SLIT": "翼状胬肉"}, "EYE", "右眼翼状胬肉", "左眼翼状胬肉"),
    ("M52", {"US_ABD": "肾积水(轻度)"}, "USG", "右肾轻度积水", "左肾积水"),
    ("F52", {"US_UTE": "附件区包块"}, "USG", "左侧附件区囊性包块", "右附件区包块"),
    ("M47", {"XR_CHE": "气胸"}, "RAD", "右侧气胸,压缩约20%", "左侧气胸"), ("M33", {"ENT_EAR": "穿孔"}, "ENT", "右耳鼓膜穿孔", "左耳鼓膜穿孔"),
    ("M69", {"EYE_SLIT": "晶体混浊"}, "EYE", "左眼晶体混浊", "右眼白内障(晶体混浊)"),
):  # fmt: skip
    bad("side", f"{note or values} against {line}", who, values, [line], notes={dept: note} if note else {})

# --- errors: ordered, neither done nor refused -------------------------------------------------------------------------

for group, state in (("G013", "pending"), ("G014", "pending"), ("G020", "pending"), ("G032", "pending"), ("G023", "pending"),
                     ("G036", "sampled"), ("G033", "sampled"), ("G037", "resulted"), ("G012", "started"), ("G006", "pending"),
                     ("G021", "started"), ("G042", "sampled")):  # fmt: skip
    bad("order", f"{group} still {state}", "M50", {}, orders={group: state})
bad("order", "pap smear forgotten", "F45", {"TG": "2.80"}, ["甘油三酯升高"], orders={"G010": "pending", "G009": "refused"})
bad("order", "two forgotten among refused ones", "M44", {}, orders={"G032": "refused", "G024": "pending", "G023": "pending"})

# --- errors: values that no living person has --------------------------------------------------------------------------

for code, raw, line in (
    ("SBP", "30", "血压偏低"), ("SBP", "330", "血压升高"), ("PULSE", "400", "心动过速"), ("PULSE", "8", "心动过缓"), ("TEMP", "45.5", "发热"),
    ("TEMP", "29.0", "体温偏低"), ("SPO2", "120", ""), ("HT", "285.0", ""), ("HT", "30.0", ""), ("WT", "3.0", "体重过低"),
    ("K", "15.00", "血钾升高"), ("NA", "230", "血钠升高"), ("HGB", "350", "血红蛋白升高"), ("PLT", "5000", "血小板增多"),
    ("NEUTP", "130.0", "中性粒细胞升高"), ("LVEF", "120", ""), ("U_PH", "14.0", "尿pH升高"), ("GLU", "0.10", "血糖偏低"),
    ("MED_HR", "0", "心率减慢"), ("ECG_QTC", "1200", "QT间期延长"), ("HBA1C", "35.0", "糖化血红蛋白升高"), ("IOP_R", "150.0", "右眼眼压升高"),
):  # fmt: skip
    bad("impossible", f"{code} {raw}", "M45", {code: raw}, [line] if line else [])

# --- errors: values that cannot both be true ---------------------------------------------------------------------------

for name, who, values, lines in (
    ("diastolic over systolic", "M45", {"SBP": "80", "DBP": "122"}, ["血压升高"]),
    ("diastolic = systolic", "M45", {"SBP": "120", "DBP": "120"}, ["血压升高"]),
    ("HDL + LDL over TC", "M45", {"TC": "4.00", "HDL": "1.80", "LDL": "3.90"}, ["低密度脂蛋白胆固醇升高"]),
    ("HDL over TC", "M45", {"TC": "2.00", "HDL": "2.60", "LDL": "1.00"}, []),
    ("LDL over TC", "M45", {"TC": "3.10", "LDL": "4.20"}, ["低密度脂蛋白胆固醇升高"]),
    ("DBIL over TBIL", "M45", {"TBIL": "10.0", "DBIL": "16.0", "IBIL": ""}, ["直接胆红素升高"]),
    ("differential sums to 82", "M45", {"NEUTP": "42.0", "LYMP": "31.0"}, []),
    ("differential sums to 118", "M45", {"NEUTP": "74.0", "LYMP": "35.0"}, []),
    ("NEUT over WBC", "M45", {"NEUT": "7.50"}, ["中性粒细胞计数升高"]), ("NEUT does not fit", "M45", {"NEUT": "1.00"}, ["中性粒细胞计数降低"]),
    ("LYM does not fit", "M45", {"LYM": "4.80"}, ["淋巴细胞计数升高"]), ("BMI does not fit", "M45", {"BMI": "29.5"}, ["肥胖症"]),
    ("BMI does not fit, low", "F33", {"BMI": "17.0"}, ["体重过低"]), ("WHR does not fit", "M45", {"WHR": "1.10"}, ["腰臀比偏高"]),
    ("ALB over TP", "M45", {"TP": "60.0", "ALB": "64.0", "GLB": "", "AGR": ""}, ["总蛋白降低,白蛋白升高"]),
    ("AGR does not fit", "M45", {"AGR": "0.60"}, ["白球比偏低"]), ("GLB does not fit", "M45", {"GLB": "48.0"}, ["球蛋白升高"]),
    ("MCV does not fit", "M45", {"MCV": "70.0"}, ["平均红细胞体积偏低"]), ("MCH does not fit", "M45", {"MCH": "20.0"}, ["平均血红蛋白量偏低"]),
    ("MCHC does not fit", "M45", {"MCHC": "240"}, ["平均血红蛋白浓度偏低"]),
    ("FPSA over PSA", "M60", {"PSA": "1.00", "FPSA": "1.800", "FPSAR": ""},
    ["游离PSA升高"]), ("FPSAR does not fit", "M60", {"PSA": "3.00", "FPSA": "1.000", "FPSAR": "0.90"}, []),
    ("ECG rate and pulse apart", "M45", {"PULSE": "130", "ECG_HR": "45"}, ["心动过速"]), ("glucose 15 with HbA1c 4.2", "M45",
    {"GLU": "15.00", "HBA1C": "4.2"}, ["血糖升高"]), ("EGFR does not fit", "M45", {"CREA": "300", "EGFR": "110"}, ["肾功能减退可能"]),
    ("IBIL does not fit", "M45", {"IBIL": "19.0"}, ["间接胆红素升高"]), ("normal scan and a nodule in one", "F45",
    {"US_THY": "甲状腺未见明显异常|甲状腺结节", "US_TIRADS": "3"}, ["甲状腺结节"]), ("TI-RADS 5 of a normal thyroid", "F45", {"US_TIRADS": "5"},
    ["甲状腺TI-RADS 5类"]), ("regular rhythm, atrial fibrillation", "M70", {"ECG_CON": "心房颤动"}, ["心房颤动"]),
    ("sinus tachycardia at 72", "M45", {"ECG_CON": "窦性心动过速"}, ["窦性心动过速"]), ("bradycardia at 95", "M45",
    {"ECG_CON": "窦性心动过缓", "ECG_HR": "95", "PULSE": "94", "MED_HR": "94", "ECG_QT": "340"}, ["窦性心动过缓"]),
    ("normal tracing and a block in one", "M45", {"ECG_CON": "正常心电图|完全性右束支阻滞"}, ["完全性右束支阻滞"]),
    ("waist over height", "M45", {"WC": "180.0", "HC": "190.0"}, ["中心型肥胖"]), ("PGR does not fit", "M50", {"PG1": "100.0", "PG2": "10.0",
    "PGR": "2.0"}, ["胃蛋白酶原比值降低"]), ("QTc does not fit", "M45", {"ECG_QTC": "540"}, ["QT间期延长"]),
    ("non-HDL does not fit", "M45", {"NHDL": "5.50"}, ["非高密度脂蛋白胆固醇升高"]),
):  # fmt: skip
    bad("between", name, who, values, lines)
bad("between", "another blood group than before", "M45", {"ABO": "A", "RHD": "阳性"}, earlier={"ABO": "B"})
bad("between", "grown by 20 cm at 50", "M50", {"HT": "190.0", "WT": "85.0"}, earlier={"HT": "170.0"})
bad("between", "Rh changed", "F40", {"ABO": "O", "RHD": "阴性"}, earlier={"ABO": "O", "RHD": "阳性"})

# --- errors: age, pregnancy, menopause ---------------------------------------------------------------------------------

bad("age", "pregnant man", "M30", {}, ["早期妊娠"])
bad("age", "intrauterine pregnancy in a man's scan", "M34", {}, notes={"USG": "宫内早孕,约7周"})
bad("age", "postmenopausal at 20", "F20", {"US_UTE": "绝经后子宫内膜增厚(≥5mm)"}, ["绝经后子宫内膜增厚"])
bad("age", "atrophic uterus after menopause at 25", "F25", {}, ["绝经后子宫萎缩"], notes={"USG": "绝经后子宫改变"})
bad("age", "pregnant at 68", "F68", {}, ["妊娠期,建议产科随诊"], notes={"USG": "宫内妊娠"})
bad("age", "senile cataract at 22", "M22", {"EYE_SLIT": "晶体混浊"}, ["老年性白内障"])
bad("age", "senile vaginitis at 28", "F28", {"GYN_VAG": "炎症"}, ["老年性阴道炎"])
bad("age", "growth retardation at 50", "M50", {}, ["生长发育迟缓"])
bad("age", "menses in a man", "M41", {}, ["月经不调"])
bad("age", "lactating man", "M29", {}, ["哺乳期乳腺改变"])
bad("age", "perimenopause at 19", "F19", {}, ["围绝经期综合征"])
bad("age", "puberty at 75", "M75", {}, ["青春期发育"])
bad("age", "senile emphysema at 24", "M24", {"XR_CHE": "肺气肿"}, ["老年性肺气肿"])
bad("age", "menopausal man", "M55", {}, ["绝经后骨质疏松"], notes={"FUN": "绝经后骨质疏松"})
bad("age", "postmenopausal at 23 in a summary", "F23", {}, notes={"GYN": "已绝经,阴道黏膜萎缩"})

# --- errors: an organ that was removed and is described ----------------------------------------------------------------

bad("removed", "uterus removed, scan normal", "F52", {"MED_HIS": "手术史"}, notes={"MED": "2015年因子宫肌瘤行全子宫切除术"})
bad("removed", "uterus removed, fibroid told", "F55", {"US_UTE": "子宫切除术后|子宫肌瘤"}, ["子宫切除术后", "子宫肌瘤"])
bad("removed", "uterus removed, cervix smooth", "F57", {"US_UTE": "子宫切除术后", "GYN_CER": "光滑", "GYN_UTE": "正常"}, ["子宫切除术后"],
    notes={"MED": "全子宫切除术后"})  # fmt: skip
bad("removed", "gallbladder removed, stone told", "M58", {"US_ABD": "胆囊切除术后|胆囊结石"}, ["胆囊切除术后", "胆囊结石"])
bad("removed", "gallbladder removed, scan names it normal", "M49", {"MED_HIS": "手术史"}, notes={"MED": "胆囊切除术后3年"})
bad("removed", "gallbladder removed, polyp in the conclusion", "F48", {"US_ABD": "胆囊切除术后"}, ["胆囊切除术后", "胆囊息肉"])
bad("removed", "thyroid removed, thyroid normal", "F45", {"MED_HIS": "手术史"}, notes={"MED": "甲状腺全切除术后"})
bad("removed", "kidney removed, both kidneys normal", "M60", {"MED_HIS": "手术史"}, notes={"MED": "左肾切除术后", "USG": "双肾大小形态正常"})
bad("removed", "spleen removed, spleen large", "M47", {"US_ABD": "脾大"}, ["脾大"], notes={"MED": "外伤性脾切除术后"})
bad("removed", "breast removed, both breasts normal", "F50", {"MED_HIS": "手术史|肿瘤"}, ["乳腺癌术后"], notes={"MED": "右乳癌根治切除术后"})
bad("removed", "prostate removed, hyperplasia", "M72", {"US_PRO": "前列腺增生"}, ["前列腺增生"], notes={"MED": "前列腺癌根治性前列腺切除术后"})
bad("removed", "ovaries removed, ovarian cyst", "F56", {"US_UTE": "卵巢囊肿"}, ["卵巢囊肿"], notes={"MED": "双侧卵巢切除术后"})
bad("removed", "uterus was removed last year", "F54", {}, earlier={"US_UTE": "子宫切除术后"})
bad("removed", "gallbladder was removed last year", "M53", {}, earlier={"US_ABD": "胆囊切除术后"})
bad("removed", "history of hysterectomy, uterus normal", "F60", {"GYN_UTE": "正常"}, history=("子宫切除术后",))
bad("removed", "right kidney removed, stone in the right kidney", "M55", {"US_ABD": "肾结石"}, ["右肾结石"],
    notes={"MED": "右肾切除术后", "USG": "右肾结石5mm"})  # fmt: skip

# --- errors: a critical value without a notice -------------------------------------------------------------------------

for values, line in (({"K": "6.80"}, "血钾升高(危急值)"), ({"GLU": "22.50"}, "血糖明显升高,考虑糖尿病"), ({"PLT": "22"}, "血小板减少(危急值)"),
                     ({"SBP": "196", "DBP": "118"}, "血压重度升高(3级范围)"), ({"WBC": "1.50"}, "白细胞减少(危急值)"),
                     ({"NA": "118"}, "低钠血症(危急值)"), ({"ECG_CON": "急性心肌梗死"}, "急性心肌梗死"),
                     ({"XR_CHE": "大量气胸"}, "大量气胸")):  # fmt: skip
    bad("alert", f"{values} not told", "M58", values, [line], alerts=1)
