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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one sub-command; a refusal prints its reason and remedy and gives status 1."""
    gc.disable()  # what is loaded now stays; looking for garbage in it would only make the start longer
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = settings.read()
    parser = argparse.ArgumentParser(prog="exam", description="The exam centre system. Settings come from EXAM_… variables.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in load(config.modules).all:
        for command in module.commands:
            sub = commands.add_parser(command.name, help=command.text, description=command.text)
            command.add_arguments(sub)
            sub.set_defaults(run=command.run)
    chosen = parser.parse_args(arguments)
    gc.freeze()
    gc.enable()
    try:
        status: int = chosen.run(config, chosen)
    except BadInput as refused:
        for _, text in refused.problems:
            print(text, file=sys.stderr)
        return 1
    except Refused as refused:
        print(f"{refused.text} {refused.hint}".strip(), file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
