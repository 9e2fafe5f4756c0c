"""What the rehearsal brings: the demonstration's data and the day played over HTTP."""

from __future__ import annotations

from exam.kit.module import Command, Module
from rehearsal import commands

module = Module(
    name="rehearsal",
    title="演练",
    needs=("exam", "billing", "registration", "results", "chief_review", "reporting"),
    commands=(
        Command("demo", "set up a demonstration: staff, and a day's visits in every state", commands.demo),
        Command(
            "rehearse", "play a day over HTTP and check every invariant afterwards", commands.rehearse, commands.rehearse_arguments
        ),
    ),
)
