"""The module loader: core rooms and plug-ins come in by the same door."""

from __future__ import annotations

import subprocess
import sys

import pytest

from exam.kit.module import Module, Modules, Port, load
from exam.settings import CORE
from tests.dummy_module.module import GREETING, VOICE


def test_a_plug_in_brings_routes_permissions_slots_ports_menu_jobs_and_invariants() -> None:
    modules = load([*CORE, "tests.dummy_module"])
    assert modules.permissions["dummy.see"] == "看"
    assert [fill() for fill in modules.fillings(GREETING)] == ["你好"]
    assert modules.provided(VOICE) == "voice"
    assert "/dummy" in [entry.url for entry in modules.menu]
    assert [job.name for job in modules.by_name["tests.dummy_module"].jobs] == ["tick"]


def test_a_module_whose_need_is_not_loaded_before_it_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"needs \['billing'\] listed before it"):
        load(["exam", "tests.dummy_module"])


def test_a_plug_in_that_is_not_listed_is_not_even_imported() -> None:
    code = (
        "import sys; from exam.kit.module import load; from exam.settings import CORE; load(CORE); "
        "print('rehearsal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_a_port_provided_twice_is_refused() -> None:
    port: Port[str] = Port("a thing")
    with pytest.raises(RuntimeError, match="provided twice"):
        Modules([Module(name="a", title="", provides=((port, "x"),)), Module(name="b", title="", provides=((port, "y"),))])


def test_a_start_loads_nothing_that_only_a_later_page_or_job_needs() -> None:
    heavy = ("reportlab", "PIL", "zxingcpp", "pyhanko", "alembic", "psycopg", "python_calamine", "xlsxwriter", "httpx", "multiprocessing")
    code = (
        "import sys, exam.app, exam.commands; from exam.kit.module import load; from exam.settings import CORE; load(CORE); "
        f"print([each for each in {heavy!r} if each in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
