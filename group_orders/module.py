"""What group orders bring: the rooms' pages, rights, the terms that billing asks for, and their invariants."""

from __future__ import annotations

from billing.facts import VISIT_TERMS
from billing.gateway_facts import GatewayPaid
from billing.invoice_facts import SETTLEMENT_INVOICED
from billing.receipt_facts import ReceiptGivenBack
from exam.kit.module import Job, MenuEntry, Module
from group_orders import (
    api,
    company_prints,
    invoicing,
    member_pages,
    members,
    order_pages,
    pages,
    prepaying,
    roster_accepting,
    roster_pages,
    roster_staging,
    settlement_pages,
    settlement_verify,
    settling,
    tasks,
    transfer_pages,
    verify,
)

_KEEPER = ("group_orders.read", "group_orders.manage", "group_orders.import", "group_orders.book", "group_orders.export")

module = Module(
    name="group_orders",
    title="团检",
    needs=("exam", "billing", "registration"),
    routes=(
        *pages.routes,
        *order_pages.routes,
        *member_pages.routes,
        *roster_pages.routes,
        *settlement_pages.routes,
        *transfer_pages.routes,
        *api.routes,
    ),
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
    fills=((VISIT_TERMS, members.terms_of_visit), (SETTLEMENT_INVOICED, invoicing.settlement_subject)),
    listeners=((ReceiptGivenBack, settling.on_receipt_given_back), (GatewayPaid, prepaying.on_gateway_paid)),
    invariants=(*verify.INVARIANTS, *settlement_verify.INVARIANTS),
    menu=(
        MenuEntry("团检", "/group-orders", "group_orders.read", "building", 16, home=67),
        MenuEntry("单位结算", "/settlements", "billing.settle", "file-invoice", 44, home=68),
    ),
    jobs=(
        Job("work_tasks", 1.0, tasks.work_waiting),
        Job("print_companies", 1.0, company_prints.print_in_background),
        Job("forget_prints", 3600, company_prints.forget_files),
        Job("accept_rosters", 1.0, roster_accepting.accept_waiting),
        Job("discard_old_rosters", 86_400, roster_staging.discard_old),
    ),
)
