"""Wire shapes of proofs; hashes are lowercase hex."""

from pydantic import BaseModel, Field


class Proof(BaseModel):
    """Hashes that lead from a leaf, or an older tree, to the root of a checkpoint."""

    hashes: list[str] = Field(description="SHA-256 values in hex, in the order RFC 6962 gives.")
    root: str = Field(description="Root of the tree the proof leads to, in hex.")


class LogKey(BaseModel):
    """How to recognise this log."""

    verifier: str = Field(description="C2SP verifier key `name+keyid+base64`, as signed-note tools take it.")
