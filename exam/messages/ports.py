"""What messages need from outside: somebody who sends an SMS, and says honestly what is known of it."""

from __future__ import annotations

from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec

from exam.kit.module import Port


class SendProblem(Exception):
    """An SMS that was not simply accepted. `reason` is a key of `facts.REASONS` or the gateway's own short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotSent(SendProblem):
    """Definitely not sent: it may be tried again."""


class Rejected(SendProblem):
    """Definitely not sent, and never will be as it is."""


class Unclear(SendProblem):
    """It may have been sent: nobody knows until there is a receipt or the gateway was asked."""


class Told(msgspec.Struct, frozen=True):
    """What a gateway answers when asked about a message: its own number for it, and what became of it so far."""

    reference: str
    state: Literal["accepted", "delivered", "failed"]
    code: str = ""


class MessageSender(Protocol):
    """An SMS gateway. Our message's id is the request's id there, so that the same message is taken once however often it comes."""

    def problem(self, house: Any) -> str:
        """Why nothing can be sent at all (a key of `facts.REASONS`); empty when the gateway is set up."""
        ...

    def send(self, house: Any, message_id: UUID, phone: str, text: str) -> str:
        """Hands an SMS over; returns the gateway's reference. Raises NotSent, Rejected or Unclear."""
        ...

    def ask(self, house: Any, message_id: UUID) -> Told | None:
        """What the gateway knows of a message; None when it never got it. Raises SendProblem when it cannot be asked."""
        ...


MESSAGE_SENDER: Port[MessageSender] = Port("who sends an SMS; raises NotSent, Rejected or Unclear")
