"""Evaluates the Cedar policies: loaded, validated and hashed once, then asked thousands of times a second.

In: `PolicyRequest`. Out: `PolicyDecision`. Nothing is decided by a policy set that does not validate
against its schema, and no question is answered that does not fit the schema. Cedar skips a `forbid` that
fails at run time and may then say Allow; here any diagnostic denies with `policy_error` and raises the
alarm.

Source: Cedar policy language 4, authorisation semantics
(https://docs.cedarpolicy.com/auth/authorization.html).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cedarpy
import structlog
from prometheus_client import Counter

from consent_service.policy.domain import Effect, EntityRef, PolicyDecision, PolicyRequest
from consent_service.policy.rules import Rule, RuleBook

POLICY_ERROR: Final = "policy_error"

POLICY_ERRORS: Final = Counter(
    "consent_policy_errors", "Questions that Cedar could not evaluate; each was denied."
)
_log: Final = structlog.get_logger(__name__)

Alarm = Callable[[str], None]


def log_alarm(detail: str) -> None:
    """Raise the standing alarm: one counter, one error line naming the diagnostic."""
    POLICY_ERRORS.inc()
    _log.error(POLICY_ERROR, detail=detail)


class PolicyEngine:
    """A validated policy set, ready to answer.

    Attributes:
        version: Hex SHA-256 of the canonical policy set; the same for any layout or order of the files.
        rules: What each rule is called and says.
    """

    def __init__(self, book: RuleBook, schema: cedarpy.Schema, alarm: Alarm = log_alarm) -> None:
        self.version = book.version
        self.rules = book.rules
        self._by_cedar_id = {rule.cedar_id: rule for rule in book.rules}
        self._policies = cedarpy.PolicySet.from_json_str(book.all_policies)
        self._permits = cedarpy.PolicySet.from_json_str(book.permits_only)
        self._schema = schema
        self._entities = cedarpy.Entities.from_json_str("[]")
        self._alarm = alarm

    @classmethod
    def load(cls, policies_dir: Path, alarm: Alarm = log_alarm) -> "PolicyEngine":
        """Load every `*.cedar` file of a folder against the schema beside them.

        Args:
            policies_dir: Folder with `schema.cedarschema` and policies.
            alarm: Called with the diagnostic whenever a question could not be evaluated.

        Raises:
            UnavailableError: Code `policy_invalid`; the set does not parse, validate or carry its
                annotations.
        """
        book = RuleBook.read(policies_dir)
        return cls(book, cedarpy.Schema.from_str(book.schema), alarm)

    def decide(self, request: PolicyRequest) -> PolicyDecision:
        """Answer one question.

        A permit and no forbid allow. Forbids that are all annotated as indeterminate make the answer
        indeterminate, provided a permit would have applied. Everything else denies.
        """
        answer = self._ask(request, self._policies)
        if answer is None:
            return PolicyDecision(Effect.DENY, (POLICY_ERROR,), self.version)
        allowed, cedar_ids = answer
        decided = sorted((self._by_cedar_id[name] for name in cedar_ids), key=lambda rule: rule.id)
        if allowed:
            return self._decision(Effect.ALLOW, decided)
        objections = [rule for rule in decided if rule.outcome is Effect.DENY]
        # Where no rule decided at all, Cedar has said already that no permit applies.
        if objections or not decided or not self._permitted(request):
            return self._decision(Effect.DENY, objections)
        return self._decision(Effect.INDETERMINATE, decided)

    def _permitted(self, request: PolicyRequest) -> bool:
        """Tell whether a permit applies, forbids aside; Cedar does not say so where a forbid decided."""
        answer = self._ask(request, self._permits)
        return answer is not None and answer[0]

    def _decision(self, effect: Effect, decided: list[Rule]) -> PolicyDecision:
        reasons = tuple(dict.fromkeys(rule.reason for rule in decided))
        return PolicyDecision(effect, reasons, self.version, tuple(rule.id for rule in decided))

    def _ask(self, request: PolicyRequest, policies: cedarpy.PolicySet) -> tuple[bool, list[str]] | None:
        """Return whether Cedar allows and which policies decided; None, after the alarm, on any error."""
        try:
            result = cedarpy.is_authorized(_to_cedar(request), policies, self._entities, self._schema)
        except (ValueError, TypeError) as error:
            self._alarm(f"`{request.action}` could not be asked: {error}")
            return None
        errors = result.diagnostics.errors
        if errors or result.decision is cedarpy.Decision.NoDecision:
            self._alarm(f"`{request.action}` could not be evaluated: {'; '.join(errors)}")
            return None
        return result.allowed, result.diagnostics.reasons


def _to_cedar(request: PolicyRequest) -> dict[str, object]:
    return {
        "principal": _reference(request.principal),
        "action": {"type": "Action", "id": request.action},
        "resource": _reference(request.resource),
        "context": json.dumps(request.context),
    }


def _reference(entity: EntityRef) -> dict[str, str]:
    return {"type": entity.type, "id": entity.id}
