"""What the laboratory finds in a body: blood, serum, urine and stool, each value in keeping with the others.

Numbers are unrounded unless another value is computed from them; `rehearsal.values` writes them with the dictionary's decimals.
"""

from __future__ import annotations

from math import exp, log

from rehearsal.bodies import Body
from rehearsal.draws import Curve

Found = dict[str, float | str]

YES, NO = "阳性", "阴性"
GRADES = ("−", "±", "1+", "2+", "3+", "4+")

_OCCULT = Curve((20, 0.003), (40, 0.006), (55, 0.011), (77, 0.02))
_PSA = Curve((20, 0.55), (45, 0.75), (60, 1.1), (77, 1.8))
_AFTER_SIXTY = Curve((55, 0.0), (80, 1.0))


def laboratory(body: Body) -> Found:
    """Every laboratory value of a body, those that its sex has not left out."""
    found: Found = {}
    for part in (_blood, _liver, _kidneys, _sugar_and_fat, _minerals, _thyroid, _infections, _markers, _clotting, _others, _urine, _stool):
        part(body, found)
    return found


def _grade(amount: float, *bounds: float) -> str:
    """The grade of a dipstick: how many of the bounds an amount has reached."""
    return GRADES[sum(amount >= bound for bound in bounds)]


def _blood(body: Body, found: Found) -> None:
    """Red cells are counted, their indices computed as an analyser does: MCV, MCH and MCHC follow RBC, HGB and HCT."""
    z = body.z
    hgb = (153.5 - 6 * _AFTER_SIXTY.at(body.years) if body.is_male else 131.0) + 9.3 * z["hgb"] + (2 if body.smokes else 0)
    mcv, mchc, rdw = 90.6 + 3.4 * z["mcv"], 333 + 6.0 * z["mchc"], 12.8 + 0.55 * z["rdw"]
    if body.is_thalassaemic:
        hgb, mcv, mchc, rdw = hgb - 9, 71.5 + 3 * z["mcv"], mchc - 9, rdw + 1.3
    elif body.lacks_iron:
        depth = 1 if body.luck["iron"] > 0.004 else 2.4
        hgb, mcv, mchc, rdw = hgb - 15 * depth, mcv - 7 * depth, mchc - 9 * depth, rdw + 1.9 * depth
    if body.kidney_loss > 0.8:
        hgb -= 14 * body.kidney_loss
    bleeding = body.turn["bleeding"]
    if bleeding < 0.0004:
        hgb, mcv, mchc, rdw = 56 + 4 * z["hgb"], 68.0 + z["mcv"], 300.0, 19.5 + rdw / 10
    elif bleeding > 0.9998:
        hgb = 204 + 3 * abs(z["hgb"])
    hgb = float(round(max(38.0, min(hgb, 215.0))))
    hct = round(hgb / mchc * 100, 1)
    rbc = round(hct * 10 / mcv, 2)
    found.update(HGB=hgb, HCT=hct, RBC=rbc, MCV=hct * 10 / rbc, MCH=hgb / rbc, MCHC=hgb / hct * 100, RDW=max(11.2, rdw))
    plt = 236 + 47 * z["plt"] + (25 if body.lacks_iron else 0)
    turn = body.turn["platelets"]
    plt = 24 + 9 * abs(z["plt"]) if turn < 0.0004 else plt * 3.1 if turn > 0.9996 else max(58.0, plt)
    found["PLT"], found["MPV"] = plt, 10.4 - 0.006 * (plt - 236 if plt < 500 else 200) + 0.75 * z["mpv"]
    _white_cells(body, found)


def _white_cells(body: Body, found: Found) -> None:
    z = body.z
    wbc = 6.05 * exp(0.20 * z["wbc"] + (0.09 if body.smokes else 0) + 0.008 * (body.bmi - 24))
    neutrophils = 57 + 6.8 * z["neutrophils"] + 3 * z["wbc"]
    if body.has_infection:
        wbc, neutrophils = wbc * 1.55, neutrophils + 14
    if body.turn["clot"] > 0.9997:
        wbc, neutrophils = 1.6, 30.0
    wbc = round(max(1.2, wbc), 2)
    monocytes = round(max(2.2, 6.4 + 1.35 * z["monocytes"]), 1)
    eosinophils = round(min(24.0, 2.0 * exp(0.66 * z["eosinophils"])), 1)
    basophils = round(max(0.0, 0.5 + 0.2 * z["basophils"]), 1)
    neutrophils = round(max(22.0, min(neutrophils, 88.0)), 1)
    lymphocytes = round(100 - neutrophils - monocytes - eosinophils - basophils, 1)
    if lymphocytes < 5:
        neutrophils, lymphocytes = round(neutrophils + lymphocytes - 5, 1), 5.0
    found.update(
        WBC=wbc, NEUTP=neutrophils, LYMP=lymphocytes, MONOP=monocytes, EOSP=eosinophils, BASOP=basophils,
        NEUT=wbc * neutrophils / 100, LYM=wbc * lymphocytes / 100,
    )  # fmt: skip


def _liver(body: Body, found: Found) -> None:
    z, over = body.z, body.bmi - 24
    fat = 0.10 * body.fatty_grade
    alt = (22.5 if body.is_male else 15.5) * exp(0.03 * over + 1.4 * fat + 0.46 * z["alt"] + (0.22 if body.has_hbv else 0))
    hit = body.turn["liver_hit"]
    if hit < 0.0022:
        alt *= 9 if hit > 0.00025 else 40
    found["ALT"] = alt = min(alt, 2400.0)
    drink = 0.30 if body.drinks else 0.0
    found["AST"] = 6.2 * alt**0.42 * (1 + 0.25 * drink) * exp(0.13 * z["ast"])
    found["GGT"] = (23 if body.is_male else 14.5) * exp(0.44 * z["ggt"] + drink + 1.2 * fat + 0.02 * over + 0.1 * log(alt / 20))
    found["ALP"] = (74 if body.is_male else 64 + 14 * body.is_after_menopause) * exp(0.2 * z["alp"])
    found["ALB"] = alb = round(46.0 - 0.045 * (body.years - 45) + 1.9 * z["alb"] - 3 * min(body.kidney_loss, 2) * (body.uacr > 300), 1)
    found["TP"] = alb + 27.6 + 0.02 * (body.years - 45) + 2.9 * z["glb"]
    jaundice = 6.0 if hit < 0.00025 else 2.2 if hit < 0.0008 else 1.0
    gilbert = 1.75 if body.luck["gilbert"] < 0.035 else 1.0
    found["TBIL"] = tbil = round((12.8 if body.is_male else 10.6) * gilbert * jaundice * exp(0.29 * z["tbil"]), 1)
    share = 0.19 if gilbert > 1 else 0.6 if jaundice > 1 else 0.27
    found["DBIL"] = min(tbil * share * exp(0.13 * z["dbil"]), tbil * 0.9)
    found["TBA"] = 3.1 * exp(0.52 * z["tba"]) * jaundice


def _kidneys(body: Body, found: Found) -> None:
    z = body.z
    crea = float(round(body.crea))
    found["CREA"] = crea
    usual = 75.5 if body.is_male else 56.5
    found["UREA"] = min(45.0, (5.2 + 0.018 * (body.years - 45)) * (crea / usual) ** 0.7 * exp(0.17 * z["urea"]))
    found["UA"] = min(body.urate, 780.0)
    found["CYSC"] = (0.80 + 0.0022 * (body.years - 45)) * (crea / usual) ** 0.75 * exp(0.09 * z["cystatin"])
    found["UACR"] = min(body.uacr, 4000.0)


def _sugar_and_fat(body: Body, found: Found) -> None:
    z = body.z
    found.update(GLU=body.glucose, HBA1C=body.hba1c, GLU2H=max(body.glucose * 0.85, body.after_meal))
    found.update(TG=body.tg, HDL=body.hdl, LDL=body.ldl, TC=body.tc)
    found["APOA1"] = 0.56 + 0.61 * body.hdl + 0.08 * z["apoa1"]
    found["APOB"] = 0.14 + 0.235 * body.ldl + 0.035 * min(body.tg, 6) + 0.05 * z["apob"]
    found["LPA"] = 105 * exp(0.95 * z["lpa"])


def _minerals(body: Body, found: Found) -> None:
    z = body.z
    potassium = 4.15 + 0.27 * z["potassium"] + 0.25 * min(body.kidney_loss, 2)
    if body.turn["potassium"] < 0.0016:  # a haemolysed tube or, seldom, a real one
        potassium = 6.3 if body.turn["potassium"] > 0.0006 else 2.7
    sodium = round(141 + 1.5 * z["sodium"])
    found.update(K=potassium, NA=float(sodium), CL=float(round(0.55 * (sodium - 141) + 103.8 + 1.5 * z["chloride"])))
    alb = float(found["ALB"])
    found.update(CA=2.31 + 0.009 * (alb - 46) + 0.065 * z["calcium"], PHOS=1.14 + 0.13 * z["phosphate"], MG=0.88 + 0.055 * z["magnesium"])


def _thyroid(body: Body, found: Found) -> None:
    z, luck = body.z, body.luck["thyroid"]
    tsh = (1.85 if body.is_male else 2.15) * exp(0.42 * z["tsh"] + 0.004 * (body.years - 45) + (0.35 if body.has_tpo else 0))
    ft4, ft3 = 16.6 + 1.9 * z["ft4"], 4.9 + 0.42 * z["ft3"]
    is_under = luck < (0.0012 if body.is_male else 0.004)
    is_over = luck > (0.9985 if body.is_male else 0.996)
    if is_under:
        tsh, ft4, ft3 = 14 * exp(0.5 * abs(z["tsh"])), min(ft4, 11.2), min(ft3, 3.6)
    elif is_over:
        # Most are mild or treated; a few are plainly overactive.
        is_plain = luck > (0.9996 if body.is_male else 0.9985)
        tsh, ft4, ft3 = (0.006, 32 + 4 * abs(z["ft4"]), 10.5) if is_plain else (0.12 + 0.03 * z["tsh"], ft4 + 2, ft3 + 0.6)
    else:
        ft4 = max(ft4, 12.3)
    found.update(TSH=min(max(tsh, 0.005), 95), FT3=ft3, FT4=ft4, TT3=1.85 * ft3 / 4.9 + 0.17 * z["tt3"], TT4=101 * ft4 / 16.6 + 9 * z["tt4"])
    found["TPOAB"] = min(1200, 150 * exp(0.8 * z["tpo"])) if body.has_tpo else min(33, 11 * exp(0.38 * z["tpo"]))
    has_tg_antibody = body.has_tpo and z["tg_ab"] > -0.4
    found["TGAB"] = min(3500, 260 * exp(0.7 * z["tg_ab"])) if has_tg_antibody else min(110, 16 * exp(0.55 * z["tg_ab"]))


def _infections(body: Body, found: Found) -> None:
    """Hepatitis B in one of the patterns that exist; an antibody against the surface never stands beside the antigen."""
    luck = body.luck
    stage, shield = luck["hbv_stage"], luck["hbv_shield"]
    positive: tuple[str, ...]
    if body.has_hbv:
        positive = ("HBSAG", "HBEAG", "HBCAB") if stage < 0.14 else ("HBSAG", "HBEAB", "HBCAB") if stage < 0.92 else ("HBSAG", "HBCAB")
    elif body.health.birth_on.year >= 1992:
        positive = ("HBSAB",) if shield < 0.68 else ("HBSAB", "HBCAB") if shield < 0.72 else ()
    elif shield < 0.30:
        positive = ("HBSAB", "HBCAB")
    elif shield < 0.40:
        positive = ("HBSAB", "HBEAB", "HBCAB")
    elif shield < 0.47:
        positive = ("HBCAB",)
    elif shield < 0.72:
        positive = ("HBSAB",)
    else:
        positive = ()
    for code in ("HBSAG", "HBSAB", "HBEAG", "HBEAB", "HBCAB"):
        found[code] = YES if code in positive else NO
    found["HCVAB"] = YES if luck["hcv"] < 0.005 else NO
    found["HIVAB"] = YES if luck["hiv"] < 0.0008 else NO
    has_syphilis = luck["syphilis"] < 0.009
    found["TPAB"] = YES if has_syphilis else NO
    found["TRUST"] = YES if has_syphilis and luck["trust"] < 0.25 else NO


def _markers(body: Body, found: Found) -> None:
    z, years = body.z, body.years
    smoke = 0.28 if body.smokes else 0.0
    found["AFP"] = 2.7 * exp(0.40 * z["afp"] + (0.15 if body.has_hbv else 0))
    found["CEA"] = 1.75 * exp(0.42 * z["cea"] + smoke + 0.006 * (years - 45))
    found["CA199"] = 8.5 * exp(0.62 * z["ca199"])
    found["CA724"] = 1.9 * exp(0.66 * z["ca724"])
    found["CYFRA"] = 1.75 * exp(0.30 * z["cyfra"] + 0.006 * (years - 45))
    found["NSE"] = 11.3 * exp(0.18 * z["nse"])
    found["SCC"] = 0.78 * exp(0.32 * z["scc"])
    if not body.is_male:
        found["CA125"] = (9.5 if body.is_after_menopause else 13) * exp(0.44 * z["ca125"])
        found["CA153"] = 10 * exp(0.36 * z["ca153"])
        return
    psa = _PSA.at(years) * exp(0.52 * z["psa"] + (0.3 if body.luck["prostate"] < 0.35 and years > 55 else 0))
    found["PSA"] = psa = round(max(0.08, psa), 2)
    # The free part falls as the whole rises.
    share = (0.27 if psa < 4 else 0.20) * exp(0.22 * z["fpsa"])
    found["FPSA"] = psa * min(0.6, max(0.07, share))


def _clotting(body: Body, found: Found) -> None:
    z = body.z
    pt = 12.2 + 0.55 * z["pt"]
    found.update(PT=pt, INR=(round(pt, 1) / 12.0) ** 1.05, APTT=30.2 + 2.5 * z["aptt"], TT=17.2 + 0.95 * z["tt"])
    found["FIB"] = max(1.5, 2.85 + 0.38 * z["fib"] + 0.01 * (body.years - 45) + (0.9 if body.has_infection else 0))
    found["DD"] = 5.6 if body.turn["clot"] < 0.0008 else 0.20 * exp(0.42 * z["dd"] + 0.014 * (body.years - 45))


def _others(body: Body, found: Found) -> None:
    z, years, luck = body.z, body.years, body.luck
    crp = 0.75 * exp(0.82 * z["crp"] + 0.05 * (body.bmi - 24) + (2.2 if body.has_infection else 0))
    found["HSCRP"] = min(crp, 90.0)
    # In no package: usual values are enough, and dice of their own would change everybody else's.
    found.update(AMY=max(24, 76 + 12 * z["chloride"]), CHE=max(3200, 8300 + 900 * z["ldh"]))
    found.update(BPH_A=7.40 + 0.012 * z["chloride"], BPH_V=7.36 + 0.012 * z["chloride"])
    found["ESR"] = min(70, (5.5 if body.is_male else 9) * exp(0.40 * z["esr"] + 0.012 * (years - 45) + (0.5 if body.has_infection else 0)))
    found["HCY"] = (12.6 if body.is_male else 9.9) * exp(0.25 * z["hcy"] + 0.004 * (years - 45) + min(0.5, 0.2 * body.kidney_loss))
    found.update(LDH=178 + 24 * z["ldh"], CK=min(2500, (108 if body.is_male else 78) * exp(0.36 * z["ck"])), CKMB=max(2.0, 12.5 + 3.6 * z["ckmb"]))
    found["HSTNI"] = 620.0 if body.turn["collapse"] > 0.9998 else 2.6 * exp(0.5 * z["troponin"] + 0.015 * (years - 45))
    found["BNP"] = 32 * exp(0.6 * z["bnp"] + 0.028 * (years - 45) + (1.6 if body.has_fibrillation else 0))
    found["RF"] = 85 * exp(0.6 * z["rf"]) if luck["rheuma"] < 0.035 else min(19.5, 7.5 * exp(0.3 * z["rf"]))
    found["CCP"] = 120 * exp(0.5 * z["ccp"]) if luck["rheuma"] < 0.005 else min(24.0, 4 * exp(0.5 * z["ccp"]))
    found["ASO"] = 66 * exp(0.56 * z["aso"])
    found["PG1"], found["PG2"] = pg1, pg2 = round(98 * exp(0.33 * z["pg1"]), 1), round(10.5 * exp(0.36 * z["pg2"] + 0.25 * body.has_hp), 1)
    found["PGR"] = pg1 / pg2
    found["VITD"] = 23 * exp(0.30 * z["vitd"])
    stores = 190 if body.is_male else 95 if body.is_after_menopause else 44
    found["FER"] = 7.5 * exp(0.25 * z["ferritin"]) if body.lacks_iron else stores * exp(0.55 * z["ferritin"])
    found["FE"] = max(2.5, 6.2 + 1.5 * z["iron"] if body.lacks_iron else (19.5 if body.is_male else 17) + 4.3 * z["iron"])
    found["PB_B"] = 32 * exp(0.4 * z["lead"])
    found["CHE_B"] = 97 + 8.5 * z["che"]
    found["COHB"] = max(0.3, (4.0 + 1.3 * z["cohb"]) if body.smokes else 1.2 + 0.35 * z["cohb"])
    group = luck["blood_group"]  # Guangxi: many O, few AB
    found["ABO"] = "O" if group < 0.40 else "B" if group < 0.67 else "A" if group < 0.94 else "AB"
    found["RHD"] = NO if luck["rhesus"] < 0.003 else YES
    dob = 16 * exp(0.65 * z["hp"])
    found["C13"] = max(4.1, min(dob, 85.0)) if body.has_hp else min(3.6, max(-0.6, 0.7 + 0.75 * z["hp"]))


def _urine(body: Body, found: Found) -> None:
    """The strip follows the sediment, the albumin and the blood sugar."""
    z, turn = body.z, body.turn
    found["U_SG"] = min(1.034, max(1.004, 1.0175 + 0.0052 * z["urine_sg"]))
    found["U_PH"] = round(2 * min(8.0, max(5.0, 6.1 + 0.55 * z["urine_ph"]))) / 2
    bleeds = turn["haematuria"]
    red = 0.9 * exp(0.62 * z["urine_rbc"])
    if bleeds < (0.025 if body.is_male else 0.045):
        red = 4 + 9 * exp(0.75 * z["urine_rbc"])
    if bleeds < 0.0012:
        red = 66 + 60 * abs(z["urine_rbc"])
    red = round(min(red, 900.0), 1)
    found["U_RBC"], found["U_BLD"] = red, _grade(red, 3.1, 6, 20, 50, 200)
    white = 1.1 * exp(0.62 * z["urine_wbc"])
    is_infected = turn["urine_infection"] < (0.018 if body.is_male else 0.075)
    if is_infected:
        white = 6 + 16 * exp(0.8 * z["urine_wbc"])
    white = round(min(white, 600.0), 1)
    found["U_WBC"], found["U_LEU"] = white, _grade(white, 5.1, 9, 25, 75, 250)
    found["U_NIT"] = YES if is_infected and white > 18 and turn["urine_infection"] < 0.02 else NO
    found["U_PRO"] = _grade(body.uacr * (1.5 if is_infected else 1.0), 60, 180, 600, 1500, 3500)
    spill = body.glucose if body.glucose > 9.0 else 0.0
    if body.knows_diabetes and body.luck["sglt"] < 0.14:  # tablets that wash sugar out
        spill = 15.0
    if turn["sugar_spill"] < 0.004:
        spill = 9.6
    found["U_GLU"] = _grade(spill, 9.0, 9.5, 10.5, 12.5, 14.5)
    found["U_KET"] = "1+" if turn["fast"] < 0.008 or (body.glucose > 16 and turn["fast"] < 0.3) else "±" if turn["fast"] < 0.02 else "−"
    found["U_BIL"] = _grade(float(found["DBIL"]), 14, 20, 40, 80, 160)
    found["U_UBG"] = "1+" if turn["ubg"] < 0.006 else "±" if turn["ubg"] < 0.05 else "−"


def _stool(body: Body, found: Found) -> None:
    stool = body.turn["stool"]
    found["F_COL"] = "软便" if stool < 0.72 else "成形便" if stool < 0.985 else "稀便" if stool < 0.997 else "黏液便"
    found["F_OB"] = YES if body.turn["occult"] < _OCCULT.at(body.years) else NO
