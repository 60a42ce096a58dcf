"""Routes through which anyone can watch the log: checkpoint, leaves, proofs. Public and cacheable.

Source: C2SP tlog-checkpoint (text form of the checkpoint).
"""

from typing import Annotated, Protocol, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import Engine

from consent_service.audit.schemas import LogKey, Proof
from consent_service.audit.service import AuditLog
from consent_service.db.session import reading

router = APIRouter(prefix="/v1/log", tags=["transparency log"])
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_MAX_SIZE = 2**62


class _Container(Protocol):
    @property
    def audit(self) -> AuditLog: ...
    @property
    def engine(self) -> Engine: ...


async def _container(request: Request) -> _Container:
    return cast("_Container", request.app.state.container)


Services = Annotated[_Container, Depends(_container)]
Natural = Annotated[int, Query(ge=0, le=_MAX_SIZE)]


@router.get("/checkpoint", response_class=Response, summary="The latest signed tree head")
def checkpoint(services: Services) -> Response:
    """Return a C2SP signed note: origin, size, root, Ed25519 signature."""
    with reading(services.engine) as session:
        note = services.audit.checkpoint(session)
    return Response(note, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@router.get("/key", summary="The log's verifier key")
def key(services: Services) -> LogKey:
    """Return what checks the checkpoints' signatures; keep it from a first visit on."""
    return LogKey(verifier=str(services.audit.verifier))


@router.get("/entries/{index}", response_class=Response, summary="One leaf, byte for byte")
def entry(index: Annotated[int, Path(ge=0, le=_MAX_SIZE)], services: Services) -> Response:
    """Return the leaf exactly as it was hashed (canonical JSON, no personal data)."""
    with reading(services.engine) as session:
        leaf = services.audit.entry(session, index)
    return Response(leaf, media_type="application/json", headers=_FOREVER)


@router.get("/proofs/inclusion", summary="Proof that a leaf is in the log")
def inclusion(index: Natural, size: Natural, services: Services) -> Proof:
    """Return the audit path of leaf `index` in the tree of `size` leaves."""
    with reading(services.engine) as session:
        hashes = services.audit.inclusion(session, index, size)
        return _proof(hashes, services.audit.root(session, size))


@router.get("/proofs/consistency", summary="Proof that nothing was changed")
def consistency(old: Natural, new: Natural, services: Services) -> Proof:
    """Return the proof that the tree of `old` leaves is the beginning of the tree of `new`."""
    with reading(services.engine) as session:
        hashes = services.audit.consistency(session, old, new)
        return _proof(hashes, services.audit.root(session, new))


@router.get("/tile/entries/{path:path}", response_class=Response, summary="A bundle of leaves")
def entry_tile(path: str, services: Services) -> Response:
    """Return up to 256 leaves, each after its length in two bytes (C2SP tlog-tiles)."""
    with reading(services.engine) as session:
        bundle = services.audit.entry_tile(session, path)
    return Response(bundle, media_type="application/octet-stream", headers=_FOREVER)


@router.get("/tile/{level}/{path:path}", response_class=Response, summary="A tile of the tree")
def hash_tile(level: int, path: str, services: Services) -> Response:
    """Return up to 256 hashes of one level, for monitors and witnesses (C2SP tlog-tiles)."""
    with reading(services.engine) as session:
        tile = services.audit.hash_tile(session, level, path)
    return Response(tile, media_type="application/octet-stream", headers=_FOREVER)


def _proof(hashes: tuple[bytes, ...], root: bytes) -> Proof:
    return Proof(hashes=[value.hex() for value in hashes], root=root.hex())
