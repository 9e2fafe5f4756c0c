"""Units: which spellings mean the same, which units convert exactly for which analyte, and how a unit is printed."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from exam.catalog.words import COMMON_UNITS
from exam.knowledge.facts import UnitConversion
from exam.knowledge.rules.amounts import plain_text

SAME_UNIT = {
    "mmHg": "mm[Hg]",
    "\u03bcmol/L": "umol/L",
    "\u00b5mol/L": "umol/L",
    "umol/l": "umol/L",
    "mmol/l": "mmol/L",
    "g/l": "g/L",
    "mg/l": "mg/L",
    "\u03bcg/L": "ug/L",
    "\u00b5g/L": "ug/L",
    "10^9/L": "10*9/L",
    "10E9/L": "10*9/L",
    "×10^9/L": "10*9/L",
    "x10^9/L": "10*9/L",
    "10⁹/L": "10*9/L",
    "×10⁹/L": "10*9/L",
    "10*3/uL": "10*9/L",
    "10^12/L": "10*12/L",
    "10E12/L": "10*12/L",
    "×10^12/L": "10*12/L",
    "x10^12/L": "10*12/L",
    "10¹²/L": "10*12/L",
    "×10¹²/L": "10*12/L",
    "10*6/uL": "10*12/L",
    "kg/m²": "kg/m2",
    "kg/m^2": "kg/m2",
    "cm²": "cm2",
    "次/分": "/min",
    "次/min": "/min",
    "bpm": "/min",
    "℃": "Cel",
    "°C": "Cel",
    "IU/L": "U/L",
    "u/L": "U/L",
    "uIU/mL": "mIU/L",
    "\u03bcIU/mL": "mIU/L",
    "\u00b5IU/mL": "mIU/L",
    "mU/L": "mIU/L",
    "ug/L": "ng/mL",
    "ng/ml": "ng/mL",
    "ng/L": "pg/mL",
    "pg/ml": "pg/mL",
    "U/ml": "U/mL",
    "kU/L": "U/mL",
    "秒": "s",
    "sec": "s",
    "mm/1h": "mm/h",
    "/HP": "/[HPF]",
    "/HPF": "/[HPF]",
    "个/HP": "/[HPF]",
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
    "mL/min/1.73m²": "mL/min/{1.73_m2}",
    "mL/min/1.73m^2": "mL/min/{1.73_m2}",
    "1": "",
}
"""Other spellings of one unit, of exactly the same size. `IU` and `U` are the same for enzymes; analytes for which
activity and mass differ (CK-MB) differ in more than the spelling and are never made equal here."""

UNIT_CONVERSIONS = (
    UnitConversion(unit="g/dL", to="g/L", times="10", source="SI"),
    UnitConversion(unit="g/L", to="g/dL", divided_by="10", source="SI"),
    UnitConversion(unit="mg/dL", to="mg/L", times="10", source="SI"),
    UnitConversion(unit="mg/L", to="mg/dL", divided_by="10", source="SI"),
    UnitConversion(unit="m", to="cm", times="100", source="SI"),
    UnitConversion(unit="L/L", to="%", times="100", items=("HCT",), source="SI"),
    # 18 and not the molar 18.016: the diagnostic pairs (126 mg/dL = 7.0 mmol/L) are defined with it.
    UnitConversion(unit="mg/dL", to="mmol/L", divided_by="18", items=("GLU", "GLU2H"), source="memory"),
    UnitConversion(unit="mg/dL", to="umol/L", times="88.4", items=("CREA",), source="memory"),
    UnitConversion(unit="mg/dL", to="umol/L", times="59.48", items=("UA",), source="memory"),
    UnitConversion(unit="mg/dL", to="umol/L", times="17.1", items=("TBIL", "DBIL", "IBIL"), source="memory"),
    UnitConversion(unit="mg/dL", to="mmol/L", divided_by="38.67", items=("TC", "HDL", "LDL", "NHDL"), source="memory"),
    UnitConversion(unit="mg/dL", to="mmol/L", divided_by="88.57", items=("TG",), source="memory"),
    UnitConversion(unit="mg/dL", to="mmol/L", divided_by="4.008", items=("CA",), source="memory"),
    UnitConversion(unit="mEq/L", to="mmol/L", items=("K", "NA", "CL"), source="SI"),
)
"""Exact conversions. One without `items` holds for every analyte because it is a change of scale only."""

_PRINTED = {**COMMON_UNITS, "1": ""}
"""As the catalogue writes them, and nothing for a pure number."""


def same_unit(unit: str) -> str:
    """The one spelling used for comparing: `mmHg` and `mm[Hg]` become equal, and so do `ug/L` and `ng/mL`."""
    plain = plain_text(unit).replace(" ", "")
    plain = SAME_UNIT.get(plain, plain)
    return SAME_UNIT.get(plain, plain)


def printed_unit(unit: str) -> str:
    """The unit as people read it on paper and screen (UCUM `mm[Hg]` is printed `mmHg`)."""
    return _PRINTED.get(unit, unit)


def conversion_for(item: str, unit: str, to: str) -> UnitConversion | None:
    """How a value of this item in `unit` becomes the dictionary's unit; None when it never does.

    An empty unit means the dictionary's own, as at the entry screen. A unit that cannot be converted is refused a
    flag (domain.md §2.2: false criticals came from `%` against `L/L` and from CK-MB activity against mass).
    """
    written, wanted = same_unit(unit), same_unit(to)
    if not unit.strip() or written == wanted:
        return UnitConversion(unit=unit, to=to, source="same")
    for known in UNIT_CONVERSIONS:
        if same_unit(known.unit) == written and same_unit(known.to) == wanted and (not known.items or item in known.items):
            return known
    return None


def convert(number: Decimal, conversion: UnitConversion) -> Decimal:
    """The number in the other unit, not rounded."""
    return number * Decimal(conversion.times) / Decimal(conversion.divided_by)


def rounded(number: Decimal, decimals: int) -> Decimal:
    """Rounded half up, as laboratories and doctors round."""
    return number.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)
