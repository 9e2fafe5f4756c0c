"""The columns of a roster: their names, the headers that mean them, and the words their cells may hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from exam.people.facts import ID_KIND_NAMES, IdKind
from group_orders.roster_sheet import header_key


class RosterField(msgspec.Struct, frozen=True):
    """One field of a roster: its label, how long its text may be, how wide the template shows it, other headers for it."""

    name: str
    label: str
    longest: int
    width: int
    synonyms: tuple[str, ...]
    note: str = ""


FIELDS: tuple[RosterField, ...] = (
    RosterField(
        "name", "姓名", 50, 12,
        ("名字", "员工姓名", "体检人", "体检人姓名", "受检者", "受检人", "受检人姓名", "人员姓名", "name"),
    ),
    RosterField("id_kind", "证件类型", 20, 16, ("证件种类", "证件名称", "证件类别"), "不填按居民身份证识别"),
    RosterField(
        "id_no", "证件号码", 30, 24,
        ("身份证", "身份证号", "身份证号码", "居民身份证号", "居民身份证号码", "公民身份号码", "证件号", "证件编号",
         "身份证件号码", "idno", "idcard"),
        "文本格式,18 位完整填写",
    ),
    RosterField("sex", "性别", 4, 8, ("男女", "sex", "gender"), "证件号码能得出时可不填"),
    RosterField("birth_on", "出生日期", 20, 14, ("出生年月日", "生日", "出生日", "出生", "birthday", "birthdate"), "例如 1985-03-15"),
    RosterField(
        "phone", "手机号码", 30, 16,
        ("手机", "手机号", "电话", "联系电话", "移动电话", "电话号码", "联系方式", "联系手机", "本人手机", "phone", "mobile"), "文本格式",
    ),
    RosterField("marital", "婚姻状况", 10, 10, ("婚姻", "婚否", "婚姻情况", "婚育", "是否已婚", "婚育状况")),
    RosterField(
        "department", "部门", 100, 18,
        ("所在部门", "科室", "部门名称", "单位部门", "车间", "班组", "所属部门", "二级单位", "分公司", "department"),
    ),
    RosterField("employee_no", "工号", 40, 12, ("员工编号", "员工号", "职工号", "职工编号", "人员编号", "employeeno", "staffno")),
    RosterField("job", "岗位", 100, 16, ("工种", "岗位名称", "岗位工种", "工作岗位", "岗位/工种", "job")),
    RosterField("post", "职务", 100, 14, ("职位", "职级", "职称", "行政职务", "title")),
    RosterField(
        "cohort", "分组", 100, 20,
        ("体检分组", "套餐", "体检套餐", "套餐名称", "分组名称", "组别", "体检类别", "所属分组", "分组套餐", "package"), "不填按条件自动分组",
    ),
    RosterField("relation", "与员工关系", 20, 14, ("关系", "家属关系", "与职工关系", "与本人关系", "亲属关系"), "员工本人不填"),
    RosterField("of_employee_no", "员工工号", 40, 14, ("所属员工工号", "家属员工工号", "关联工号", "职工工号", "所属员工"), "家属填写"),
    RosterField("remark", "备注", 200, 24, ("说明", "附注", "remark", "note")),
)  # fmt: skip

BY_NAME: Mapping[str, RosterField] = {each.name: each for each in FIELDS}
LABELS: Mapping[str, str] = {each.name: each.label for each in FIELDS}

FIELD_OF_HEADER: Mapping[str, str] = {
    header_key(text): each.name for each in reversed(FIELDS) for text in (*reversed(each.synonyms), each.label)
}
KNOWN_HEADERS = frozenset(FIELD_OF_HEADER)

SEX_WORDS = {"男": "M", "男性": "M", "m": "M", "male": "M", "女": "F", "女性": "F", "f": "F", "female": "F"}
ID_KIND_WORDS = {
    **{name: kind for kind, name in ID_KIND_NAMES.items()},
    "身份证": IdKind.RESIDENT, "二代身份证": IdKind.RESIDENT, "第二代居民身份证": IdKind.RESIDENT, "中国居民身份证": IdKind.RESIDENT,
    "居住证": IdKind.HK_MACAO_TAIWAN_RESIDENCE, "港澳台居住证": IdKind.HK_MACAO_TAIWAN_RESIDENCE,
    "外国人永居证": IdKind.FOREIGN_PERMANENT, "外国人永久居留证": IdKind.FOREIGN_PERMANENT,
    "港澳通行证": IdKind.HK_MACAO_PERMIT, "回乡证": IdKind.HK_MACAO_PERMIT, "港澳居民通行证": IdKind.HK_MACAO_PERMIT,
    "台胞证": IdKind.TAIWAN_PERMIT, "台湾通行证": IdKind.TAIWAN_PERMIT, "台湾居民通行证": IdKind.TAIWAN_PERMIT,
    "无": IdKind.NONE,
}  # fmt: skip
MARITAL_WORDS = {
    "已婚": "已婚", "是": "已婚", "已婚已育": "已婚", "已婚未育": "已婚", "未婚": "未婚", "否": "未婚", "离异": "离异", "离婚": "离异",
    "丧偶": "丧偶", "其他": "其他", "未说明": "",
}  # fmt: skip
MARITAL_STATES = ("未婚", "已婚", "离异", "丧偶", "其他")
OWN_RELATIONS = frozenset({"", "本人", "员工", "职工", "员工本人", "职工本人", "自己"})


def guess(header: Sequence[str], remembered: Mapping[str, str]) -> dict[str, int]:
    """Which column (from 0) holds which field, by what the company's last rosters meant by a header, else by its words."""
    found: dict[str, int] = {}
    for place, text in enumerate(header):
        key = header_key(text)
        field = remembered[key] if key in remembered else FIELD_OF_HEADER.get(key, "")
        if field in BY_NAME and field not in found:
            found[field] = place
    return found


def lesson(header: Sequence[str], mapping: Mapping[str, int]) -> dict[str, str]:
    """What a mapping teaches for the next time: the field of every header, empty for a column that was left out."""
    meant = {place: name for name, place in mapping.items()}
    return {key: meant.get(place, "") for place, text in enumerate(header) if (key := header_key(text))}
