"""The engine refuses what it cannot vouch for, and every rule of the service holds in its cases."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from consent_service.kernel.errors import UnavailableError
from consent_service.policy.cases import load_cases, run_cases
from consent_service.policy.domain import Effect, EntityRef, PolicyRequest, strictest
from consent_service.policy.engine import POLICY_ERRORS, PolicyEngine
from consent_service.settings import Settings

POLICIES = Settings().policies_dir
SCHEMA = "entity U; entity R; action go appliesTo { principal: U, resource: R, context: { n: Long } };"
PERMIT = '@id("p") @reason("fine") permit(principal, action, resource);'

WritePolicies = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> WritePolicies:
    def _write(*texts: str, schema: str = SCHEMA) -> Path:
        for number, text in enumerate(texts):
            (tmp_path / f"{number}.cedar").write_text(text)
        (tmp_path / "schema.cedarschema").write_text(schema)
        return tmp_path

    return _write


def question(**context: int) -> PolicyRequest:
    return PolicyRequest(EntityRef("U", "u"), "go", EntityRef("R", "r"), context)


def test_every_case_of_the_service_holds_and_every_rule_is_exercised_both_ways() -> None:
    report = run_cases(PolicyEngine.load(POLICIES), load_cases(POLICIES / "cases"))
    assert report.failures == ()
    assert report.unexercised == ()
    assert report.passed >= 60


def test_the_cases_notice_a_rule_that_was_removed(tmp_path: Path) -> None:
    folder = shutil.copytree(POLICIES, tmp_path / "policies")
    (folder / "protected_topics.cedar").unlink()
    report = run_cases(PolicyEngine.load(folder), load_cases(folder / "cases"))
    assert len(report.failures) == 4
    assert not report.good


def test_the_cases_notice_a_rule_that_nobody_exercises(tmp_path: Path) -> None:
    folder = shutil.copytree(POLICIES, tmp_path / "policies")
    rule = '@id("new") @reason("new") @outcome("deny") forbid(principal, action, resource) when { false };'
    (folder / "new.cedar").write_text(rule)
    report = run_cases(PolicyEngine.load(folder), load_cases(folder / "cases"))
    assert report.failures == ()
    assert report.unexercised == ("new",)


def forbid(name: str, outcome: str, condition: str) -> str:
    head = f'@id("{name}") @reason("{name}") @outcome("{outcome}")'
    return f"{head} forbid(principal, action, resource) when {{ {condition} }};"


def test_outcomes_are_three_valued(write: WritePolicies) -> None:
    permit = '@id("p") @reason("fine") permit(principal, action, resource) when { context.n < 9 };'
    folder = write(
        permit,
        forbid("ask", "indeterminate", "context.n > 1"),
        forbid("no", "deny", "context.n > 2"),
    )
    engine = PolicyEngine.load(folder)
    answers = {n: engine.decide(question(n=n)) for n in (1, 2, 3, 9)}
    assert (answers[1].effect, answers[1].reasons) == (Effect.ALLOW, ("fine",))
    assert (answers[2].effect, answers[2].reasons) == (Effect.INDETERMINATE, ("ask",))
    assert (answers[3].effect, answers[3].reasons) == (Effect.DENY, ("no",))
    assert (answers[9].effect, answers[9].reasons) == (Effect.DENY, ("no",))
    assert {answer.policy_version for answer in answers.values()} == {engine.version}


def test_an_open_question_does_not_soften_what_nothing_permits(write: WritePolicies) -> None:
    permit = '@id("p") @reason("fine") permit(principal, action, resource) when { context.n == 0 };'
    engine = PolicyEngine.load(write(permit, forbid("ask", "indeterminate", "context.n > 1")))
    decision = engine.decide(question(n=5))
    assert (decision.effect, decision.reasons) == (Effect.DENY, ())


def test_where_no_rule_decides_the_answer_is_no(write: WritePolicies) -> None:
    permit = '@id("p") @reason("fine") permit(principal, action, resource) when { context.n == 7 };'
    engine = PolicyEngine.load(write(permit, forbid("f", "indeterminate", "context.n == 8")))
    decision = engine.decide(question(n=1))
    assert (decision.effect, decision.reasons, decision.rules) == (Effect.DENY, (), ())


def test_a_forbid_that_fails_at_run_time_denies_and_alarms(write: WritePolicies) -> None:
    # Cedar skips the overflowing forbid and would answer Allow.
    alarms: list[str] = []
    folder = write(PERMIT, forbid("no", "deny", "context.n + 1 > 5"))
    engine = PolicyEngine.load(folder, alarm=alarms.append)
    decision = engine.decide(question(n=2**63 - 1))
    assert (decision.effect, decision.reasons) == (Effect.DENY, ("policy_error",))
    assert len(alarms) == 1
    assert engine.decide(question(n=1)).effect is Effect.ALLOW


@pytest.mark.parametrize(
    "request_",
    [
        PolicyRequest(EntityRef("U", "u"), "go", EntityRef("R", "r"), {}),
        PolicyRequest(EntityRef("U", "u"), "go", EntityRef("R", "r"), {"n": 1, "extra": 2}),
        PolicyRequest(EntityRef("U", "u"), "go", EntityRef("R", "r"), {"n": "1"}),
        PolicyRequest(EntityRef("U", "u"), "stop", EntityRef("R", "r"), {"n": 1}),
        PolicyRequest(EntityRef("R", "u"), "go", EntityRef("R", "r"), {"n": 1}),
        PolicyRequest(EntityRef("not a type", "u"), "go", EntityRef("R", "r"), {"n": 1}),
        PolicyRequest(EntityRef("U", "u"), "go", EntityRef("R", "r"), {"n": 2**70}),
        PolicyRequest(EntityRef("U", "u"), "go", EntityRef("R", "r"), {"n": object()}),  # type: ignore[dict-item]  # the point
    ],
)
def test_a_question_that_does_not_fit_the_schema_is_denied(
    write: WritePolicies, request_: PolicyRequest
) -> None:
    alarms: list[str] = []
    engine = PolicyEngine.load(write(PERMIT), alarm=alarms.append)
    decision = engine.decide(request_)
    assert (decision.effect, decision.reasons) == (Effect.DENY, ("policy_error",))
    assert alarms


def test_an_error_raises_the_standing_alarm(write: WritePolicies) -> None:
    before = POLICY_ERRORS._value.get()
    assert PolicyEngine.load(write(PERMIT)).decide(question()).effect is Effect.DENY
    assert POLICY_ERRORS._value.get() == before + 1


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (("permit(principal, action, resource",), "cannot be used"),
        ((), "no policies"),
        (("permit(principal, action, resource);",), "`@id`"),
        (('@id("p") permit(principal, action, resource);',), "`@reason`"),
        (('@id("p") @reason("Not A Code") permit(principal, action, resource);',), "`@reason`"),
        ((PERMIT, PERMIT), "two policies"),
        ((PERMIT, '@id("f") @reason("no") forbid(principal, action, resource);'), "`@outcome`"),
        (('@id("f") @reason("n") @outcome("allow") forbid(principal, action, resource);',), "`@outcome`"),
        (('@id("p") @reason("n") @outcome("deny") permit(principal, action, resource);',), "`@outcome`"),
        (('@id("p") @reason("n") permit(principal == ?principal, action, resource);',), "templates"),
        (('@id("p") @reason("n") permit(principal, action, resource) when { context.m == 1 };',), "`m`"),
        (('@id("p") @reason("n") permit(principal, action == Action::"gone", resource);',), "gone"),
    ],
)
def test_a_policy_set_that_is_not_sound_is_refused_at_load(
    write: WritePolicies, texts: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(UnavailableError, match=complaint) as caught:
        PolicyEngine.load(write(*texts))
    assert caught.value.code == "policy_invalid"


def test_a_broken_or_missing_schema_is_refused_at_load(write: WritePolicies, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        PolicyEngine.load(write(PERMIT, schema="entity ;"))
    with pytest.raises(UnavailableError):
        PolicyEngine.load(tmp_path / "nowhere")


def test_the_version_names_the_meaning_and_not_the_layout(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    for folder in (first, second, third):
        folder.mkdir()
        (folder / "schema.cedarschema").write_text(SCHEMA)
    other = forbid("no", "deny", "context.n > 2")
    (first / "one.cedar").write_text(PERMIT + other)
    (second / "x.cedar").write_text("// a remark\n" + other.replace("forbid(", "forbid (\n"))
    (second / "y.cedar").write_text(PERMIT)
    (third / "one.cedar").write_text(PERMIT + forbid("no", "deny", "context.n > 3"))
    versions = [PolicyEngine.load(folder).version for folder in (first, second, third)]
    assert versions[0] == versions[1]
    assert versions[0] != versions[2]


def test_the_strictest_effect_wins() -> None:
    assert strictest(Effect.ALLOW, Effect.INDETERMINATE) is Effect.INDETERMINATE
    assert strictest(Effect.DENY, Effect.INDETERMINATE, Effect.ALLOW) is Effect.DENY
    assert strictest(Effect.ALLOW) is Effect.ALLOW


@pytest.mark.parametrize(
    "text",
    ["not toml", 'action = "go"', '[base]\n[[case]]\nname = "x"\nsurprise = 1'],
)
def test_a_case_file_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(UnavailableError) as caught:
        load_cases(tmp_path)
    assert caught.value.code == "policy_cases_invalid"
