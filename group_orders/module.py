"""What group orders bring: the rooms' pages, rights, the terms that billing asks for, and their invariants."""

from __future__ import annotations

from billing.facts import VISIT_TERMS
from exam.kit.module import Module
from group_orders import members, verify

_KEEPER = ("group_orders.read", "group_orders.manage", "group_orders.import", "group_orders.book", "group_orders.export")

module = Module(
    name="group_orders",
    title="团检",
    needs=("exam", "billing", "registration"),
    permissions={
        "group_orders.read": "查看团检单位、合同与名单",
        "group_orders.manage": "维护单位、合同、批次与分组",
        "group_orders.approve": "审批批次",
        "group_orders.import": "导入与调整名单",
        "group_orders.book": "批量预约与打印",
        "group_orders.export": "导出名单",
    },
    roles={
        "group_keeper": ("团检专员", _KEEPER),
        "group_chief": ("团检主管", (*_KEEPER, "group_orders.approve")),
        "reception": ("前台", ("group_orders.read",)),
        "desk_chief": ("前台主管", ("group_orders.read", "group_orders.book")),
    },
    fills=((VISIT_TERMS, members.terms_of_visit),),
    invariants=verify.INVARIANTS,
)
