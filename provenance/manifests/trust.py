"""Whom we believe: the anchors for claim signers and, apart from them, for timestamp authorities.

In: PEM bundles. Out: a `TrustPolicy`, and from it the library's settings and our own second opinion. The
library keeps both kinds of anchor in one list and drops its default purposes once any trust is set, so the
settings name the accepted purposes, and `read` checks afterwards that each chain ends in an anchor of its own
kind.

Serves: C2PA 2.x clause 14.4 "trust lists"; clause 15 (validation without any network access).
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from provenance.manifests.keys import ANCHORS, TSA_ANCHORS, read_text
from provenance.manifests.profile import ACCEPTED_PURPOSES, TIME_STAMPING, load_chain

_PURPOSES = sorted(purpose.dotted_string for purpose in ACCEPTED_PURPOSES | {TIME_STAMPING})
_PURPOSE_LIST = "\n".join(_PURPOSES) + "\n"
OFFLINE: dict[str, object] = {
    "version": 1,
    "trust": {"trust_config": _PURPOSE_LIST},
    "verify": {
        "remote_manifest_fetch": False,
        "ocsp_fetch": False,
        "verify_trust": True,
        "verify_timestamp_trust": True,
    },
    "core": {"allowed_network_hosts": ["network.invalid"]},
}
"""Settings that trust nobody and reach nothing."""


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Trust anchors as PEM text.

    Attributes:
        anchors_pem: Roots (or issuing CAs) whose claim signers are trusted.
        tsa_anchors_pem: Roots whose timestamp authorities are trusted; may be empty.
    """

    anchors_pem: str
    tsa_anchors_pem: str = ""

    def __post_init__(self) -> None:
        load_chain(self.anchors_pem)
        if self.tsa_anchors_pem:
            load_chain(self.tsa_anchors_pem)

    @classmethod
    def load(cls, directory: Path) -> "TrustPolicy":
        """Load `anchors.pem` and, when it exists, `tsa-anchors.pem`.

        Raises:
            KeyMaterialError: `anchors.pem` is missing, or a file holds no certificates.
        """
        tsa_path = directory / TSA_ANCHORS
        return cls(read_text(directory / ANCHORS), read_text(tsa_path) if tsa_path.exists() else "")

    def anchors(self) -> tuple[x509.Certificate, ...]:
        """Anchors for claim signers."""
        return load_chain(self.anchors_pem)

    def tsa_anchors(self) -> tuple[x509.Certificate, ...]:
        """Anchors for timestamp authorities."""
        return load_chain(self.tsa_anchors_pem) if self.tsa_anchors_pem else ()

    def settings(self) -> dict[str, object]:
        """The library's settings: these anchors and purposes, and no network at all."""
        anchors = f"{self.anchors_pem}\n{self.tsa_anchors_pem}"
        return OFFLINE | {"trust": {"trust_anchors": anchors, "trust_config": _PURPOSE_LIST}}
