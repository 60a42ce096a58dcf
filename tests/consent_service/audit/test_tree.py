import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from consent_service.audit.checkpoint import Checkpoint, Verifier, sign, verify
from consent_service.audit.domain import (
    EMPTY_ROOT,
    Node,
    Span,
    completed_by,
    consistency_spans,
    inclusion_spans,
    leaf_hash,
    node_hash,
    span_hash,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [f"leaf {number}".encode() for number in range(130)]
NODES: dict[Node, bytes] = {}
for _index, _leaf in enumerate(LEAVES):
    _current = NODES[Node(0, _index)] = leaf_hash(_leaf)
    for _sibling, _parent in completed_by(_index):
        _current = NODES[_parent] = node_hash(NODES[_sibling], _current)

sizes = st.integers(0, len(LEAVES))


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962's recursive definition, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def root(size: int) -> bytes:
    return span_hash(Span(0, size), NODES.__getitem__)


def hashes(spans: tuple[Span, ...]) -> tuple[bytes, ...]:
    return tuple(span_hash(span, NODES.__getitem__) for span in spans)


@given(sizes)
def test_the_root_is_the_one_rfc_6962_defines(size: int) -> None:
    assert root(size) == naive_root(LEAVES[:size])


def test_known_answers_of_rfc_6962_implementations() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


@given(st.data())
def test_every_inclusion_proof_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    proof = hashes(inclusion_spans(index, size))
    assert verify_inclusion(LEAVES[index], index, size, proof, root(size))
    assert len(proof) <= (size - 1).bit_length()


@given(st.data())
def test_an_altered_inclusion_proof_fails(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(LEAVES)))
    index = data.draw(st.integers(0, size - 1))
    proof = hashes(inclusion_spans(index, size))
    assert not verify_inclusion(LEAVES[index] + b"x", index, size, proof, root(size))
    assert not verify_inclusion(LEAVES[index], index, size, (*proof, b"\0" * 32), root(size))
    other = data.draw(st.integers(0, size - 1).filter(lambda value: value != index)) if size > 1 else size
    assert not verify_inclusion(LEAVES[index], other, size, proof, root(size))
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        bent = (*proof[:place], sha256(proof[place]).digest(), *proof[place + 1 :])
        assert not verify_inclusion(LEAVES[index], index, size, bent, root(size))
        assert not verify_inclusion(LEAVES[index], index, size, proof[:-1], root(size))
        assert not verify_inclusion(LEAVES[index], index, size, (*proof[:-1], b"short"), root(size))


@given(sizes, sizes)
def test_every_consistency_proof_verifies(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = hashes(consistency_spans(old, new))
    assert verify_consistency(old, new, root(old), root(new), proof)


@given(st.data())
def test_a_rewritten_history_fails(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, len(LEAVES)))
    old = data.draw(st.integers(1, new))
    proof = hashes(consistency_spans(old, new))
    other = sha256(root(old)).digest()
    assert not verify_consistency(old, new, other, root(new), proof)
    assert not verify_consistency(old, new, root(old), other, proof)
    assert not verify_consistency(old, new, root(old), root(new), (*proof, other))
    if proof:
        assert not verify_consistency(old, new, root(old), root(new), proof[:-1])
    assert not verify_consistency(new + 1, new, root(old), root(new), proof)


@given(st.integers(0, 2**48))
def test_an_append_touches_logarithmically_many_nodes(index: int) -> None:
    assert len(completed_by(index)) <= index.bit_length()
    assert sum(1 for _ in Span(0, index).nodes()) <= index.bit_length()


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 2)])
def test_no_proof_exists_for_a_leaf_outside(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in the tree"):
        inclusion_spans(index, size)


def test_sizes_must_be_in_order() -> None:
    with pytest.raises(ValueError, match="order"):
        consistency_spans(3, 2)


def test_a_checkpoint_reads_back_and_names_its_log() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    verifier = Verifier("consent.example/log", key.public_key())
    checkpoint = Checkpoint("consent.example/log", 7, root(7))
    note = sign(checkpoint, key)
    assert verify(note, verifier) == checkpoint
    body = f"consent.example/log\n7\n{base64.b64encode(root(7)).decode()}\n"
    assert note.startswith(f"{body}\n\N{EM DASH} consent.example/log ")
    assert str(verifier).startswith("consent.example/log+")
    cosigned = note + "\N{EM DASH} witness.example/w1 " + base64.b64encode(bytes(76)).decode() + "\n"
    assert verify(cosigned, verifier) == checkpoint


@pytest.mark.parametrize(
    "bend",
    [
        lambda note: note.replace("\n7\n", "\n8\n"),
        lambda note: note.replace("\n7\n", "\n07\n"),
        lambda note: note.replace("consent", "dissent"),
        lambda note: note.split("\n\n")[0],
        lambda note: note.replace("\N{EM DASH} ", "- "),
        lambda _: "",
        lambda note: note[:-12] + "AAAAAAAAAA=\n",
    ],
)
def test_an_altered_checkpoint_is_not_one(bend: object) -> None:
    assert callable(bend)
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    note = sign(Checkpoint("consent.example/log", 7, root(7)), key)
    assert verify(bend(note), Verifier("consent.example/log", key.public_key())) is None


def test_another_logs_signature_does_not_count() -> None:
    key, other = (
        Ed25519PrivateKey.from_private_bytes(bytes(32)),
        Ed25519PrivateKey.from_private_bytes(b"\1" * 32),
    )
    note = sign(Checkpoint("consent.example/log", 7, root(7)), other)
    assert verify(note, Verifier("consent.example/log", key.public_key())) is None


@pytest.mark.parametrize(
    ("origin", "size", "value"),
    [("", 0, EMPTY_ROOT), ("a\nb", 0, EMPTY_ROOT), ("a", -1, EMPTY_ROOT), ("a", 0, b"")],
)
def test_a_checkpoint_is_checked_when_made(origin: str, size: int, value: bytes) -> None:
    with pytest.raises(ValueError, match="tree head"):
        Checkpoint(origin, size, value)


def test_a_node_is_somewhere() -> None:
    with pytest.raises(ValueError, match="natural"):
        Node(-1, 0)


@given(st.integers(1, len(LEAVES) - 1), st.integers(1, len(LEAVES)))
def test_a_proof_cut_short_or_drawn_out_proves_nothing(old: int, new: int) -> None:
    if old >= new:
        return
    proof = hashes(consistency_spans(old, new))
    assert verify_consistency(old, new, root(old), root(new), proof)
    assert not verify_consistency(old, new, root(old), root(new), proof[:-1])
    assert not verify_consistency(old, new, root(old), root(new), (*proof, leaf_hash(b"more")))
    assert not verify_consistency(old, new, root(old), root(new), ())
