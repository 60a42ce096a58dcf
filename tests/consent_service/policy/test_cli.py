"""`consent-service policy` tells by its exit status whether the cases hold."""

import json
import shutil
from pathlib import Path

from typer.testing import CliRunner

from consent_service.policy.cli import app
from consent_service.settings import Settings

POLICIES = Settings().policies_dir


def test_the_cases_of_the_service_pass() -> None:
    result = CliRunner().invoke(app, ["test", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["failures"] == []


def test_a_changed_rule_fails_the_run(tmp_path: Path) -> None:
    folder = shutil.copytree(POLICIES, tmp_path / "policies")
    rules = folder / "protected_topics.cedar"
    rules.write_text(rules.read_text().replace('contains("minors")', 'contains("nobody")'))
    result = CliRunner().invoke(app, ["test", "--policies", str(folder)])
    assert result.exit_code == 1
    assert "content with minors is denied" in result.stdout


def test_policies_that_do_not_load_give_exit_two(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["test", "--policies", str(tmp_path)]).exit_code == 2
    folder = shutil.copytree(POLICIES, tmp_path / "policies")
    (folder / "cases" / "bad.toml").write_text("not toml")
    assert CliRunner().invoke(app, ["test", "--policies", str(folder)]).exit_code == 2


def test_the_rules_are_listed() -> None:
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 0
    assert "use.grant_revoked" in result.stdout
