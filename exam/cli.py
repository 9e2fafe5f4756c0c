"""The command line: `exam …`, its sub-commands collected from the loaded modules."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from collections.abc import Sequence

from exam import settings
from exam.kit.errors import BadInput, Refused
from exam.kit.module import load

DEMONSTRATION = "rehearsal"
"""The plug-in that brings the demonstration; a working installation does not load it."""

HOW_TO_DEMONSTRATE = "`exam demo` and `exam rehearse` come with a plug-in: set EXAM_PLUGINS=rehearsal (and EXAM_DEMO=1 to serve it)."


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one sub-command; a refusal prints its reason and remedy and gives status 1."""
    gc.disable()  # what is loaded now stays; looking for garbage in it would only make the start longer
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        config = settings.read()
    except ValueError as error:
        return _refuse(f"环境变量(PORT、EXAM_PORT、EXAM_IDLE_MINUTES)的值应为整数: {error}")
    try:
        modules = load(config.modules).all
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in config.plugins:
            raise
        return _refuse(f"没有模块 {error.name},请核对 EXAM_PLUGINS")
    parser = argparse.ArgumentParser(
        prog="exam", description="The exam centre system. Settings come from EXAM_… variables.",
        epilog=None if DEMONSTRATION in config.plugins else HOW_TO_DEMONSTRATE,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in modules:
        for command in module.commands:
            sub = commands.add_parser(command.name, help=command.text, description=command.text)
            command.add_arguments(sub)
            sub.set_defaults(run=command.run)
    given = sys.argv[1:] if arguments is None else arguments
    if given and given[0] in ("demo", "rehearse") and given[0] not in commands.choices:
        parser.error(HOW_TO_DEMONSTRATE)
    chosen = parser.parse_args(given)
    gc.freeze()
    gc.enable()
    try:
        status: int = chosen.run(config, chosen)
    except BadInput as refused:
        return _refuse(*(text for _, text in refused.problems))
    except Refused as refused:
        return _refuse(f"{refused.text} {refused.hint}".strip())
    except OSError as error:
        if error.filename is None:
            raise
        return _refuse(f"无法读写 {error.filename}: {error.strerror}。请核对路径和权限")
    return status


def _refuse(*texts: str) -> int:
    for text in texts:
        print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
