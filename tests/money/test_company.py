"""A company's round played from the roster to the closed day: `exam rehearse --company`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from exam import settings
from rehearsal import company


def test_a_company_of_six_comes_is_settled_and_the_books_balance(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = settings.read({"EXAM_HOME": str(tmp_path), "EXAM_PLUGINS": "rehearsal"})
    status = company.rehearse(found, Namespace(company=6, seed="six", workers=2))
    told = capsys.readouterr().out
    assert status == 0, told
    assert "收支平衡,账实相符" in told
    assert "名单 6 人,到检 5 人,结算单 2 张" in told
