"""The OpenAPI schema as it is served: completed with every refusal when it is first asked for, so that no start waits for it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from exam.kit.web import Problem

REFUSALS = {
    "400": "The request cannot be read or has not the declared shape; every wrong field is in `fields`.",
    "401": "Not signed in, or the session has ended.",
    "403": "The right for this operation is missing, or the header X-CSRF-Token.",
    "404": "There is no such row for this account; another site's row looks the same.",
    "409": "A rule said no, or somebody else changed the same thing in between: `type` says which rule, `hint` the remedy.",
    "422": "The values break a rule; every wrong field is in `fields`.",
}
WITH_BODY = {"413": "The body is larger than 1 MB.", "415": "The body is not sent as application/json."}


class CompleteSchema(JsonRenderPlugin):
    """Adds to each operation what its handler's signature cannot say: how it refuses (RFC 9457)."""

    def __init__(self, path: str) -> None:
        super().__init__(path=path)
        self._complete: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The schema as JSON, made once."""
        if self._complete is None:
            self._complete = self.render_json(request, completed(openapi_schema))
        return self._complete


def completed(schema: dict[str, Any]) -> dict[str, Any]:
    """A copy of a schema in which every operation lists its refusals as `application/problem+json`."""
    schema = deepcopy(schema)
    _, problem = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schema.setdefault("components", {}).setdefault("schemas", {}).update(problem)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in schema["paths"].values():
        for operation in operations.values():
            told = REFUSALS | WITH_BODY if "requestBody" in operation else REFUSALS
            for status, text in told.items():
                operation["responses"][status] = {"description": text, "content": content}
    return schema
