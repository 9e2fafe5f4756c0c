"""The units that an item may have: the UCUM codes of laboratories and examination rooms, and three that UCUM lacks."""

from __future__ import annotations

import difflib
import re

from exam.catalog.words import COMMON_UNITS, common_unit, ucum_unit

UNITS = frozenset(
    {
        *COMMON_UNITS,
        "%", "‰", "1", "[pH]", "10*3/uL", "10*6/L", "10*6/uL", "/L", "/uL", "/mL", "/[LPF]",
        "g/L", "g/dL", "mg/L", "mg/dL", "mg/mL", "ug/mL", "ug/dL", "ng/L", "ng/mL", "ng/dL", "pg/mL", "pg/dL", "g/mL",
        "mol/L", "mmol/L", "nmol/L", "pmol/L", "fmol/L", "pmol/mL", "nmol/mL", "mmol/mol", "umol/mol", "mmol/kg", "mosm/kg",
        "mosm/L", "meq/L", "U/L", "U/mL", "kU/L", "mU/L", "mU/mL", "U/g", "IU/L", "IU/mL", "kIU/L", "mIU/L", "mIU/mL", "uIU/mL",
        "ukat/L", "nkat/L", "mg/g", "ug/g", "ng/mg", "mg/mmol", "g/g", "g/mol", "ug/mg", "nmol/mmol", "umol/g",
        "mg/(24.h)", "g/(24.h)", "mmol/(24.h)", "umol/(24.h)", "nmol/(24.h)", "ug/(24.h)", "mL/(24.h)",
        "g", "kg", "mg", "ug", "ng", "pg", "fL", "pL", "nL", "uL", "mL", "dL", "L",
        "m", "dm", "cm", "mm", "um", "nm", "m2", "mm2", "m3", "cm3", "mm3", "g/cm2", "mg/cm3", "g/cm3", "g/m2", "kg/m3",
        "s", "ms", "us", "min", "h", "d", "wk", "mo", "a", "mm/h", "cm/s", "m/s", "mm/s", "mL/s", "mL/min", "L/s", "L/min",
        "mL/min/m2", "L/min/m2", "mL/m2", "Pa", "kPa", "cm[H2O]", "bar", "N", "J", "kJ", "kcal", "kcal/d", "kJ/d", "W", "kW",
        "V", "mV", "uV", "A", "mA", "Hz", "kHz", "MHz", "/s", "/h", "/d", "K", "rad", "[diop]", "lx", "cd/m2", "lm",
        "Bq", "kBq", "mSv", "uSv", "Gy", "mGy", "dB", "dB[SPL]", "Ohm", "kOhm", "[iU]/L", "[iU]/mL", "k[iU]/L", "m[iU]/L", "u[iU]/mL",
        "dB HL", "mg/L FEU", "ug/mL FEU",
    }
)  # fmt: skip
"""UCUM codes, with hearing level and fibrinogen-equivalent units, which UCUM does not know. Source: ucum.org; memory, to be approved."""

_ANNOTATION = re.compile(r"\{[^{}\s]{1,20}\}(?:/(?:L|mL|uL))?")


def is_unit(unit: str) -> bool:
    """Whether an item may have this unit: none, a known one, or an annotation of UCUM for what has none (`{score}`)."""
    return unit == "" or unit in UNITS or _ANNOTATION.fullmatch(unit) is not None


def nearest_unit(unit: str) -> str:
    """The known unit that was probably meant; empty where none is like it."""
    plain = ucum_unit(unit)
    alike = {known.casefold(): known for known in sorted(UNITS)} | {common_unit(known).casefold(): known for known in sorted(UNITS)}
    found = difflib.get_close_matches(plain.casefold(), alike, n=1, cutoff=0.5)
    return alike[found[0]] if found else ""
