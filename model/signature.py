"""Signatures of bundles: Ed25519 over the bytes of the manifest, which holds the checksums of all that is run.

Keys are PEM files as OpenSSL writes them and a signature is its 64 bytes, so that ``openssl pkeyutl -rawin`` signs too.
cryptography is imported where a key is used: most services have none, and it takes their start 60 ms.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


class KeyFileError(ValueError):
    """A file of keys that cannot be used; the message is one sentence that names the file and the fault."""


class Keys(NamedTuple):
    """The public keys of those whose bundles are loaded."""

    path: Path
    public: Sequence["Ed25519PublicKey"]

    def have_signed(self, content: bytes, signature: bytes) -> bool:
        """Say whether one of the keys made the signature of the content."""
        from cryptography.exceptions import InvalidSignature

        for key in self.public:
            try:
                key.verify(signature, content)
            except InvalidSignature:
                continue
            return True
        return False


def read_public_keys(path: Path) -> Keys:
    """Read a file of one public key after another; KeyFileError when it has none, or anything else."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public = []
    for block in _PEM.finditer(_read(path)):
        try:
            key = load_pem_public_key(block[0])
        except ValueError as error:
            raise KeyFileError(f"{path}: holds a {block[1].decode()} that is not a public key") from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFileError(f"{path}: holds a public key that is not of Ed25519")
        public.append(key)
    if not public:
        raise KeyFileError(f"{path}: holds no public key in PEM")
    return Keys(path, public)


def read_private_key(path: Path) -> "Ed25519PrivateKey":
    """Read a private key without a password; KeyFileError when it is not one."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), password=None)
    except TypeError as error:
        raise KeyFileError(f"{path}: has a password, for which openssl pkeyutl -sign -rawin can ask") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{path}: holds no private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path}: holds a private key that is not of Ed25519")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from error
