import base64
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from m2kt.errors import KeyFileError, UsageError
from m2kt.signing import PrivateKey, TrustStore, keys

PRIME = 2**255 - 19
D = -121665 * pow(121666, -1, PRIME) % PRIME
Point = tuple[int, int]


def text_of(y: int, sign: int = 0) -> str:
    return "ed25519:" + base64.b64encode((y | sign << 255).to_bytes(32, "little")).decode()


def add(p: Point, q: Point) -> Point:
    """Point addition of RFC 8032 section 5.1.4, in affine coordinates."""
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + y1 * x2) * pow(1 + k, -1, PRIME)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, PRIME)
    return x % PRIME, y % PRIME


def recover_x(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != square:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    return x if x * x % PRIME == square else None


def small_order_points() -> set[Point]:
    """All eight: any point times the group's large prime order, and the multiples of that."""
    order, y = 2**252 + 27742317777372353535851937790883648493, 2
    while True:
        y += 1
        x = recover_x(y)
        if x is None:
            continue
        point, torsion = (x, y), (0, 1)
        for bit in bin(order)[2:]:
            torsion = add(torsion, torsion)
            torsion = add(torsion, point) if bit == "1" else torsion
        found, each = {(0, 1)}, torsion
        while each not in found:
            found.add(each)
            each = add(each, torsion)
        if len(found) == 8:
            return found


def test_a_private_key_round_trips_through_its_file(tmp_path: Path, key: PrivateKey) -> None:
    path = tmp_path / "key"
    keys.write_private(path, key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert keys.load_private(path).private_bytes_raw() == key.private_bytes_raw()


def test_a_private_key_is_0600_whatever_the_umask(tmp_path: Path, key: PrivateKey) -> None:
    before = os.umask(0)
    try:
        keys.write_private(tmp_path / "key", key)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601])
def test_looser_modes_are_refused_naming_the_remedy(tmp_path: Path, key: PrivateKey, mode: int) -> None:
    path = tmp_path / "key"
    keys.write_private(path, key)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"{mode:04o}") as raised:
        keys.load_private(path)
    assert f"chmod 600 {path}" in raised.value.hint


def test_keys_are_never_overwritten(tmp_path: Path, key: PrivateKey) -> None:
    path = tmp_path / "key"
    path.write_text("precious")
    for write in (lambda: keys.write_private(path, key), lambda: keys.write_public(path, key.public_key())):
        with pytest.raises(KeyFileError, match="exists"):
            write()
    assert path.read_text() == "precious"


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path, key: PrivateKey) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyFileError):
        keys.write_private(tmp_path / "link", key)
    assert not (tmp_path / "elsewhere").exists()


def test_files_that_hold_no_ed25519_key_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    curve = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content in (b"", b"nonsense", curve, b"x" * 20_000):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(KeyFileError):
            keys.load_private(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "none"):
        with pytest.raises(KeyFileError):
            keys.load_private(path)


def test_a_public_key_round_trips_through_its_file(tmp_path: Path, key: PrivateKey) -> None:
    keys.write_public(tmp_path / "key.pub", key.public_key())
    assert keys.load_public(tmp_path / "key.pub") == key.public_key()


def test_key_id_is_the_digest_of_the_raw_key(key: PrivateKey) -> None:
    # SHA-256 of the public key of the seed 00 01 … 1f.
    assert keys.raw_public(key.public_key()).hex().startswith("03a107bff3ce10be")
    assert keys.key_id(key.public_key()) == "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c"


def test_points_of_small_order_are_refused() -> None:
    points = small_order_points()
    assert len(points) == 8
    for x, y in points:
        with pytest.raises(UsageError, match="small order"):
            keys.parse_public(text_of(y, x & 1))


@pytest.mark.parametrize("y", [PRIME, PRIME + 1, 2**255 - 1])
def test_other_spellings_of_a_point_are_refused(y: int) -> None:
    with pytest.raises(UsageError, match="canonical"):
        keys.parse_public(text_of(y))


def test_text_that_is_no_key_is_refused(key: PrivateKey) -> None:
    text = keys.public_text(key.public_key())
    for wrong in ("", "ed25519:", text[8:], text[:-4], text + "AAAA", text.upper(), "rsa:" + text[8:], "ed25519:é"):
        with pytest.raises(UsageError):
            keys.parse_public(wrong)
    assert keys.parse_public(f" {text}\n") == key.public_key()


def test_a_trust_store_holds_the_pub_files_of_a_directory(
    tmp_path: Path, key: PrivateKey, other_key: PrivateKey
) -> None:
    keys.write_public(tmp_path / "a.pub", key.public_key())
    keys.write_public(tmp_path / "b.pub", other_key.public_key())
    keys.write_private(tmp_path / "a", key)
    store = TrustStore.from_path(tmp_path)
    assert set(store) == {keys.key_id(key.public_key()), keys.key_id(other_key.public_key())}
    assert list(TrustStore.from_path(tmp_path / "a.pub").values()) == [key.public_key()]


def test_one_bad_file_refuses_the_whole_store(tmp_path: Path, key: PrivateKey) -> None:
    keys.write_public(tmp_path / "a.pub", key.public_key())
    (tmp_path / "b.pub").write_text("ed25519:AAAA")
    with pytest.raises(KeyFileError, match=r"b\.pub"):
        TrustStore.from_directory(tmp_path)
    with pytest.raises(KeyFileError, match="not a directory"):
        TrustStore.from_directory(tmp_path / "none")
