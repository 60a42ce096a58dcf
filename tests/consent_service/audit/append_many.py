"""A process of its own that appends to the log: `append_many.py URL COUNT`."""

import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consent_service.audit.service import AuditLog
from consent_service.db.engine import create_database
from consent_service.db.session import transaction
from consent_service.kernel.clock import SystemClock

engine = create_database(sys.argv[1])
log = AuditLog(Ed25519PrivateKey.from_private_bytes(bytes(32)), "consent.example/log", SystemClock())
for _ in range(int(sys.argv[2])):
    with transaction(engine) as session:
        log.append(session, "check.denied")
