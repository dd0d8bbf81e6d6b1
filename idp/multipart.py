"""A form in parts with one file, read strictly and within bounds: [RFC7578].

Not WebOb's reader: parts and headers without end cost it more than their bytes, and it writes
files. Only a view that says ``upload=True`` gets such a form (:mod:`idp.security`).
"""

import re
from dataclasses import dataclass

MAX_FILE = 2 * 1024 * 1024
MAX_UPLOAD = MAX_FILE + 16 * 1024
"""Bytes of the whole body: the file, some short fields, what stands between them."""
MAX_PARTS = 10
MAX_HEADERS = 1024
MAX_FIELD = 4096

_BOUNDARY = re.compile(r"multipart/form-data;\s*boundary=\"?([0-9A-Za-z'()+_,./:=?$-]{1,70})\"?")
_DISPOSITION = re.compile(
    rb'content-disposition: *form-data; *name="([^"\r\n]{1,60})"(?:; *filename="([^"\r\n]*)")?',
    re.IGNORECASE,
)
_TYPE = re.compile(rb"content-type: *+(?!multipart/)[^\r\n]{1,200}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent: what it is called and says it is, is the sender's word alone."""

    filename: str
    content: bytes


def parse(content_type: str, body: bytes) -> dict[str, str | Upload]:
    """The fields by name: text, or the file. A file that was not chosen is absent.

    Raises:
        ValueError: not the form that a browser makes of short fields and one file, or not whole.
    """
    found = _BOUNDARY.fullmatch(content_type.strip())
    if found is None:
        raise ValueError("no boundary")
    delimiter = b"\r\n--" + found.group(1).encode()
    # One more than there may be: what is left over shows that there are too many.
    pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 1)
    if pieces[0] or len(pieces) > MAX_PARTS + 1 or pieces[-1].rstrip() != b"--":
        raise ValueError("not whole, or too many parts")
    fields: dict[str, str | Upload] = {}
    for piece in pieces[1:-1]:
        name, value = _field(piece)
        if name in fields:
            raise ValueError(f"two fields {name!r}")
        fields[name] = value
    if sum(isinstance(value, Upload) for value in fields.values()) > 1:
        raise ValueError("two files")
    return {name: value for name, value in fields.items() if not _is_unchosen(value)}


def _field(piece: bytes) -> tuple[str, str | Upload]:
    end = piece.find(b"\r\n\r\n", 0, MAX_HEADERS)
    if not piece.startswith(b"\r\n") or end < 0:
        raise ValueError("a part without an end to its headers")
    content = piece[end + 4 :]
    disposition, *others = piece[2:end].split(b"\r\n")
    said = _DISPOSITION.fullmatch(disposition)
    if said is None or len(others) > 1 or not all(_TYPE.fullmatch(other) for other in others):
        raise ValueError("headers of a part that no browser sends")
    name = said.group(1).decode()
    if said.group(2) is not None:
        return name, Upload(said.group(2).decode(), content)
    if len(content) > MAX_FIELD:
        raise ValueError("a field too long")
    return name, content.decode()


def _is_unchosen(value: str | Upload) -> bool:
    return isinstance(value, Upload) and not value.filename and not value.content
