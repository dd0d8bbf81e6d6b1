"""A small browser without JavaScript: cookies as browsers keep them, redirects, forms, a trace.

Cookies follow SameSite the way that matters to SAML: what another site posts comes without our Lax
cookies. Every exchange is kept, so that a test can read the SAML messages that passed by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.client import HTTPConnection
from http.cookies import Morsel, SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from lxml import html

MAX_STEPS = 12
TIMEOUT = 30
SAML_FIELDS = {"SAMLRequest", "SAMLResponse"}


@dataclass(frozen=True)
class Page:
    """One answer, and the request that it answers."""

    method: str
    url: str
    fields: Mapping[str, str]
    status: int
    headers: Message = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """What a person reads, white space folded."""
        return " ".join(html.fromstring(self.body).text_content().split())

    @property
    def forms(self) -> list[html.FormElement]:
        """The page's forms; none when it is no HTML."""
        if not self.body or self.headers.get_content_type() != "text/html":
            return []
        return list(html.fromstring(self.body).forms)

    def form_number(self, end: str) -> int:
        """Which form is sent to a path that ends so.

        Raises:
            ValueError: none is.
        """
        paths = [urlsplit(form.action or "").path for form in self.forms]
        return [path.endswith(end) for path in paths].index(True)


class WebVisitor:
    """One browser profile; hosts are sites, as loopback addresses are."""

    def __init__(self) -> None:
        self.trace: list[Page] = []
        self._cookies: dict[str, dict[tuple[str, str], Morsel[str]]] = {}

    def go(self, url: str) -> Page:
        """Type an address; ends on the first page that wants a person."""
        return self._arrive(self.request("GET", url))

    def click(self, page: Page, url: str) -> Page:
        """Follow a link of this page."""
        return self._arrive(self.request("GET", urljoin(page.url, url), origin=page.url))

    def submit(self, page: Page, values: Mapping[str, str], *, number: int = 0) -> Page:
        """Fill a form of this page in and send it; ends on the first page that wants a person."""
        return self._arrive(self._send(page, page.forms[number], values))

    def forget(self, url: str) -> None:
        """Lose the cookies of this address's host."""
        self._cookies.pop(urlsplit(url).hostname or "", None)

    def request(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str] | None = None,
        *,
        origin: str | None = None,
    ) -> Page:
        """One exchange; ``origin`` is the page that sends us, None when the address is typed."""
        parts = urlsplit(url)
        assert parts.hostname is not None, url
        headers = {"Accept-Language": "fr"}
        cross_site = origin is not None and urlsplit(origin).hostname != parts.hostname
        cookies = self._sent(parts.hostname, parts.path, method, cross_site=cross_site)
        if cookies:
            headers["Cookie"] = cookies
        body = None
        if fields is not None:
            body = urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            page = Page(method, url, fields or {}, answer.status, answer.msg, answer.read())
        finally:
            connection.close()
        self._keep(parts.hostname, page.headers)
        self.trace.append(page)
        return page

    def _arrive(self, page: Page) -> Page:
        """Follow redirects and the forms that carry SAML messages."""
        for _ in range(MAX_STEPS):
            location = page.headers["Location"]
            if page.status in {302, 303} and location:
                page = self.request("GET", urljoin(page.url, location), origin=page.url)
                continue
            carrier = self._carrier(page)
            if carrier is None:
                return page
            page = self._send(page, carrier, {})
        raise AssertionError(f"no end of redirects: {[each.url for each in self.trace]}")

    def _carrier(self, page: Page) -> html.FormElement | None:
        """The form that submits itself; the page of an error waits for the person."""
        carriers = [form for form in page.forms if SAML_FIELDS & set(form.fields.keys())]
        return carriers[0] if carriers and page.status == HTTPStatus.OK else None

    def _send(self, page: Page, form: html.FormElement, values: Mapping[str, str]) -> Page:
        method = form.method.upper()
        fields = {**dict(form.form_values()), **values}
        url = urljoin(page.url, form.action or page.url)
        if method == "GET":
            return self.request("GET", f"{url}?{urlencode(fields)}", origin=page.url)
        return self.request("POST", url, fields, origin=page.url)

    def _sent(self, host: str, path: str, method: str, *, cross_site: bool) -> str:
        def leaves(morsel: Morsel[str]) -> bool:
            same_site = morsel["samesite"].lower()
            if cross_site and (same_site == "strict" or (same_site == "lax" and method == "POST")):
                return False
            where = (morsel["path"] or "/").rstrip("/")
            return path == where or path.startswith(f"{where}/")

        kept = self._cookies.get(host, {}).values()
        return "; ".join(f"{one.key}={one.coded_value}" for one in kept if leaves(one))

    def _keep(self, host: str, headers: Message) -> None:
        jar = self._cookies.setdefault(host, {})
        for line in headers.get_all("Set-Cookie", []):
            for morsel in SimpleCookie(line).values():
                place = (morsel.key, morsel["path"])
                if _is_over(morsel):
                    jar.pop(place, None)
                else:
                    jar[place] = morsel


def _is_over(morsel: Morsel[str]) -> bool:
    if morsel["max-age"]:
        return int(morsel["max-age"]) <= 0
    return bool(morsel["expires"]) and parsedate_to_datetime(morsel["expires"]) < datetime.now(UTC)
