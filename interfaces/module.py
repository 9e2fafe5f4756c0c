"""What the interfaces bring: SMS and its receipts, payment gateways and their callbacks, and which events people are written to about."""

from __future__ import annotations

from billing.ports import INVOICE_ISSUERS, PAYMENT_GATEWAYS
from exam.kit.module import Module
from exam.messages.ports import MESSAGE_SENDER
from exam.visits.facts import MilestoneReached
from interfaces import occasions, payment_callbacks, receipts
from interfaces.e_invoices import ISSUERS
from interfaces.payment_gateways import GATEWAYS
from interfaces.sms_gateway import GATEWAY
from registration.facts import VisitMoved
from reporting.facts import ReportIssued, ReportRecalled

module = Module(
    name="interfaces",
    title="接口",
    needs=("exam", "billing", "registration", "reporting"),
    routes=(*receipts.routes, *payment_callbacks.routes),
    listeners=(
        (MilestoneReached, occasions.on_milestone),
        (VisitMoved, occasions.on_visit_moved),
        (ReportIssued, occasions.on_report_issued),
        (ReportRecalled, occasions.on_report_recalled),
    ),
    provides=((MESSAGE_SENDER, GATEWAY), (PAYMENT_GATEWAYS, GATEWAYS), (INVOICE_ISSUERS, ISSUERS)),
)
