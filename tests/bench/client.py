"""The light client: one keep-alive connection, requests built before the clock starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from time import perf_counter
from typing import Self
from urllib.parse import urlencode

from lxml import html

from tests.bench.yardstick import Unmeasurable
from tests.common.fake_sp import FakeSP, Received, Refused
from views.demo.supervisor import ADDRESS

TIMEOUT = 30
VERIFIED_EVERY = 50


@dataclass(frozen=True, slots=True)
class Target:
    """Whom the client plays, and what it expects of the answers; ``certificate`` is DER."""

    sp: FakeSP
    path: str
    idp_entity_id: str
    certificate: bytes
    response_signed: bool = True

    def requests(self, count: int) -> list[tuple[str, str]]:
        """This many AuthnRequests, each the ID and the address to get. [SAMLBind] 3.4."""
        made = []
        for _ in range(count):
            request = self.sp.authn_request(now=datetime.now(UTC))
            made.append((str(request.get("ID")), f"{self.path}?{self.sp.redirect_query(request)}"))
        return made

    def verify(self, page: str, request_id: str) -> Received:
        """What the SP makes of a hand-over page.

        Raises:
            Unmeasurable: it does not accept it.
        """
        try:
            return self.sp.consume(
                page,
                idp_certificate=self.certificate,
                idp_entity_id=self.idp_entity_id,
                now=datetime.now(UTC),
                request_id=request_id,
                response_signed=self.response_signed,
            )
        except Refused as error:
            raise Unmeasurable(f"the SP refuses an answer: {error}") from error


class Client:
    """One browser of few words; it keeps its cookies."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection(ADDRESS, port, timeout=TIMEOUT)
        self._cookies: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._connection.close()

    def sign_in(self, login: str, password: str) -> None:
        """Fill the sign-in form in, and open the portal.

        Raises:
            Unmeasurable: the page is not there, or says no.
        """
        page = html.fromstring(self._ask("GET", "/connexion", expected=200))
        forms = page.forms  # type: ignore[attr-defined]
        form = next(each for each in forms if "password" in each.fields)
        values = {**dict(form.form_values()), "login": login, "password": password}
        self._ask("POST", form.action, urlencode(values), expected=303)
        self._ask("GET", "/", expected=200)

    def cookie(self, name: str) -> str:
        """The value of a cookie that the server gave."""
        return self._cookies[name]

    def form(self, path: str, form_id: str) -> dict[str, str]:
        """What the form of this page would post.

        Raises:
            Unmeasurable: the page is not there.
        """
        page = html.fromstring(self._ask("GET", path, expected=200))
        return dict(page.get_element_by_id(form_id).form_values())  # type: ignore[attr-defined]

    def post(self, path: str, form: dict[str, str], *, status: int = 303) -> None:
        """Post it; a redirection answers, unless another ``status`` is expected.

        Raises:
            Unmeasurable: another answer came.
        """
        self._ask("POST", path, urlencode(form), expected=status)

    def get(self, path: str, *, status: int) -> bytes:
        """The content of this address.

        Raises:
            Unmeasurable: it has another status.
        """
        return self._ask("GET", path, expected=status)

    def sign_ons(self, target: Target, count: int) -> Iterator[float]:
        """Sign on this many times, one after the other; gives the seconds of each.

        Every answer must hold a Response; one in fifty is verified, while no clock runs.

        Raises:
            Unmeasurable: an answer is another one.
        """
        for number, request in enumerate(target.requests(count)):
            yield self.sign_on(target, *request, verified=number % VERIFIED_EVERY == 0)

    def sign_on(self, target: Target, request_id: str, path: str, *, verified: bool) -> float:
        """Send one of ``target.requests``; the seconds until the answer, which holds a Response.

        Raises:
            Unmeasurable: the answer is another one, or the SP does not accept it.
        """
        started = perf_counter()
        page = self._ask("GET", path, expected=200)
        seconds = perf_counter() - started
        if b'name="SAMLResponse"' not in page:
            raise Unmeasurable(f"an answer without a Response: {page[:300]!r}")
        if verified:
            target.verify(page.decode(), request_id)
        return seconds

    def received(self, target: Target) -> Received:
        """What one sign-on tells the SP.

        Raises:
            Unmeasurable: the SP does not accept it.
        """
        request_id, path = target.requests(1)[0]
        return target.verify(self._ask("GET", path, expected=200).decode(), request_id)

    def _ask(self, method: str, path: str, body: str | None = None, *, expected: int) -> bytes:
        headers = {}
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in self._cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            self._connection.close()  # the next one begins anew
            raise Unmeasurable(f"{method} {path[:60]}: {error!r}") from error
        for line in answer.headers.get_all("Set-Cookie", []):
            self._cookies |= {name: each.value for name, each in SimpleCookie(line).items()}
        if answer.status != expected:
            text = content.decode(errors="replace")[:1000]
            raise Unmeasurable(
                f"{method} {path[:60]}: {answer.status} instead of {expected}\n{text}"
            )
        return content
