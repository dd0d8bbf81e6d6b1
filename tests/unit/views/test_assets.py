import gzip
import re
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from webob import Request
from webtest import TestApp

from idp import make_app
from idp.errors import ConfigurationError
from idp.logo import OWN_MARK_SIZE, size_of
from idp.services import Services
from idp.settings import Settings
from views.assets import FOR_AN_HOUR, FOREVER, VENDORED, Assets, load

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 120, 60)


def with_logo(settings: Settings, logo: str) -> Settings:
    return replace(settings, organization=replace(settings.organization, logo=logo))


def test_the_address_changes_with_the_content() -> None:
    one, other = (Assets({"css/a.css": content}) for content in (b"a{}", b"b{}"))
    assert one.url("css/a.css") != other.url("css/a.css")
    assert one.url("css/a.css") == Assets({"css/a.css": b"a{}"}).url("css/a.css")


def test_css_and_js_stay_within_their_budget(settings: Settings) -> None:
    assert 0 < load(settings).packed_size(".css", ".js") <= 90_000


def test_what_comes_from_npm_is_served_and_missed_clearly(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loaded = load(settings)
    for path in VENDORED:
        asset = loaded.get(path)
        assert asset is not None
        assert len(asset.plain) > 1000
        assert b"sourceMappingURL" not in asset.plain
    monkeypatch.setattr("views.assets.NODE_MODULES", tmp_path)
    with pytest.raises(ConfigurationError, match=r"node_modules/.* is missing: run deploy/setup"):
        load(settings)


def test_an_asset_is_cached_for_ever_and_never_sniffed(app: TestApp, settings: Settings) -> None:
    response = app.get(load(settings).url("css/site.css"))
    assert response.headers["Cache-Control"] == FOREVER
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.content_type == "text/css"
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip, deflate, br", True),
        ("br;q=1.0, GZIP;q=0.5", True),
        ("br, gzip;q=0.0", False),
        ("identity", False),
        (None, False),
    ],
)
def test_an_asset_is_packed_for_those_who_can_read_it(
    app: TestApp, settings: Settings, accepted: str | None, *, packed: bool
) -> None:
    assets = load(settings)
    asset = assets.get("css/site.css")
    assert asset is not None
    # Not through WebTest, which unpacks.
    request = Request.blank(assets.url("css/site.css"))
    if accepted is not None:
        request.headers["Accept-Encoding"] = accepted
    response = request.get_response(app.app)
    assert response.headers.get("Content-Encoding") == ("gzip" if packed else None)
    assert response.headers["Vary"] == "Accept-Encoding"
    assert (gzip.decompress(response.body) if packed else response.body) == asset.plain


def test_an_old_address_gets_todays_content_unkept(app: TestApp) -> None:
    response = app.get("/static/0123456789abcdef/css/site.css")
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["css/none.css", "../theme.py", "css/../../theme.py", "%2e%2e/theme.py", "icons"]
)
def test_nothing_else_is_served(app: TestApp, path: str) -> None:
    app.get(f"/static/0123456789abcdef/{path}", status=404)


def test_a_logo_is_served_and_shown(settings: Settings, tmp_path: Path) -> None:
    logo = tmp_path / "logo.PNG"
    logo.write_bytes(PNG)
    assets = load(with_logo(settings, str(logo)))
    asset = assets.get("img/logo.png")
    assert asset is not None
    assert (asset.content_type, asset.plain) == ("image/png", PNG)


@pytest.mark.parametrize("logo", ["/nowhere/logo.png", "no.such.package:logo.svg", "logo.exe"])
def test_a_logo_that_cannot_be_used_refuses_to_start(settings: Settings, logo: str) -> None:
    with pytest.raises(ConfigurationError, match=r"organization\.logo"):
        load(with_logo(settings, logo))


def test_the_own_mark_is_served_where_there_is_no_logo(app: TestApp) -> None:
    response = app.get("/logo")
    assert response.content_type == "image/svg+xml"
    assert response.headers["Cache-Control"] == FOR_AN_HOUR
    assert "Set-Cookie" not in response.headers
    assert size_of(response.body) == OWN_MARK_SIZE


def test_the_logo_has_an_address_that_stays(services: Services, tmp_path: Path) -> None:
    file = tmp_path / "logo.png"
    file.write_bytes(PNG)
    settings = with_logo(services.settings, str(file))
    core = replace(services.core, settings=settings)
    app = TestApp(make_app(settings, replace(services, core=core)))
    response = app.get("/logo")
    assert (response.content_type, response.body) == ("image/png", PNG)


def test_our_style_sheets_ask_for_nothing_elsewhere(settings: Settings) -> None:
    assets = load(settings)
    for path in ("css/site.css", "css/theme.css"):
        asset = assets.get(path)
        assert asset is not None
        assert not re.search(rb"url\(|@import|https?:", asset.plain)
