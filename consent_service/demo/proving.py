"""Step 10: the audit log proves all of it, to anybody who kept the log's key and its first head.

In: the stage. Out: every event checked to be in the log, and the last head to be an extension of the first.
The proofs are verified here, with what the public routes return.
"""

import base64
import json
from collections import Counter
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from consent_service.audit.checkpoint import Checkpoint, Verifier, verify
from consent_service.audit.domain import verify_consistency, verify_inclusion
from consent_service.demo.report import Narrator
from consent_service.demo.stage import Stage

_EXPECTED: Final = {
    "cameo.accepted": 2,
    "cameo.rejected": 3,
    "grant.issued": 1,
    "check.denied": 4,
    "clip.published": 1,
    "grant.revoked": 1,
}


def prove(tell: Narrator, stage: Stage) -> None:
    """Check inclusion of every entry and consistency between the first head and the last."""
    verifier = _verifier(stage.log_key)
    first = verify(stage.first_head, verifier)
    last = verify(stage.stranger.fetch("/v1/log/checkpoint").decode(), verifier)
    if first is None or last is None:
        tell.expect("both heads carry the log's signature", holds=False)
        return
    tell.show("first head", _brief(first))
    tell.show("last head", _brief(last))
    tell.expect("both heads carry the log's signature", holds=True)

    kinds: Counter[str] = Counter()
    with tell.bar("checking inclusion", last.size) as bar:
        for index in range(last.size):
            leaf = stage.stranger.fetch(f"/v1/log/entries/{index}")
            if not _included(stage, leaf, index, last):
                tell.expect(f"entry {index} is included", holds=False)
            kinds[str(json.loads(leaf)["kind"])] += 1
            bar.advance()
    tell.show("entries", ", ".join(f"{kind} x{count}" for kind, count in sorted(kinds.items())))
    tell.expect(f"each of {last.size} entries is included", holds=True)
    missing = [kind for kind, count in _EXPECTED.items() if kinds[kind] < count]
    tell.expect("every event of the story is there", not missing)

    proof = stage.stranger.get(f"/v1/log/proofs/consistency?old={first.size}&new={last.size}")
    tell.expect(
        "the last head extends the first",
        verify_consistency(first.size, last.size, first.root, last.root, _hashes(proof["hashes"])),
    )


def _included(stage: Stage, leaf: bytes, index: int, head: Checkpoint) -> bool:
    proof = stage.stranger.get(f"/v1/log/proofs/inclusion?index={index}&size={head.size}")
    return verify_inclusion(leaf, index, head.size, _hashes(proof["hashes"]), head.root)


def _hashes(encoded: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(value) for value in encoded)


def _verifier(text: str) -> Verifier:
    """Read a C2SP verifier key `name+keyid+base64`; the first decoded byte names the algorithm."""
    name, _, encoded = text.split("+", 2)
    return Verifier(name, Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:]))


def _brief(head: Checkpoint) -> str:
    return f"{head.size} entries, root {head.root.hex()[:16]}..."
