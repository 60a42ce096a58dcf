"""Templates and signatures as sealed bytes, and back.

In: arrays of a person. Out: bytes that open under this person's key, for this place only; after erasure,
never.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from consent_service.biometrics.arrays import Template
from consent_service.cameos.domain import Gallery, GalleryEntry
from consent_service.cameos.tables import CameoRow, LikenessRow
from consent_service.kernel.ids import LikenessId
from consent_service.vault.service import Vault


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals and opens what this slice keeps about bodies, in the caller's transaction."""

    vault: Vault

    def seal(self, session: Session, person_id: str, values: NDArray[np.floating], place: str) -> bytes:
        """Return the array sealed for a place such as `lik_.../face`."""
        return self.vault.seal(session, person_id, np.ascontiguousarray(values).tobytes(), place.encode())

    def template(self, session: Session, person_id: str, sealed: bytes, place: str) -> Template:
        """Return a sealed template."""
        return np.frombuffer(self.vault.open(session, person_id, sealed, place.encode()), np.float32)

    def signature(self, session: Session, row: CameoRow) -> NDArray[np.float16]:
        """Return the signature of an earlier recording, `(steps, 3) float16`."""
        sealed = row.sealed_signature or b""
        plain = self.vault.open(session, row.person_id, sealed, signature_place(row.id).encode())
        return np.frombuffer(plain, np.float16).reshape(-1, 3)

    def entry(self, session: Session, row: LikenessRow) -> GalleryEntry:
        """Return one likeness opened."""
        face, voice = row.sealed_face, row.sealed_voice
        if face is None or voice is None:
            raise ValueError("a likeness that is not erased has both templates")
        return GalleryEntry(
            LikenessId(row.id),
            self.template(session, row.person_id, face, face_place(row.id)),
            self.template(session, row.person_id, voice, voice_place(row.id)),
        )

    def gallery(self, session: Session, rows: "list[LikenessRow]") -> Gallery:
        """Return likenesses opened."""
        return Gallery(tuple(self.entry(session, row) for row in rows))


def face_place(owner_id: str) -> str:
    """Return the place of a face template: of a likeness, or of a cameo in review."""
    return f"{owner_id}/face"


def voice_place(owner_id: str) -> str:
    """Return the place of a voice template: of a likeness, or of a cameo in review."""
    return f"{owner_id}/voice"


def signature_place(cameo_id: str) -> str:
    """Return the place of a recording's signature."""
    return f"{cameo_id}/signature"


def recording_place(cameo_id: str) -> bytes:
    """Return the place of a recording."""
    return f"{cameo_id}/recording".encode()
