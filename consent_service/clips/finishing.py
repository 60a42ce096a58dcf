"""Makes the finished file: marked, then signed, then verified the way a stranger would.

In: a source file, the intended identifier, what to claim. Out: files in the clip's work folder and reports on
them. Every file appears under its name complete or not at all, so that a step that is run again finds what an
interrupted one had finished, or nothing. The mark goes in before the signature, which covers it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from provenance.answer import Answer
from provenance.manifests import ClaimRequest, ManifestReading, Signer, TrustPolicy, read_file, sign_file
from provenance.media import MediaLimits
from provenance.softbinding.assertion import FINGERPRINT_ALG
from provenance.softbinding.fingerprint import fingerprint_file
from provenance.verify import Verdict, verify_file
from provenance.watermark import KeyRing, MarkReport, mark_file

MARKED: Final = "marked.mp4"
SIGNED: Final = "signed.mp4"


@dataclass(frozen=True, slots=True)
class Finisher:
    """The tools that finish a file; one per process.

    Attributes:
        timestamp_url: RFC 3161 authority that must answer; none for signatures without a timestamp.
    """

    keys: KeyRing
    signer: Signer
    timestamp_url: str | None
    trust: TrustPolicy
    limits: MediaLimits

    def mark(self, source: Path, folder: Path, payload: bytes) -> MarkReport:
        """Mark picture and sound with `payload` into the work folder; the same input gives the same marks."""
        return mark_file(source, folder / MARKED, payload=payload, key=self.keys.active, limits=self.limits)

    def sign(self, folder: Path, claim: ClaimRequest) -> ManifestReading:
        """Sign the marked file, once: a signed file that an interrupted attempt completed is kept.

        Returns:
            The manifest as it stands in the signed file.
        """
        marked, signed = folder / MARKED, folder / SIGNED
        if not signed.exists():
            claim = replace(claim, fingerprint=fingerprint_file(marked, self.limits).encode())
            sign_file(
                marked,
                signed,
                claim,
                signer=self.signer,
                timestamp_url=self.timestamp_url,
                trust=self.trust,
            )
        return read_file(signed, trust=self.trust, limits=self.limits)

    def verify(self, folder: Path) -> Verdict:
        """Verify the finished file afresh, as somebody who has but the file, our roots and mark keys."""
        signed = folder / SIGNED
        return verify_file(
            signed,
            trust=self.trust,
            keys=self.keys,
            repository=None,
            consent=None,
            limits=self.limits,
            deep=False,
        )


def fingerprint_in(manifest: ManifestReading) -> bytes | None:
    """Return the picture's fingerprint that a manifest binds."""
    return next((each.value for each in manifest.soft_bindings if each.alg == FINGERPRINT_ALG), None)


def payload_read(verdict: Verdict, modality: str) -> bytes | None:
    """Return what a verdict read from the picture (`video`, 8 bytes) or the sound (`audio`, 5 bytes)."""
    report = verdict.evidence.get("watermark")
    found = report.get(modality) if isinstance(report, Mapping) else None
    text = found.get("payload") if isinstance(found, Mapping) else None
    return bytes.fromhex(text) if isinstance(text, str) else None


def is_yes(answer: Answer) -> bool | None:
    """Return a three-valued answer as true, false or none."""
    return None if answer is Answer.UNKNOWN else answer is Answer.YES
