"""What billing's invoices ask for: a settlement as something to invoice, made out to its organisation."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from billing.invoice_facts import Cover, InvoiceSubject
from billing.ports import InvoiceItem
from exam.kit.errors import Refused
from exam.kit.house import actor_of
from exam.people.models import Organization
from group_orders.models import GroupOrder, OrganizationProfile
from group_orders.settlement_facts import SETTLEMENT_STATE_NAMES, SettlementState
from group_orders.settlement_models import SettlementRow


def settlement_subject(db: Session, settlement_id: UUID) -> InvoiceSubject | None:
    """An approved settlement over all that it bills, what was paid ahead included; None where there is no such settlement here.

    Refuses one that is not approved, and one that bills nothing.
    """
    row = db.get(SettlementRow, settlement_id)
    if row is None or row.site != actor_of(db).site:
        return None
    if row.state not in (SettlementState.APPROVED, SettlementState.PAID):
        shown = SETTLEMENT_STATE_NAMES[SettlementState(row.state)]
        raise Refused("group_orders.not_invoiceable", f"结算单 {row.settlement_no} {shown},不能开票", "审核通过后再开票")
    if row.due_fen <= 0:
        raise Refused("group_orders.nothing_to_invoice", f"结算单 {row.settlement_no} 没有应收金额", "无需开票")
    profile = db.get(OrganizationProfile, row.organization_id)
    name = db.get_one(Organization, row.organization_id).name
    about = db.get_one(GroupOrder, row.order_id).name
    return InvoiceSubject(
        kind="settlement", id=row.id, about=row.settlement_no, covers=(Cover(row.id, row.due_fen),),
        items=(InvoiceItem(f"健康体检费({about})", row.due_fen),), title=(profile.invoice_title if profile else "") or name,
        tax_no=profile.credit_code if profile else "",
    )  # fmt: skip
