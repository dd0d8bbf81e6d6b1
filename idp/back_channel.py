"""Speaks to SPs directly, without a browser: one POST, bounded in time and size. [SAMLBind] 3.2.

Only addresses of registered metadata are ever called. Redirections are not followed: a SOAP
endpoint has none, and following one would let an SP make this server call others.
"""

from http.client import HTTPException

from idp.errors import BackChannelFailed
from idp.http_out import Deadline, HttpOut

TIMEOUT = 5.0
"""Seconds, for the whole exchange."""
MAX_ANSWER = 256 * 1024
_OK = 200
_HEADERS = {
    "Content-Type": "text/xml; charset=utf-8",
    "SOAPAction": '"http://www.oasis-open.org/committees/security"',
    "Cache-Control": "no-cache, no-store",
}


class BackChannel:
    """``IBackChannel`` over HTTP(S)."""

    def __init__(self, http: HttpOut) -> None:
        self._http = http

    def post(self, location: str, envelope: bytes) -> bytes:
        """See :class:`idp.interfaces.IBackChannel`."""
        try:
            answer = self._http.ask(
                location,
                deadline=Deadline(TIMEOUT),
                octets=MAX_ANSWER,
                headers=_HEADERS,
                body=envelope,
            )
        except (OSError, HTTPException, ValueError) as error:
            raise BackChannelFailed(f"{location}: {error!r}") from error
        if answer.status != _OK:
            raise BackChannelFailed(f"{location} answered {answer.status}")
        return answer.body
