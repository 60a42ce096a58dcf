"""Reads the policy files into a rule book: text checked, annotations enforced, canonical form hashed.

In: a folder of `*.cedar` files and `schema.cedarschema`. Out: `RuleBook`. Each policy must name itself
(`@id`, unique), give callers a code (`@reason`) and, where it forbids, say what follows (`@outcome`).

Source: Cedar JSON policy format (https://docs.cedarpolicy.com/policies/json-format.html).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cedarpy

from consent_service.kernel.errors import UnavailableError
from consent_service.policy.domain import Effect

SCHEMA_FILE: Final = "schema.cedarschema"
_CODE: Final = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_OUTCOMES: Final = {"deny": Effect.DENY, "indeterminate": Effect.INDETERMINATE}


@dataclass(frozen=True, slots=True)
class Rule:
    """What one policy is called and what it says when it decides.

    Attributes:
        id: The `@id` annotation.
        cedar_id: Cedar's own name of the policy within the set.
        outcome: Effect when the rule decides; allow for a permit.
        reason: Code that callers receive.
    """

    id: str
    cedar_id: str
    outcome: Effect
    reason: str


@dataclass(frozen=True, slots=True)
class RuleBook:
    """A policy set that parsed, validated and carries its annotations.

    Attributes:
        version: Hex SHA-256 over the canonical policies and schema.
        rules: One entry for each policy, in order of id.
        schema: Cedar schema text.
        all_policies: The set in Cedar's JSON format.
        permits_only: The same set without its forbids.
    """

    version: str
    rules: tuple[Rule, ...]
    schema: str
    all_policies: str
    permits_only: str

    @classmethod
    def read(cls, policies_dir: Path) -> "RuleBook":
        """Read and check a folder of policies.

        Raises:
            UnavailableError: Code `policy_invalid`, saying what is wrong.
        """
        text, schema = _read_texts(policies_dir)
        _validate(text, schema)
        document = json.loads(cedarpy.policies_to_json_str(text))
        if document["templates"] or document["templateLinks"]:
            raise _invalid("templates are not used here")
        policies: dict[str, Any] = document["staticPolicies"]
        rules = tuple(sorted((_rule(*item) for item in policies.items()), key=lambda rule: rule.id))
        _refuse_repeats(rules)
        permits = {name: body for name, body in policies.items() if body["effect"] == "permit"}
        version = _version({rule.id: policies[rule.cedar_id] for rule in rules}, schema)
        return cls(version, rules, schema, _document(policies), _document(permits))


def _read_texts(policies_dir: Path) -> tuple[str, str]:
    """Return the text of all policies, in order of file name, and of the schema."""
    try:
        files = sorted(policies_dir.glob("*.cedar"))
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        schema = (policies_dir / SCHEMA_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(
            f"the files named by `CONSENT_POLICIES_DIR` could not be read: {type(error).__name__}"
        ) from error
    if not files:
        raise _invalid("there are no policies in the folder")
    return text, schema


def _validate(text: str, schema: str) -> None:
    try:
        result = cedarpy.validate_policies(text, cedarpy.Schema.from_str(schema))
    except ValueError as error:
        raise _invalid(str(error)) from error
    if not result.validation_passed:
        raise _invalid("; ".join(str(error) for error in result.errors))


def _rule(cedar_id: str, body: Mapping[str, Any]) -> Rule:
    notes: Mapping[str, str] = body.get("annotations", {})
    for key in ("id", "reason"):
        if not _CODE.fullmatch(notes.get(key) or ""):
            raise _invalid(f"a {body['effect']} (`{notes.get('id') or cedar_id}`) lacks a usable `@{key}`")
    if body["effect"] == "permit":
        if "outcome" in notes:
            raise _invalid(f"`{notes['id']}` permits and so has no `@outcome`")
        return Rule(notes["id"], cedar_id, Effect.ALLOW, notes["reason"])
    if notes.get("outcome") not in _OUTCOMES:
        raise _invalid(f"`{notes['id']}` must have an `@outcome` of deny or indeterminate")
    return Rule(notes["id"], cedar_id, _OUTCOMES[notes["outcome"]], notes["reason"])


def _refuse_repeats(rules: tuple[Rule, ...]) -> None:
    for first, second in pairwise(rules):
        if first.id == second.id:
            raise _invalid(f"two policies are called `{first.id}`")


def _document(policies: Mapping[str, Any]) -> str:
    return json.dumps({"templates": {}, "staticPolicies": policies, "templateLinks": []})


def _version(policies_by_id: Mapping[str, Any], schema: str) -> str:
    """Hash what the policies mean: parsed, keyed by id, without comments, layout or file names."""
    canonical = {"policies": policies_by_id, "schema": str(cedarpy.Schema.from_str(schema))}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _invalid(detail: str) -> UnavailableError:
    return UnavailableError("policy_invalid", f"the policies cannot be used: {detail}")
