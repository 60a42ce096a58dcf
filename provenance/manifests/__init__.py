"""C2PA manifests: what they claim, how they are signed, whom we trust, how they are read.

The only user of c2pa.
"""

from provenance.manifests.claim import ClaimRequest, Generator, GrantReference
from provenance.manifests.keys import SigningIdentity, init_development_pki
from provenance.manifests.read import read_file, read_recovered
from provenance.manifests.reading import Ingredient, ManifestReading
from provenance.manifests.sign import SignedManifest, sign_file
from provenance.manifests.signer import LocalSigner, Signer, SignerServer, SocketSigner
from provenance.manifests.timestamp import DevelopmentTimestampAuthority
from provenance.manifests.trust import TrustPolicy

__all__ = [
    "ClaimRequest",
    "DevelopmentTimestampAuthority",
    "Generator",
    "GrantReference",
    "Ingredient",
    "LocalSigner",
    "ManifestReading",
    "SignedManifest",
    "Signer",
    "SignerServer",
    "SigningIdentity",
    "SocketSigner",
    "TrustPolicy",
    "init_development_pki",
    "read_file",
    "read_recovered",
    "sign_file",
]
