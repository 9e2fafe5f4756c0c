"""A report to draw: one examinee with a full day of results, and the strings that have broken reports before."""

from __future__ import annotations

from datetime import UTC, date, datetime

from reporting.document import (
    Conclusion,
    DepartmentResult,
    Header,
    NotDoneLine,
    Person,
    Reading,
    ReportInput,
    Signature,
)

DRAWN_AT = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
CONFIRMED_AT = datetime(2026, 11, 21, 1, 12, tzinfo=UTC)

HOSTILE = (
    "WBC < 3.5 & PLT > 100 <b>",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "&lt;b&gt;",
    "%(name)s {0} $x",
    "张😀三",
    "吉野𠮷家",
    "王𬭼与䶮",
    "×10⁹/L",
    "(1) [2] \\n 反斜线\\",
)

HEADER = Header(
    centre_name="海河市第一人民医院健康管理中心",
    title="健康体检报告",
    visit_no="0101261121000123",
    person=Person("梅志远", "男", "46 岁", "1201**********3517", "海河精密机械制造有限公司"),
    package="40+男性综合套餐",
    exam_on=date(2026, 11, 21),
    version_no=1,
)


def a_report(**changes: object) -> ReportInput:
    """A report with a bit of everything; `changes` replace whole fields."""
    facts: dict[str, object] = {
        "header": HEADER,
        "departments": (
            DepartmentResult(
                "一般检查",
                (
                    Reading("身高", "172.0", "cm"),
                    Reading("收缩压", "152", "mmHg", "90–139", "↑", True, "138"),
                ),
                "血压升高。",
                "李秀英",
                CONFIRMED_AT,
            ),
            DepartmentResult(
                "检验科",
                (
                    Reading("白细胞计数", "6.42", "10*9/L", "3.5–9.5"),
                    Reading("血钾", "6.8", "mmol/L", "3.5–5.3", "↑↑", True),
                ),
                doctor="赵化验",
                confirmed_at=CONFIRMED_AT,
                group_name="血常规与电解质",
                is_laboratory=True,
            ),
            DepartmentResult(
                "检验科",
                (Reading("乙肝表面抗原", "阳性(+)", "", "阴性(-)", "*", True),),
                group_name="乙肝五项",
                is_laboratory=True,
                is_private=True,
            ),
        ),
        "conclusions": (
            Conclusion("血压升高(152/94 mmHg)", 3, "心内科就诊。", "限盐。", ("收缩压 152 mmHg",)),
            Conclusion("高钾血症", 5, "立即就诊。", because=("血钾 6.8 mmol/L",), recheck_text="立即"),
            Conclusion("乙肝表面抗原阳性", 3, "感染科就诊。", is_private=True),
        ),
        "signatures": (
            Signature("主检医师", "何慧敏", "副主任医师", DRAWN_AT),
            Signature("终审医师", "沈国栋", "主任医师", DRAWN_AT),
        ),
        "not_done": (
            NotDoneLine("胸部低剂量CT", "放射科", "postponed", "设备检修", date(2026, 11, 28)),
            NotDoneLine("梅毒2项", "检验科", "refused", is_private=True),
        ),
        "notices": ("您本次检查发现 A 类重要异常结果。",),
        "closing": "祝您健康！",
    }
    return ReportInput(**{**facts, **changes})  # type: ignore[arg-type]
