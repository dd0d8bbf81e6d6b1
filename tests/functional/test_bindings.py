"""How a request and its RelayState may travel. [SAMLBind] 3.4, 3.5."""

from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from tests.common.fake_sp import FakeSP
from tests.functional.conftest import Visitor, World, text_of


@pytest.fixture
def sp(world: World) -> FakeSP:
    """Net-CAP: unsigned requests."""
    return world.sps["net-cap"]


def cause(visitor: Visitor, query: str, form: dict[str, str] | None = None) -> str:
    """The log's reason for refusing this message."""
    with capture_logs() as lines:
        if form is None:
            page = visitor.app.get(f"/saml/sso?{query}", status=400)
        else:
            page = visitor.app.post(f"/saml/sso{query}", form, status=400)
    assert page.headers["X-Request-Id"] in text_of(page)
    assert "SAMLResponse" not in page.text
    (line,) = [line for line in lines if "cause" in line]
    return str(line["cause"])


@pytest.mark.parametrize("relay_state", [None, "", " ", "+", "%2B", "é\t\u2028", "x" * 1024])
def test_a_relay_state_comes_back_to_the_byte(
    relay_state: str | None, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    visitor.sign_in("agent")
    request = sp.authn_request(now=world.now)
    page = visitor.app.get(f"/saml/sso?{sp.redirect_query(request, relay_state)}")
    assert world.consume(sp, page, request.get("ID")).relay_state == relay_state
    posted = sp.authn_request(now=world.now)
    page = visitor.follow(visitor.app.post("/saml/sso", sp.post_form(posted, relay_state)))
    assert world.consume(sp, page, posted.get("ID")).relay_state == relay_state
    more = "" if relay_state is None else f"&RelayState={quote(relay_state)}"
    page = visitor.app.get(f"/saml/sso/init?sp={sp.entity_id}{more}")
    assert world.consume(sp, page, None).relay_state == relay_state


def test_an_empty_relay_state_is_signed_as_it_came(world: World, visitor: Visitor) -> None:
    visitor.sign_in("agent")
    sp = world.sps["bip"]
    request = sp.authn_request(now=world.now)
    query = sp.redirect_query(request, "")
    assert "&RelayState=&" in query
    assert cause(visitor, query.replace("&RelayState=&", "&"))
    page = visitor.app.get(f"/saml/sso?{query}")
    assert world.consume(sp, page, request.get("ID")).relay_state == ""


@pytest.mark.parametrize("name", ["SAMLRequest", "RelayState", "SAMLEncoding"])
def test_a_parameter_is_there_once(name: str, world: World, visitor: Visitor, sp: FakeSP) -> None:
    query = sp.redirect_query(sp.authn_request(now=world.now), "a")
    encoding = quote("urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE")
    given = f"{query}&SAMLEncoding={encoding}"
    assert "there twice" in cause(visitor, f"{given}&{name}=x")
    assert visitor.app.get(f"/saml/sso?{given}").status_int == 303, "without the second one"


@pytest.mark.parametrize("name", ["sp", "RelayState"])
def test_a_parameter_of_a_tile_is_there_once(name: str, visitor: Visitor, sp: FakeSP) -> None:
    link = f"/saml/sso/init?sp={sp.entity_id}&RelayState=a"
    assert visitor.app.get(f"{link}&{name}=b", status=400)
    assert visitor.app.get(link, status=303)


def test_one_message_is_either_a_request_or_a_response(
    world: World, visitor: Visitor, sp: FakeSP
) -> None:
    request = sp.authn_request(now=world.now)
    both = "both SAMLRequest and SAMLResponse"
    assert both in cause(visitor, f"{sp.redirect_query(request)}&SAMLResponse=x")
    assert both in cause(visitor, "", sp.post_form(request) | {"SAMLResponse": "x"})


@pytest.mark.parametrize("name", ["SAMLRequest", "RelayState", "SigAlg", "SAMLResponse"])
def test_a_posted_message_has_no_part_in_the_query(
    name: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    form = sp.post_form(sp.authn_request(now=world.now), "a")
    assert "in the query" in cause(visitor, f"?{name}=x", form)
    assert visitor.app.post("/saml/sso?lang=fr", form).status_int == 303, "others are not looked at"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/xml"])
def test_a_posted_message_is_a_form(
    content_type: str, world: World, visitor: Visitor, sp: FakeSP
) -> None:
    (value,) = sp.post_form(sp.authn_request(now=world.now)).values()
    body = f"SAMLRequest={quote(value)}".encode()
    page = visitor.app.post("/saml/sso", body, content_type=content_type, status=400)
    assert "SAMLResponse" not in page.text
    form = "application/x-www-form-urlencoded; charset=UTF-8"
    assert visitor.app.post("/saml/sso", body, content_type=form).status_int == 303


def test_a_redirect_message_is_signed_in_its_query_alone(world: World, visitor: Visitor) -> None:
    for code in ("bip", "net-cap"):
        sp = world.sps[code]
        request = sp.authn_request(now=world.now)
        sp.sign(request)
        said = cause(visitor, sp.redirect_query(request, sign=False))
        assert "[SAMLBind] 3.4.4.1" in said
        assert "SigAlg" in said


def test_an_attribute_that_the_schema_does_not_have_is_named_in_the_log(
    world: World, visitor: Visitor, sp: FakeSP
) -> None:
    query = sp.redirect_query(sp.authn_request(now=world.now, ForceAuth="true"))
    assert "'ForceAuth'" in cause(visitor, query)
