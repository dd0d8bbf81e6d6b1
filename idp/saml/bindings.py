"""How messages travel: HTTP-Redirect, HTTP-POST and SOAP, bounded both ways. [SAMLBind] 3.

Decoding keeps the octets that a Redirect signature covers exactly as they came: re-encoding them
would make genuine messages of some SPs fail and is how other implementations were fooled.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote_to_bytes
from xml.sax.saxutils import escape

from idp.errors import RequestRefused, SignatureRefused, UnreadableMessage
from idp.interfaces import ISigner
from idp.saml.names import SOAP, q
from idp.saml.xml import MESSAGE, canonicalize, parse
from idp.types import Binding, Legacy

MAX_INFLATED = MESSAGE.octets
"""Bytes of a message once inflated."""
MAX_ENCODED = 192 * 1024
"""Characters of a SAMLRequest as sent: such a message in base64, and the ends of its lines."""
MAX_RELAY_STATE = 1024
"""Bytes. The standard says 80 ([SAMLBind] 3.4.3), which real SPs exceed."""
LONGEST_RELAY_STATE = 8 * 1024
"""Bytes that are decoded, before it is known whether the SP may send so many."""
USUAL_RELAY_STATE = 80

DEFLATE = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"
_KNOWN = ("SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding")


@dataclass(frozen=True, slots=True)
class DetachedSignature:
    """A Redirect query's signature and the original octets that it covers."""

    octets: bytes
    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A decoded message, not yet parsed. ``signature`` is the Redirect binding's only."""

    xml: bytes
    binding: Binding
    relay_state: str | None
    signature: DetachedSignature | None = None


def decode_redirect(query: str, parameter: str = "SAMLRequest") -> Message:
    """Decode the raw query string of a Redirect request. [SAMLBind] 3.4.4.

    Raises:
        UnreadableMessage: absent, repeated, not base64, not DEFLATE, or too large; half a
            signature; a name of ours that is percent-encoded, where others would still read it.
        RequestRefused: the RelayState has a NUL, or is longer than any SP may send.
    """
    raw = _raw_parameters(query)
    if parameter not in raw:
        raise UnreadableMessage(f"no {parameter} in the query")
    if raw.get("SAMLEncoding") and _text(raw["SAMLEncoding"]) != DEFLATE:
        raise UnreadableMessage("unknown SAMLEncoding")
    relay_state = _text(raw["RelayState"]) if "RelayState" in raw else None
    return Message(
        xml=inflate(_base64(_text(raw[parameter]))),
        binding=Binding.REDIRECT,
        relay_state=_bounded(relay_state),
        signature=_detached_signature(raw, parameter),
    )


def decode_post(
    pairs: Iterable[tuple[str, str]], parameter: str = "SAMLRequest", *, query: str = ""
) -> Message:
    """Decode the form of a POST request. [SAMLBind] 3.5.4. Never inflates.

    ``query`` is what the address carried beside it, where no part of a message may be.

    Raises:
        UnreadableMessage: absent, repeated, not base64, too large, or partly in the query.
        SignatureRefused: signed as another binding does (HTTP-POST-SimpleSign).
        RequestRefused: the RelayState has a NUL, or is longer than any SP may send.
    """
    if _raw_parameters(query):
        raise UnreadableMessage("a posted message with a parameter in the query")
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in _KNOWN and name in form:
            raise UnreadableMessage(f"the parameter {name} is there twice")
        form[name] = value
    if parameter not in form:
        raise UnreadableMessage(f"no {parameter} in the form")
    _check_one_message(form)
    if "SigAlg" in form or "Signature" in form:
        raise SignatureRefused("a posted message with a signature beside it (SimpleSign)")
    return Message(
        xml=_base64(form[parameter]),
        binding=Binding.POST,
        relay_state=_bounded(form.get("RelayState")),
    )


def encode_post(message: str) -> str:
    """The value of the form's SAMLResponse or SAMLRequest field. [SAMLBind] 3.5.4."""
    return b64encode(message.encode()).decode()


def encode_redirect(
    location: str,
    parameter: str,
    message: str,
    relay_state: str | None,
    signer: ISigner,
) -> str:
    """The URL of a signed HTTP-Redirect message. [SAMLBind] 3.4.4.

    Its signature is over the octets of the query; the message itself carries none.
    """
    compressor = zlib.compressobj(wbits=-15)
    deflated = compressor.compress(message.encode()) + compressor.flush()
    query = f"{parameter}={quote_plus(b64encode(deflated))}"
    if relay_state is not None:
        query += f"&RelayState={quote_plus(relay_state)}"
    query += f"&SigAlg={quote_plus(signer.algorithm)}"
    query += f"&Signature={quote_plus(b64encode(signer.sign_octets(query.encode())))}"
    return f"{location}{'&' if '?' in location else '?'}{query}"


def decode_soap(envelope: bytes) -> Message:
    """The one message in a SOAP envelope's body. [SAMLBind] 3.2.

    Raises:
        UnreadableMessage: not an envelope, or its body does not hold exactly one element.
    """
    root = parse(envelope)
    body = root.find(q("soap", "Body"))
    if root.tag != q("soap", "Envelope") or body is None or len(body) != 1:
        raise UnreadableMessage("not a SOAP envelope with one message")
    # A document of its own: the signature must be of a root.
    return Message(canonicalize(body[0]), Binding.SOAP, relay_state=None)


def encode_soap(message: str) -> bytes:
    """The message in a SOAP envelope. [SAMLBind] 3.2.2."""
    return (
        f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>{message}</soap:Body></soap:Envelope>'
    ).encode()


def soap_fault(text: str) -> bytes:
    """The envelope that refuses a message. [SAMLBind] 3.2.2.1, [SOAP 1.1] 4.4."""
    told = f"<faultcode>soap:Client</faultcode><faultstring>{escape(text)}</faultstring>"
    return encode_soap(f"<soap:Fault>{told}</soap:Fault>")


def inflate(data: bytes) -> bytes:
    """Raw DEFLATE, at most 128 KiB out ([RFC1951]).

    Raises:
        UnreadableMessage: not DEFLATE, cut short, followed by something, or larger.
    """
    decompressor = zlib.decompressobj(wbits=-15)
    try:
        inflated = decompressor.decompress(data, MAX_INFLATED + 1)
    except zlib.error as error:
        raise UnreadableMessage(f"not DEFLATE: {error}") from error
    if len(inflated) > MAX_INFLATED:
        raise UnreadableMessage(f"more than {MAX_INFLATED} bytes once inflated")
    if not decompressor.eof or decompressor.unused_data:
        raise UnreadableMessage("the DEFLATE data is cut short or followed by something else")
    return inflated


def check_relay_state(relay_state: str | None, exceptions: Collection[Legacy]) -> str | None:
    """The RelayState as it came, from an SP to which these exceptions are granted.

    Raises:
        RequestRefused: longer than 1 KiB, or with ``long-relay-state`` than 8; or with a NUL, which
            no HTML page can give back.
    """
    long = Legacy.LONG_RELAY_STATE in exceptions
    return _bounded(relay_state, LONGEST_RELAY_STATE if long else MAX_RELAY_STATE)


def _bounded(relay_state: str | None, most: int = LONGEST_RELAY_STATE) -> str | None:
    if relay_state is None:
        return None
    if len(relay_state.encode()) > most:
        raise RequestRefused(f"RelayState of more than {most} bytes")
    if "\0" in relay_state:
        raise RequestRefused("RelayState with a NUL")
    return relay_state


def _raw_parameters(query: str) -> dict[str, str]:
    if not query.isascii():
        raise UnreadableMessage("the query is not ASCII")
    raw: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name not in _KNOWN:
            _check_foreign(name)
            continue
        if name in raw:
            raise UnreadableMessage(f"the parameter {name} is there twice")
        raw[name] = value
    _check_one_message(raw)
    return raw


def _check_foreign(name: str) -> None:
    if unquote_to_bytes(name).decode("latin-1") in _KNOWN:
        raise UnreadableMessage(f"the parameter's name {name!r:.80} is percent-encoded")


def _check_one_message(parameters: Mapping[str, str]) -> None:
    if "SAMLRequest" in parameters and "SAMLResponse" in parameters:
        raise UnreadableMessage("both SAMLRequest and SAMLResponse are there")


def _detached_signature(raw: dict[str, str], parameter: str) -> DetachedSignature | None:
    if ("Signature" in raw) != ("SigAlg" in raw):
        raise UnreadableMessage("one of Signature and SigAlg without the other")
    if "Signature" not in raw:
        return None
    signed = [name for name in (parameter, "RelayState", "SigAlg") if name in raw]
    return DetachedSignature(
        octets="&".join(f"{name}={raw[name]}" for name in signed).encode(),
        algorithm=_text(raw["SigAlg"]),
        value=_base64(_text(raw["Signature"])),
    )


def _text(raw: str) -> str:
    try:
        return unquote_to_bytes(raw.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableMessage("a parameter is not UTF-8") from error


def _base64(text: str) -> bytes:
    if len(text) > MAX_ENCODED:
        raise UnreadableMessage(f"more than {MAX_ENCODED} characters of base64")
    # Some SPs break the lines, and a '+' that was not percent-encoded arrives as a space.
    compact = text.replace("\r", "").replace("\n", "").replace(" ", "+")
    try:
        return b64decode(compact, validate=True)
    except ValueError as error:
        raise UnreadableMessage(f"not base64: {error}") from error
