"""The OpenAPI document as people read it: journeys as tags, one problem schema, the idempotency header.

In: the application's routes. Out: the document at `/openapi.json`, kept as a snapshot in `docs/openapi.json`.
"""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from consent_service.web.idempotency import HEADER
from consent_service.web.problems_schema import Problem, responses

DESCRIPTION: Final = """
Likeness consent, checked before every use, and provenance marks that survive.

1. Enrol: a person answers a challenge with a short recording, their cameo, and gets a likeness.
2. Check: a relying party asks whether a use is granted: allow, deny or indeterminate, with reasons.
3. Publish: a clip is checked, marked, signed and read back before it is published.
4. Verify: anyone asks what a file is: intact, trusted, recovered and consented are separate answers.
5. Revoke: one call; the very next check denies.
6. Review: moderators decide what machines could not.

Errors are problem documents (RFC 9457) with a stable `code`. Requests that create something take an
`Idempotency-Key`, so that they can be repeated safely.
"""
TAGS: Final = [
    {"name": "accounts", "description": "Callers and their API keys."},
    {"name": "cameos", "description": "Enrol: challenge, recording, likeness."},
    {"name": "grants", "description": "Consent: give it, look at it, withdraw it."},
    {"name": "checks", "description": "Ask before every use."},
    {"name": "clips", "description": "Publish: from a generated file to a marked and signed one."},
    {"name": "verification", "description": "What is this file?"},
    {"name": "reviews", "description": "The moderators' queue."},
    {"name": "transparency log", "description": "Proofs that nothing was changed afterwards."},
    {"name": "operations", "description": "Health of the service."},
]
_IDEMPOTENCY: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Chosen by the caller; a repeated request with the same key acts once.",
    "schema": {"type": "string", "maxLength": 255},
}
_CREATED: Final = {"201", "202"}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the document; made once per application."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=DESCRIPTION.strip(),
            routes=app.routes,
            tags=TAGS,
        )
        _finish(document)
        app.openapi_schema = document
    return app.openapi_schema


def _finish(document: dict[str, Any]) -> None:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    shape = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(shape.pop("$defs", {}))
    schemas["Problem"] = shape
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for operations in document["paths"].values():
        for method, operation in operations.items():
            _finish_operation(method, operation)


def _finish_operation(method: str, operation: dict[str, Any]) -> None:
    answers = operation["responses"]
    answers.pop("422", None)  # FastAPI's own shape is never sent; 4XX says what is
    answers.update(responses())
    if method == "post" and _CREATED & set(answers) and operation.get("security"):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY)
