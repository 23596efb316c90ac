"""Pairs of keys as OpenSSL writes them."""

from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


class KeyPair(NamedTuple):
    """Files of a private key and its public one."""

    private: Path
    public: Path


def make_pair(folder: Path, name: str) -> KeyPair:
    """Write a pair of keys."""
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.pub.pem")
    key = Ed25519PrivateKey.generate()
    pair.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pair.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return pair
