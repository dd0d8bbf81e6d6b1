"""The example of nginx: what the product leaves to it."""

import re

import pytest

from tests.common.processes import REPOSITORY

NGINX = (REPOSITORY / "deploy" / "nginx.conf").read_text(encoding="utf-8")


TOO_LARGE = ("trop volumineuse ou ne peut pas être lue", [])
AWAY = ("momentanément indisponible", ["30"])
PAGES: dict[str, tuple[str, list[str]]] = {
    **dict.fromkeys(("400", "413", "414", "494"), TOO_LARGE),
    "429": ("Trop de demandes", ["10"]),
    **dict.fromkeys(("502", "504"), AWAY),
}
"""What nginx answers itself: the cause that people read, and when to come back."""


def written(block: str) -> str:
    """The page of a location, with the variables of the server in it."""
    (text,) = re.findall(r"return 200 '(.*)';", block)
    for name, value in re.findall(r"^    set \$(\w+) '(.*)';$", NGINX, re.MULTILINE):
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return str(text)


def said(key: str) -> list[str]:
    """The values of a directive, in the order of the file."""
    return re.findall(rf"^\s*{key}\s+(.+);$", NGINX, re.MULTILINE)


def test_tls_is_of_today() -> None:
    assert said("ssl_protocols") == ["TLSv1.2 TLSv1.3"]
    (ciphers,) = said("ssl_ciphers")
    for cipher in ciphers.split(":"):
        assert re.fullmatch(r"ECDHE-(ECDSA|RSA)-(AES\d+-GCM-SHA\d+|CHACHA20-POLY1305)", cipher)
    assert "AES256" in ciphers.split(":")[0], "the strongest first"
    assert said("ssl_prefer_server_ciphers") == ["on"]


def test_only_people_are_led_from_http_to_https() -> None:
    plain = NGINX[NGINX.index("listen 80;") :]
    assert "proxy_pass" not in plain
    (pattern,) = re.findall(r"location ~ (\S+) \{ return 403; \}", plain)
    for path in ("/saml/metadata", "/saml/slo/soap", "/healthz", "/readyz", "/metrics"):
        assert re.search(pattern, path)
    for path in ("/", "/connexion", "/saml/sso", "/saml/slo", "/saml/metadata/x"):
        assert not re.search(pattern, path)


def test_the_address_of_the_browser_is_replaced() -> None:
    assert said("proxy_set_header X-Forwarded-For") == ["$remote_addr"]
    assert "$proxy_add_x_forwarded_for" not in NGINX


def test_versions_are_not_told_and_figures_stay_inside() -> None:
    assert said("server_tokens") == ["off", "off"]
    block = re.search(r"location = /metrics \{(.*?)\}", NGINX, re.DOTALL)
    assert block
    assert "deny all;" in block[1]


def test_what_one_address_asks_is_bounded() -> None:
    zone = re.search(r"limit_req_zone \$binary_remote_addr zone=(\w+):", NGINX)
    assert zone
    assert [value.split()[0] for value in said("limit_req")] == [f"zone={zone[1]}"]
    assert said("limit_req_status") == ["429"]


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("/mot-de-passe/abc/nouveau", "/mot-de-passe/***"),
        ("/connexion?suite=x%2Fmot-de-passe%2Fabc&y=1", "/connexion?suite=x%2Fmot-de-passe%2F***"),
        ("/mot-de-passe-oublie?avis=envoi", "/mot-de-passe-oublie?avis=envoi"),
        ("/profil/mot-de-passe", "/profil/mot-de-passe"),
        ("/aia/utilisateurs?nom=Noel", "/aia/utilisateurs?***"),
        ("/aia/utilisateurs/1f/verrouiller", "/aia/utilisateurs/1f/verrouiller"),
        ("/?suite=x%2Faia%2Fcorbeille%3Ffiltre%3DNoel&y=1", "/?suite=x%2Faia%2Fcorbeille%3F***"),
        ("/?avis=annuaire-quitte", "/?avis=annuaire-quitte"),
    ],
)
def test_no_link_that_opens_an_account_and_no_name_is_logged(address: str, logged: str) -> None:
    patterns = re.findall(r"~\*(\S+)\s+\$(\w+)\*\*\*;", NGINX)
    assert len(patterns) == 2
    for pattern, name in patterns:
        found = re.match(pattern.replace("(?<", "(?P<"), address, re.IGNORECASE)
        if found:
            address = f"{found[name]}***"
    assert address == logged


def test_half_a_request_holds_no_thread_of_the_portal() -> None:
    assert said("proxy_request_buffering") == ["on"]
    assert said("client_header_timeout") == said("client_body_timeout") == ["15s"]


def test_what_nginx_refuses_itself_is_a_page_in_french_with_a_reference() -> None:
    handled = {code: rest.split()[-1] for rest in said("error_page") for code in rest.split()[:-1]}
    assert set(handled) == set(PAGES)
    for code, (cause, retry_after) in PAGES.items():
        location = re.escape(handled[code])
        block = re.search(rf"location = {location} \{{(.*?)\n    \}}", NGINX, re.DOTALL)
        assert block
        assert "internal;" in block[1]
        assert '<html lang="fr">' in written(block[1])
        assert "<style>" in written(block[1]), "as the portal's own pages look"
        assert "unsafe" not in NGINX
        assert not re.search(r"(?:src|href)=.?https?:|url\(|@import", written(block[1]))
        assert cause in block[1]
        assert re.findall(r"add_header Retry-After (\d+) always;", block[1]) == retry_after
        assert "<code>$request_id</code>" in block[1]
        assert "Strict-Transport-Security" in block[1]
