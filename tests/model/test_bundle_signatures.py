from pathlib import Path

import pytest

from model.bundle import (
    NETWORK,
    SIGNATURE,
    BundleError,
    load_bundle,
    load_manifest,
    sign_bundle,
)
from model.signature import read_public_keys
from tests.keys import KeyPair
from tests.model.bundles import CPU, replace_file


@pytest.fixture
def signed_bundle(tiny_bundle: Path, key_pair: KeyPair) -> Path:
    sign_bundle(tiny_bundle, key_pair.private)
    return tiny_bundle


def test_a_bundle_signed_with_one_of_the_keys_is_loaded(
    signed_bundle: Path, key_pair: KeyPair, other_pair: KeyPair, tmp_path: Path
) -> None:
    both = tmp_path / "keys.pem"
    both.write_bytes(other_pair.public.read_bytes() + key_pair.public.read_bytes())
    assert load_bundle(signed_bundle, CPU, keys=read_public_keys(both)).manifest == load_manifest(signed_bundle)


def test_a_bundle_that_is_not_signed_is_refused_where_keys_are_given(tiny_bundle: Path, key_pair: KeyPair) -> None:
    with pytest.raises(BundleError, match=r"is not signed: bundle\.json\.sig is missing"):
        load_bundle(tiny_bundle, CPU, keys=read_public_keys(key_pair.public))
    assert load_bundle(tiny_bundle, CPU)


def test_a_signature_with_another_key_is_refused(signed_bundle: Path, other_pair: KeyPair) -> None:
    with pytest.raises(BundleError, match=r"is not a signature of this bundle\.json by a key of other\.pub\.pem"):
        load_bundle(signed_bundle, CPU, keys=read_public_keys(other_pair.public))


@pytest.mark.parametrize("signature", [b"", b"x" * 64, b"x" * 100_000])
def test_what_is_no_signature_is_refused(signed_bundle: Path, key_pair: KeyPair, signature: bytes) -> None:
    (signed_bundle / SIGNATURE).write_bytes(signature)
    with pytest.raises(BundleError, match="is not a signature"):
        load_bundle(signed_bundle, CPU, keys=read_public_keys(key_pair.public))


def test_a_signature_vouches_for_the_manifest_and_for_all_that_is_run(signed_bundle: Path, key_pair: KeyPair) -> None:
    keys = read_public_keys(key_pair.public)
    content = (signed_bundle / NETWORK).read_bytes()
    (signed_bundle / NETWORK).write_bytes(content + b"x")
    with pytest.raises(BundleError, match="its checksum differs"):
        load_bundle(signed_bundle, CPU, keys=keys)
    replace_file(signed_bundle, NETWORK, content + b"x")  # with its checksum in the manifest
    with pytest.raises(BundleError, match="is not a signature"):
        load_bundle(signed_bundle, CPU, keys=keys)


def test_a_bundle_that_is_not_whole_is_not_signed(tiny_bundle: Path, key_pair: KeyPair) -> None:
    (tiny_bundle / NETWORK).write_bytes(b"x")
    with pytest.raises(BundleError, match="its checksum differs"):
        sign_bundle(tiny_bundle, key_pair.private)
    assert not (tiny_bundle / SIGNATURE).exists()
