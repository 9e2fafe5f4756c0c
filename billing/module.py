"""What billing brings: charges that follow the order, the payment fact, and its invariants."""

from __future__ import annotations

from sqlalchemy.orm import Session

from billing import (
    card_money,
    card_pages,
    card_stock_pages,
    card_verify,
    cards,
    cashier,
    cashier_pages,
    close_verify,
    day_close_pages,
    discount_pages,
    discounting,
    gateway_cashier_pages,
    gateway_pages,
    gateway_reconciler,
    gateway_statement,
    gateway_verify,
    invoice_pages,
    invoice_reconciler,
    invoices,
    opening,
    receipt_verify,
    service,
    takings_pages,
    transfer_verify,
    verify,
    verify_money,
)
from billing.gateway_facts import GatewayPaid, GatewayRefunded
from billing.receipt_facts import ReceiptGivenBack, ReceiptTaken
from billing.transfer_facts import SettlementVoided
from exam.kit.module import Job, MenuEntry, Module
from exam.visits.facts import OrderChanged

_CASHIER = (
    "billing.read", "billing.take_payment", "billing.refund", "billing.discount", "billing.sell_cards", "billing.invoice",
    "billing.close_day", "billing.reports",
)  # fmt: skip


def _set_up(db: Session) -> None:
    opening.open_ledger(db)
    discounting.load_starter(db)


module = Module(
    name="billing",
    title="费用",
    needs=("exam",),
    permissions={
        "billing.pay_at_window": "登记窗口收款",
        "billing.refund_at_window": "登记窗口退费",
        "billing.undo_payment": "撤销收款与退费登记",
        "billing.read": "查看收费与账单",
        "billing.take_payment": "收款与开具收据",
        "billing.refund": "退费与作废收据",
        "billing.discount": "在本人权限内打折",
        "billing.approve": "审批超权限的打折与退费",
        "billing.sell_cards": "售卡、充值与补卡",
        "billing.keep_cards": "体检卡类型、制卡与冻结",
        "billing.invoice": "开具、重打与作废发票",
        "billing.close_day": "本人日结",
        "billing.close_centre": "全院日结与差异确认",
        "billing.settle": "单位预缴、结算与转账认领",
        "billing.approve_settlement": "审核单位结算",
        "billing.reports": "收费日报与已结未结名单",
        "billing.reconcile": "扫码支付对账",
        "billing.keep_discounts": "维护预约打折方案与打折权限",
    },
    roles={
        "reception": ("前台", ("billing.pay_at_window", "billing.refund_at_window")),
        "desk_chief": (
            "前台主管",
            ("billing.pay_at_window", "billing.refund_at_window", "billing.undo_payment", "billing.reconcile"),
        ),
        "cashier": ("收费员", _CASHIER),
        "cashier_chief": (
            "收费主管",
            (*_CASHIER, "billing.approve", "billing.keep_cards", "billing.close_centre", "billing.reconcile"),
        ),
        "director": (
            "中心主任",
            ("billing.read", "billing.discount", "billing.approve", "billing.keep_discounts", "billing.reports"),
        ),
        "finance": (
            "财务",
            (
                "billing.read",
                "billing.keep_discounts",
                "billing.settle",
                "billing.approve_settlement",
                "billing.close_centre",
                "billing.reports",
                "billing.reconcile",
            ),
        ),
        "group_keeper": ("团检专员", ("billing.read", "billing.settle")),
        "group_chief": ("团检主管", ("billing.read", "billing.settle", "billing.approve_settlement")),
    },
    set_up=_set_up,
    listeners=(
        (OrderChanged, service.on_order_changed),
        (GatewayPaid, cashier.on_gateway_paid),
        (GatewayPaid, card_money.on_gateway_paid),
        (GatewayRefunded, cashier.on_gateway_refunded),
        (ReceiptTaken, cards.on_receipt_taken),
        (ReceiptGivenBack, cards.on_receipt_given_back),
        (ReceiptGivenBack, invoices.on_receipt_given_back),
        (SettlementVoided, invoices.on_settlement_voided),
    ),
    routes=(
        *cashier_pages.routes,
        *discount_pages.routes,
        *gateway_pages.routes,
        *gateway_cashier_pages.routes,
        *card_pages.routes,
        *card_stock_pages.routes,
        *invoice_pages.routes,
        *day_close_pages.routes,
        *takings_pages.routes,
    ),
    menu=(
        MenuEntry("收费", "/cashier", "billing.read", "cash", 43),
        MenuEntry("体检卡", "/cards", "billing.read", "credit-card", 44),
        MenuEntry("发票", "/invoices", "billing.invoice", "file-invoice", 44),
        MenuEntry("日结", "/day-close", "billing.close_day", "lock", 44),
        MenuEntry("全院日结", "/day-close/centre", "billing.close_centre", "building-hospital", 46),
        MenuEntry("收费报表", "/takings", "billing.reports", "report-money", 47),
        MenuEntry("扫码对账", "/payments/orders", "billing.reconcile", "qrcode", 45),
    ),
    jobs=(
        Job("invoices", 2.0, invoice_reconciler.work_in_background),
        Job("gateways", 1.0, gateway_reconciler.work_in_background),
        Job("cards", 3600, card_money.expire_in_background),
        Job("gateway_statements", 1800, gateway_statement.fetch_in_background),
    ),
    invariants=(
        *verify.INVARIANTS,
        *verify_money.INVARIANTS,
        *gateway_verify.INVARIANTS,
        *transfer_verify.INVARIANTS,
        *card_verify.INVARIANTS,
        *receipt_verify.INVARIANTS,
        *close_verify.INVARIANTS,
    ),
)
