"""A worker that is killed between a gateway's answer and our commit: `python -m tests.billing.dying_worker`, set up by its environment."""

from __future__ import annotations

import os
from typing import Any

import msgspec

from billing import gateway_reconciler
from billing.ports import PAYMENT_GATEWAYS
from exam import commands, settings
from exam.kit.house import House


class Killing:
    """A real gateway; once it has answered, the next commit is this process's last moment."""

    def __init__(self, house: House, real: Any) -> None:
        self.house, self.real = house, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def charge(self, house: House, wanted: Any, auth_code: str) -> Any:
        told = self.real.charge(house, wanted, auth_code)
        self.house.settings = msgspec.structs.replace(self.house.settings, crash_at="before_commit")
        return told


def main() -> None:
    """One round of the worker."""
    house = commands.open_house(settings.read(dict(os.environ)))
    real = house.modules.provided(PAYMENT_GATEWAYS)
    house.modules._ports[id(PAYMENT_GATEWAYS)] = {method: Killing(house, each) for method, each in real.items()}
    gateway_reconciler.work_due(house, at_once=1)


if __name__ == "__main__":
    main()
