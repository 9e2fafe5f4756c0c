"""What a program is told about a body that is refused: which field, why, and what to do; and with which status."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from litestar.testing import TestClient

from exam.kit import json_body
from tests.conftest import Desk

Desks = Callable[[str], Desk]
SIGN_IN = "/api/sign-in"
JSON = {"content-type": "application/json"}


def post(client: TestClient[Any], body: bytes, kind: str = "application/json") -> Any:
    return client.post(SIGN_IN, content=body, headers={"content-type": kind})


def fields(answer: Any) -> list[tuple[str, str]]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["hint"] or answer.status_code == 413
    return [(each["field"], each["text"]) for each in answer.json()["fields"]]


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"login": "lin", "password": "x", "foo": 1}, "foo", "含有未知字段“foo”"),
        ({"login": "lin"}, "password", "缺少必填字段“password”"),
        ({"login": "lin", "password": None}, "password", "“password”不能为 null,请填写文字"),
        ({"login": ["lin"], "password": "x"}, "login", "“login”请填写文字"),
        ([], "body", "请求体应为 JSON 对象"),
        (None, "body", "请求体应为 JSON 对象"),
    ],
)
def test_a_refused_body_names_the_field_and_the_reason(client: TestClient[Any], body: Any, field: str, text: str) -> None:
    answer = post(client, json.dumps(body).encode())
    assert (answer.status_code, fields(answer)) == (400, [(field, text)])
    assert answer.json()["title"] == text


@pytest.mark.parametrize(
    ("body", "field", "text"),
    [
        ({"base_version": 0, "values": {"WT": "70", "HT": None}}, "values.HT", "“values.HT”不能为 null,请填写文字"),
        ({"base_version": "x", "values": {}}, "base_version", "“base_version”请填写整数"),
        ({"base_version": 0, "values": []}, "values", "“values”请填写对象"),
    ],
)
def test_a_value_deep_in_the_body_is_named_with_the_way_to_it(desk: Desks, body: Any, field: str, text: str) -> None:
    answer = desk("wu").post("/api/results/GEN/0101261121000013/enter", json=body)
    assert (answer.status_code, fields(answer)) == (400, [(field, text)])


@pytest.mark.parametrize(
    ("key", "message", "body", "expected"),
    [
        ("lines[1]", "Object contains unknown field `b`", {"lines": [{}, {"b": 1}]}, ("lines[1].b", "含有未知字段“lines[1].b”")),
        ("lines[0]", "Object missing required field `a`", {"lines": [{}]}, ("lines[0].a", "缺少必填字段“lines[0].a”")),
        ("m[...][1].a", "Expected `int`, got `null`", {"m": {"p": [{"a": 1}], "q": [{"a": 1}, {"a": None}]}},
         ("m.q[1].a", "“m.q[1].a”不能为 null,请填写整数")),
        ("m[...]", "Expected `str` of length <= 3", {"m": {"p": "abc", "q": "abcd"}}, ("m.q", "“m.q”内容过长,最多 3")),
        ("n", "Expected `int` >= 1", {"n": 0}, ("n", "“n”数值过小,不能小于 1")),
        ("page", "Expected `int`, got `str`", None, ("page", "“page”请填写整数")),
    ],
)  # fmt: skip
def test_msgspecs_messages_become_a_way_and_a_reason(key: str, message: str, body: Any, expected: tuple[str, str]) -> None:
    class Read:
        scope = {"exam.json_body": body}  # noqa: RUF012 - stands for a request whose body was read

    assert json_body.problem(Read(), key, message) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "内容不完整"),
        (b'{"login":"\\ud800\\u0041"}', "不成对的代理字符"),
        (b"\xef\xbb\xbf{}", "不带 BOM"),
        (b'{"login":"lin",}', "多了一个逗号"),
        (b'{"login":"\xff\xfe"}', "不是 UTF-8 文本"),
        (b"[" * 6000, "嵌套过深"),
        (b"<a/>", "第 1 个字节处有无效字符"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(client: TestClient[Any], body: bytes, reason: str) -> None:
    answer = post(client, body)
    [(field, text)] = fields(answer)
    assert (answer.status_code, field) == (400, "body")
    assert text.startswith("不是有效的 JSON:")
    assert reason in text


def test_an_empty_body_is_called_empty(client: TestClient[Any]) -> None:
    for answer in (post(client, b""), client.post(SIGN_IN)):
        assert (answer.status_code, fields(answer)) == (400, [("body", "请求体为空,请提交 JSON 对象")])


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/xml", "text/plain", "multipart/form-data; boundary=x"])
def test_another_kind_of_content_is_415(client: TestClient[Any], kind: str) -> None:
    answer = post(client, b'{"login":"lin","password":"x"}', kind)
    [(field, text)] = fields(answer)
    assert (answer.status_code, answer.json()["type"], field) == (415, "http.415", "content-type")
    assert kind.partition(";")[0] in text
    assert "application/json" in answer.json()["hint"]


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/merge-patch+json", ""])
def test_json_under_its_other_names_is_read(client: TestClient[Any], kind: str) -> None:
    assert fields(post(client, b"{}", kind)) == [("login", "缺少必填字段“login”")]


def test_a_body_beyond_the_limit_is_413(client: TestClient[Any]) -> None:
    answer = post(client, json.dumps({"login": "lin", "password": "x" * 3_000_000}).encode())
    assert (answer.status_code, answer.json()["type"]) == (413, "http.413")
    assert answer.json()["title"] == "提交的内容过大,最多 1 MB"
    assert answer.json()["hint"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"q": "韦\x00"}, "q"),
        ({"q": "韦", "page": 1, "a\x00": 1}, "a\x00"),
    ],
)
def test_nul_is_400_and_names_its_field(desk: Desks, body: dict[str, Any], field: str) -> None:
    answer = desk("lin").post("/api/visits/search", json=body)
    assert answer.status_code == 400
    assert fields(answer)[0][0] == field


def test_nul_is_found_at_any_depth() -> None:
    assert json_body.nul_at("", {"a": [{"b": "x"}, {"b": "x\x00"}]}) == "a[1].b"
    assert json_body.nul_at("", {"a": {"k\x00": 1}}) == "a.k␀"
    assert json_body.nul_at("q", "x\x00") == "q"
    assert json_body.nul_at("", {"": "\x00"}) == ""
    assert json_body.nul_at("", {"a": ["x", 1, None]}) is None


@pytest.mark.parametrize("path", ["/sign-in", "/registration", "/registration/quote", "/registration/visits/0101261121000013"])
def test_pages_have_no_options(client: TestClient[Any], path: str) -> None:
    answer = client.options(path)
    assert answer.status_code == 405 and "不支持这种请求" in answer.text
