"""Writes the documents that tests compare with the code: STATES.md, docs/slots.md and the golden route table."""

from __future__ import annotations

import sys
from pathlib import Path

from exam.kit.jobs import import_models
from exam.kit.module import Modules, Port, Slot, load
from exam.kit.states import StateTable
from exam.settings import CORE, MODEL_PACKAGES

ROOT = Path(__file__).parent.parent


def states_text() -> str:
    """STATES.md: every registered state table."""
    lines = [
        "# States",
        "",
        "Who moves what from where to where. Written by `tools/write_documents.py`; a test compares it with the code.",
    ]
    for name, table in sorted(StateTable.registered.items()):
        lines += ["", f"## {name}", "", "| from | action | to |", "|---|---|---|"]
        lines += [f"| {before} | {action} | {after} |" for (before, action), after in table.moves.items()]
    return "\n".join(lines) + "\n"


def slots_text() -> str:
    """docs/slots.md: every slot and port that a room declares in its facts."""
    lines = [
        "# Slots and ports",
        "",
        "What a lower room lets upper rooms and plug-ins fill. Written by `tools/write_documents.py`.",
    ]
    found = []
    for module_name, module in sorted(sys.modules.items()):
        if module_name.startswith(("tests", "exam.kit.module")):
            continue
        for name, value in sorted(vars(module).items()):
            if isinstance(value, (Slot, Port)) and module_name.rpartition(".")[2] in ("facts", "ports", "auth"):
                found.append(f"- `{module_name}.{name}` ({type(value).__name__.lower()}): {value.text}")
    return "\n".join([*lines, "", *sorted(set(found))]) + "\n"


def routes_text(modules: Modules) -> str:
    """The golden route table: method, path, permission and the roles that hold it."""
    holders: dict[str, set[str]] = {}
    for module in modules.all:
        for role, (_, permissions) in module.roles.items():
            for permission in permissions:
                holders.setdefault(permission, set()).add(role)
    rows = set()
    for module in modules.all:
        for handler in module.routes:
            for path in sorted(handler.paths):
                for method in sorted(handler.http_methods):
                    if method != "OPTIONS":
                        may = handler.opt.get("may", "")
                        rows.add((path, method, may, " ".join(sorted(holders.get(may, ())))))
    return "\n".join(f"{method:5} {path:66} {may:28} {roles}".rstrip() for path, method, may, roles in sorted(rows)) + "\n"


DOCUMENTS = {
    ROOT / "STATES.md": lambda modules: states_text(),
    ROOT / "docs" / "slots.md": lambda modules: slots_text(),
    ROOT / "tests" / "house" / "routes.txt": routes_text,
}


def main() -> None:
    """Writes all of them."""
    import_models([*MODEL_PACKAGES])
    modules = load(CORE)
    for path, write in DOCUMENTS.items():
        path.write_text(write(modules), encoding="utf-8")
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
