"""Signatures of notices, so that a relying party knows they came from here and when.

In: a secret, a message id, a time and the body. Out: the three headers.
Source: Standard Webhooks specification, sections "Webhook headers" and "Signature scheme" (symmetric, v1).
"""

import base64
import hmac
import os
from datetime import datetime
from hashlib import sha256
from typing import Final

_PREFIX: Final = "whsec_"


def new_secret() -> str:
    """Return a fresh signing secret `whsec_<base64 of 32 bytes>`."""
    return _PREFIX + base64.b64encode(os.urandom(32)).decode()


def headers(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """Return `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature` for one attempt."""
    timestamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.new(key, b".".join((message_id.encode(), timestamp.encode(), body)), sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
    }
