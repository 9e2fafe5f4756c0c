"""Masks: what a screen or a log may show of a number, a phone, an address or a name. Stars never tell the length hidden."""

from __future__ import annotations

import re

STARS = "****"

_PROVINCE = r"(?:[^\d省区市]{2,8}(?:省|自治区|特别行政区))"
_CITY = r"(?:[^\d省区市县路街号]{1,10}(?:市|自治州|盟|地区))"
# Words of streets and estates end the search: "阳光小区" is a home, "青秀区" is a district.
_COUNTY = r"(?:[^\d区县市旗路街道号村镇乡栋]{1,15}(?:(?<![小社园厂校])区|县|旗|市))"
_AREA = re.compile(f"(?:{_PROVINCE}{_CITY}?|{_CITY}){_COUNTY}?")


def mask_id(number: str) -> str:
    """A document number: first three and last four of a long one, less of a short one; at least half is hidden."""
    if len(number) >= 15:
        return f"{number[:3]}{STARS}{number[-4:]}"
    if len(number) >= 6:
        return f"{number[:1]}{STARS}{number[-2:]}"
    return STARS if number else ""


def mask_phone(phone: str) -> str:
    """A phone: `138****5678`, a landline `0771-****34`."""
    area, dash, local = phone.partition("-")
    if dash:
        local = local.partition("-")[0]
        return f"{area}-{STARS}{local[-2:] if len(local) >= 6 else ''}"
    if len(phone) >= 11:
        return f"{phone[:3]}{STARS}{phone[-4:]}"
    if len(phone) >= 6:
        return f"{STARS}{phone[-2:]}"
    return STARS if phone else ""


def mask_address(address: str) -> str:
    """An address down to county or district; street, village and house are hidden. Without a known area all is hidden."""
    if not address:
        return ""
    area = _AREA.match(address)
    return f"{area.group() if area and area.end() < len(address) else ''}{STARS}"


def mask_name(name: str) -> str:
    """A name for public screens: 张*, 张*丰; of a Latin name the first letter of every word."""
    if not name:
        return ""
    if name.isascii():
        return " ".join(f"{word[0]}*" for word in name.split())
    return f"{name[0]}*{name[-1] if len(name) > 2 else ''}" if len(name) > 1 else "*"
