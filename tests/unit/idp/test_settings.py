"""Settings: typed, and a missing or wrong key refuses to start and names the key."""

import os
import stat
import subprocess
import sys
import time
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
        ("convergences.public_url", "https://someone@auth.example"),
        ("convergences.public_url", "https://someone:word@auth.example"),
        ("convergences.public_url", "https://auth.example/?"),
        ("convergences.public_url", "https://auth.example?x=1"),
        ("convergences.public_url", "https://auth.example#top"),
        ("convergences.public_url", "https://auth.example:port"),
        ("convergences.public_url", "https://auth.example:99999"),
        ("convergences.public_url", "https://auth example"),
        ("convergences.public_url", "https://a;b"),
        ("convergences.public_url", "https://[::1"),
        ("convergences.public_url", "https://:443"),
        ("idp.scope", "cig.example/portail"),
        ("idp.scope", "cig..example"),
        ("idp.scope", "-cig.example"),
        ("idp.scope", "cig_example"),
        ("idp.scope", "@cig.example"),
        ("idp.scope", "é.example"),
        ("idp.scope", f"{'a' * 120}.example"),
        ("idp.scope", ""),
        ("idp.entity_attributes", "urn:name"),
        ("idp.entity_attributes", "urn:name urn:value urn:more"),
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


@pytest.mark.parametrize(
    ("typed", "written", "secure"),
    [
        ("HTTPS://Auth.Example", "https://auth.example", True),
        ("https://auth.example:8443/", "https://auth.example:8443", True),
        ("https://auth.example:443", "https://auth.example", True),
        ("HTTP://LOCALHOST:6543/", "http://localhost:6543", False),
        ("http://[::1]:6543", "http://[::1]:6543", False),
    ],
)
def test_the_public_url_is_written_one_way(
    tmp_path: Path,
    typed: str,
    written: str,
    secure: bool,  # noqa: FBT001
) -> None:
    settings = make_settings(tmp_path, DATABASE, convergences__public_url=typed)
    assert (settings.public_url, settings.secure) == (written, secure)
    assert settings.entity_id == f"{written}/saml/metadata"


def test_the_demonstration_stays_on_the_loopback(tmp_path: Path) -> None:
    demonstration = {"convergences__demonstration": "true"}
    with pytest.raises(ConfigurationError, match=r"convergences\.demonstration"):
        make_settings(
            tmp_path, DATABASE, convergences__public_url="https://a.example", **demonstration
        )
    for here in ("http://127.0.0.1:6543", "https://localhost"):
        settings = make_settings(tmp_path, DATABASE, convergences__public_url=here, **demonstration)
        assert settings.demonstration


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


MAKER = """
import os, sys
from pathlib import Path
from idp.settings import _secret
Path(sys.argv[2]).touch()
while not Path(sys.argv[3]).exists():
    pass
print(_secret(Path(sys.argv[1])).hex())
"""


def test_of_many_first_starts_at_once_each_reads_the_same_whole_secret(tmp_path: Path) -> None:
    go, path = tmp_path / "go", tmp_path / "var" / "secret"
    ready = [tmp_path / f"ready{number}" for number in range(4)]
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", MAKER, path, each, go],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        for each in ready
    ]
    while not all(each.exists() for each in ready):
        assert all(maker.poll() is None for maker in makers)
        time.sleep(0.01)
    go.touch()
    secrets = {maker.communicate(timeout=30)[0].strip() for maker in makers}
    assert secrets == {path.read_bytes().hex()}
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_a_secret_that_another_process_makes_meanwhile_is_taken_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    random = os.urandom

    def meanwhile(size: int) -> bytes:
        path.write_bytes(b"x" * 32)
        return random(size)

    monkeypatch.setattr(os, "urandom", meanwhile)
    assert make_settings(tmp_path, DATABASE).secret == b"x" * 32


def test_a_secret_that_another_process_has_not_filled_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.touch()
    seen = iter([False])  # it comes into being between our look and our writing
    genuine = Path.exists
    monkeypatch.setattr(
        Path, "exists", lambda self: next(seen, True) if self == path else genuine(self)
    )
    with pytest.raises(ConfigurationError, match="secret_file"):
        make_settings(tmp_path, DATABASE)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no configuration file"):
        from_file(tmp_path / "absent.ini")
    (tmp_path / "empty.ini").write_text("[server:main]\n")
    with pytest.raises(ConfigurationError, match=r"app:main"):
        from_file(tmp_path / "empty.ini")


@pytest.mark.parametrize(
    ("url", "scope", "expected"),
    [
        ("https://auth.cig.example", None, "auth.cig.example"),
        ("https://Auth.CIG.example:8443", None, "auth.cig.example"),
        ("https://auth.cig.example", "CIG.example", "cig.example"),
        ("http://localhost:6543", None, "localhost"),
        ("http://[::1]:6543", None, "localhost"),
        ("http://127.0.0.1:6543", "demo.example", "demo.example"),
    ],
)
def test_the_scope_is_the_public_urls_host_unless_it_is_set(
    tmp_path: Path, url: str, scope: str | None, expected: str
) -> None:
    more = {} if scope is None else {"idp__scope": scope}
    settings = make_settings(tmp_path, DATABASE, convergences__public_url=url, **more)
    assert settings.scope == expected


def test_a_host_that_is_no_domain_needs_a_scope(tmp_path: Path) -> None:
    url = "https://[2001:db8::1]"
    with pytest.raises(ConfigurationError, match=r"idp\.scope must be a domain"):
        make_settings(tmp_path, DATABASE, convergences__public_url=url)
    settings = make_settings(
        tmp_path, DATABASE, convergences__public_url=url, idp__scope="cig.example"
    )
    assert settings.scope == "cig.example"


def test_entity_attributes_are_a_name_and_a_value_a_line(tmp_path: Path) -> None:
    assert make_settings(tmp_path, DATABASE).entity_attributes == ()
    text = "\n    urn:a  urn:1\n\n  urn:b urn:2"
    settings = make_settings(tmp_path, DATABASE, idp__entity_attributes=text)
    assert settings.entity_attributes == (("urn:a", "urn:1"), ("urn:b", "urn:2"))


def test_fields_that_are_switched_off_are_known_ones(tmp_path: Path) -> None:
    text = (REPOSITORY / "development.ini").read_text()
    for words, expected in (("", set()), ("phone teleworking", {"phone", "teleworking"})):
        made = text.replace("directory.fields_off =", f"directory.fields_off = {words}")
        (tmp_path / "x.ini").write_text(made)
        assert from_file(tmp_path / "x.ini").fields_off == expected
    (tmp_path / "x.ini").write_text(text.replace("fields_off =", "fields_off = phone shoe_size"))
    with pytest.raises(ConfigurationError, match=r"directory\.fields_off"):
        from_file(tmp_path / "x.ini")
