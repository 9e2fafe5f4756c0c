"""What the interfaces bring: the SMS gateway and its receipts, and which events people are written to about."""

from __future__ import annotations

from exam.kit.module import Module
from exam.messages.ports import MESSAGE_SENDER
from exam.visits.facts import MilestoneReached
from interfaces import occasions, receipts
from interfaces.sms_gateway import GATEWAY
from registration.facts import VisitMoved
from reporting.facts import ReportIssued, ReportRecalled

module = Module(
    name="interfaces",
    title="接口",
    needs=("exam", "registration", "reporting"),
    routes=receipts.routes,
    listeners=(
        (MilestoneReached, occasions.on_milestone),
        (VisitMoved, occasions.on_visit_moved),
        (ReportIssued, occasions.on_report_issued),
        (ReportRecalled, occasions.on_report_recalled),
    ),
    provides=((MESSAGE_SENDER, GATEWAY),),
)
