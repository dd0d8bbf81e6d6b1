"""Fetches metadata from an address: http(s) only, bounded in time and size."""

from http.client import HTTPException
from time import monotonic
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from idp.errors import MetadataError
from idp.saml.xml import DOCUMENT
from metadata.reading import is_absolute_http, is_plain_http, shortened

TIMEOUT = 10.0
"""Seconds, for one answer of the network and for the whole."""

MAX_URL = 1024
_CHUNK = 64 * 1024


class _SameScheme(HTTPRedirectHandler):
    """Follows a redirect only within the scheme: never to ``file:`` nor from https to http."""

    def redirect_request(
        self,
        req: Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: object,
        newurl: str,
    ) -> Request | None:
        """The next request.

        Raises:
            MetadataError: the redirect leaves the scheme.
        """
        if not is_absolute_http(newurl) or urlsplit(newurl).scheme != req.type:
            fp.close()
            text = (
                f"L'adresse {shortened(req.full_url)} renvoie vers {shortened(newurl)}, qui n'est "
                "pas suivie. Donnez directement la bonne adresse."
            )
            raise MetadataError(text, public=text)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def fetch(url: str) -> bytes:
    """The document at this address.

    Raises:
        MetadataError: not https (http on loopback only), too slow, too large, refused, or a
            redirect elsewhere.
    """
    if not is_absolute_http(url) or len(url) > MAX_URL:
        text = f"{shortened(url)} n'est pas une adresse http ou https complète. Vérifiez-la."
        raise MetadataError(text, public=text)
    if is_plain_http(url):
        text = (
            f"{shortened(url)} n'est pas chiffrée (http) : quelqu'un pourrait changer les "
            "métadonnées en chemin. Donnez une adresse en https, ou le fichier."
        )
        raise MetadataError(text, public=text)
    try:
        return _read(url)
    except HTTPError as error:
        error.close()
        raise _failed(url, f"réponse {error.code}", error) from error
    except TimeoutError as error:
        raise _failed(url, "trop lente", error) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _failed(url, "pas de réponse", error) from error


def _read(url: str) -> bytes:
    deadline = monotonic() + TIMEOUT
    request = Request(url, headers={"Accept": "application/samlmetadata+xml, */*;q=0.5"})  # noqa: S310 - the scheme is checked above, and the opener knows no other
    pieces: list[bytes] = []
    size = 0
    with _opener().open(request, timeout=TIMEOUT) as response:
        while piece := response.read1(_CHUNK):
            pieces.append(piece)
            size += len(piece)
            if size > DOCUMENT.octets:
                text = f"L'adresse {shortened(url)} donne plus de {DOCUMENT.octets // 1024} Kio."
                raise MetadataError(text, public=f"{text} Vérifiez-la auprès de l'éditeur.")
            if monotonic() > deadline:
                raise TimeoutError
    return b"".join(pieces)


def _opener() -> OpenerDirector:
    """An opener without the handlers of ``file:``, ``ftp:`` and ``data:``."""
    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        _SameScheme(),
    ):
        opener.add_handler(handler)
    return opener


def _failed(url: str, reason: str, error: Exception) -> MetadataError:
    return MetadataError(
        f"{url}: {error!r}",
        public=f"L'adresse {shortened(url)} n'a pas donné de métadonnées ({reason}). Vérifiez-la, "
        "ou téléchargez le fichier et donnez-le.",
    )
