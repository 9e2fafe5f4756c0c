"""What billing brings: charges that follow the order, the payment fact, and its invariants."""

from __future__ import annotations

from billing import gateway_pages, gateway_reconciler, gateway_statement, gateway_verify, service, verify
from exam.kit.module import Job, MenuEntry, Module
from exam.visits.facts import OrderChanged

_CASHIER = (
    "billing.read", "billing.take_payment", "billing.refund", "billing.discount", "billing.sell_cards", "billing.invoice",
    "billing.close_day", "billing.reports",
)  # fmt: skip

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
        "finance": (
            "财务",
            (
                "billing.read",
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
    listeners=((OrderChanged, service.on_order_changed),),
    routes=gateway_pages.routes,
    menu=(MenuEntry("扫码对账", "/payments/orders", "billing.reconcile", "qrcode", 45),),
    jobs=(
        Job("gateways", 1.0, gateway_reconciler.work_in_background),
        Job("gateway_statements", 1800, gateway_statement.fetch_in_background),
    ),
    invariants=(*verify.INVARIANTS, *gateway_verify.INVARIANTS),
)
