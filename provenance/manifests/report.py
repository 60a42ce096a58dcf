"""Judges the library's JSON report of one manifest store and turns it into values.

In: the parsed report and the store's bytes, both possibly made by an adversary. Out: a `ManifestReading`. The
library's own verdict ("Trusted") is not taken over: failures are sorted into what concerns integrity and what
concerns the credential, the signer's certificate is checked against the profile, and claim and timestamp
anchors are kept apart.

Serves: C2PA 2.x clauses 15.7 (signature), 15.8 (timestamp), 15.10 (assertions), 15.11 (ingredients).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from provenance.manifests.claim import CONSENT_LABEL, GrantReference, decode_grants
from provenance.manifests.jumbf import Signature, signature_of
from provenance.manifests.profile import anchored_in, leaf_faults, validity_faults
from provenance.manifests.reading import Ingredient, ManifestReading
from provenance.manifests.trust import TrustPolicy
from provenance.softbinding.assertion import SOFT_BINDING_LABEL, SoftBinding, decode

_CREDENTIAL = ("signingCredential.", "timeStamp.", "claimSignature.outsideValidity")
_HARD_BINDINGS = (
    "assertion.bmffHash.",
    "assertion.dataHash.",
    "assertion.boxesHash.",
    "assertion.multiAssetHash.",
)
_PROOFS = frozenset({"claimSignature.validated"})
_OLDER_PROOFS = frozenset({"ingredient.manifest.validated", "ingredient.claimSignature.validated"})
_DEEPEST = 8
_MOST_INGREDIENTS = 64


@dataclass(frozen=True, slots=True)
class Statuses:
    """Status codes of one manifest: what passed and what failed."""

    passed: frozenset[str]
    failed: frozenset[str]

    @property
    def integrity_failures(self) -> frozenset[str]:
        """Failures that say something changed, leaving the credential aside."""
        return frozenset(code for code in self.failed if not code.startswith(_CREDENTIAL))

    @property
    def credential_failures(self) -> frozenset[str]:
        """Failures of the signer's certificate; being on a trust list we judge ourselves."""
        ours = {"signingCredential.untrusted"}
        return frozenset(
            code
            for code in self.failed - ours
            if code.startswith(_CREDENTIAL) and not code.startswith("timeStamp.")
        )


def judge(report: Mapping[str, object], store: bytes, trust: TrustPolicy, now: datetime) -> ManifestReading:
    """Judge the active manifest of a store.

    Args:
        report: `Reader.json()`, parsed.
        store: The manifest store.
        trust: Whom we believe.
        now: When the certificate must be valid, unless a trusted timestamp says it was at signing.

    Returns:
        The reading, without trailing bytes and raw JSON.

    Raises:
        ValueError: The report lacks its active manifest, or the store is malformed.
    """
    return _Judge(report, store, trust).reading(now)


class _Judge:
    """One judgement: the report, the store and the policy, looked at from several sides."""

    def __init__(self, report: Mapping[str, object], store: bytes, trust: TrustPolicy) -> None:
        self._manifests = _mapping(report.get("manifests"))
        self._results = _mapping(report.get("validation_results"))
        self._active = str(report.get("active_manifest"))
        self._store, self._trust = store, trust
        self._budget = _MOST_INGREDIENTS

    def reading(self, now: datetime) -> ManifestReading:
        manifest = self._manifests.get(self._active)
        if not isinstance(manifest, Mapping):
            raise TypeError("the report names no active manifest")
        statuses = _statuses(self._results.get("activeManifest"))
        signature = signature_of(self._store, self._active)
        claim_faults = _claim_faults(manifest)
        stamped = self._timestamp(statuses, signature)
        credential_faults = self._credential_faults(signature)
        if not stamped:
            # The library believes any timestamp under any anchor; without one we trust, only today counts.
            credential_faults += validity_faults(signature.chain[0], now)
        bindings, binding_faults = _soft_bindings(manifest)
        grants, grant_faults = _grants(manifest)
        content_only = all(code.startswith(_HARD_BINDINGS) for code in statuses.integrity_failures)
        signed = "claimSignature.validated" in statuses.passed
        reasons = {
            *(statuses.failed - {"signingCredential.untrusted"}),
            *(claim_faults + credential_faults + binding_faults + grant_faults),
            *_timestamp_reasons(stamped),
            "revocation_unknown",
        }
        info = _mapping(manifest.get("signature_info"))
        return ManifestReading(
            present=True,
            intact=signed and not statuses.integrity_failures and not claim_faults,
            claim_intact=signed and content_only and not claim_faults,
            trusted=signed and not credential_faults and not statuses.credential_failures,
            manifest_id=self._active,
            signer_common_name=_text(info.get("common_name")),
            signed_at=_instant(info.get("time")),
            timestamp_trusted=stamped,
            source_types=_source_types(manifest),
            soft_bindings=bindings,
            grants=grants,
            ingredients=self._ingredients(self._active, 0),
            reasons=tuple(sorted(reasons)),
            manifest=self._store,
        )

    def _credential_faults(self, signature: Signature) -> tuple[str, ...]:
        faults = leaf_faults(signature.chain[0])
        if not anchored_in(signature.chain, self._trust.anchors()):
            faults += ("signer_untrusted",)
        return faults

    def _timestamp(self, statuses: Statuses, signature: Signature) -> bool | None:
        if not signature.timestamp_chain:
            return None
        trusted = "timeStamp.trusted" in statuses.passed
        return trusted and anchored_in(signature.timestamp_chain, self._trust.tsa_anchors())

    def _ingredients(self, manifest_id: str, depth: int) -> tuple[Ingredient, ...]:
        listed = _mapping(self._manifests.get(manifest_id)).get("ingredients")
        found: list[Ingredient] = []
        for index, entry in enumerate(listed if isinstance(listed, list) else ()):
            self._budget -= 1
            if self._budget < 0 or depth > _DEEPEST:
                found.append(Ingredient("unknown", None, ("lineage_too_deep",), trusted=False))
                break
            found.append(self._ingredient(_mapping(entry), manifest_id, index, depth))
        return tuple(found)

    def _ingredient(self, entry: Mapping[str, object], owner: str, index: int, depth: int) -> Ingredient:
        manifest_id = _text(entry.get("active_manifest"))
        relationship = _text(entry.get("relationship")) or "unknown"
        recorded = self._recorded(entry, owner, index)
        failures = set(recorded.integrity_failures)
        if manifest_id is None:
            return Ingredient(relationship, None, tuple(sorted(failures)), None)
        manifest = self._manifests.get(manifest_id)
        if not isinstance(manifest, Mapping):
            return Ingredient(relationship, manifest_id, ("ingredient.manifest.missing",), trusted=False)
        # Assertions before version 3 recorded failures only; for them, the hash found intact now must do.
        proofs = _PROOFS if "validation_results" in entry else _PROOFS | _OLDER_PROOFS
        if not proofs & recorded.passed:
            failures.add("ingredient_not_validated")
        return Ingredient(
            relationship,
            manifest_id,
            tuple(sorted(failures)),
            trusted=not recorded.credential_failures and self._ingredient_trusted(manifest_id),
            ingredients=self._ingredients(manifest_id, depth + 1),
            source_types=_source_types(manifest),
            grants=_grants(manifest)[0],
            soft_bindings=_soft_bindings(manifest)[0],
        )

    def _recorded(self, entry: Mapping[str, object], owner: str, index: int) -> Statuses:
        # Version 3 assertions hold `validation_results`, older ones the flat `validation_status`.
        results = _mapping(entry.get("validation_results"))
        recorded = _statuses(results.get("activeManifest"))
        nested = [
            _statuses(_mapping(delta).get("validationDeltas"))
            for delta in _list(results.get("ingredientDeltas"))
        ]
        old = frozenset(_codes(entry.get("validation_status")))
        old_failures = frozenset(code for code in old if _is_failure(code))
        now = self._found_now(entry, owner, index)
        return Statuses(
            recorded.passed | (old - old_failures) | now.passed,
            recorded.failed.union(old_failures, now.failed, *(delta.failed for delta in nested)),
        )

    def _found_now(self, entry: Mapping[str, object], owner: str, index: int) -> Statuses:
        label = _text(entry.get("label")) or ("c2pa.ingredient.v3" + (f"__{index}" if index else ""))
        wanted = f"/{owner}/c2pa.assertions/{label}"
        for delta in _list(self._results.get("ingredientDeltas")):
            uri = _text(_mapping(delta).get("ingredientAssertionURI")) or ""
            if uri.endswith(wanted):
                return _statuses(_mapping(delta).get("validationDeltas"))
        return Statuses(frozenset(), frozenset())

    def _ingredient_trusted(self, manifest_id: str) -> bool:
        try:
            return not self._credential_faults(signature_of(self._store, manifest_id))
        except ValueError:
            return False


def _timestamp_reasons(stamped: bool | None) -> tuple[str, ...]:
    if stamped is None:
        return ("no_timestamp",)
    return () if stamped else ("timestamp_untrusted",)


def _claim_faults(manifest: Mapping[str, object]) -> tuple[str, ...]:
    generators = manifest.get("claim_generator_info")
    named = isinstance(generators, list) and generators and _text(_mapping(generators[0]).get("name"))
    return () if named else ("claim_generator_info_missing",)


def _soft_bindings(manifest: Mapping[str, object]) -> tuple[tuple[SoftBinding, ...], tuple[str, ...]]:
    try:
        found = [decode(data) for data in _assertions(manifest, SOFT_BINDING_LABEL)]
    except (ValueError, TypeError):
        return (), ("soft_binding_malformed",)
    return tuple(binding for bindings in found for binding in bindings), ()


def _grants(manifest: Mapping[str, object]) -> tuple[tuple[GrantReference, ...], tuple[str, ...]]:
    try:
        found = [decode_grants(data) for data in _assertions(manifest, CONSENT_LABEL)]
    except (ValueError, TypeError):
        return (), ("consent_assertion_malformed",)
    return tuple(grant for grants in found for grant in grants), ()


def _source_types(manifest: Mapping[str, object]) -> tuple[str, ...]:
    types: dict[str, None] = {}
    for label in ("c2pa.actions", "c2pa.actions.v2"):
        for data in _assertions(manifest, label):
            for action in _list(_mapping(data).get("actions")):
                uri = _text(_mapping(action).get("digitalSourceType"))
                if uri:
                    types[uri.rsplit("/", 1)[-1]] = None
    return tuple(types)


def _assertions(manifest: Mapping[str, object], label: str) -> list[object]:
    # The second and later assertions of one kind carry `__1`, `__2`, ... after the label.
    found = []
    for entry in _list(manifest.get("assertions")):
        name = _text(_mapping(entry).get("label")) or ""
        if name.split("__")[0] == label:
            found.append(_mapping(entry).get("data"))
    return found


def _statuses(results: object) -> Statuses:
    groups = _mapping(results)
    return Statuses(frozenset(_codes(groups.get("success"))), frozenset(_codes(groups.get("failure"))))


def _codes(entries: object) -> Iterable[str]:
    return [code for entry in _list(entries) if (code := _text(_mapping(entry).get("code")))]


def _is_failure(code: str) -> bool:
    return not code.endswith((".match", ".validated", ".trusted", ".insideValidity", ".accessible"))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _instant(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
