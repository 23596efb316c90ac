from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from model.signature import KeyFileError, read_private_key, read_public_keys
from tests.keys import KeyPair


def assert_no_public_keys(path: Path, reason: str) -> None:
    with pytest.raises(KeyFileError, match=reason) as refused:
        read_public_keys(path)
    assert str(path) in str(refused.value)


def test_any_of_several_keys_may_have_signed(key_pair: KeyPair, other_pair: KeyPair, tmp_path: Path) -> None:
    both, content = tmp_path / "both.pem", b"content"
    both.write_text(f"a comment\n{other_pair.public.read_text()}\n{key_pair.public.read_text()}")
    signature = read_private_key(key_pair.private).sign(content)
    assert read_public_keys(both).have_signed(content, signature)
    assert not read_public_keys(both).have_signed(b"another", signature)
    assert not read_public_keys(other_pair.public).have_signed(content, signature)


def test_a_file_without_public_keys_is_refused(key_pair: KeyPair, tmp_path: Path) -> None:
    assert_no_public_keys(tmp_path / "nowhere", "cannot be read: No such file")
    assert_no_public_keys(tmp_path, "cannot be read: Is a directory")
    (tmp_path / "text").write_bytes(b"\xff no key")
    assert_no_public_keys(tmp_path / "text", "no public key in PEM")
    assert_no_public_keys(key_pair.private, "holds a PRIVATE KEY that is not a public key")


def test_keys_of_another_kind_are_refused(tmp_path: Path) -> None:
    key, file = generate_private_key(SECP256R1()), tmp_path / "ec.pem"
    file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert_no_public_keys(file, "not of Ed25519")
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyFileError, match="not of Ed25519"):
        read_private_key(file)


def test_a_private_key_is_not_a_public_one_and_has_no_password(key_pair: KeyPair, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no private key in PEM"):
        read_private_key(key_pair.public)
    locked = tmp_path / "locked.pem"
    key = load_pem_private_key(key_pair.private.read_bytes(), None)
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")))
    with pytest.raises(KeyFileError, match="has a password"):
        read_private_key(locked)
