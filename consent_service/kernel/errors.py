"""The one error tree. An exception means "could not do it"; a negative verdict is a return value.

Each error carries a stable `code` for machines and a lowercase message for people, free of personal data.
`consent_service.problems` maps the classes to RFC 9457 problem documents.
"""

from typing import ClassVar


class ConsentError(Exception):
    """Root of every error the service raises on purpose.

    Attributes:
        code: Stable machine-readable name, for example `challenge_expired`.
        detail: One lowercase sentence for people; identifiers in backticks.
    """

    title: ClassVar[str] = "the request could not be carried out"

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class InvalidInputError(ConsentError):
    """What was sent cannot be used as it is (HTTP 422)."""

    title = "the input cannot be used"


class UnauthenticatedError(ConsentError):
    """No valid credential came with the request (HTTP 401)."""

    title = "authentication is needed"


class ForbiddenError(ConsentError):
    """The caller is known but may not do this (HTTP 403)."""

    title = "not allowed"


class NotFoundError(ConsentError):
    """No such thing, or none the caller may know of (HTTP 404)."""

    title = "not found"


class ConflictError(ConsentError):
    """The thing is in a state that forbids this, or was already done (HTTP 409)."""

    title = "conflict with the present state"


class TooManyError(ConsentError):
    """The caller has as many of these under way as one caller may (HTTP 429)."""

    title = "too many at once"


class TooLargeError(ConsentError):
    """The upload is over a limit (HTTP 413)."""

    title = "too large"


class UnsupportedMediaError(ConsentError):
    """The file is of a kind that is not accepted (HTTP 415)."""

    title = "unsupported media"


class UnavailableError(ConsentError):
    """Something the service needs is out of reach at the moment; nothing was lost (HTTP 503)."""

    title = "temporarily unavailable"


class StorageFullError(ConsentError):
    """There was no room to write; nothing partial was kept (HTTP 507)."""

    title = "insufficient storage"
