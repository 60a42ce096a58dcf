"""Use cases of accounts: create principals, tell who a key belongs to, end keys.

In: a session and names. Out: ids and, once only, secrets in clear. Nothing here can show a key again.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from consent_service.accounts import repository
from consent_service.accounts.addresses import AddressRules, check_url
from consent_service.accounts.domain import ID_PREFIXES, KEY_PREFIX, ApiKey, Principal, Role, parse_key
from consent_service.accounts.signing import new_secret
from consent_service.accounts.tables import ApiKeyRow, PrincipalRow, WebhookEndpointRow
from consent_service.kernel.clock import Clock
from consent_service.kernel.errors import InvalidInputError, NotFoundError, UnauthenticatedError
from consent_service.kernel.ids import PersonId, RelyingPartyId, new_id
from consent_service.vault.keys import KeyEncryption
from consent_service.vault.service import Vault

LAST_USE_STEP: Final = timedelta(minutes=1)
"""Last use is noted at most this often, so that authentication seldom writes."""

_LONGEST_NAME: Final = 200


class AccountService:
    """Keeps principals and answers who is calling. Works in the caller's transaction."""

    def __init__(self, vault: Vault, keys: KeyEncryption, clock: Clock, rules: AddressRules) -> None:
        self._vault = vault
        self._keys = keys
        self._clock = clock
        self._rules = rules

    def create_person(self, session: Session, created_by: str | None = None) -> tuple[PersonId, str]:
        """Create a person with a vault key of their own; return id and API key (shown once)."""
        person_id = self._principal(session, "person", created_by=created_by)
        self._vault.create(session, person_id)
        return PersonId(person_id), self.issue_key(session, person_id)

    def create_relying_party(
        self, session: Session, name: str, webhook_url: str | None = None
    ) -> tuple[RelyingPartyId, str, str | None]:
        """Create a relying party; return id, API key and webhook secret (both shown once).

        Raises:
            InvalidInputError: The name is empty or too long, or the webhook address is not acceptable.
        """
        party_id = RelyingPartyId(self._principal(session, "relying_party", name=_checked(name)))
        secret = self.set_webhook(session, party_id, webhook_url) if webhook_url else None
        return party_id, self.issue_key(session, party_id), secret

    def create_moderator(self, session: Session, name: str) -> tuple[str, str]:
        """Create a moderator; return id and API key (shown once).

        Raises:
            InvalidInputError: The name is empty or too long.
        """
        moderator_id = self._principal(session, "moderator", name=_checked(name))
        return moderator_id, self.issue_key(session, moderator_id)

    def set_webhook(self, session: Session, relying_party_id: str, url: str) -> str:
        """Set where notices go, with a fresh signing secret, which is returned once.

        Raises:
            InvalidInputError: The address is not one notices may be sent to.
        """
        check_url(url, self._rules)
        secret = new_secret()
        wrapped = self._keys.wrap(secret.encode(), webhook_context(relying_party_id))
        row = session.get(WebhookEndpointRow, relying_party_id) or WebhookEndpointRow(
            relying_party_id=relying_party_id, url=url, wrapped_secret=wrapped, created_at=self._clock.now()
        )
        row.url, row.wrapped_secret, row.gone_at = url, wrapped, None
        session.add(row)
        session.flush()
        return secret

    def issue_key(self, session: Session, principal_id: str) -> str:
        """Give a principal one more API key and return it; only its digest is kept."""
        key = ApiKey(new_id(KEY_PREFIX), secrets.token_urlsafe(32))
        session.add(
            ApiKeyRow(id=key.id, principal_id=principal_id, digest=key.digest(), created_at=self._clock.now())
        )
        session.flush()
        return key.text()

    def keys(self, session: Session, principal_id: str) -> Sequence[ApiKeyRow]:
        """Return the live keys of a principal, oldest first."""
        return repository.live_keys(session, principal_id)

    def end_key(self, session: Session, principal_id: str, key_id: str) -> None:
        """End one key of a principal. Idempotent.

        Raises:
            NotFoundError: They have no such key.
        """
        row = session.get(ApiKeyRow, key_id)
        if row is None or row.principal_id != principal_id:
            raise NotFoundError("api_key_unknown", "you have no such api key")
        row.revoked_at = row.revoked_at or self._clock.now()
        session.add(row)

    def disable(self, session: Session, principal_id: str) -> None:
        """Shut a principal out from the commit on.

        Raises:
            NotFoundError: There is no such principal.
        """
        row = session.get(PrincipalRow, principal_id)
        if row is None:
            raise NotFoundError("principal_unknown", "there is no such principal")
        row.disabled_at = self._clock.now()
        session.add(row)
        repository.revoke_keys(session, principal_id, row.disabled_at)

    def authenticate(self, session: Session, text: str) -> tuple[Principal, datetime | None]:
        """Return whose key this is, and when its last use should be noted (None: noted lately).

        Raises:
            UnauthenticatedError: No live key of an enabled principal; which of these is not said.
        """
        key = parse_key(text)
        holder = repository.holder_of_key(session, key.id) if key else None
        if key is None or holder is None or not key.matches(holder.digest):
            raise UnauthenticatedError("api_key_invalid", "the api key is not valid")
        now = self._clock.now()
        stale = holder.last_used_at is None or now - holder.last_used_at >= LAST_USE_STEP
        return Principal(holder.principal_id, _role(holder.role)), now if stale else None

    def note_use(self, session: Session, text: str, at: datetime) -> None:
        """Note when a key was used."""
        key = parse_key(text)
        if key is not None:
            repository.touch_key(session, key.id, at)

    def _principal(
        self, session: Session, role: Role, *, name: str | None = None, created_by: str | None = None
    ) -> str:
        identifier = new_id(ID_PREFIXES[role])
        session.add(
            PrincipalRow(
                id=identifier, role=role, name=name, created_by=created_by, created_at=self._clock.now()
            )
        )
        session.flush()
        return identifier


def webhook_context(relying_party_id: str) -> bytes:
    """Return what a webhook secret is bound to while wrapped."""
    return b"webhook-secret\x00" + relying_party_id.encode()


def _role(text: str) -> Role:
    for role in ID_PREFIXES:
        if role == text:
            return role
    raise UnauthenticatedError("role_unknown", "the api key is not valid")


def _checked(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidInputError("name_invalid", f"a name has 1 to {_LONGEST_NAME} printable characters")
    return name
