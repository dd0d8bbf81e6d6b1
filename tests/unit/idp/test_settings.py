"""Settings: typed, and a missing or wrong key refuses to start and names the key."""

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from idp.errors import ConfigurationError
from idp.settings import from_file, from_mapping
from tests.common.processes import REPOSITORY
from tests.common.settings import make_settings

DATABASE = "sqlite:///unused.sqlite"


def test_the_development_settings_are_read() -> None:
    settings = from_file(REPOSITORY / "development.ini")
    assert settings.public_url == "http://localhost:6543"
    assert settings.entity_id == "http://localhost:6543/saml/metadata"
    assert settings.session_idle == timedelta(minutes=60)
    assert settings.session_lifetime == timedelta(hours=10)
    assert settings.url("/x") == "http://localhost:6543/x"


@pytest.mark.parametrize(
    "key", ["idp.directory", "idp.service_providers", "idp.metadata", "organization.name"]
)
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    raw = {"convergences.public_url": "https://a.example", "convergences.var": str(tmp_path)}
    with pytest.raises(ConfigurationError, match="is missing"):
        from_mapping(raw, here=tmp_path)
    text = (REPOSITORY / "development.ini").read_text().replace(f"\n{key} =", "\n#")
    (tmp_path / "x.ini").write_text(text)
    with pytest.raises(ConfigurationError, match=f"{key} is missing"):
        from_file(tmp_path / "x.ini")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("passwords.bcrypt_cost", "twelve"),
        ("sessions.idle_minutes", ""),
        ("convergences.durable", "maybe"),
        ("convergences.public_url", "http://auth.example"),
        ("convergences.public_url", "ftp://auth.example"),
        ("convergences.public_url", "https://auth.example/portail"),
        ("convergences.public_url", "auth.example"),
    ],
)
def test_a_wrong_value_is_refused_and_its_key_named(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=key) as refused:
        make_settings(tmp_path, DATABASE, **{key.replace(".", "__"): value})
    assert not value or value not in refused.value.cause


def test_https_is_secure_and_http_is_for_the_loopback(tmp_path: Path) -> None:
    there = make_settings(tmp_path, DATABASE, convergences__public_url="https://auth.example/")
    assert there.secure
    assert there.url("/x") == "https://auth.example/x"
    assert not make_settings(tmp_path, DATABASE).secure


def test_the_environment_replaces_the_state_and_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg:///other")
    settings = from_file(REPOSITORY / "development.ini")
    assert settings.var == tmp_path / "elsewhere"
    assert settings.database_url == "postgresql+psycopg:///other"
    (tmp_path / "elsewhere" / "local.ini").write_text(
        "[app:main]\nconvergences.public_url = http://localhost:7000\n"
    )
    assert from_file(REPOSITORY / "development.ini").public_url == "http://localhost:7000"


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    first = make_settings(tmp_path, DATABASE)
    assert make_settings(tmp_path, DATABASE).secret == first.secret
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert repr(first.secret) not in repr(first)
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="secret_file"):
        make_settings(tmp_path, DATABASE)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no configuration file"):
        from_file(tmp_path / "absent.ini")
    (tmp_path / "empty.ini").write_text("[server:main]\n")
    with pytest.raises(ConfigurationError, match=r"app:main"):
        from_file(tmp_path / "empty.ini")
