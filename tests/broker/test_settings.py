"""The broker's own key comes from a file or from the environment, never from both and never from the database."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from pydantic import SecretStr

from broker.settings import Settings
from m2kt.errors import KeyFileError, UsageError
from m2kt.signing.keys import key_id

PEM = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_the_key_may_be_a_file_or_a_variable(settings: Settings, keys) -> None:
    pem = keys.broker.private_bytes(*PEM).decode()
    given = settings.model_copy(update={"broker_key": None, "broker_key_pem": SecretStr(pem)})
    for each in (settings, given):
        assert key_id(each.signing_key().public_key()) == key_id(keys.broker.public_key())
    assert pem not in repr(given)


def test_one_of_the_two_and_not_both(settings: Settings, keys) -> None:
    pem = SecretStr(keys.broker.private_bytes(*PEM).decode())
    for update in ({"broker_key": None}, {"broker_key_pem": pem}):
        with pytest.raises(UsageError, match="M2KT_BROKER_KEY_PEM"):
            settings.model_copy(update=update).signing_key()


@pytest.mark.parametrize("pem", ["", "secret", generate_private_key(SECP256R1()).private_bytes(*PEM).decode()])
def test_what_is_no_key_is_refused_and_never_quoted(settings: Settings, pem: str) -> None:
    given = settings.model_copy(update={"broker_key": None, "broker_key_pem": SecretStr(pem)})
    with pytest.raises(KeyFileError, match="M2KT_BROKER_KEY_PEM holds") as caught:
        given.signing_key()
    assert not pem or pem not in caught.value.detail


def test_the_environment_gives_it(monkeypatch: pytest.MonkeyPatch, settings: Settings, keys, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "ADMIN_KEYS"):
        monkeypatch.setenv(f"M2KT_{name}", str(getattr(settings, name.lower())))
    monkeypatch.delenv("M2KT_BROKER_KEY", raising=False)
    monkeypatch.setenv("M2KT_BROKER_KEY_PEM", keys.broker.private_bytes(*PEM).decode())
    monkeypatch.setenv("M2KT_LOG_WITNESSES", '["w.test+00000000+AAAA http://127.0.0.1:1"]')
    found = Settings.from_environment()
    assert key_id(found.signing_key().public_key()) == key_id(keys.broker.public_key())
    assert found.log_witnesses == ("w.test+00000000+AAAA http://127.0.0.1:1",)
