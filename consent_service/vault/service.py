"""Seals personal data under a key of the person's own; erasing the key erases the data in every copy.

In: a session, a person's id, bytes and the context they belong to (`b"cameo:cam_..."`). Out: sealed bytes for
any table or file. Biometric templates and recordings rest in this form only.
Source: GDPR articles 17 and 32; NIST SP 800-88r1, section 2.5 (cryptographic erase).
"""

import os
from typing import Final

from sqlalchemy import bindparam, select
from sqlmodel import Session, col

from consent_service.kernel.clock import Clock, SystemClock
from consent_service.kernel.errors import ConflictError, ConsentError, NotFoundError
from consent_service.vault.envelope import KEY_BYTES, UnreadableError, bind, commit, seal, subkey, unseal
from consent_service.vault.keys import KeyEncryption, open_secret
from consent_service.vault.tables import PersonKeyRow

_WRAPPED: Final = (
    # A plain column: every denied check asks for it, and a row as an object costs three times as much.
    select(col(PersonKeyRow.wrapped_key)).where(col(PersonKeyRow.person_id) == bindparam("person_id"))
)


class SealedDataError(ConsentError):
    """Sealed bytes do not open under their owner's key in this context: altered, or moved from elsewhere."""

    title = "stored data cannot be read"


class Vault:
    """The keeper of person keys. Works inside the caller's transaction, keeps nothing between calls."""

    def __init__(self, key_encryption: KeyEncryption, clock: Clock | None = None) -> None:
        self._keys = key_encryption
        self._clock = clock or SystemClock()

    def __repr__(self) -> str:
        return "Vault()"

    def create(self, session: Session, person_id: str) -> None:
        """Give the person a key.

        Raises:
            ConflictError: They have one, or had one that was erased.
        """
        if session.get(PersonKeyRow, person_id) is not None:
            raise ConflictError("key_exists", "the person has a key already")
        wrapped = self._keys.wrap(os.urandom(KEY_BYTES), _owner(person_id))
        session.add(PersonKeyRow(person_id=person_id, wrapped_key=wrapped, created_at=self._clock.now()))
        session.flush()

    def seal(self, session: Session, person_id: str, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt data of this person; it opens for the same person and context only.

        Raises:
            NotFoundError: `key_erased`, or `person_unknown`.
        """
        return seal(self._subkey(session, person_id, "seal"), plaintext, _place(person_id, context))

    def open(self, session: Session, person_id: str, sealed: bytes, context: bytes) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            NotFoundError: `key_erased`, or `person_unknown`.
            SealedDataError: The bytes were altered or belong to another person or context.
        """
        key = self._subkey(session, person_id, "seal")
        try:
            return unseal(key, sealed, _place(person_id, context))
        except UnreadableError:
            raise SealedDataError("sealed_data_unreadable", "sealed data does not open") from None

    def commitment(self, session: Session, person_id: str, data: bytes) -> str:
        """Return a hex HMAC that commits to `data` and loses all meaning once the key is erased.

        Raises:
            NotFoundError: `key_erased`, or `person_unknown`.
        """
        return commit(self._subkey(session, person_id, "commit"), data)

    def erase(self, session: Session, person_id: str) -> None:
        """Destroy the person's key; everything sealed under it is unreadable from the commit on. Idempotent.

        Raises:
            NotFoundError: `person_unknown`.
        """
        row = self._row(session, person_id)
        if row.wrapped_key is None:
            return
        row.wrapped_key = None
        row.erased_at = self._clock.now()
        session.add(row)
        session.flush()

    def is_erased(self, session: Session, person_id: str) -> bool:
        """Tell whether the person's key was destroyed.

        Raises:
            NotFoundError: `person_unknown`.
        """
        return self._row(session, person_id).wrapped_key is None

    def _subkey(self, session: Session, person_id: str, use: str) -> bytes:
        found = session.connection().execute(_WRAPPED, {"person_id": person_id}).one_or_none()
        if found is None:
            raise _unknown()
        if found.wrapped_key is None:
            raise NotFoundError("key_erased", "the person's data was erased")
        return subkey(open_secret(self._keys, found.wrapped_key, _owner(person_id)), use)

    @staticmethod
    def _row(session: Session, person_id: str) -> PersonKeyRow:
        row = session.get(PersonKeyRow, person_id)
        if row is None:
            raise _unknown()
        return row


def _unknown() -> NotFoundError:
    return NotFoundError("person_unknown", "there is no such person")


def _owner(person_id: str) -> bytes:
    return bind(b"person-key", person_id.encode())


def _place(person_id: str, context: bytes) -> bytes:
    return bind(b"sealed", person_id.encode(), context)
