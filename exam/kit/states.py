"""State tables: which action leads from where to where. STATES.md is compared with them by a test."""

from __future__ import annotations

from typing import TypeVar

from exam.kit.errors import Refused

S = TypeVar("S")


class StateTable:
    """The transitions of one thing. `register` names it for STATES.md; keys are `(state, action)`."""

    registered: dict[str, StateTable] = {}  # noqa: RUF012 - the register is one for the process

    def __init__(self, name: str, moves: dict[tuple[str, str], str], titles: dict[str, str] | None = None) -> None:
        self.name = name
        self.moves = moves
        self.titles = titles or {}
        StateTable.registered[name] = self

    def may(self, state: str, action: str) -> bool:
        """Whether `action` is possible in `state`."""
        return (str(state), action) in self.moves

    def move(self, state: str, action: str, label: str = "") -> str:
        """The state after `action`. Refuses an action that the table does not list for this state."""
        after = self.moves.get((str(state), action))
        if after is None:
            shown = self.titles.get(str(state), str(state))
            raise Refused(f"{self.name}.not_possible", f"当前状态为“{shown}”,不能{label or action}", "请刷新页面查看最新状态")
        return after
