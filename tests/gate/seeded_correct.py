"""The correct reviews of the seeded set: what looks tricky and is right, so that the gate must leave it alone."""

from __future__ import annotations

from collections.abc import Sequence

from tests.gate.seeded import HEALTHY, SeededReview, Texts, seeded_review

CORRECT: list[SeededReview] = []


def good(
    name: str, who: str, values: Texts, conclusions: Sequence[str] = (), *, notes: Texts | None = None, history: Sequence[str] = (),
    earlier: Texts | None = None, orders: Texts | None = None, advice: str = "",
) -> None:  # fmt: skip
    """A correct review."""
    CORRECT.append(seeded_review("", name, who, values, conclusions, notes, history, earlier, orders, advice, 0))


# --- correct: denials --------------------------------------------------------------------------------------------------

for dept, note in (
    ("USG", "肝内未见占位,胆囊未见结石及息肉,双肾未见结石、积水"), ("USG", "甲状腺未见结节,颈部未见肿大淋巴结"), ("USG", "双侧乳腺未见明显肿块"),
    ("RAD", "双肺未见结节及实变,未见胸腔积液、气胸"), ("RAD", "左肺未见异常,右肺未见异常"), ("MED", "否认高血压、糖尿病、冠心病史"),
    ("MED", "无肝炎、结核病史,无手术史"), ("MED", "否认药物过敏史"), ("SUR", "未触及肿大淋巴结,未见疝"), ("SUR", "乳房未触及肿块"),
    ("ENT", "鼻腔未见息肉,咽部无充血"), ("DEN", "未见龋齿,无缺失牙"), ("EYE", "晶体透明,无白内障"), ("EYE", "双眼底未见出血渗出"),
    ("ECG", "未见ST-T改变,无早搏"), ("USG", "颈动脉未见斑块及狭窄"), ("USG", "未见腹水,脾不大"), ("RAD", "纵隔未见占位,心影不大"),
    ("MED", "心律齐,各瓣膜区未闻及杂音,双肺未闻及干湿啰音"), ("MED", "肾区无叩击痛,肝脾肋下未及"), ("USG", "胆囊切除史无,胆囊壁光滑"),
    ("USG", "左肾未见结石,右肾未见囊肿"), ("GYN", "外阴阴道正常,宫颈光滑,无接触性出血"), ("USG", "双侧附件区未见包块,盆腔无积液"),
    ("RAD", "未见明显骨折及脱位"), ("LAB", "各项指标未见异常"), ("MED", "无眩晕、无胸痛,无晕厥史"), ("USG", "胰管无扩张,胆总管无扩张"),
    ("MED", "排除妊娠,末次月经两周前"), ("USG", "宫内未见孕囊,排除早孕"),
):  # fmt: skip
    is_female = any(word in note for word in ("乳腺", "乳房", "宫", "附件", "外阴", "月经"))
    good(f"denial: {note}", "F34" if is_female else "M45", {}, notes={dept: note})

# --- correct: removed organs, rightly told -----------------------------------------------------------------------------

good("uterus removed", "F52", {"US_UTE": "子宫切除术后", "MED_HIS": "手术史"}, ["子宫切除术后"])
good("uterus removed, ovaries seen", "F58", {"US_UTE": "子宫切除术后"}, ["子宫切除术后改变"], notes={"USG": "子宫切除术后,双侧附件区未见包块"})
good("uterus removed, ovarian cyst", "F49", {"US_UTE": "子宫切除术后|卵巢囊肿"}, ["子宫切除术后", "左侧卵巢囊肿"],
    notes={"USG": "子宫切除术后,左侧卵巢囊肿"})
good("uterus removed for a fibroid", "F55", {"US_UTE": "子宫切除术后"}, ["子宫切除术后(子宫肌瘤)"], notes={"MED": "因子宫肌瘤行子宫切除术"})
good("fibroid removed, uterus there", "F44", {"MED_HIS": "手术史"}, notes={"MED": "子宫肌瘤剔除术后5年"})
good("gallbladder removed", "M58", {"US_ABD": "胆囊切除术后"}, ["胆囊切除术后"])
good("gallbladder removed for stones", "M61", {"US_ABD": "胆囊切除术后"}, ["胆囊切除术后"], notes={"MED": "因胆囊结石行胆囊切除术"})
good("gallbladder removed, duct dilated", "F66", {"US_ABD": "胆囊切除术后|胆总管扩张"}, ["胆囊切除术后", "胆总管扩张"])
good("gallbladder removed, kidney stone", "M50", {"US_ABD": "胆囊切除术后|肾结石"}, ["胆囊切除术后", "肾结石"])
good("half the thyroid removed, nodule in the rest", "F48", {"US_THY": "甲状腺术后改变|甲状腺结节", "US_TIRADS": "3"},
     ["甲状腺左叶切除术后", "甲状腺右叶结节"], notes={"USG": "甲状腺左叶切除术后,右叶结节5mm"})  # fmt: skip
good("thyroid removed", "F51", {"US_THY": "甲状腺术后改变", "US_TIRADS": ""}, ["甲状腺癌术后"], notes={"MED": "甲状腺全切除术后"})
good("kidney removed, other one normal", "M60", {"US_ABD": "左肾切除术后,右肾未见异常"}, ["左肾切除术后"], notes={"MED": "左肾切除术后"})
good("kidney removed, cyst in the other", "M57", {"US_ABD": "肾囊肿"}, ["右肾囊肿", "左肾切除术后"], notes={"USG": "左肾切除术后,右肾囊肿12mm"})
good("spleen removed", "M47", {"US_ABD": "脾切除术后"}, ["脾切除术后"], notes={"MED": "外伤性脾切除术后"})
good("breast removed, other normal", "F50", {"US_BRE": "乳腺术后改变"}, ["右乳癌术后"], notes={"MED": "右乳切除术后",
    "USG": "右乳切除术后,左乳未见异常"})
good("breast removed, nodule in the other", "F55", {"US_BRE": "乳腺术后改变|乳腺结节", "US_BIRADS": "3"}, ["右乳术后", "左乳结节"],
     notes={"USG": "右乳切除术后,左乳结节7mm"})  # fmt: skip
good("prostate resected in part", "M74", {"US_PRO": "前列腺术后改变"}, ["前列腺电切术后"], notes={"MED": "TURP术后"})
good("prostate removed", "M71", {"US_PRO": "前列腺术后改变"}, ["前列腺癌术后"], notes={"MED": "前列腺根治性切除术后"})
good("one ovary removed, cyst in the other", "F41", {"US_UTE": "卵巢囊肿"}, ["右侧卵巢囊肿"], notes={"MED": "左侧卵巢切除术后",
    "USG": "右卵巢囊肿"})
good("appendix removed", "M35", {"MED_HIS": "手术史"}, notes={"MED": "阑尾切除术后"})
good("polyp of the gut removed", "M55", {"MED_HIS": "手术史"}, notes={"MED": "结肠息肉切除术后2年"})
good("tonsils removed", "M30", {"MED_HIS": "手术史"}, notes={"ENT": "扁桃体切除术后"})
good("gallbladder kept after a stone operation", "M49", {"MED_HIS": "手术史"}, notes={"MED": "保胆取石术后"})
good("lung lobe removed", "M63", {"CT_CHE": "左肺上叶切除术后改变"}, ["左肺上叶切除术后"])
good("caesarean", "F33", {"MED_HIS": "手术史"}, notes={"MED": "剖宫产术后"})
good("removed last year and now", "F56", {"US_UTE": "子宫切除术后"}, ["子宫切除术后"], earlier={"US_UTE": "子宫切除术后"})
good("gallbladder removed last year and now", "M59", {"US_ABD": "胆囊切除术后"}, ["胆囊切除术后"], earlier={"US_ABD": "胆囊切除术后"})
good("cervical polyp removed", "F39", {"MED_HIS": "手术史"}, notes={"GYN": "宫颈息肉摘除术后,宫颈光滑"})
good("breast nodule removed", "F37", {"MED_HIS": "手术史"}, notes={"MED": "左乳纤维腺瘤切除术后"})
good("thyroid nodule removed", "F46", {"US_THY": "甲状腺术后改变", "MED_HIS": "手术史"}, ["甲状腺术后"], notes={"MED": "甲状腺右叶腺瘤切除术后"})

# --- correct: both sides, paired organs, sides left out ----------------------------------------------------------------

for who, values, dept, note, line in (
    ("M45", {"US_ABD": "肾囊肿"}, "USG", "双肾囊肿,左肾15mm,右肾10mm", "双肾囊肿"),
    ("M45", {"US_ABD": "肾囊肿"}, "USG", "左肾囊肿12mm", "肾囊肿"),
    ("M45", {"US_ABD": "肾囊肿"}, "USG", "左肾囊肿12mm,右肾未见异常", "左肾囊肿"),
    ("M60", {"CT_CHE": "肺结节"}, "RAD", "右肺上叶结节5mm", "肺结节"),
    ("M60", {"CT_CHE": "肺结节"}, "RAD", "左肺下叶及右肺中叶结节", "双肺结节"),
    ("M60", {"CT_CHE": "肺结节"}, "RAD", "双肺多发结节", "两肺多发小结节"),
    ("F45", {"US_BRE": "乳腺结节", "US_BIRADS": "3"}, "USG", "左乳结节,右乳未见异常", "左侧乳腺结节"),
    ("F45", {"US_BRE": "乳腺结节|乳腺囊肿", "US_BIRADS": "3"}, "USG", "左乳结节,右乳囊肿", "左乳结节,右乳囊肿"),
    ("F45", {"US_BRE": "乳腺增生"}, "USG", "双侧乳腺腺体增厚", "双侧乳腺增生"), ("F50", {"US_THY": "甲状腺结节", "US_TIRADS": "3"}, "USG",
    "甲状腺双叶多发结节", "甲状腺多发结节"), ("F50", {"US_THY": "甲状腺结节", "US_TIRADS": "3"}, "USG", "左叶结节3mm,右叶结节4mm",
    "甲状腺两侧叶结节"),
    ("M40", {"MED_KID": "双侧阳性"}, "MED", "", "双侧肾区叩击痛"), ("M40", {"MED_KID": "左阳性"}, "MED", "", "左肾区叩击痛"),
    ("M55", {"ENT_HEAR": "双侧减退"}, "ENT", "", "双耳听力减退"), ("M55", {"ENT_HEAR": "右减退"}, "ENT", "", "右耳听力减退"),
    ("M55", {"ENT_HEAR": "右减退"}, "ENT", "", "听力减退"), ("M58", {"IOP_R": "26.0", "IOP_L": "15.0"}, "EYE", "", "右眼眼压升高"),
    ("M58", {"IOP_R": "25.0", "IOP_L": "26.0"}, "EYE", "", "双眼眼压升高"), ("M58", {"IOP_R": "25.0", "IOP_L": "26.0"}, "EYE", "", "眼压升高"),
    ("M23", {"VA_L": "4.5", "VA_R": "4.6"}, "EYE", "", "双眼视力减退"), ("M23", {"VA_L": "4.5"}, "EYE", "", "左眼视力减退"),
    ("M23", {"VA_L": "4.5"}, "EYE", "", "视力减退"), ("F36", {"US_UTE": "卵巢囊肿"}, "USG", "右侧卵巢囊肿", "右卵巢囊肿"),
    ("M66", {"US_CAR": "颈动脉斑块"}, "USG", "双侧颈动脉斑块", "双侧颈动脉粥样硬化斑块"),
    ("M66", {"US_CAR": "颈动脉斑块"}, "USG", "右侧颈动脉斑块",
    "颈动脉斑块(右侧)"), ("M48", {"US_ABD": "肾结石|肾囊肿"}, "USG", "右肾结石,左肾囊肿", "右肾结石,左肾囊肿"),
    ("M70", {"ABI_L": "0.80", "ABI_R": "1.05"}, "FUN", "", "左侧踝臂指数降低"),
    ("M56", {"SUR_HER": "腹股沟疝"}, "SUR", "右侧腹股沟疝", "右腹股沟疝"),
    ("M64", {"EYE_SLIT": "翼状胬肉"}, "EYE", "双眼翼状胬肉", "翼状胬肉(双)"),
    ("M69", {"EYE_SLIT": "晶体混浊"}, "EYE", "双眼晶体混浊", "双眼老年性白内障"),
    ("M33", {"ENT_EAR": "耵聍"}, "ENT", "左耳耵聍栓塞", "左外耳道耵聍"), ("M70", {"ECG_CON": "左心室肥大"}, "ECG", "", "左心室肥大"),
    ("M50", {"ECG_CON": "完全性右束支阻滞"}, "ECG", "", "完全性右束支传导阻滞"), ("M50", {"ECG_CON": "电轴左偏"}, "ECG", "", "心电轴左偏"),
    ("M62", {"US_ECHO": "左房增大"}, "USG", "左房前后径42mm", "左心房增大"), ("M50", {"XR_CHE": "膈肌抬高"}, "RAD", "右侧膈肌抬高", "右膈抬高"),
    ("M52", {"US_ABD": "肝囊肿|肾囊肿"}, "USG", "肝右叶囊肿10mm,左肾囊肿8mm", "肝囊肿;左肾囊肿"),
    ("M52", {"US_ABD": "肝血管瘤|肾结石"}, "USG", "肝左叶血管瘤,右肾结石", "肝血管瘤,右肾小结石"),
    ("M60", {"CT_CHE": "肺结节|胸膜增厚"}, "RAD", "右肺上叶结节,左侧胸膜增厚", "右肺结节,左侧胸膜增厚"),
    ("F47", {"US_BRE": "乳腺结节|腋窝淋巴结肿大", "US_BIRADS": "4A"}, "USG", "左乳结节4A类,右腋窝淋巴结肿大",
    "左乳结节BI-RADS 4A类;右腋窝淋巴结肿大"),
    ("M45", {"SUR_LN": "颈部肿大"}, "SUR", "左颈部淋巴结肿大", "左侧颈部淋巴结肿大"),
    ("M45", {"US_ABD": "肾囊肿"}, "USG", "左肾囊肿,右肾结晶", "左肾囊肿"),
):  # fmt: skip
    good(f"sides: {note or values} and {line}", who, values, [line], notes={dept: note} if note else {})

# --- correct: synonyms -------------------------------------------------------------------------------------------------

for who, values, line in (
    ("M45", {"US_ABD": "胆囊息肉样病变"}, "胆囊息肉"), ("M45", {"US_ABD": "胆囊息肉样病变"}, "胆囊隆起性病变(息肉样)"),
    ("M45", {"US_ABD": "脂肪肝(轻度)"}, "轻度脂肪肝"), ("M45", {"US_ABD": "脂肪肝(中度)"}, "脂肪性肝病"),
    ("M45", {"US_ABD": "脂肪肝(重度)"}, "肝脂肪变(重度)"),
    ("M45", {"US_ABD": "胆囊结石"}, "胆石症"), ("M45", {"US_ABD": "胆囊结石|胆囊炎"}, "胆囊结石伴胆囊炎"),
    ("M45", {"US_ABD": "肝囊肿"}, "肝多发囊肿"),
    ("M45", {"US_ABD": "肝内钙化灶"}, "肝内钙化斑"), ("M45", {"US_ABD": "肾结石"}, "肾小结石"), ("M45", {"US_ABD": "脾大"}, "脾脏肿大"),
    ("M45", {"US_ABD": "肝占位性病变"}, "肝占位,性质待查"), ("M45", {"US_ABD": "肾错构瘤"}, "肾血管平滑肌脂肪瘤(错构瘤)"),
    ("M45", {"US_ABD": "肝实质回声增粗"}, "肝回声增粗"), ("M45", {"US_ABD": "胆囊壁毛糙"}, "胆囊壁毛糙"), ("M45", {"US_ABD": "副脾"}, "副脾"),
    ("F45", {"US_THY": "甲状腺结节", "US_TIRADS": "3"}, "甲状腺低回声结节,TI-RADS 3类"),
    ("F45", {"US_THY": "桥本甲状腺炎可能"}, "桥本氏甲状腺炎待排"),
    ("F45", {"US_THY": "甲状腺囊肿"}, "甲状腺胶质囊肿"), ("F45", {"US_THY": "甲状腺弥漫性病变"}, "甲状腺弥漫性改变"),
    ("F45", {"US_BRE": "乳腺增生"}, "乳腺小叶增生"), ("F45", {"US_BRE": "乳腺纤维腺瘤可能"}, "乳腺纤维瘤"),
    ("F45", {"US_BRE": "乳腺囊肿"}, "乳腺囊性结节"),
    ("F45", {"US_UTE": "子宫肌瘤"}, "子宫平滑肌瘤"), ("F45", {"US_UTE": "子宫腺肌症"}, "子宫腺肌病"),
    ("F45", {"US_UTE": "宫颈囊肿"}, "宫颈纳氏囊肿"),
    ("F45", {"US_UTE": "卵巢囊肿"}, "附件囊肿"), ("F30", {"US_UTE": "多囊卵巢样改变"}, "多囊卵巢综合征可能"),
    ("F45", {"US_UTE": "盆腔积液"}, "盆腔少量积液"),
    ("M65", {"US_PRO": "前列腺增大"}, "前列腺增生症"), ("M65", {"US_PRO": "前列腺钙化"}, "前列腺钙化灶"),
    ("M65", {"SUR_PRO": "增大Ⅰ°"}, "前列腺肥大"),
    ("M65", {"US_CAR": "颈动脉斑块"}, "颈动脉粥样硬化斑块形成"), ("M65", {"US_CAR": "颈动脉内中膜增厚"}, "颈动脉内膜增厚"),
    ("M65", {"US_ECHO": "左室舒张功能减退"}, "左心室舒张功能减低"), ("M65", {"US_ECHO": "三尖瓣轻度反流"}, "三尖瓣轻度关闭不全"),
    ("M65", {"ECG_CON": "窦性心动过缓", "ECG_HR": "54", "PULSE": "55", "MED_HR": "55", "ECG_QT": "430", "ECG_QTC": "408"}, "窦缓"),
    ("M65", {"ECG_CON": "完全性右束支阻滞"}, "右束支传导阻滞"), ("M65", {"ECG_CON": "室性早搏", "MED_RHY": "早搏"}, "室性期前收缩"),
    ("M65", {"ECG_CON": "心房颤动", "MED_RHY": "房颤律"}, "房颤"), ("M65", {"ECG_CON": "ST-T改变"}, "ST-T异常"),
    ("M65", {"ECG_CON": "T波改变"}, "T波低平"),
    ("M65", {"ECG_CON": "一度房室阻滞", "ECG_PR": "230"}, "Ⅰ度房室传导阻滞"), ("M65", {"ECG_CON": "左室高电压"}, "左心室高电压"),
    ("M45", {"XR_CHE": "肺纹理增多"}, "双肺纹理增粗"), ("M45", {"XR_CHE": "主动脉迂曲钙化"}, "主动脉钙化"),
    ("M45", {"XR_CHE": "陈旧性肺结核"}, "陈旧性结核灶"),
    ("M45", {"CT_CHE": "肺微小结节(<6mm)"}, "肺小结节"), ("M45", {"CT_CHE": "肺钙化灶"}, "肺内钙化结节"),
    ("M45", {"CT_CHE": "纤维条索灶"}, "肺纤维灶"),
    ("M45", {"CT_CHE": "冠状动脉钙化"}, "冠脉钙化"), ("M45", {"HBSAG": "阳性"}, "HBsAg阳性,乙肝病毒携带"),
    ("M45", {"HBSAG": "阳性", "HBEAG": "阳性",
    "HBCAB": "阳性"}, "乙肝大三阳"), ("M45", {"HCVAB": "阳性"}, "抗-HCV阳性"), ("M45", {"C13": "15.0"}, "Hp感染"),
    ("M45", {"C13": "15.0"}, "幽门螺旋杆菌阳性"),
    ("M45", {"F_OB": "阳性"}, "大便潜血阳性"), ("M45", {"U_PRO": "1+"}, "尿蛋白阳性(1+)"), ("M45", {"U_BLD": "2+", "U_RBC": "12.0"}, "血尿"),
    ("M45", {"U_LEU": "2+", "U_WBC": "30.0"}, "泌尿系感染"), ("M45", {"U_GLU": "1+"}, "尿糖(+)"), ("M45", {"U_KET": "1+"}, "酮体阳性"),
    ("F35", {"TCT": "ASC-US"}, "意义不明的不典型鳞状细胞(ASC-US)"), ("F35", {"TCT": "LSIL"}, "宫颈低级别病变"),
    ("F35", {"HPV16": "阳性"}, "高危型HPV感染"),
    ("F35", {"HPV_OT": "阳性"}, "人乳头瘤病毒感染"), ("F35", {"GYN_CER": "柱状上皮异位"}, "宫颈糜烂样改变"),
    ("F35", {"GYN_VAG": "炎症"}, "阴道炎"),
    ("F35", {"LEU_FUN": "阳性"}, "霉菌性阴道炎"), ("F35", {"LEU_BV": "阳性"}, "细菌性阴道病"), ("F35", {"LEU_CL": "Ⅲ"}, "白带清洁度Ⅲ度"),
    ("M45", {"ENT_PHA": "慢性咽炎"}, "咽炎"), ("M45", {"ENT_NOSE": "鼻甲肥大"}, "慢性鼻炎,鼻甲肥大"), ("M45", {"DEN_PER": "结石"}, "牙结石"),
    ("M45", {"DEN_CAR": "有"}, "龋病"), ("M45", {"DEN_MIS": "有"}, "牙列缺损"), ("M60", {"EYE_SLIT": "晶体混浊"}, "白内障"),
    ("M60", {"EYE_FUN": "动脉硬化Ⅰ级"}, "眼底动脉硬化"), ("M60", {"EYE_FUN": "杯盘比大"}, "视杯扩大,青光眼待排"),
    ("M30", {"EYE_COL": "红绿色弱"}, "色弱"),
    ("M50", {"SUR_VAR": "轻度曲张"}, "下肢静脉曲张"), ("M50", {"SUR_ANO": "痔"}, "痔疮"), ("M50", {"SUR_SPI": "侧弯"}, "脊柱侧凸"), ("M50",
    {"SUR_SKIN": "皮炎"}, "皮肤炎症"), ("M50", {"MED_MUR": "收缩期1–2级"}, "心脏收缩期杂音"), ("F66", {"BMD_T": "-1.8"}, "骨量减少"),
    ("F66", {"BMD_T": "-2.8"}, "骨质疏松症"),
):  # fmt: skip
    good(f"synonym: {values} is {line}", who, values, [line])

for who, values, line in (
    ("M49", {"SBP": "152", "DBP": "96"}, "高血压1级"), ("M49", {"SBP": "152", "DBP": "96"}, "血压升高(1级范围)"),
    ("M49", {"SBP": "152", "DBP": "88"}, "单纯收缩期高血压"),
    ("M49", {"SBP": "134", "DBP": "84"}, "血压正常高值"), ("F30", {"SBP": "86", "DBP": "56"}, "低血压"), ("M45", {"WT": "75.0"}, "体重超标"),
    ("M45", {"WT": "92.0"}, "肥胖"), ("F24", {"WT": "44.0"}, "偏瘦"), ("M45", {"WC": "94.0"}, "腹型肥胖"),
    ("M45", {"GLU": "6.50"}, "空腹血糖受损"),
    ("M45", {"GLU": "6.50"}, "血糖偏高"), ("M45", {"GLU": "6.50"}, "糖尿病前期"), ("M45", {"GLU": "8.20"}, "2型糖尿病可能"),
    ("M45", {"GLU": "8.20"}, "空腹血糖升高"),
    ("M45", {"GLU": "3.50"}, "低血糖"), ("M45", {"HBA1C": "6.8"}, "糖化血红蛋白升高"), ("M45", {"TG": "3.20"}, "高甘油三酯血症"),
    ("M45", {"TG": "3.20", "TC": "6.50", "LDL": "4.00"}, "混合型高脂血症"), ("M45", {"TC": "6.00", "LDL": "3.60"}, "血脂异常"),
    ("M45", {"TC": "6.40", "LDL": "4.30"}, "高胆固醇血症"), ("M45", {"HDL": "0.90"}, "高密度脂蛋白胆固醇偏低"),
    ("M45", {"UA": "480"}, "高尿酸血症"),
    ("M45", {"ALT": "85", "AST": "50"}, "肝功能异常"), ("M45", {"ALT": "85"}, "丙氨酸氨基转移酶升高"),
    ("M45", {"GGT": "130"}, "谷氨酰转肽酶升高"),
    ("M45", {"TBIL": "32.0", "DBIL": "6.5"}, "高胆红素血症"), ("M45", {"TBIL": "30.0", "DBIL": "6.0"}, "间接胆红素升高为主"),
    ("M62", {"CREA": "130"}, "肌酐升高"),
    ("M62", {"CREA": "130"}, "肾功能减退"), ("M62", {"UREA": "9.20"}, "尿素偏高"), ("M45", {"HCY": "22.0"}, "高同型半胱氨酸血症"),
    ("F35", {"HGB": "104", "RBC": "4.60", "HCT": "33.1", "MCV": "72.0", "MCH": "22.6", "MCHC": "314"}, "小细胞低色素性贫血"),
    ("F35", {"HGB": "104", "RBC": "3.50", "HCT": "31.5", "MCV": "90.0", "MCH": "29.7", "MCHC": "330"}, "轻度贫血"),
    ("M45", {"HGB": "182", "RBC": "5.90", "HCT": "53.1", "MCV": "90.0", "MCH": "30.8", "MCHC": "343"}, "红细胞增多,血红蛋白升高"),
    ("M45", {"WBC": "3.10"}, "白细胞减少症"), ("M45", {"WBC": "11.20"}, "白细胞计数升高"), ("M45", {"PLT": "98"}, "血小板减少"),
    ("M45", {"PLT": "420"}, "血小板增多"),
    ("M45", {"EOSP": "10.5", "NEUTP": "50.0"}, "嗜酸性粒细胞增多"), ("M45", {"CEA": "6.80"}, "癌胚抗原升高"),
    ("M45", {"AFP": "15.00"}, "甲胎蛋白升高"),
    ("M63", {"PSA": "5.60", "FPSA": "1.200"}, "PSA升高"), ("M45", {"TSH": "6.800", "FT3": "4.50", "FT4": "15.00"}, "亚临床甲减"),
    ("M45", {"TSH": "0.010", "FT3": "12.00", "FT4": "40.00"}, "甲状腺功能亢进"), ("M45", {"UACR": "80.0"}, "微量白蛋白尿"),
    ("M45", {"ESR": "40"}, "血沉增快"),
    ("M45", {"RF": "60.0"}, "类风湿因子阳性"), ("M45", {"VITD": "15.0"}, "维生素D缺乏"), ("M45", {"K": "3.20"}, "低钾血症"),
    ("M45", {"LPA": "600"}, "脂蛋白(a)升高"),
    ("M45", {"FEV1P": "65", "FEV1R": "60.0", "FVCP": "82"}, "阻塞性通气功能障碍"), ("M45", {"BAPWV_R": "1650", "BAPWV_L": "1620"}, "动脉硬化"),
):  # fmt: skip
    good(f"words: {values} is {line}", who, values, [line])

# --- correct: history told, nothing measured ---------------------------------------------------------------------------

for who, history, line in (
    ("M60", "高血压", "高血压病史,本次血压达标"), ("M60", "糖尿病", "糖尿病,血糖控制良好"), ("M66", "冠心病", "冠心病史,继续心内科随访"),
    ("M58", "脑卒中", "脑卒中后"), ("M45", "肝炎", "既往乙肝病史"), ("M51", "结核", "陈旧性肺结核病史"), ("F55", "肿瘤", "乳腺癌术后"),
    ("M47", "药物过敏", "青霉素过敏史"), ("M62", "高血压", "高血压(药物控制)"), ("F48", "手术史", "子宫肌瘤剔除术后"),
    ("M59", "痛风", "痛风病史,本次尿酸正常"), ("M44", "甲状腺功能减退", "甲状腺功能减退(替代治疗中),甲功正常"),
    ("F60", "骨质疏松", "骨质疏松病史"),
    ("M70", "前列腺增生", "前列腺增生病史"), ("M49", "高脂血症", "高脂血症病史,本次血脂达标"), ("M38", "胃溃疡", "胃溃疡病史"),
    ("M52", "肾结石", "既往肾结石病史,本次未见"), ("M55", "幽门螺杆菌", "幽门螺杆菌根除治疗后"),
):  # fmt: skip
    values = {"MED_HIS": history} if history in ("高血压", "糖尿病", "冠心病", "脑卒中", "肝炎", "结核", "肿瘤", "手术史", "药物过敏") else {}
    good(f"history: {line}", who, values, [line], history=(history,), notes={"MED": f"既往史:{history}"})
good("family history", "M40", {"MED_FAM": "高血压|糖尿病"}, notes={"MED": "父亲高血压,母亲糖尿病"})
good("family history of cancer, healthy", "F44", {"MED_FAM": "肿瘤"}, notes={"MED": "母亲乳腺癌"})
good("father's prostate in a woman's history", "F50", {"MED_FAM": "肿瘤"}, notes={"MED": "父亲患前列腺癌"})
good("mother's uterus in a man's history", "M50", {"MED_FAM": "肿瘤"}, notes={"MED": "母亲患子宫内膜癌,姐姐卵巢癌"})
good("wife pregnant", "M31", {}, notes={"MED": "配偶妊娠中"})
good("husband has a vasectomy", "F38", {}, notes={"GYN": "配偶输精管结扎"})
good("husband's prostate", "F61", {}, notes={"MED": "丈夫前列腺癌术后,本人无不适"})
good("explained, not found", "M45", {"TG": "2.80"}, ["甘油三酯升高"], advice="重度升高可诱发胰腺炎,长期可致脂肪肝、冠心病")
good("advice names what may come", "M45", {"WT": "92.0"}, ["肥胖症"], advice="预防高血压、糖尿病、脂肪肝,评估睡眠呼吸暂停")
good("advice names exams of organs", "M45", {"UA": "480"}, ["高尿酸血症"], advice="复查肾功能及双肾超声,排除肾结石")
good("advice rules out", "M45", {"F_OB": "阳性"}, ["便隐血阳性"], advice="行结肠镜检查,排除结肠息肉、肿瘤")
good("advice speaks of left and right", "M45", {"US_ABD": "肾囊肿"}, ["左肾囊肿"], notes={"USG": "左肾囊肿"}, advice="复查双肾超声,注意右肾情况")

# --- correct: women's states -------------------------------------------------------------------------------------------

good("pregnant at 28", "F28", {"US_UTE": "宫内早孕", "XR_CHE": ""}, ["早期妊娠"], orders={"G020": "refused"})
good("pregnant at 41", "F41", {"US_UTE": "宫内早孕,约8周", "XR_CHE": ""}, ["妊娠状态,产科随诊"], orders={"G020": "refused"})
good("pregnant, anaemic of it", "F30", {"HGB": "108", "RBC": "3.60", "HCT": "32.4", "MCV": "90.0", "MCH": "30.0", "MCHC": "333",
     "US_UTE": "宫内妊娠", "XR_CHE": ""}, ["妊娠期轻度贫血"])  # fmt: skip
good("pregnant, ALP high", "F29", {"ALP": "150", "US_UTE": "宫内妊娠", "XR_CHE": ""}, ["妊娠期碱性磷酸酶升高"])
good("had two pregnancies", "F45", {}, notes={"GYN": "孕2产1"})
good("pregnancy test negative", "F26", {}, notes={"GYN": "尿妊娠试验阴性"})
good("postmenopausal at 56", "F56", {"US_UTE": "绝经后子宫内膜增厚(≥5mm)"}, ["绝经后子宫内膜增厚"])
good("postmenopausal at 43", "F43", {}, notes={"GYN": "绝经半年"})
good("menopause at 48, bone thin", "F48", {"BMD_T": "-1.6"}, ["围绝经期,骨量减少"])
good("old vaginitis at 70", "F70", {"GYN_VAG": "炎症"}, ["老年性阴道炎"])
good("lactating", "F29", {}, ["哺乳期"], notes={"GYN": "哺乳期"})
good("menses, blood in urine", "F32", {"U_BLD": "2+", "U_RBC": "20.0"}, ["尿隐血阳性(月经期,建议避开经期复查)"])
good("device in place", "F38", {"US_UTE": "节育器位置正常"}, ["宫内节育器"])
good("device in place, healthy", "F38", {"US_UTE": "节育器位置正常"}, [HEALTHY])
good("no married life, no gynaecology", "F22", {}, notes={"GYN": "无性生活史,未做妇科检查"}, orders={"G009": "refused"})
good("cataract of age at 71", "M71", {"EYE_SLIT": "晶体混浊"}, ["老年性白内障"])
good("emphysema of age at 78", "M78", {"XR_CHE": "肺气肿"}, ["老年性肺气肿"])
good("man with breasts", "M40", {}, ["男性乳腺发育"], notes={"SUR": "双侧乳腺发育"})
good("man sent to a breast clinic", "M52", {}, ["右侧乳房肿物"], notes={"SUR": "右乳头下触及肿物"})
good("man with CA125 ordered nowhere, pelvis fluid", "M48", {"US_ABD": "腹水"}, ["腹盆腔积液"])
good("woman with a urethra", "F50", {"U_LEU": "1+", "U_WBC": "9.0"}, ["尿路感染可能"])
good("teenager", "F16", {}, notes={"GEN": "青春期发育正常"})
good("child's growth", "M14", {"HT": "150.0", "WT": "40.0", "SUR_PRO": "", "US_PRO": ""}, ["生长发育迟缓,建议儿科随访"],
    notes={"GEN": "身高低于同龄"})

# --- correct: extreme but possible -------------------------------------------------------------------------------------

for name, who, values, lines in (
    ("marathon heart", "M28", {"PULSE": "42", "MED_HR": "42", "ECG_HR": "42", "ECG_QT": "460", "ECG_QTC": "385", "ECG_CON": "窦性心动过缓"},
    ["窦性心动过缓(运动员心脏)"]),
    ("basketball player", "M24", {"HT": "221.0", "WT": "118.0"}, ["超重"]), ("small woman", "F60", {"HT": "138.0", "WT": "40.0"}, [HEALTHY]),
    ("very fat", "M30", {"WT": "190.0", "WC": "150.0", "HC": "160.0"}, ["肥胖症,中心型肥胖"]), ("very thin", "F22", {"WT": "36.0"}, ["体重过低"]),
    ("lifter", "M29", {"WT": "92.0", "CK": "1200"}, ["体重指数偏高(肌肉型)", "肌酸激酶升高(运动后)"]),
    ("lifter's creatinine", "M31", {"CREA": "118"}, ["肌酐偏高(肌肉量大)"]),
    ("long distance CK", "M35", {"CK": "8000", "AST": "120"}, ["肌酸激酶、天门冬氨酸转移酶升高(剧烈运动后)"]),
    ("highlander", "M40", {"HGB": "205", "RBC": "6.60",
    "HCT": "60.0", "MCV": "90.9", "MCH": "31.1", "MCHC": "342", "SPO2": "88"}, ["高原红细胞增多症,血氧饱和度偏低"]),
    ("TG of 25", "M38", {"TG": "25.00", "TC": "9.00", "HDL": "0.70", "LDL": "1.50"}, ["重度高甘油三酯血症"]),
    ("low LDL on drugs", "M60", {"LDL": "0.80", "TC": "2.40",
    "HDL": "1.20", "TG": "0.90"}, [HEALTHY]), ("HDL 2.9", "F45", {"HDL": "2.90", "TC": "5.10", "LDL": "1.90", "TG": "0.60"}, [HEALTHY]),
    ("pressure 230 over 140", "M55", {"SBP": "230", "DBP": "140"}, ["血压重度升高(3级范围)"]),
    ("wide pulse pressure", "M80", {"SBP": "178", "DBP": "52"},
    ["收缩期高血压,舒张压偏低"]), ("narrow pulse pressure", "M45", {"SBP": "102", "DBP": "84"}, [HEALTHY]),
    ("GLU 28", "M50", {"GLU": "28.00", "HBA1C": "13.5"},
    ["糖尿病,血糖重度升高,糖化血红蛋白升高"]), ("HGB 45", "F50", {"HGB": "45", "RBC": "2.10", "HCT": "15.0", "MCV": "71.4", "MCH": "21.4",
    "MCHC": "300"}, ["重度贫血"]),
    ("PLT 1400", "M60", {"PLT": "1400"}, ["血小板增多症"]), ("PLT 12", "F35", {"PLT": "12"}, ["血小板重度减少"]),
    ("WBC 120", "M66", {"WBC": "120.00", "NEUTP": "10.0",
    "LYMP": "85.0", "MONOP": "3.0", "EOSP": "1.5"}, ["白细胞显著升高,淋巴细胞增多,血液科就诊"]),
    ("CREA 900", "M58", {"CREA": "900", "UREA": "32.00"}, ["肾功能衰竭(肌酐、尿素升高)"]),
    ("CREA 28", "F25", {"CREA": "28"}, ["肌酐偏低"]),
    ("ALT 3000", "M33", {"ALT": "3000", "AST": "2500", "TBIL": "180.0", "DBIL": "110.0"}, ["急性肝损伤,胆红素升高"]),
    ("UA 95", "F30", {"UA": "95"}, ["尿酸偏低"]), ("PSA 1200", "M76", {"PSA": "1200.00", "FPSA": "150.000"}, ["前列腺特异抗原显著升高"]),
    ("LVEF 25", "M64", {"LVEF": "25", "US_ECHO": "左室增大|左室收缩功能减退"}, ["左室增大,左室收缩功能减退"]),
    ("rounding of the differential", "M45",
    {"NEUTP": "58.1", "LYMP": "33.0", "MONOP": "6.0", "EOSP": "2.5", "BASOP": "0.5"}, [HEALTHY]),
    ("three part differential", "M45", {"MONOP": "", "EOSP": "",
    "BASOP": ""}, [HEALTHY]), ("atypical cells beside", "M25", {"NEUTP": "40.0", "LYMP": "50.0", "MONOP": "7.0", "EOSP": "2.0",
    "BASOP": "0.5"}, [HEALTHY]),
    ("Gilbert", "M22", {"TBIL": "45.0", "DBIL": "7.5"}, ["间接胆红素升高"]),
    ("DBIL nearly all", "M55", {"TBIL": "210.0", "DBIL": "190.0"}, ["梗阻性黄疸,胆红素升高"]),
    ("albumin rounded", "M45", {"TP": "74.1", "ALB": "46.2", "GLB": "27.9", "AGR": "1.66"}, [HEALTHY]),
    ("open result", "M45", {"AFP": "<0.61", "CEA": "<0.50"}, [HEALTHY]),
    ("open result above", "M70", {"CEA": ">1000"}, ["癌胚抗原显著升高"]), ("CRP below", "M45", {"HSCRP": "<0.50"}, [HEALTHY]),
    ("tracing at another moment", "M45",
    {"PULSE": "88", "ECG_HR": "66", "MED_HR": "84", "ECG_QT": "400", "ECG_QTC": "420"}, [HEALTHY]),
    ("nervous at the tracing", "M30", {"PULSE": "78", "ECG_HR": "104",
    "ECG_QT": "330", "ECG_QTC": "434", "ECG_CON": "窦性心动过速"}, ["窦性心动过速"]),
    ("HbA1c of anaemia", "F48", {"GLU": "7.40", "HBA1C": "5.2"}, ["空腹血糖升高"]),
    ("fasting normal, HbA1c 7", "M59", {"GLU": "5.60", "HBA1C": "7.0"}, ["糖化血红蛋白升高"]),
    ("both hepatitis markers", "M50", {"HBSAG": "阳性", "HBSAB": "阳性"},
    ["乙肝表面抗原阳性"]), ("vaccinated", "M30", {"HBSAG": "阴性", "HBSAB": "阳性"}, [HEALTHY]),
    ("immune by illness", "M40", {"HBSAG": "阴性", "HBSAB": "阳性",
    "HBCAB": "阳性"}, ["乙肝核心抗体阳性(既往感染)"]), ("no antibody", "M40", {"HBSAG": "阴性", "HBSAB": "阴性"}, ["无乙肝保护性抗体"]),
    ("short sight", "M20",
    {"VA_R": "3.6", "VA_L": "3.7", "VAC_R": "5.0", "VAC_L": "5.0"}, ["屈光不正(近视)"]),
    ("deaf", "M70", {"AC_R_4000": "85", "AC_L_4000": "90"}, ["双耳高频听力损失"]),
    ("cold thermometer", "M45", {"TEMP": "35.6"}, ["体温偏低"]), ("fever", "M45", {"TEMP": "39.4"}, ["发热"]),
    ("dense urine", "M45", {"U_SG": "1.035"}, ["尿比重升高"]),
    ("old calcification", "M45", {"CIMT": "2.4", "US_CAR": "颈动脉斑块"}, ["颈动脉斑块,内中膜增厚"]),
    ("thin film of fluid", "M45", {"US_ECHO": "心包积液(少量)"},
    ["心包少量积液"]), ("grown at 15", "M15", {"HT": "172.0", "WT": "58.0", "SUR_PRO": "", "US_PRO": ""}, [HEALTHY]),
    ("blood group known", "M45", {"ABO": "AB",
    "RHD": "阴性"}, [HEALTHY]), ("eGFR of the old", "F82", {"CREA": "95"}, ["肾功能减退可能"]),
    ("calm heart at rest", "M33", {"PULSE": "52", "ECG_HR": "51", "MED_HR": "52",
    "ECG_QT": "440", "ECG_QTC": "406", "ECG_CON": "窦性心动过缓"}, ["窦性心动过缓"]),
    ("arrhythmia seen once", "M45", {"ECG_CON": "房性早搏"}, ["房性早搏"]),
):  # fmt: skip
    good(f"extreme: {name}", who, values, lines)
good("weight lost by a third", "M45", {"WT": "62.0"}, earlier={"WT": "95.0", "HT": "172.0"})
good("shrunk with age", "F80", {"HT": "152.0", "WT": "52.0"}, earlier={"HT": "155.0"})
good("same blood group", "M45", {"ABO": "A", "RHD": "阳性"}, earlier={"ABO": "A", "RHD": "阳性"})
good("boy grown by 20 cm", "M16", {"HT": "172.0", "WT": "60.0", "SUR_PRO": "", "US_PRO": ""}, earlier={"HT": "152.0"})
good("stone gone since last year", "M45", {}, earlier={"US_ABD": "肾结石"})
good("fatty liver gone", "M45", {}, ["原脂肪肝本次未见"], earlier={"US_ABD": "脂肪肝(轻度)"})

# --- correct: orders that ended, rewordings, normal variants -----------------------------------------------------------

for group in ("G013", "G014", "G020", "G032", "G012", "G004"):
    good(f"{group} refused", "M45", {}, orders={group: "refused"})
    good(f"{group} postponed", "M45", {}, orders={group: "postponed"})
for group in ("G023", "G037"):
    good(f"{group} removed", "M45", {}, orders={group: "removed"})
for who, values, notes, lines in (
    ("M45", {}, {"USG": "胆囊折叠"}, [HEALTHY]), ("M45", {}, {"USG": "副脾,直径12mm"}, ["副脾"]), ("M45", {}, {"RAD": "奇裂"}, [HEALTHY]),
    ("M45", {}, {"USG": "右肝斜径140mm,左叶大小正常"}, [HEALTHY]), ("M45", {}, {"USG": "甲状腺右叶18mm,左叶17mm,回声均匀"}, [HEALTHY]),
    ("M45", {},
    {"ECG": "窦性心律,正常心电图"}, [HEALTHY]), ("M45", {}, {"USG": "双侧颈部可见淋巴结,皮髓质分界清"}, [HEALTHY]),
    ("F45", {}, {"USG": "子宫后位,大小正常"}, [HEALTHY]),
    ("F30", {}, {"USG": "左侧卵巢可见优势卵泡"}, [HEALTHY]), ("F32", {}, {"USG": "右侧卵巢黄体"}, [HEALTHY]),
    ("M45", {"SUR_SKIN": "色素痣"}, {}, ["色素痣"]),
    ("M45", {"SUR_SKIN": "瘢痕"}, {"SUR": "右下腹手术瘢痕"}, ["皮肤瘢痕"]),
    ("M45", {"ENT_NOSE": "鼻中隔偏曲"}, {"ENT": "鼻中隔左偏"}, ["鼻中隔偏曲"]),
    ("M45", {"US_CAR": "颈动脉走行迂曲"}, {"USG": "右侧颈动脉迂曲"}, ["颈动脉迂曲"]),
    ("M45", {"TG": "2.80", "LDL": "4.30", "TC": "6.60"}, {}, ["血脂异常(TC、TG、LDL升高)"]),
    ("M45", {"US_ABD": "脂肪肝(轻度)", "ALT": "75", "AST": "48"}, {}, ["脂肪肝伴转氨酶升高"]),
    ("M45", {"WT": "92.0", "WC": "104.0", "TG": "2.90", "GLU": "6.40",
    "SBP": "142", "DBP": "92"}, {}, ["代谢综合征(肥胖、血压升高、血糖升高、甘油三酯升高)"]),
    ("M45", {"UA": "500", "CREA": "125"}, {}, ["高尿酸并肾功能减退"]),
    ("M45", {"US_ABD": "脂肪肝(轻度)|胆囊息肉样病变|肾囊肿"}, {"USG": "轻度脂肪肝;胆囊息肉样病变4mm;左肾囊肿10mm"}, ["轻度脂肪肝",
    "胆囊息肉样病变", "左肾囊肿"]),
    ("F52", {"US_THY": "甲状腺结节", "US_TIRADS": "3", "US_UTE": "子宫肌瘤", "US_BRE": "乳腺增生"}, {}, ["甲状腺结节", "子宫肌瘤", "乳腺增生"]),
    ("M64", {"US_PRO": "前列腺增大|前列腺钙化"}, {}, ["前列腺增大伴钙化"]),
    ("M45", {"MED_LIV": "肿大", "US_ABD": "脂肪肝(重度)"}, {}, ["重度脂肪肝,肝大"]),
    ("F45", {"US_TIRADS": "2", "US_THY": "甲状腺囊肿"}, {}, ["甲状腺囊肿(TI-RADS 2类)"]), ("M45", {"U_UBG": "±"}, {}, [HEALTHY]),
    ("M45", {"F_COL": "成形便"}, {}, [HEALTHY]),
    ("M50", {"US_ABD": "肝血管瘤"}, {"USG": "肝右叶高回声,考虑血管瘤"}, ["肝血管瘤"]),
    ("M50", {"XR_CHE": "肋骨陈旧骨折"}, {"RAD": "右侧第5肋陈旧骨折"}, ["右侧肋骨陈旧性骨折"]),
    ("M45", {"SUR_ANO": "拒检"}, {}, [HEALTHY]), ("F29", {"GYN_CER": ""}, {}, [HEALTHY]),
    ("M45", {"ECG_CON": "早期复极"}, {}, ["早期复极综合征(正常变异)"]),
):  # fmt: skip
    good(f"ordinary: {values or notes} is {lines}", who, values, lines, notes=notes)
for who in ("M19", "M26", "M38", "M55", "M67", "M84", "F19", "F27", "F39", "F53", "F68", "F83"):
    good(f"healthy {who}", who, {})
