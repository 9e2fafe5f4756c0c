"""The OpenAPI schema says of every operation what it does and how it refuses."""

from __future__ import annotations

from typing import Any

import pytest
from litestar.testing import TestClient

REFUSALS = {"400", "401", "403", "404", "409", "422"}


@pytest.fixture
def schema(client: TestClient[Any]) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/schema/openapi.json").json()
    return found


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{verb} {path}", each) for path, verbs in schema["paths"].items() for verb, each in verbs.items()]


def test_every_operation_lists_its_refusals_as_problem_json(schema: dict[str, Any]) -> None:
    listed = operations(schema)
    assert len(listed) > 30
    for name, operation in listed:
        expected = REFUSALS | ({"413", "415"} if "requestBody" in operation else set())
        assert expected <= set(operation["responses"]), name
        for status in expected:
            content = operation["responses"][status]["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}, (name, status)


def test_the_problems_shape_is_described(schema: dict[str, Any]) -> None:
    shapes = schema["components"]["schemas"]
    assert set(shapes["Problem"]["properties"]) == {"type", "title", "status", "hint", "fields"}
    assert shapes["Problem"]["properties"]["fields"]["items"] == {"$ref": "#/components/schemas/FieldProblem"}
    assert set(shapes["FieldProblem"]["properties"]) == {"field", "text"}


def test_every_operation_is_summed_up_in_a_sentence_of_its_handler(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        assert " " in operation["summary"], name
        assert operation["description"].startswith(operation["summary"]), name
    assert schema["paths"]["/api/results/{department}/{visit_no}"]["get"]["summary"].startswith("A department's record")
