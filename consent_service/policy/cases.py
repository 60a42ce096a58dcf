"""Runs the cases beside the policies: questions with their expected answers, as data a lawyer can read.

In: `policies/cases/*.toml` and an engine. Out: what differed, and which rules no case exercises in both
directions. A file holds one allowed base question; every case changes a few of its facts.
"""

import tomllib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consent_service.kernel.errors import UnavailableError
from consent_service.policy.domain import Effect, EntityRef, PolicyDecision, PolicyRequest
from consent_service.policy.engine import PolicyEngine

_FIELDS = {"name", "principal", "resource", "change", "drop", "expect", "reasons", "rules"}


@dataclass(frozen=True, slots=True)
class Case:
    """One question and the answer it must get."""

    file: str
    name: str
    request: PolicyRequest
    effect: Effect
    reasons: tuple[str, ...]
    rules: tuple[str, ...]

    def difference(self, decision: PolicyDecision) -> str | None:
        """Return what the decision got wrong, in words; None when it is as expected."""
        expected = (self.effect.value, self.reasons, self.rules)
        actual = (decision.effect.value, decision.reasons, decision.rules)
        if expected == actual:
            return None
        return f"{self.file}: {self.name}: expected {expected}, got {actual}"


@dataclass(frozen=True, slots=True)
class CaseReport:
    """Outcome of a run.

    Attributes:
        passed: How many cases got their answer.
        failures: One line for each that did not.
        unexercised: Rules that no case makes decide, or that every case makes decide.
    """

    passed: int
    failures: tuple[str, ...]
    unexercised: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Tell whether every case passed and every rule is exercised both ways."""
        return not self.failures and not self.unexercised


def load_cases(cases_dir: Path) -> list[Case]:
    """Read all case files of a folder.

    Raises:
        UnavailableError: Code `policy_cases_invalid`; a file does not parse or lacks a field.
    """
    cases: list[Case] = []
    for file in sorted(cases_dir.glob("*.toml")):
        try:
            cases.extend(_read(file))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UnavailableError(
                "policy_cases_invalid", f"`{file.name}` cannot be read: {error}"
            ) from error
    return cases


def run_cases(engine: PolicyEngine, cases: Iterable[Case]) -> CaseReport:
    """Ask every case and see which rules decided where."""
    failures: list[str] = []
    deciding: list[tuple[Case, set[str]]] = []
    for case in cases:
        decision = engine.decide(case.request)
        deciding.append((case, set(decision.rules)))
        if difference := case.difference(decision):
            failures.append(difference)
    unexercised = tuple(rule.id for rule in engine.rules if not _both_ways(rule.id, deciding))
    return CaseReport(len(deciding) - len(failures), tuple(failures), unexercised)


def _both_ways(rule_id: str, deciding: list[tuple[Case, set[str]]]) -> bool:
    """Tell whether the rule decides some case and stays out of another about the same action."""
    actions = {case.request.action for case, rules in deciding if rule_id in rules}
    spared = {case.request.action for case, rules in deciding if rule_id not in rules}
    return bool(actions & spared)


def _read(file: Path) -> Iterable[Case]:
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    for entry in document["case"]:
        if unknown := set(entry) - _FIELDS:
            raise ValueError(f"`{entry.get('name')}` has unknown fields {sorted(unknown)}")
        yield _case(file.stem, document, entry)


def _case(file: str, document: Mapping[str, Any], entry: Mapping[str, Any]) -> Case:
    context = deepcopy(document["base"])
    _merge(context, entry.get("change", {}))
    for path in entry.get("drop", ()):
        _drop(context, path.split("."))
    principal = EntityRef(**document["principal"] | entry.get("principal", {}))
    resource = EntityRef(**document["resource"] | entry.get("resource", {}))
    request = PolicyRequest(principal, document["action"], resource, context)
    rules = tuple(sorted(entry.get("rules", ())))
    return Case(file, entry["name"], request, Effect(entry["expect"]), tuple(entry["reasons"]), rules)


def _merge(target: dict[str, Any], change: Mapping[str, Any]) -> None:
    for key, value in change.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _drop(context: dict[str, Any], path: list[str]) -> None:
    for key in path[:-1]:
        context = context[key]
    del context[path[-1]]
