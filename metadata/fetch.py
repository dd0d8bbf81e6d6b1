"""Fetches metadata from an address: http(s) only, bounded in time and size."""

from http.client import HTTPException
from urllib.parse import urljoin, urlsplit

from idp.errors import MetadataError
from idp.http_out import Answer, Deadline, Forbidden, HttpOut, TooLarge
from idp.saml.xml import AGGREGATE
from metadata.reading import is_absolute_http, is_plain_http, shortened

TIMEOUT = 10.0
"""Seconds, redirections included."""

MAX_URL = 1024
_REDIRECTIONS = 10
_HEADERS = {"Accept": "application/samlmetadata+xml, */*;q=0.5"}
_OK = 200
_REDIRECTS = {301, 302, 303, 307, 308}


def fetch(url: str, *, loopback: bool) -> bytes:
    """The document at this address; ``loopback``: it may be on this machine.

    Raises:
        MetadataError: not https (http on loopback only), too slow, too large, refused, or a
            redirection elsewhere.
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
        answer = _follow(url, HttpOut(loopback=loopback))
    except TimeoutError as error:
        raise _failed(url, "trop lente", error) from error
    except Forbidden as error:
        raise _failed(url, "adresse interdite", error) from error
    except TooLarge as error:
        text = f"L'adresse {shortened(url)} donne plus de {AGGREGATE.octets // 1024} Kio."
        raise MetadataError(text, public=f"{text} Vérifiez-la auprès de l'éditeur.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _failed(url, "pas de réponse", error) from error
    if answer.status != _OK:
        raise _failed(url, f"réponse {answer.status}", answer.status)
    return answer.body


def _follow(url: str, http: HttpOut) -> Answer:
    """The answer at the end of the redirections, or the last of too many."""
    deadline = Deadline(TIMEOUT)
    for _ in range(_REDIRECTIONS):
        answer = http.ask(url, deadline=deadline, octets=AGGREGATE.octets, headers=_HEADERS)
        if answer.status not in _REDIRECTS or answer.location is None:
            break
        url = _next(url, answer.location)
    return answer


def _next(url: str, location: str) -> str:
    """Where a redirection leads, within the scheme: never to ``file:`` nor from https to http."""
    target = urljoin(url, location)
    if is_absolute_http(target) and urlsplit(target).scheme == urlsplit(url).scheme:
        return target
    text = (
        f"L'adresse {shortened(url)} renvoie vers {shortened(target)}, qui n'est pas suivie. "
        "Donnez directement la bonne adresse."
    )
    raise MetadataError(text, public=text)


def _failed(url: str, reason: str, cause: object) -> MetadataError:
    return MetadataError(
        f"{url}: {cause!r}",
        public=f"L'adresse {shortened(url)} n'a pas donné de métadonnées ({reason}). Vérifiez-la, "
        "ou téléchargez le fichier et donnez-le.",
    )
