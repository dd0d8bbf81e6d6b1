"""What a row of the table of guards is, and what an observer makes of an answer."""

import gc
import time
import tracemalloc
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lxml import etree
from structlog.testing import capture_logs
from webtest import TestApp, TestResponse

from tests.attacks.conftest import Street, deflated
from tests.common.fake_sp import FakeSP, status_of

SUCCESS = "Success"
ASKED = "a page asks"
MEMORY = "memory"
TIME = "time"

TOO_MUCH_MEMORY = 20_000_000  # bytes of Python's own
TOO_MUCH_TIME = 0.8  # seconds of CPU; with the guard it is some milliseconds


@dataclass(frozen=True)
class Guard:
    """One guard, the attack that it stops, and what becomes of that attack with and without it.

    ``removed`` names what is neutralised, and by what. More than one name means guards that back
    each other up: each alone would have been enough, and ``together`` says how.
    """

    name: str
    attack: Callable[[Street], str]
    removed: Mapping[str, object]
    stands: str
    falls: str = SUCCESS
    together: str = ""


def outcome(send: Callable[[TestApp], TestResponse], app: TestApp) -> str:
    """``Success``, the status told to an SP, the code of a refusal here, or that a page asks."""
    with capture_logs() as lines:
        answer = send(app)
        while "Location" in answer.headers:
            answer = answer.follow(status="*")
    response = response_of(answer)
    if response is not None:
        codes = status_of(response)
        return codes[1] or codes[0]
    if answer.status_int == 200:
        return ASKED
    codes = [line["event"] for line in lines if line["log_level"] in {"warning", "error"}]
    assert len(codes) == 1, (answer.status, lines)
    return str(codes[0])


def response_of(answer: TestResponse) -> etree._Element | None:
    """The Response that a hand-over page posts."""
    if 'name="SAMLResponse"' not in answer.text:
        return None
    field = answer.html.find("input", {"name": "SAMLResponse"})
    return etree.fromstring(b64decode(field["value"]))


def by_redirect(street: Street, query: str, app: TestApp | None = None) -> str:
    """What becomes of this query."""
    send = lambda app: app.get(f"/saml/sso?{query}", status="*")  # noqa: E731
    return outcome(send, app or street.app)


def by_post(street: Street, form: Mapping[str, str] | list[tuple[str, str]]) -> str:
    """What becomes of this form."""
    send = lambda app: app.post("/saml/sso", form, status="*")  # noqa: E731
    return outcome(send, street.app)


def message(street: Street, xml: bytes | etree._Element, app: TestApp | None = None) -> str:
    """What becomes of this message by Redirect, unsigned."""
    octets = xml if isinstance(xml, bytes) else etree.tostring(xml)
    return by_redirect(street, f"SAMLRequest={deflated(octets)}", app)


def posted(street: Street, root: etree._Element) -> str:
    """What becomes of this message by POST."""
    return posted_value(street, encoded(root))


def posted_value(street: Street, value: str) -> str:
    """What becomes of this SAMLRequest by POST."""
    return by_post(street, {"SAMLRequest": value})


def encoded(root: etree._Element) -> str:
    """A SAMLRequest of the POST binding."""
    return b64encode(etree.tostring(root)).decode()


def request(
    street: Street, code: str, *children: etree._Element, **attributes: str | None
) -> etree._Element:
    """An AuthnRequest of this SP; it would be answered with Success but for what is given."""
    return street.world.sps[code].authn_request(*children, now=street.world.now, **attributes)


def asking(
    code: str, *children: Callable[[], etree._Element], **attributes: str | None
) -> Callable[[Street], str]:
    """The attack that is one unsigned message with these attributes and children."""

    def attack(street: Street) -> str:
        made = [child() for child in children]
        return message(street, request(street, code, *made, **attributes))

    return attack


def altered(code: str, old: str, new: str) -> Callable[[Street], str]:
    """The attack that is one unsigned message with one text for another."""

    def attack(street: Street) -> str:
        xml = etree.tostring(request(street, code), encoding="unicode")
        assert old in xml
        return message(street, xml.replace(old, new, 1).encode())

    return attack


def genuine_of(street: Street, sp: FakeSP, **attributes: str | None) -> etree._Element:
    """What this SP signed."""
    root = sp.authn_request(now=street.world.now, **attributes)
    sp.sign(root)
    # Read again: lxml does not find by name what libxmlsec1 added to a tree.
    return etree.fromstring(etree.tostring(root))


def forged_for(street: Street, sp: FakeSP) -> etree._Element:
    """What an attacker wrote in this SP's name."""
    return sp.authn_request(now=street.world.now, AssertionConsumerServiceURL=f"{sp.acs}/other")


def costing(
    prepare: Callable[[Street], str], send: Callable[[Street, str], str]
) -> Callable[[Street], str]:
    """The attack that sends what was prepared, told by its cost where that is too much."""

    def attack(street: Street) -> str:
        prepared = prepare(street)
        # neither what a first page costs nor what other tests left behind is the attack's
        by_redirect(street, "SAMLRequest=x")
        gc.collect()
        tracemalloc.start()
        started = time.process_time()
        try:
            became = send(street, prepared)
            seconds = time.process_time() - started
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        if peak > TOO_MUCH_MEMORY:
            return MEMORY
        return TIME if seconds > TOO_MUCH_TIME else became

    return attack


def nothing(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - in the place of any check
    """The guard that is not there."""
    del args, kwargs


def quoted(text: str) -> str:
    """A query's value with every octet encoded that may be."""
    return quote(text, safe="")
