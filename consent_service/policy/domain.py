"""The vocabulary of policy decisions: a question, a three-valued answer, and which answer is the stricter.

In: facts named in `policies/schema.cedarschema`. Out: `PolicyDecision`. Pure values; Cedar itself is in
`engine`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Fact = bool | int | str | list[str] | Mapping[str, "Fact"]


class Effect(StrEnum):
    """What a decision says; only `allow` ever lets anything happen."""

    ALLOW = "allow"
    DENY = "deny"
    INDETERMINATE = "indeterminate"


_STRICTNESS: Final = {Effect.ALLOW: 0, Effect.INDETERMINATE: 1, Effect.DENY: 2}


def strictest(*effects: Effect) -> Effect:
    """Return the strictest of the effects: deny over indeterminate over allow."""
    return max(effects, key=_STRICTNESS.__getitem__)


@dataclass(frozen=True, slots=True)
class EntityRef:
    """A Cedar entity: its type in the schema and its identifier."""

    type: str
    id: str

    def as_fact(self) -> Fact:
        """Return the reference in Cedar's JSON escape for entities inside a context."""
        return {"__entity": {"type": self.type, "id": self.id}}


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """One question: may `principal` do `action` to `resource`, given the facts in `context`?"""

    principal: EntityRef
    action: str
    resource: EntityRef
    context: Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class PolicyDecision:
    """The answer to one question.

    Attributes:
        effect: What the policies say.
        reasons: Codes from the `@reason` annotations of the rules that decided, in order of rule id; empty
            where no rule spoke, so that nothing is permitted.
        policy_version: Hex SHA-256 of the canonical policy set.
        rules: Ids of the rules that decided.
    """

    effect: Effect
    reasons: tuple[str, ...]
    policy_version: str
    rules: tuple[str, ...] = ()
