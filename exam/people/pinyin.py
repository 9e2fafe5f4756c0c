"""Pinyin of names: every spelling a desk may type, initials, and an order for lists."""

from __future__ import annotations

from itertools import product

from exam.kit.pinyin import initials, merge, syllables

MAX_SPELLINGS = 24
MAX_INITIALS = 8
# Names beyond four characters are transliterations, read one way.
_CHARACTERS_VARIED = 4

__all__ = ["COMPOUND_SURNAMES", "MAX_INITIALS", "MAX_SPELLINGS", "SURNAMES", "initials", "readings", "sort_key"]

# Surnames whose reading is not the character's usual one; the first reading is the usual one of the surname.
SURNAMES: dict[str, tuple[str, ...]] = {
    "卜": ("bu",), "不": ("fou",), "柏": ("bai", "bo"), "薄": ("bo",), "秘": ("bi",), "晁": ("chao",), "车": ("che",),
    "谌": ("chen", "shen"), "重": ("chong",), "种": ("chong",), "都": ("du",), "盖": ("ge", "gai"), "干": ("gan",),
    "葛": ("ge",), "句": ("gou",), "勾": ("gou",), "谷": ("gu",), "过": ("guo",), "妫": ("gui",), "炅": ("gui",),
    "哈": ("ha",), "黑": ("he", "hei"), "华": ("hua",), "郇": ("huan", "xun"), "纪": ("ji",), "贾": ("jia",),
    "靳": ("jin",), "角": ("jue",), "阚": ("kan",), "隗": ("wei", "kui"), "令": ("ling",), "逯": ("lu",), "陆": ("lu",),
    "缪": ("miao", "mou"), "宓": ("mi", "fu"), "莫": ("mo",), "牟": ("mu", "mou"), "那": ("na",), "能": ("nai",),
    "乜": ("nie",), "宁": ("ning",), "区": ("ou", "qu"), "逄": ("pang",), "朴": ("piao", "pu"), "繁": ("po",),
    "亓": ("qi",), "丌": ("qi", "ji"), "强": ("qiang",), "仇": ("qiu", "chou"), "曲": ("qu",), "瞿": ("qu",),
    "覃": ("qin", "tan"), "任": ("ren",), "撒": ("sa",), "单": ("shan", "dan"), "召": ("shao",), "折": ("she",),
    "佘": ("she",), "沈": ("shen",), "盛": ("sheng",), "石": ("shi",), "眭": ("sui",), "钭": ("tou",), "万": ("wan",),
    "尉": ("wei", "yu"), "冼": ("xian",), "洗": ("xian", "xi"), "解": ("xie", "jie"), "行": ("xing",), "郗": ("xi", "chi"),
    "幺": ("yao",), "么": ("yao",), "燕": ("yan",), "应": ("ying",), "於": ("yu",), "俞": ("yu",), "乐": ("yue", "le"),
    "员": ("yun", "yuan"), "贠": ("yun",), "臧": ("zang",), "曾": ("zeng", "ceng"), "查": ("zha", "cha"),
    "翟": ("zhai", "di"), "祭": ("zhai",), "占": ("zhan",), "仉": ("zhang",), "禚": ("zhuo",),
}  # fmt: skip

COMPOUND_SURNAMES: dict[str, tuple[str, ...]] = {
    "欧阳": ("ou", "yang"), "尉迟": ("yu", "chi"), "万俟": ("mo", "qi"), "单于": ("chan", "yu"), "长孙": ("zhang", "sun"),
    "令狐": ("ling", "hu"), "澹台": ("tan", "tai"), "鲜于": ("xian", "yu"), "皇甫": ("huang", "fu"), "夏侯": ("xia", "hou"),
    "司马": ("si", "ma"), "司徒": ("si", "tu"), "司空": ("si", "kong"), "上官": ("shang", "guan"), "诸葛": ("zhu", "ge"),
    "宇文": ("yu", "wen"), "慕容": ("mu", "rong"), "公孙": ("gong", "sun"), "闻人": ("wen", "ren"), "独孤": ("du", "gu"),
    "南宫": ("nan", "gong"), "呼延": ("hu", "yan"), "端木": ("duan", "mu"), "申屠": ("shen", "tu"), "轩辕": ("xuan", "yuan"),
    "钟离": ("zhong", "li"), "濮阳": ("pu", "yang"), "淳于": ("chun", "yu"), "赫连": ("he", "lian"), "东方": ("dong", "fang"),
    "太史": ("tai", "shi"), "百里": ("bai", "li"),
}  # fmt: skip


def readings(name: str) -> tuple[str, ...]:
    """Every full spelling of a name, then every run of initials, in lower case without spaces; the usual ones first.

    At most `MAX_SPELLINGS` and `MAX_INITIALS`. A search is a prefix match against any of them.
    """
    spoken = _name_syllables(name)
    if not spoken:
        return ()
    choices = [each if place < _CHARACTERS_VARIED else each[:1] for place, each in enumerate(spoken)]
    ranked = sorted(product(*(range(len(each)) for each in choices)), key=lambda picks: (sum(picks), picks))
    spellings: dict[str, None] = {}
    starts: dict[str, None] = {}
    for picks in ranked:
        parts = [each[pick] for each, pick in zip(choices, picks, strict=True)]
        spellings.setdefault("".join(parts))
        starts.setdefault("".join(part[0] for part in parts))
    return tuple(dict.fromkeys([*list(spellings)[:MAX_SPELLINGS], *list(starts)[:MAX_INITIALS]]))


def sort_key(name: str) -> str:
    """An order for lists of names: by syllables of the usual reading, equal ones by their characters."""
    return " ".join(each[0] for each in _name_syllables(name)) + "\t" + name


def _name_syllables(name: str) -> list[tuple[str, ...]]:
    """The readings of every character of a name, the surname's own reading first."""
    spoken = [each for _, each in syllables(name)]
    compound = COMPOUND_SURNAMES.get(name[:2])
    if compound and len(name) > 2:
        # As a compound it is read one way; the first character alone may still be somebody's surname, as in 单 于.
        known: list[tuple[str, ...]] = [(part,) for part in compound]
        return [merge(first, rest) for first, rest in zip(known, spoken, strict=False)] + spoken[2:]
    surname = SURNAMES.get(name[:1])
    if surname and spoken:
        spoken[0] = merge(surname, spoken[0])
    return spoken
