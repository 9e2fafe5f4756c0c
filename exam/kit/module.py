"""Modules and slots: what a room brings, what it lets others fill, and the loader that core rooms and plug-ins share."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

F = TypeVar("F")


class Slot(Generic[F]):
    """An opening that a lower room declares in its `facts.py` and upper rooms fill with a function of type `F`."""

    def __init__(self, text: str) -> None:
        self.text = text


class Port(Generic[F]):
    """A thing that a room needs from outside; exactly one module provides it."""

    def __init__(self, text: str) -> None:
        self.text = text


@dataclass(frozen=True)
class MenuEntry:
    """One line of the menu; shown only to an actor who has `may`.

    `home` is its place among the pages that somebody lands on after signing in, where that is not its place in the menu: who
    may use several begins with the one that is the most their own.
    """

    title: str
    url: str
    may: str
    icon: str = "point"
    order: int = 50
    home: int | None = None


@dataclass(frozen=True)
class Job:
    """Timed work: `run(house)` is called every `every` seconds by one worker at a time, sooner when `early(house)` says so."""

    name: str
    every: float
    run: Callable[[Any], None]
    early: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Invariant:
    """A sentence that must hold of the whole database; `check(db)` yields one text for each breach."""

    name: str
    check: Callable[[Any], Iterable[str]]


@dataclass(frozen=True)
class Command:
    """One sub-command of `exam`: `add_arguments(parser)` and `run(settings, arguments) -> exit status`."""

    name: str
    text: str
    run: Callable[[Any, Any], int]
    add_arguments: Callable[[Any], None] = lambda parser: None


@dataclass(frozen=True)
class Module:
    """Everything a room brings to the house."""

    name: str
    title: str
    needs: tuple[str, ...] = ()
    routes: tuple[Any, ...] = ()
    permissions: dict[str, str] = field(default_factory=dict)
    roles: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    listeners: tuple[tuple[type, Callable[..., None]], ...] = ()
    deliveries: tuple[tuple[type, str, Callable[..., None]], ...] = ()
    fills: tuple[tuple[Slot[Any], Callable[..., Any]], ...] = ()
    provides: tuple[tuple[Port[Any], Any], ...] = ()
    menu: tuple[MenuEntry, ...] = ()
    commands: tuple[Command, ...] = ()
    invariants: tuple[Invariant, ...] = ()
    jobs: tuple[Job, ...] = ()
    set_up: Callable[..., object] | None = None
    warm: Callable[[Any], None] | None = None
    demo: Callable[..., None] | None = None


class Modules:
    """The loaded modules, in order, and look-ups over them."""

    def __init__(self, modules: list[Module]) -> None:
        self.all = modules
        self.by_name = {module.name: module for module in modules}
        self._listeners: dict[type, list[Callable[..., None]]] = {}
        self._deliveries: dict[type, list[tuple[str, Callable[..., None]]]] = {}
        self._slots: dict[int, list[Any]] = {}
        self._ports: dict[int, Any] = {}
        for module in modules:
            for event, listener in module.listeners:
                self._listeners.setdefault(event, []).append(listener)
            for event, name, deliver in module.deliveries:
                self._deliveries.setdefault(event, []).append((name, deliver))
            for slot, filling in module.fills:
                self._slots.setdefault(id(slot), []).append(filling)
            for port, provided in module.provides:
                if id(port) in self._ports:
                    raise RuntimeError(f"port provided twice, second by module {module.name!r}: {port.text}")
                self._ports[id(port)] = provided

    def listeners(self, event: type) -> list[Callable[..., None]]:
        """Who listens to this type of event, in module order."""
        return self._listeners.get(event, [])

    def deliveries(self, event: type) -> list[tuple[str, Callable[..., None]]]:
        """What is to be delivered after an event of this type was committed."""
        return self._deliveries.get(event, [])

    def delivery(self, name: str) -> Callable[..., None] | None:
        """The delivery of that name, if a loaded module still has it."""
        return next((run for each in self._deliveries.values() for key, run in each if key == name), None)

    def fillings(self, slot: Slot[F]) -> list[F]:
        """What the loaded modules put into a slot, in module order."""
        found: list[F] = self._slots.get(id(slot), [])
        return found

    def provided(self, port: Port[F]) -> F:
        """The one thing provided for a port."""
        if id(port) not in self._ports:
            raise RuntimeError(f"no loaded module provides: {port.text}")
        found: F = self._ports[id(port)]
        return found

    @property
    def permissions(self) -> dict[str, str]:
        """Every permission of the loaded modules with its meaning."""
        return {name: text for module in self.all for name, text in module.permissions.items()}

    @property
    def menu(self) -> list[MenuEntry]:
        """Every menu entry, in order."""
        return sorted((entry for module in self.all for entry in module.menu), key=lambda entry: entry.order)

    @property
    def homes(self) -> list[MenuEntry]:
        """The menu's entries in the order in which they are taken for somebody's first page."""
        return sorted(self.menu, key=lambda entry: entry.order if entry.home is None else entry.home)


def load(names: Iterable[str]) -> Modules:
    """Imports `<name>.module` for each name, core rooms and plug-ins by the same door, and checks what each needs."""
    modules: list[Module] = []
    seen: set[str] = set()
    for name in names:
        module: Module = importlib.import_module(f"{name}.module").module
        missing = [need for need in module.needs if need not in seen]
        if missing:
            raise RuntimeError(f"module {module.name!r} needs {missing} listed before it")
        modules.append(module)
        seen.add(module.name)
    return Modules(modules)
