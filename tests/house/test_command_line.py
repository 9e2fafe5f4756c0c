"""What somebody at the command line is told when something is not as it should be: one clear sentence, never a traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from exam import commands, settings
from exam.kit.errors import Refused

ROOT = Path(__file__).parent.parent.parent


def exam(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EXAM_", "PORT"))}
    return subprocess.run(
        [sys.executable, "-m", "exam.cli", *arguments], cwd=ROOT, env={**kept, "EXAM_HOME": str(home), **environment},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_help_names_how_to_get_the_demonstration(tmp_path: Path) -> None:
    plain = exam(tmp_path, "--help")
    assert "EXAM_PLUGINS=rehearsal" in plain.stdout
    assert "exam demo" in plain.stdout
    assert "EXAM_PLUGINS=rehearsal" not in exam(tmp_path, "--help", EXAM_PLUGINS="rehearsal").stdout
    asked = exam(tmp_path, "demo")
    assert (asked.returncode, "EXAM_PLUGINS=rehearsal" in asked.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("routes",), {"PORT": "abc"}, "的值应为整数"),
        (("routes",), {"EXAM_PLUGINS": "nothing_such"}, "没有模块 nothing_such,请核对 EXAM_PLUGINS"),
        (("restore", "--from", "nothing", "--to", "r/data"), {}, "没有目录"),
        (("verify",), {}, "缺少密钥文件"),
    ],
)
def test_a_bad_argument_or_setting_is_refused_in_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    if arguments[0] == "restore":
        from exam.kit.keys import Keys
        from exam.kit.random import SeededRandom

        Keys.make(tmp_path / "keys", SeededRandom("a"))
        arguments = ("restore", "--from", str(tmp_path / "nothing"), "--to", str(tmp_path / "r" / "data"))
    answer = exam(tmp_path, *arguments, **environment)
    assert answer.returncode == 1
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "nothing").exists()


def test_serving_without_the_fonts_is_refused_before_anything_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "FONT_FOLDER", tmp_path)
    config = settings.read({"EXAM_HOME": str(tmp_path / "home"), "EXAM_PLUGINS": "rehearsal"})
    for name in ("serve", "worker"):
        command = next(each for each in commands.COMMANDS if each.name == name)
        with pytest.raises(Refused, match=r"缺少字体文件 NotoSansSC-Regular\.ttf、NotoSansSC-Bold\.ttf") as refused:
            command.run(config, Namespace(no_worker=True))
        assert "node vendor.mjs" in refused.value.hint
    assert not (tmp_path / "home").exists()


def test_the_demonstration_without_the_fonts_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsal = pytest.importorskip("rehearsal.commands")
    monkeypatch.setattr(commands, "FONT_FOLDER", tmp_path)
    for run in (rehearsal.demo, rehearsal.rehearse):
        with pytest.raises(Refused, match="缺少字体文件"):
            run(settings.read({"EXAM_HOME": str(tmp_path / "home"), "EXAM_DEMO": "1"}), Namespace(url="", visits=1))
    assert not (tmp_path / "home").exists()


def test_a_taken_or_impossible_port_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(Refused, match=f"端口 {port} 已被占用"):
            commands.require_free_port(settings.read({"EXAM_HOME": str(tmp_path), "PORT": port}))
    with pytest.raises(Refused, match="端口 99999 无效"):
        commands.require_free_port(settings.read({"EXAM_HOME": str(tmp_path), "PORT": "99999"}))
    commands.require_free_port(settings.read({"EXAM_HOME": str(tmp_path), "PORT": "0"}))
