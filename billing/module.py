"""What billing brings: charges that follow the order, the payment fact, and its invariants."""

from __future__ import annotations

from billing import service, verify
from exam.kit.module import Module
from exam.visits.facts import OrderChanged

module = Module(
    name="billing",
    title="费用",
    needs=("exam",),
    permissions={
        "billing.pay_at_window": "登记窗口收款",
        "billing.refund_at_window": "登记窗口退费",
        "billing.undo_payment": "撤销收款与退费登记",
    },
    roles={
        "reception": ("前台", ("billing.pay_at_window", "billing.refund_at_window")),
        "desk_chief": ("前台主管", ("billing.pay_at_window", "billing.refund_at_window", "billing.undo_payment")),
    },
    listeners=((OrderChanged, service.on_order_changed),),
    invariants=verify.INVARIANTS,
)
