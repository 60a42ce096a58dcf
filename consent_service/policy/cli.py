"""`consent-service policy …`: what the policies are, and whether their cases hold.

In: a folder of policies. Out: a line for each finding; exit 0 when all is well, 1 when a case differs or a
rule is not exercised, 2 when the policies cannot be loaded.
"""

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from consent_service.kernel.errors import ConsentError
from consent_service.policy.cases import CaseReport, load_cases, run_cases
from consent_service.policy.engine import PolicyEngine
from consent_service.settings import Settings

app = typer.Typer(help="Try the Cedar policies against their cases.", no_args_is_help=True)

PoliciesDir = Annotated[
    Path | None, typer.Option("--policies", help="Folder of policies; the service's own by default.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("test")
def run_tests(policies: PoliciesDir = None, as_json: AsJson = False) -> None:
    """Run every case and check that each rule is exercised both ways."""
    engine, folder = _load(policies)
    try:
        report = run_cases(engine, load_cases(folder / "cases"))
    except ConsentError as error:
        _give_up(error)
    typer.echo(_as_json(report, engine.version) if as_json else _as_text(report, engine.version))
    if not report.good:
        raise typer.Exit(1)


@app.command("list")
def list_rules(policies: PoliciesDir = None) -> None:
    """List the rules: id, outcome, reason."""
    engine, _ = _load(policies)
    typer.echo(f"version {engine.version}")
    for rule in engine.rules:
        typer.echo(f"{rule.id:32} {rule.outcome.value:14} {rule.reason}")


def _load(policies: Path | None) -> tuple[PolicyEngine, Path]:
    folder = policies or Settings().policies_dir
    try:
        return PolicyEngine.load(folder), folder
    except ConsentError as error:
        _give_up(error)


def _give_up(error: ConsentError) -> NoReturn:
    typer.echo(error.detail, err=True)
    raise typer.Exit(2)


def _as_json(report: CaseReport, version: str) -> str:
    return json.dumps(
        {
            "policy_version": version,
            "passed": report.passed,
            "failures": list(report.failures),
            "unexercised": list(report.unexercised),
        }
    )


def _as_text(report: CaseReport, version: str) -> str:
    lines = [f"policy version {version}"]
    lines += [f"differs: {failure}" for failure in report.failures]
    lines += [f"not exercised both ways: `{rule}`" for rule in report.unexercised]
    lines.append(f"{report.passed} cases passed, {len(report.failures)} differ")
    return "\n".join(lines)
