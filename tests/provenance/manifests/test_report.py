"""Judging reports that the library itself would let pass, made from a real one."""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provenance.lineage import LineageState, assess
from provenance.manifests import ManifestReading, TrustPolicy
from provenance.manifests.read import read_here
from provenance.manifests.report import judge

GOLDEN = Path(__file__).parent / "golden"
TRUST = TrustPolicy.load(GOLDEN)
ORIGINAL = read_here(GOLDEN / "remix_0_1_0.mp4", TRUST)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def judged(change: Callable[[dict[str, Any], dict[str, Any]], object]) -> ManifestReading:
    """The reading of the golden report after `change(report, active manifest)`."""
    report = json.loads(ORIGINAL.json)
    change(report, report["manifests"][report["active_manifest"]])
    return judge(report, ORIGINAL.manifest, TRUST, NOW)


def test_an_unchanged_report_gives_the_same_reading() -> None:
    reading = judged(lambda _report, _manifest: None)
    assert (reading.intact, reading.trusted, reading.ingredients) == (True, True, ORIGINAL.ingredients)


@pytest.mark.parametrize("info", [None, [], [{}], [{"name": 7}], "text"])
def test_a_claim_without_its_generator_is_not_intact(info: object) -> None:
    reading = judged(lambda _report, manifest: manifest.update(claim_generator_info=info))
    assert (reading.intact, reading.claim_intact) == (False, False)
    assert "claim_generator_info_missing" in reading.reasons


def test_a_report_without_its_manifest_is_refused() -> None:
    with pytest.raises((TypeError, ValueError)):
        judged(lambda report, _manifest: report.update(active_manifest="urn:c2pa:other"))


def older(failures: list[str]) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Turn the ingredient into one as versions 1 and 2 recorded it."""

    def change(_report: dict[str, Any], manifest: dict[str, Any]) -> None:
        manifest["ingredients"][0].pop("validation_results")
        manifest["ingredients"][0]["validation_status"] = [{"code": code} for code in failures]

    return change


@pytest.mark.parametrize(
    ("failures", "state"),
    [
        ([], LineageState.SOUND),
        (["assertion.dataHash.mismatch"], LineageState.TAMPERED),
        (["signingCredential.expired"], LineageState.UNTRUSTED),
        (["signingCredential.untrusted"], LineageState.SOUND),
    ],
)
def test_older_ingredient_records_count_too(failures: list[str], state: LineageState) -> None:
    """Being on a trust list is judged anew; everything else is believed as recorded."""
    assert assess(judged(older(failures))).state is state


def test_an_ingredient_whose_manifest_is_missing_is_tampered() -> None:
    def change(report: dict[str, Any], manifest: dict[str, Any]) -> None:
        report["manifests"].pop(manifest["ingredients"][0]["active_manifest"])

    assert assess(judged(change)).state is LineageState.TAMPERED


def test_an_ingredient_recorded_without_a_valid_signature_is_tampered() -> None:
    def change(_report: dict[str, Any], manifest: dict[str, Any]) -> None:
        manifest["ingredients"][0]["validation_results"]["activeManifest"]["success"] = []

    assert assess(judged(change)).reasons == ("ingredient_not_validated",)


def test_a_graph_that_never_ends_is_cut_off() -> None:
    def change(report: dict[str, Any], manifest: dict[str, Any]) -> None:
        parent = report["manifests"][manifest["ingredients"][0]["active_manifest"]]
        parent["ingredients"] = copy.deepcopy(manifest["ingredients"]) * 5

    verdict = assess(judged(change))
    assert verdict.state is LineageState.TAMPERED
    assert "lineage_too_deep" in verdict.reasons
