"""How messages travel: HTTP-Redirect and HTTP-POST, bounded both ways. [SAMLBind] 3.4, 3.5.

Decoding keeps the octets that a Redirect signature covers exactly as they came: re-encoding them
would make genuine messages of some SPs fail and is how other implementations were fooled.
"""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from idp.errors import RequestRefused, SignatureRefused, UnreadableMessage
from idp.saml.xml import MESSAGE
from idp.types import Binding

MAX_INFLATED = MESSAGE.octets
"""Bytes of a message once inflated."""
MAX_ENCODED = 192 * 1024
"""Characters of a SAMLRequest as sent: such a message in base64, and the ends of its lines."""
MAX_RELAY_STATE = 1024
"""Bytes. The standard says 80 ([SAMLBind] 3.4.3), which real SPs exceed."""
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
        RequestRefused: see :func:`check_relay_state`.
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
        relay_state=check_relay_state(relay_state),
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
        RequestRefused: see :func:`check_relay_state`.
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
        relay_state=check_relay_state(form.get("RelayState")),
    )


def encode_post(message: str) -> str:
    """The value of the form's SAMLResponse or SAMLRequest field. [SAMLBind] 3.5.4."""
    return b64encode(message.encode()).decode()


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


def check_relay_state(relay_state: str | None) -> str | None:
    """The RelayState as it came.

    Raises:
        RequestRefused: longer than 1 KiB, or with a NUL, which no HTML page can give back.
    """
    if relay_state is None:
        return None
    if len(relay_state.encode()) > MAX_RELAY_STATE:
        raise RequestRefused(f"RelayState of more than {MAX_RELAY_STATE} bytes")
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
