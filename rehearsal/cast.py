"""The invented people of a rehearsal: names, sound ID numbers and phones from one seed, so that a day can be played again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import msgspec

from exam.kit.random import SeededRandom
from exam.people.rules import check_character
from rehearsal.bodies import Health, health_of

SURNAMES = "韦黄李陈梁农莫覃陆王张刘蒙周吴杨罗谭何林"
MALE = ("建国", "志强", "文斌", "国栋", "海", "家豪", "明", "永福", "子轩", "秋生", "德胜", "𬭼")
FEMALE = ("晓燕", "丽华", "美玲", "秋月", "静怡", "桂香", "小妹", "春兰", "雨欣", "金凤", "慧敏", "䶮")
REGIONS = ("450110", "450103", "450102", "450122", "450107", "451002", "450205")
ORGANIZATIONS = (
    ("91450100198204001X", "南宁糖业股份公司"),
    ("12450122499001234A", "武鸣区第一中学"),
    ("91450122MA5K1234X7", "宁武机械厂"),
)


class Invented(msgspec.Struct, frozen=True):
    """One invented person and what they come for. The body belongs to the ID number: who comes again is the same person."""

    name: str
    id_no: str
    sex: str
    birth_on: date
    phone: str
    package: str
    extra: tuple[str, ...]
    refuses: bool
    health: Health


class Dice:
    """Choices from one seed."""

    def __init__(self, seed: str) -> None:
        self._random = SeededRandom(seed)

    def number(self, below: int) -> int:
        """A whole number from 0 up to, not including, `below`."""
        return int.from_bytes(self._random.token_bytes(6), "big") % below

    def pick(self, choices: tuple[str, ...] | str | list[str]) -> str:
        """One of the choices."""
        return choices[self.number(len(choices))]

    def chance(self, percent: int) -> bool:
        """Whether something with this chance happens."""
        return self.number(100) < percent

    def bell(self) -> float:
        """A number around 0, nearly normal, between -3 and 3 (the sum of twelve dice)."""
        return sum(self.number(1000) for _ in range(12)) / 1000 - 6


def invent(seed: str, today: date, visits: int) -> Iterator[Invented]:
    """People for a day of so many visits; the same seed gives the same people."""
    dice = Dice(seed)
    for number in range(visits):
        sex = "M" if dice.chance(48) else "F"
        age = 20 + dice.number(58)
        birth_on = date(today.year - age, 1, 1) + timedelta(days=dice.number(364))
        if birth_on > today.replace(year=today.year - age, day=1):
            age -= 1
        body = f"{dice.pick(REGIONS)}{birth_on:%Y%m%d}{dice.number(500) * 2 % 996 + (sex == 'M'):03d}"
        package = "P02"
        if 40 <= age <= 90 and dice.chance(55):
            package = "P06" if dice.chance(25) else "P03" if sex == "M" else "P04"
        elif age < 60 and dice.chance(25):
            package = "P01"
        id_no = body + check_character(body)
        yield Invented(
            name=dice.pick(SURNAMES) + dice.pick(MALE if sex == "M" else FEMALE),
            id_no=id_no,
            sex=sex,
            birth_on=birth_on,
            phone=f"13{dice.number(10)}{dice.number(10**8):08d}",
            package=package,
            extra=("G061",) if dice.chance(20) else (),
            refuses=number % 9 == 4,
            health=health_of(id_no, sex, birth_on),
        )
