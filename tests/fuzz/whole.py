"""The whole application, and what is signed: nothing altered is ever taken for genuine."""

import re
from base64 import b64decode
from collections.abc import Callable
from html import unescape

from lxml import etree

from idp.errors import ProtocolError
from idp.messages import AcceptedRequest
from idp.saml.bindings import Message, decode_redirect
from idp.saml.names import SUCCESS, q
from idp.types import Binding
from tests.common.settings import PUBLIC_URL
from tests.fuzz import seeds
from tests.fuzz.broken import demand
from tests.fuzz.world import Answer, Browser, World

_FIELD = re.compile(rb'<input type="hidden" name="(\w+)" value="([^"]*)">')
_ACTION = re.compile(rb'<form[^>]* action="([^"]*)"')


class Genuine:
    """What the signing SPs signed: nothing else may be accepted in their name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._signing = world.signing
        self._meanings: list[AcceptedRequest] = []
        self._documents: set[bytes] = set()
        for each in world.sps.values():
            if each.signs:
                self._learn(seeds.signed_posts(each), seeds.signed_queries(each))

    def _learn(self, posts: list[bytes], queries: list[bytes]) -> None:
        sign_on = self._world.services.sign_on
        messages = [Message(xml=post, binding=Binding.POST, relay_state=None) for post in posts]
        messages += [decode_redirect(query.decode()) for query in queries]
        self._meanings += [sign_on.receive(message) for message in messages]
        self._documents |= {signed_content(message.xml) for message in messages}

    def check(self, accepted: AcceptedRequest, message: Message) -> None:
        """See that an accepted message of a signing SP says what that SP signed."""
        if accepted.entity_id not in self._signing:
            return
        posted = message.binding is Binding.POST
        # A form's RelayState is not signed: it may be anything.
        wanted = [
            (meaning, meaning.relay_state if not posted else accepted.relay_state)
            for meaning in self._meanings
        ]
        demand(
            any(_same(accepted, meaning, relay_state) for meaning, relay_state in wanted),
            "an accepted message means what its SP signed",
        )
        demand(
            signed_content(message.xml) in self._documents, "all of a message is as it was signed"
        )


def _same(accepted: AcceptedRequest, meaning: AcceptedRequest, relay_state: str | None) -> bool:
    return accepted.relay_state == relay_state and _without(accepted) == _without(meaning)


def _without(accepted: AcceptedRequest) -> tuple[object, ...]:
    names = [name for name in AcceptedRequest.__slots__ if name != "relay_state"]
    return tuple(getattr(accepted, name) for name in names)


def signed_content(document: bytes) -> bytes:
    """The document in canonical form without its signature: what an enveloped signature covers."""
    options = etree.XMLParser(
        resolve_entities=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,  # which would refuse an xml:id in a Signature, that changes nothing
        encoding="utf-8",
    )
    root = etree.fromstring(document, options)
    for signature in root.findall(q("ds", "Signature")):
        root.remove(signature)
    return etree.tostring(root, method="c14n", exclusive=True)


def signed_post(world: World) -> Callable[[bytes], bool]:
    """A document, posted."""
    return _signed(
        world, lambda data: Message(xml=data, binding=Binding.POST, relay_state="retour")
    )


def signed_redirect(world: World) -> Callable[[bytes], bool]:
    """A query string."""
    return _signed(world, lambda data: decode_redirect(data.decode("latin-1")))


def _signed(world: World, decode: Callable[[bytes], Message]) -> Callable[[bytes], bool]:
    genuine = Genuine(world)

    def check(data: bytes) -> bool:
        world.forget()
        try:
            message = decode(data)
            accepted = world.services.sign_on.receive(message)
        except ProtocolError:
            return False
        demand(accepted.entity_id in world.signing, "only those who sign are registered")
        genuine.check(accepted, message)
        return True

    return check


# --- the whole application -----------------------------------------------------------------------


class Application:
    """Requests to the SingleSignOnService and to where an IdP-initiated sign-on starts."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._browser = Browser(world)
        self._genuine = Genuine(world)
        self._services = {f"{sp.acs}{end}" for sp in world.sps.values() for end in ("", "/other")}

    def __call__(self, data: bytes) -> bool:
        """One request; whether it led to an SP, or on towards one."""
        self._world.forget()
        answer = self._send(data[:1], data[1:])
        demand(answer.status < 500, f"no 5xx ({answer.status}, {self._world.events})")
        if self._world.accepted is not None and self._world.message is not None:
            self._genuine.check(self._world.accepted, self._world.message)
        if answer.status == 200:
            self._handed_over(answer)
        elif answer.status == 303:
            where = answer.headers["Location"]
            demand(where.startswith(f"{PUBLIC_URL}/saml/sso/"), f"only on to us ({where})")
        else:
            self._refused(answer)
        return answer.status in {200, 303}

    def _send(self, kind: bytes, rest: bytes) -> Answer:
        signed_in = not kind.islower()
        match kind.upper():
            case b"P":
                return self._browser.send("/saml/sso", body=rest, signed_in=signed_in)
            case b"T":
                content_type, _, body = rest.partition(b"\n")
                text = content_type.decode("latin-1")
                return self._browser.send("/saml/sso", body=body, content_type=text)
            case b"Q":
                query, _, body = rest.partition(b"\n")
                return self._browser.send("/saml/sso", query, body=body)
            case b"I":
                return self._browser.send("/saml/sso/init", rest, signed_in=signed_in)
            case _:
                return self._browser.send("/saml/sso", rest, signed_in=signed_in)

    def _handed_over(self, answer: Answer) -> None:
        fields = {
            name.decode(): unescape(value.decode()) for name, value in _FIELD.findall(answer.body)
        }
        action = _ACTION.search(answer.body)
        demand("SAMLResponse" in fields and action, "a page that hands over")
        demand(action and unescape(action[1].decode()) in self._services, "to a registered address")
        response = etree.fromstring(b64decode(fields["SAMLResponse"], validate=True))
        demand(response.get("Destination") in self._services, "for a registered address")
        if self._world.accepted is not None:
            relay_state = self._world.accepted.relay_state
            demand(fields.get("RelayState") == relay_state, "RelayState to the byte")

    def _refused(self, answer: Answer) -> None:
        number = answer.headers.get("X-Request-Id", "")
        demand(400 <= answer.status < 500, f"a refusal is 4xx ({answer.status})")
        demand(b'<html lang="fr"' in answer.body, "a refusal is a page in French")
        demand(number and number.encode() in answer.body, "a refusal shows its number")
        demand("Location" not in answer.headers, "a refusal leads nowhere")
        demand(b"SAMLResponse" not in answer.body, "a refusal hands nothing over")
        demand(SUCCESS.encode() not in answer.body, "a refusal is no success")
        demand(b"Traceback" not in answer.body, "no traceback on a page")
        events = self._world.events
        demand(any(each.get("request_id") == number for each in events), "the log has its number")
        demand(not any(each.get("exc_info") for each in events), f"no traceback ({events})")
