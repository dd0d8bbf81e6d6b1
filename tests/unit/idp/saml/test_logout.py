"""LogoutRequest and LogoutResponse: read, checked, written, one thing at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from idp.errors import (
    ProtocolError,
    RequestRefused,
    SignatureRefused,
    UnknownEndpoint,
    UnreadableMessage,
)
from idp.messages import AcceptedLogout, LogoutResponse
from idp.saml import logout, xml
from idp.saml.bindings import (
    Message,
    decode_post,
    decode_redirect,
    decode_soap,
    encode_soap,
    soap_fault,
)
from idp.saml.names import PARTIAL_LOGOUT, REQUESTER, RESPONDER, SUCCESS, UNKNOWN_PRINCIPAL, q
from idp.types import Binding, Endpoint, NameID, NameIDFormat, ServiceProvider
from tests.common import schemas
from tests.common.fake_slo import SLO, envelope, logout_request, logout_response
from tests.common.fake_sp import FakeSP, Received

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SP = FakeSP("sp", signs=True, slo=("HTTP-Redirect", "HTTP-POST", "SOAP"))
RECEIVED = Received(
    "v", NameIDFormat.PERSISTENT, {}, "_index", "", NOW, None, None, etree.Element("x")
)
PERSON = NameID("v", NameIDFormat.PERSISTENT)
REGISTERED = ServiceProvider(
    entity_id=SP.entity_id,
    display_name="SP",
    assertion_consumer_services=(Endpoint(Binding.POST, SP.acs, 0),),
    signing_certificates=(SP.certificate,),
)


class Opens:
    """Decrypts anything to this element."""

    def __init__(self, name: str = "NameID") -> None:
        self.inside = etree.Element(q("saml", name), Format=NameIDFormat.PERSISTENT)
        self.inside.text = "inside"

    def decrypt(self, encrypted: etree._Element) -> etree._Element:
        assert encrypted.tag == q("saml", "EncryptedID")
        return self.inside


def request(**options: object) -> etree._Element:
    return logout_request(SP, RECEIVED, now=NOW, **options)  # type: ignore[arg-type]


def carried(root: etree._Element, way: str = "redirect", *, sign: bool = True) -> Message:
    if way == "redirect":
        parameter = "SAMLResponse" if root.tag.endswith("Response") else "SAMLRequest"
        return decode_redirect(SP.redirect_query(root, "état", sign=sign), parameter)
    if way == "post":
        form = SP.post_form(root, "état", sign=sign)
        return decode_post(form.items(), next(iter(form)))
    if sign:
        SP.sign(root)
    return decode_soap(envelope(root))


def accept(
    message: Message,
    *,
    now: datetime = NOW,
    sp: ServiceProvider = REGISTERED,
    opens: Opens | None = None,
) -> AcceptedLogout:
    root = xml.parse(message.xml)
    return logout.accept_request(
        logout.parse_request(root),
        root,
        message,
        sp,
        destination=SLO,
        now=now,
        decrypter=opens or Opens(),
    )


# --- what is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["redirect", "post", "soap"])
def test_a_request_is_accepted(way: str) -> None:
    accepted = accept(carried(request(ID="_1", indexes=("_a", "_b")), way))
    assert accepted == AcceptedLogout(
        entity_id=SP.entity_id,
        message_id="_1",
        binding={"redirect": Binding.REDIRECT, "post": Binding.POST, "soap": Binding.SOAP}[way],
        name_id=PERSON,
        session_indexes=("_a", "_b"),
        relay_state=None if way == "soap" else "état",
    )


def test_qualifiers_are_read_and_nothing_more_is_demanded() -> None:
    root = request(indexes=(), NotOnOrAfter=None, Reason="urn:x", Consent="urn:y")
    root.find(q("saml", "NameID")).attrib.update({"NameQualifier": "a", "SPNameQualifier": "b"})
    accepted = accept(carried(root))
    assert accepted.session_indexes == ()
    assert accepted.name_id == NameID("v", NameIDFormat.PERSISTENT, "a", "b")


def test_an_encrypted_name_is_opened() -> None:
    root = request()
    name_id = root.find(q("saml", "NameID"))
    root.replace(name_id, etree.Element(q("saml", "EncryptedID")))
    assert accept(carried(root)).name_id == NameID("inside", NameIDFormat.PERSISTENT)
    with pytest.raises(UnreadableMessage, match="EncryptedID holds"):
        accept(carried(root), opens=Opens("Assertion"))


@pytest.mark.parametrize(
    ("way", "cause"), [("redirect", "without Destination"), ("post", "without Destination")]
)
def test_a_browsers_message_has_a_destination(way: str, cause: str) -> None:
    with pytest.raises(RequestRefused, match=cause):
        accept(carried(request(Destination=None), way))


def test_by_soap_it_may_be_left_out_but_not_be_anothers() -> None:
    assert accept(carried(request(Destination=None), "soap"))
    with pytest.raises(RequestRefused, match="Destination"):
        accept(carried(request(Destination="https://evil.example"), "soap"))


def test_unsigned() -> None:
    with pytest.raises(SignatureRefused, match="not signed"):
        accept(carried(request(), sign=False))


@pytest.mark.parametrize(
    ("attributes", "ahead", "error"),
    [
        ({}, timedelta(minutes=7, seconds=59), None),
        ({}, timedelta(minutes=8, seconds=1), RequestRefused),
        ({}, timedelta(seconds=-179), None),
        ({}, timedelta(seconds=-181), RequestRefused),
        ({"NotOnOrAfter": "2026-11-20T09:00:00Z"}, timedelta(seconds=179), None),
        ({"NotOnOrAfter": "2026-11-20T09:00:00Z"}, timedelta(seconds=180), RequestRefused),
        ({"Version": "2.1"}, timedelta(), RequestRefused),
        ({"NotOnOrAfter": "demain"}, timedelta(), UnreadableMessage),
        ({"ForceAuthn": "true"}, timedelta(), UnreadableMessage),
    ],
)
def test_its_dates_and_version(
    attributes: dict[str, str], ahead: timedelta, error: type[ProtocolError] | None
) -> None:
    message = carried(request(**({"NotOnOrAfter": None} | attributes)))
    if error is None:
        assert accept(message, now=NOW + ahead)
        return
    with pytest.raises(error):
        accept(message, now=NOW + ahead)


def test_what_is_no_request() -> None:
    for root in (logout_response(SP, request(), now=NOW), SP.authn_request(now=NOW)):
        with pytest.raises(UnreadableMessage, match="is not a LogoutRequest"):
            logout.parse_request(root)
    root = request()
    root.remove(root.find(q("saml", "NameID")))
    with pytest.raises(UnreadableMessage, match="one person"):
        logout.parse_request(root)
    accepted = logout.parse_request(request())
    with pytest.raises(UnreadableMessage, match="one person"):
        logout.accept_request(
            replace(accepted, name_id=None),
            request(),
            carried(request()),
            REGISTERED,
            destination=SLO,
            now=NOW,
            decrypter=Opens(),
        )


# --- what is answered -------------------------------------------------------------------------


def answer(**options: object) -> etree._Element:
    return logout_response(SP, request(ID="_asked"), now=NOW, **options)  # type: ignore[arg-type]


def checked(message: Message, asked_at: str | None = None) -> LogoutResponse:
    """What came by the browser, or (``asked_at``) from the address that was asked."""
    root = xml.parse(message.xml)
    response = logout.parse_response(root)
    came = {"destination": SLO} if asked_at is None else {"came_back_from": asked_at}
    logout.check_response(response, root, message, REGISTERED, now=NOW, **came)  # type: ignore[arg-type]
    return response


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_an_answer_is_read(way: str) -> None:
    response = checked(carried(answer(), way))
    assert (response.in_response_to, response.issuer) == ("_asked", SP.entity_id)
    assert (response.status, response.sub_status) == (SUCCESS, None)


@pytest.mark.parametrize(
    "asked_at", ["https://sp.example/slo", "http://127.0.0.1:8080/slo", "http://[::1]/slo"]
)
def test_an_answer_by_soap_need_not_be_signed_but_a_signature_must_verify(asked_at: str) -> None:
    assert checked(carried(answer(), "soap", sign=False), asked_at)
    assert checked(carried(answer(), "soap"), asked_at)
    root = answer()
    SP.sign(root)
    root.set("InResponseTo", "_changed")
    with pytest.raises(SignatureRefused):
        checked(decode_soap(envelope(root)), asked_at)


@pytest.mark.parametrize("host", ["sp.example", "127.0.0.1.sp.example", "localhost@sp.example"])
def test_without_tls_anybody_on_the_way_could_have_answered(host: str) -> None:
    assert checked(carried(answer(), "soap"), f"http://{host}/slo")
    with pytest.raises(SignatureRefused, match="without TLS"):
        checked(carried(answer(), "soap", sign=False), f"http://{host}/slo")


@pytest.mark.parametrize(
    "attributes",
    [
        {"Destination": "https://evil.example"},
        {"Version": "1.1"},
        {"IssueInstant": "2026-11-20T08:51:00Z"},
        {"IssueInstant": "2026-11-20T09:04:00Z"},
    ],
)
def test_an_answer_that_is_not_for_us_or_not_of_now(attributes: dict[str, str]) -> None:
    with pytest.raises(RequestRefused):
        checked(carried(answer(**attributes)))


def test_an_unsigned_answer_by_the_browser() -> None:
    with pytest.raises(SignatureRefused, match="by the browser"):
        checked(carried(answer(), sign=False))


def test_what_is_no_answer() -> None:
    with pytest.raises(UnreadableMessage, match="is not a LogoutResponse"):
        logout.parse_response(request())
    root = answer()
    status = root.find(q("samlp", "Status"))
    status.remove(status[0])
    with pytest.raises(UnreadableMessage, match="without StatusCode"):
        logout.parse_response(root)


@pytest.mark.parametrize(
    ("status", "sub_status", "whole"),
    [
        (SUCCESS, None, True),
        (SUCCESS, PARTIAL_LOGOUT, False),
        (REQUESTER, UNKNOWN_PRINCIPAL, True),
        (RESPONDER, UNKNOWN_PRINCIPAL, True),
        (RESPONDER, PARTIAL_LOGOUT, False),
        (RESPONDER, None, False),
    ],
)
def test_whether_anything_is_left_there(
    status: str, sub_status: str | None, *, whole: bool
) -> None:
    response = LogoutResponse("_1", "2.0", NOW, "sp", "_2", status, sub_status)
    assert logout.succeeded(response) is whole


def test_both_codes_are_read() -> None:
    root = answer(status="Responder")
    below = etree.SubElement(root.find(f".//{q('samlp', 'StatusCode')}"), q("samlp", "StatusCode"))
    below.set("Value", PARTIAL_LOGOUT)
    assert logout.parse_response(root).sub_status == PARTIAL_LOGOUT


# --- where ------------------------------------------------------------------------------------


def test_endpoints_are_the_registered_ones_in_our_order() -> None:
    post = Endpoint(Binding.POST, "https://sp.example/post")
    redirect = Endpoint(
        Binding.REDIRECT, "https://sp.example/asks", response_location="https://sp.example/answers"
    )
    sp = replace(REGISTERED, single_logout_services=(post, redirect))
    assert logout.find_endpoint(sp, logout.FRONT_CHANNEL) == redirect
    assert logout.find_endpoint(sp, (Binding.SOAP,)) is None
    assert logout.response_endpoint(sp) == Endpoint(Binding.REDIRECT, "https://sp.example/answers")
    only = replace(REGISTERED, single_logout_services=(post,))
    assert logout.response_endpoint(only) == post
    with pytest.raises(UnknownEndpoint):
        logout.response_endpoint(REGISTERED)


# --- what is written --------------------------------------------------------------------------


@pytest.mark.parametrize("qualified", [False, True])
@pytest.mark.parametrize("indexes", [(), ("_a",), ("_a", "_b")])
def test_a_request_validates_and_is_read_back(*, qualified: bool, indexes: tuple[str, ...]) -> None:
    person = NameID("v & <é>", NameIDFormat.PERSISTENT, "i", "s") if qualified else NameID("v", "")
    text = logout.logout_request(
        idp="https://idp.example/é&",
        request_id="_1",
        now=NOW,
        destination="https://sp.example/slo?a=1&b=2",
        person=person,
        session_indexes=indexes,
    )
    root = xml.parse(text.encode())
    schemas.check(root)
    read = logout.parse_request(root)
    assert (read.name_id, read.session_indexes) == (person, indexes)
    assert read.destination == "https://sp.example/slo?a=1&b=2"
    assert read.not_on_or_after == NOW + logout.LIFETIME
    assert read.issuer == "https://idp.example/é&"


@pytest.mark.parametrize("sub_status", [None, PARTIAL_LOGOUT, UNKNOWN_PRINCIPAL])
@pytest.mark.parametrize("destination", [None, "https://sp.example/slo"])
def test_a_response_validates_and_is_read_back(
    sub_status: str | None, destination: str | None
) -> None:
    text = logout.logout_response(
        idp="idp",
        response_id="_1",
        now=NOW,
        destination=destination,
        in_response_to="_0",
        sub_status=sub_status,
    )
    root = xml.parse(text.encode())
    schemas.check(root)
    read = logout.parse_response(root)
    assert (read.status, read.sub_status) == (SUCCESS, sub_status)
    assert (read.destination, read.in_response_to) == (destination, "_0")


def test_soap_is_written_and_read_back() -> None:
    text = logout.logout_response(
        idp="idp", response_id="_1", now=NOW, destination=None, in_response_to="_0"
    )
    octets = encode_soap(text)
    schemas.check(etree.fromstring(octets))
    assert decode_soap(octets).xml == text.encode()
    fault = etree.fromstring(soap_fault("refusé : a & <b>"))
    schemas.check(fault)
    assert fault.findtext(".//faultstring") == "refusé : a & <b>"
