"""What the rehearsal brings: the demonstration's data and the day played over HTTP."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from exam.kit.module import Command, Module
from exam.settings import Settings


def _demo(settings: Settings, arguments: Namespace) -> int:
    from rehearsal import commands  # the day is played by a client of its own; the server starts without it

    return commands.demo(settings, arguments)


def _rehearse(settings: Settings, arguments: Namespace) -> int:
    from rehearsal import commands, company

    if arguments.company:
        return company.rehearse(settings, arguments)
    return commands.rehearse(settings, arguments)


def _rehearse_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--company", type=int, default=0, help="a company of so many instead: from the roster to its settlement and the closed day")
    parser.add_argument("--visits", type=int, default=20, help="how many people come (default 20)")
    parser.add_argument("--workers", type=int, default=4, help="how many of them are served at once (default 4)")
    parser.add_argument("--url", default="", help="a demonstration server that is up already, on this machine")
    parser.add_argument("--seed", default="", help="the same seed plays the same day")


def _sms(settings: Settings, arguments: Namespace) -> int:
    from rehearsal import sms_gateway

    return sms_gateway.run(settings, arguments)


def _sms_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=9010, help="where the gateway listens on this machine (default 9010)")
    parser.add_argument("--key", default="", help="the file of the shared key (default EXAM_SMS_KEY)")
    parser.add_argument(
        "--receipts-url", default="http://127.0.0.1:8000/api/messages/receipts", help="where receipts are posted; empty for none"
    )


def _payments(settings: Settings, arguments: Namespace) -> int:
    from rehearsal import payment_gateways

    return payment_gateways.run(settings, arguments)


def _payments_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=9011, help="where both gateways listen on this machine (default 9011)")
    parser.add_argument("--keys", default="", help="the folder of the merchant's papers, made if missing (default EXAM_PAYMENTS)")
    parser.add_argument("--callback", default="http://127.0.0.1:8000", help="the server that is told of payments")


def _invoices(settings: Settings, arguments: Namespace) -> int:
    from rehearsal import e_invoice_peer

    return e_invoice_peer.run(settings, arguments)


def _invoices_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=9012, help="where the platform listens on this machine (default 9012)")
    parser.add_argument("--papers", default="", help="the folder of its files, made if missing (default EXAM_INVOICES)")


module = Module(
    name="rehearsal",
    title="演练",
    needs=("exam", "billing", "registration", "group_orders", "results", "critical_values", "chief_review", "reporting", "interfaces"),
    commands=(
        Command("demo", "set up a demonstration: staff, and a day's visits in every state", _demo),
        Command("rehearse", "play a day over HTTP and check every invariant afterwards", _rehearse, _rehearse_arguments),
        Command("rehearse-sms", "an SMS gateway on this machine, for trying messages out", _sms, _sms_arguments),
        Command("rehearse-payments", "WeChat Pay and Alipay on this machine, for trying payments out", _payments, _payments_arguments),
        Command("rehearse-invoices", "a platform of electronic invoices on this machine", _invoices, _invoices_arguments),
    ),
)
