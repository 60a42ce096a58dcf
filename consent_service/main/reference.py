"""The API reference as a plain page: the OpenAPI document for people, without scripts or third parties.

In: the OpenAPI document. Out: HTML at `/docs`, by journey, with fields, answers and examples.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from consent_service.web.pages import templates

router = APIRouter(include_in_schema=False)
_MULTIPART: Final = "multipart/form-data"
_JSON: Final = "application/json"
_REF: Final = "$ref"
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter or property."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Table:
    """Fields under a heading."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One route."""

    method: str
    path: str
    summary: str
    description: str
    secured: bool
    tables: tuple[Table, ...]
    example: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """The routes of one journey."""

    name: str
    anchor: str
    description: str
    operations: tuple[Operation, ...]


@router.get("/docs")
def reference(request: Request) -> Response:
    """Return the reference."""
    document = request.app.openapi()
    context = {
        "version": document["info"]["version"],
        "openapi": document["openapi"],
        "description": document["info"]["description"],
        "groups": groups(document),
    }
    return templates.TemplateResponse(request, "reference.html", context)


def groups(document: Document) -> tuple[Group, ...]:
    """Lay the document out by its tags; an operation stands under its last tag."""
    operations = [
        (operation["tags"][-1], _operation(document, method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    found = (
        Group(
            tag["name"],
            tag["name"].replace(" ", "-"),
            tag["description"],
            tuple(operation for name, operation in operations if name == tag["name"]),
        )
        for tag in document["tags"]
    )
    return tuple(group for group in found if group.operations)


def _operation(document: Document, method: str, path: str, operation: Document) -> Operation:
    return Operation(
        method=method,
        path=path,
        summary=operation["summary"].rstrip("."),
        description=operation.get("description", ""),
        secured=bool(operation.get("security")),
        tables=tuple(table for table in _tables(document, operation) if table.fields),
        example=_example(document, operation),
    )


def _tables(document: Document, operation: Document) -> Iterator[Table]:
    parameters = operation.get("parameters", ())
    yield Table(
        "Parameters",
        tuple(
            Field(
                item["name"],
                _kind(item["schema"]),
                item.get("required", False),
                item.get("description", item["schema"].get("description", "")),
            )
            for item in parameters
        ),
    )
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        title = "Form" if kind == _MULTIPART else "Body"
        yield Table(title, _properties(document, content["schema"]))
    for status, answer in operation["responses"].items():
        schema = answer.get("content", {}).get(_JSON, {}).get("schema")
        if schema:
            yield Table(f"Answer {status}", _properties(document, schema))


def _properties(document: Document, schema: Document) -> tuple[Field, ...]:
    resolved = _resolve(document, schema)
    required = resolved.get("required", ())
    return tuple(
        Field(name, _kind(each), name in required, each.get("description", ""))
        for name, each in resolved.get("properties", {}).items()
    )


def _resolve(document: Document, schema: Document) -> Document:
    if _REF not in schema:
        return schema
    name = schema[_REF].rpartition("/")[2]
    found: Document = document["components"]["schemas"][name]
    return found


def _kind(schema: Document) -> str:
    """Name a schema's type in a few words."""
    if _REF in schema:
        return str(schema[_REF].rpartition("/")[2])
    for joined in ("anyOf", "oneOf", "allOf"):
        if joined in schema:
            return " or ".join(_kind(each) for each in schema[joined])
    if "enum" in schema:
        return " | ".join(f"“{value}”" for value in schema["enum"])
    if "const" in schema:
        return f"“{schema['const']}”"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format", schema.get("type", "any")))


def _example(document: Document, operation: Document) -> str | None:
    content = operation.get("requestBody", {}).get("content", {}).get(_JSON)
    if content is None:
        return None
    examples = _resolve(document, content["schema"]).get("examples")
    return json.dumps(examples[0], indent=2, ensure_ascii=False) if examples else None
