"""Attacks on single logout: each ends nothing, tells nobody, and leaves the journal as it was.

The attacker wants somebody signed out, or wants it believed that an application is closed. He has
what he saw (genuine messages of an SP), what he writes himself, and sometimes an SP of his own.
"""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta

import pytest
import xmlsec
from lxml import etree

from idp.saml.names import q
from tests.attacks.conftest import Street
from tests.attacks.logout_scene import DESTINATIONS, WAYS, Scene, scene_of
from tests.attacks.signing import EXCLUSIVE, sign
from tests.attacks.wrappings import XSW
from tests.common.fake_slo import (
    envelope,
    logout_request,
    opened,
    status_of_logout,
)
from tests.common.fake_sp import FakeSP, key_pair

EVERY_WAY = pytest.mark.parametrize("way", WAYS)
ENVELOPED = pytest.mark.parametrize("way", ["post", "soap"])
UNREADABLE, REFUSED, SIGNATURE = "unreadable-message", "request-refused", "signature-refused"
EVIL = "https://evil.example/slo"


@pytest.fixture
def scene(street: Street, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """An agent signed in, with sessions at three SPs, one of which is the attacker's."""
    made = scene_of(street)
    monkeypatch.setattr(street.world.services.teller, "_back_channel", made.direct)
    return made


@EVERY_WAY
def test_what_the_attacks_vary_is_obeyed(scene: Scene, way: str) -> None:
    answer = scene.send(way, scene.request(way))
    assert answer.status_int == (200 if way == "soap" else 303)
    scene.visitor.app.get("/profil", status=303)
    assert scene.direct.asked == [scene.sp("told").slo["SOAP"]]


# --- who says so ------------------------------------------------------------------------------


@EVERY_WAY
def test_unsigned(scene: Scene, way: str) -> None:
    scene.refused(lambda: scene.send(way, scene.request(way), sign=False), SIGNATURE, "not signed")


@EVERY_WAY
def test_signed_by_another(scene: Scene, way: str) -> None:
    scene.sp().private_key, _ = key_pair("nobody")
    scene.refused(lambda: scene.send(way, scene.request(way)), SIGNATURE, "does not verify")


@EVERY_WAY
def test_signed_by_another_sp_in_the_victims_name(scene: Scene, way: str) -> None:
    scene.sp().private_key = scene.sp("evil").private_key
    scene.refused(lambda: scene.send(way, scene.request(way)), SIGNATURE, "does not verify")


@ENVELOPED
def test_signed_with_sha_1(scene: Scene, way: str) -> None:
    root = scene.request(way)
    weak = {"method": xmlsec.Transform.RSA_SHA1, "transforms": EXCLUSIVE}
    sign(scene.sp(), root, **weak)
    scene.refused(lambda: scene.send(way, root, sign=False), SIGNATURE, "rsa-sha1")


@ENVELOPED
@pytest.mark.parametrize("name", XSW)
def test_wrapped(scene: Scene, way: str, name: str) -> None:
    """The attacker saw a LogoutRequest for himself; what he wrote around it is for the victim."""
    genuine = scene.request(way, indexes=("_the-attackers-own",))
    scene.sp().sign(genuine)
    genuine = etree.fromstring(etree.tostring(genuine))
    forged = scene.request(way)
    XSW[name].wrap(forged, genuine)
    before = scene.traces()
    answer = scene.send(way, forged, sign=False)
    assert answer.status_int == (500 if way == "soap" else 400)
    assert scene.traces() == before
    scene.is_untouched()


@EVERY_WAY
def test_changed_on_the_way(scene: Scene, way: str) -> None:
    """Somebody else's SessionIndex in a message that was signed."""
    root = scene.request(way, indexes=("_another",))
    if way == "redirect":
        query = scene.sp().redirect_query(root, "retour")
        changed = query.replace("RelayState=retour", "RelayState=ailleurs")
        send = lambda: scene.street.app.get(f"/saml/slo?{changed}", status="*")  # noqa: E731
    else:
        scene.sp().sign(root)
        root[-1].text = scene.own["victim"].session_index
        send = lambda: scene.send(way, root, sign=False)  # noqa: E731
    scene.refused(send, SIGNATURE)


def test_a_stranger(scene: Scene) -> None:
    nobody = FakeSP("nobody", signs=True)
    for way in WAYS:
        root = logout_request(
            nobody, scene.own["victim"], now=scene.world.now, Destination=DESTINATIONS[way]
        )
        scene.refused(lambda: scene.send(way, root), "unknown-service-provider", "nobody")  # noqa: B023


# --- when, where, what ------------------------------------------------------------------------


def aged(minutes: float) -> Callable[[Scene, str], etree._Element]:
    return lambda scene, way: scene.request(
        way, now=scene.world.now + timedelta(minutes=minutes), NotOnOrAfter=None
    )


def with_attributes(**attributes: str | None) -> Callable[[Scene, str], etree._Element]:
    return lambda scene, way: scene.request(way, **attributes)


def ended(scene: Scene, way: str) -> etree._Element:
    until = scene.world.now - timedelta(minutes=3)
    return scene.request(way, NotOnOrAfter=until.strftime("%Y-%m-%dT%H:%M:%SZ"))


def two_name_ids(scene: Scene, way: str) -> etree._Element:
    root = scene.request(way)
    name_id = root.find(q("saml", "NameID"))
    name_id.addnext(deepcopy(name_id))
    return root


def no_name_id(scene: Scene, way: str) -> etree._Element:
    root = scene.request(way)
    root.remove(root.find(q("saml", "NameID")))
    return root


def in_clear_and_encrypted(scene: Scene, way: str) -> etree._Element:
    root = scene.request(way)
    root.find(q("saml", "NameID")).addnext(etree.Element(q("saml", "EncryptedID")))
    return root


def nothing_encrypted(scene: Scene, way: str) -> etree._Element:
    root = no_name_id(scene, way)
    root.insert(1, etree.Element(q("saml", "EncryptedID")))
    return root


def session_indexes(count: int) -> Callable[[Scene, str], etree._Element]:
    return lambda scene, way: scene.request(
        way, indexes=(scene.own["victim"].session_index, *(f"_{i}" for i in range(count)))
    )


def another_message(scene: Scene, way: str) -> etree._Element:
    root = scene.request(way)
    root.tag = q("samlp", "ManageNameIDRequest")
    return root


OTHERWISE = {
    "stale": (aged(-8.1), REFUSED, "too long ago"),
    "from the future": (aged(3.1), REFUSED, "in the future"),
    "past its NotOnOrAfter": (ended, REFUSED, "it ended at"),
    "to another IdP": (with_attributes(Destination=EVIL), REFUSED, "Destination"),
    "to the sign-on": (
        with_attributes(Destination="http://localhost:6543/saml/sso"),
        REFUSED,
        "Destination",
    ),
    "SAML 1.1": (with_attributes(Version="1.1"), REFUSED, "Version"),
    "an ID that is none": (with_attributes(ID="1"), UNREADABLE, "xs:ID"),
    "two NameIDs": (two_name_ids, UNREADABLE, "NameID"),
    "no NameID": (no_name_id, UNREADABLE, "one person"),
    "two persons": (in_clear_and_encrypted, UNREADABLE, "one person"),
    "an EncryptedID of nothing": (nothing_encrypted, UNREADABLE, "cannot be read"),
    "a hundred more SessionIndexes": (session_indexes(100), UNREADABLE, "SessionIndex"),
    "very many SessionIndexes": (session_indexes(5_000), UNREADABLE, ""),
    "another message": (another_message, UNREADABLE, "is not a LogoutRequest"),
}


@EVERY_WAY
@pytest.mark.parametrize("name", OTHERWISE)
def test_otherwise_than_it_must_be(scene: Scene, way: str, name: str) -> None:
    make, code, cause = OTHERWISE[name]
    scene.refused(lambda: scene.send(way, make(scene, way)), code, cause)


@pytest.mark.parametrize("way", ["redirect", "post"])
def test_without_destination_where_a_browser_carries_it(scene: Scene, way: str) -> None:
    root = scene.request(way, Destination=None)
    scene.refused(lambda: scene.send(way, root), REFUSED, "without Destination")


def test_from_one_address_to_the_other(scene: Scene) -> None:
    """What was for the back channel is not for the browser's address, and the reverse."""
    root = scene.request("post")
    scene.refused(lambda: scene.send("soap", root), REFUSED, "Destination")
    root = scene.request("soap")
    scene.refused(lambda: scene.send("post", root), REFUSED, "Destination")


@EVERY_WAY
@pytest.mark.parametrize("first", WAYS)
def test_replayed(scene: Scene, first: str, way: str) -> None:
    """Without SessionIndex it means whatever session the person has: the next one too."""
    options = {"indexes": (), "ID": "_seen"}
    options["ID"] = f"_seen-{first}-{way}"
    scene.send(first, scene.request(first, **options))
    scene.visitor.app.get("/profil", status=303)
    scene.visitor.sign_in("agent")
    request_id, page = scene.visitor.open(scene.sp(), now=scene.world.now)
    scene.own["victim"] = scene.world.consume(scene.sp(), page, request_id)
    scene.direct.asked.clear()
    scene.refused(
        lambda: scene.send(way, scene.request(way, **options)), "replayed-message", "already used"
    )


# --- whose session ----------------------------------------------------------------------------


def named(**attributes: str) -> Callable[[Scene, str], etree._Element]:
    def made(scene: Scene, way: str) -> etree._Element:
        root = scene.request(way, "victim")
        for name, value in attributes.items():
            root.find(q("saml", "NameID")).set(name, value)
        return root

    return made


FOREIGN = {
    "another SP's NameID": lambda scene, way: scene.request(way, of="evil"),
    "another SP's NameID, of no session": lambda scene, way: scene.request(
        way, of="evil", indexes=()
    ),
    "another SP's SessionIndex": lambda scene, way: scene.request(
        way, indexes=(scene.own["evil"].session_index,)
    ),
    "the same value of another format": named(
        Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
    ),
    "the same value of another IdP": named(NameQualifier="https://another-idp.example/"),
    "the same value of another SP": named(SPNameQualifier="https://evil.example/metadata"),
}


@EVERY_WAY
@pytest.mark.parametrize("name", FOREIGN)
def test_foreign(scene: Scene, way: str, name: str) -> None:
    """Believed, and about nobody whom this SP knows: it is told so, and that is all."""
    before = scene.traces()
    answer = scene.send(way, FOREIGN[name](scene, way))
    if way == "soap":
        assert status_of_logout(opened(answer.body)) == ["Requester", "UnknownPrincipal"]
    else:
        assert answer.status_int == 303
    logouts, *others = scene.traces()
    assert (logouts, others) == (before[0] + 1, before[1:])
    scene.is_untouched()


@EVERY_WAY
def test_the_attackers_sp_ends_nobody_elses_session(scene: Scene, way: str) -> None:
    """It signs with its own key, in its own name, about the victim's session."""
    before = scene.traces()
    root = scene.request(way, "evil", of="victim")
    scene.send(way, root, code="evil")
    assert scene.traces()[1:] == before[1:]
    scene.is_untouched()


# --- SOAP -------------------------------------------------------------------------------------


def soap_of(scene: Scene) -> bytes:
    root = scene.request("soap")
    scene.sp().sign(root)
    return envelope(root)


def two_messages(scene: Scene) -> bytes:
    tree = etree.fromstring(soap_of(scene))
    tree[0].append(deepcopy(tree[0][0]))
    return etree.tostring(tree)


def in_the_header(scene: Scene) -> bytes:
    tree = etree.fromstring(soap_of(scene))
    header = etree.Element(q("soap", "Header"))
    header.append(tree[0][0])
    tree.insert(0, header)
    return etree.tostring(tree)


ENVELOPES: dict[str, tuple[Callable[[Scene], bytes], str]] = {
    "a DTD": (lambda scene: b"<!DOCTYPE x>" + soap_of(scene), "DTD"),
    "XXE": (
        lambda scene: b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>' + soap_of(scene),
        "DTD",
    ),
    "no XML": (lambda scene: b"bonjour" + soap_of(scene), "not well-formed"),
    "nothing": (lambda _: b"", ""),
    "no envelope": (lambda scene: etree.tostring(opened(soap_of(scene))), "SOAP envelope"),
    "an empty body": (lambda _: envelope(etree.Element("x")).replace(b"<x/>", b""), "one message"),
    "two messages": (two_messages, ""),
    "a message in the header": (in_the_header, "one message"),
    "UTF-16": (lambda scene: soap_of(scene).decode().encode("utf-16"), "UTF-8"),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_what_is_no_envelope_with_one_message(scene: Scene, name: str) -> None:
    make, cause = ENVELOPES[name]
    scene.refused(lambda: scene.soap(make(scene)), UNREADABLE, cause)


@pytest.mark.parametrize("kind", ["text/plain", "text/html", "application/x-www-form-urlencoded"])
def test_a_content_type_that_a_form_can_send(scene: Scene, kind: str) -> None:
    scene.refused(lambda: scene.soap(soap_of(scene), kind), UNREADABLE, "content type")


def test_a_large_envelope(scene: Scene) -> None:
    large = soap_of(scene).replace(b"</S:Body>", b" " * 3_000_000 + b"</S:Body>")
    scene.refused(lambda: scene.soap(large), UNREADABLE, "too large")
