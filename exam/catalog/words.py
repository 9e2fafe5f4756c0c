"""Words of the catalogue's screens and workbook: units as people write them, and where a value comes from."""

from __future__ import annotations

from collections.abc import Mapping

COMMON_UNITS: Mapping[str, str] = {
    "mm[Hg]": "mmHg",
    "umol/L": "μmol/L",
    "ug/L": "μg/L",
    "10*9/L": "×10⁹/L",
    "10*12/L": "×10¹²/L",
    "kg/m2": "kg/m²",
    "cm2": "cm²",
    "Cel": "℃",
    "/min": "次/分",
    "/[HPF]": "/HP",
    "mL/min/{1.73_m2}": "mL/min/1.73m²",
    "[degF]": "℉",
    "deg": "°",
}
"""UCUM codes that nobody writes by hand, with what is written instead; reports print them too."""

SOURCES: Mapping[str, str] = {"guideline": "临床指南", "kit": "试剂说明书", "memory": "自拟待审"}
"""Where a value comes from, as stored and as shown. Any other text is shown as it stands."""

_BY_UNIT = {common: ucum for ucum, common in COMMON_UNITS.items()}
_BY_SOURCE = {shown: stored for stored, shown in SOURCES.items()}


def common_unit(ucum: str) -> str:
    """The unit as people write it: `mmHg` for UCUM `mm[Hg]`."""
    return COMMON_UNITS.get(ucum, ucum)


def ucum_unit(text: str) -> str:
    """The UCUM code of a unit as people write it; a code itself, or an unknown unit, stays."""
    plain = text.strip().replace("µ", "μ").replace("°C", "℃")
    return _BY_UNIT.get(plain, plain)


def source_name(stored: str) -> str:
    """A source as shown: `临床指南` for `guideline`."""
    return SOURCES.get(stored, stored)


def source_code(text: str) -> str:
    """A source as stored, from what is shown."""
    return _BY_SOURCE.get(text.strip(), text.strip())
