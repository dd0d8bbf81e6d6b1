"""The demonstration in one process, put back in a few milliseconds, and one browser in front of it.

The table of :mod:`tests.browser.aia_states` says what leads to each state of the AIA's screens.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread

from playwright.sync_api import BrowserContext, Page
from pyramid.events import BeforeRender
from sqlalchemy import select, update
from waitress.server import create_server

from directory import demonstration
from directory.authorisation import OPERATOR
from directory.models import AccessRequest, Account, Membership
from directory.services.accounts.address_change import AddressChanges
from directory.services.accounts.changes import Person
from idp.mail import OutboxMail
from tests.common.databases import Databases
from tests.common.photos import image
from tests.common.ports import free_port
from tests.functional.aia_realm import Realm, realm_on

REFERENT = "referent@demo.example"
PEOPLE = {
    "who": "sansdroit",
    "shared": "karim.haddad",
    "me": "referent",
    "two": "ines.moreau",
    "locked": "francois.noel",
    "gone": "oceane.petit",
    "pictured": "theo.bernard",
    "holder": "agent",
    "other": "leila.benali",
}
"""What the table calls people: somebody of his own, one whom another référent shares, himself, one
of two structures of his, one who is locked, one who lies in the bin, one who has a photo."""

SEND = """([values, button]) => {
  const by = button ? document.querySelector(button) : null;
  const names = Object.keys(values);
  const holds = (form) => names.every((name) => form.elements.namedItem(name));
  const posts = [...document.forms].filter((form) => form.method === "post");
  const form = by ? by.form : posts.find((form) => names.length && holds(form)) ?? posts.at(-1);
  for (const name of names) {
    for (const field of [...form.elements].filter((field) => field.name === name)) {
      if (["checkbox", "radio"].includes(field.type)) {
        field.checked = [values[name]].flat().includes(field.value);
        field.dispatchEvent(new Event("change", { bubbles: true }));
      } else {
        field.value = values[name];
      }
    }
  }
  if (by) by.disabled = false; // as it is without scripts
  form.requestSubmit(by);
}"""


class World:
    """Rémi's browser, inside the AIA; ``names`` fill the paths of the table."""

    def __init__(self, realm: Realm, page: Page, base: str) -> None:
        self.realm = realm
        self.directory = realm.directory
        self.page = page
        self.base = base
        self.rendered: set[str] = set()
        realm.app.app.registry.registerHandler(self._note, [BeforeRender])
        demonstration.load(realm.services.core)
        self._settle()
        self.names = self._names()
        self._sign_in()
        realm.keep("start")

    # --- what the table calls ------------------------------------------------------------------

    def open(self, path: str) -> None:
        """An address; what stands in braces is a name of this world."""
        self.page.goto(self.base + path.format(**self.names))

    def send(self, button: str = "", **values: str | list[str]) -> None:
        """Fill the form of this button, or the one that has these fields, and send it."""
        filled = {
            name: [each.format(**self.names) for each in value]
            if isinstance(value, list)
            else value.format(**self.names)
            for name, value in values.items()
        }
        with self.page.expect_navigation():
            self.page.evaluate(SEND, [filled, button])

    def ask(self, end: str) -> None:
        """Open the dialog to which the first link leads whose address ends so, or goes on."""
        link = f'a[data-dialog]:is([href$="{end}"], [href*="{end}?"])'
        self.page.locator(link).first.evaluate("link => link.click()")
        self.page.locator("dialog#dialogue[open]").wait_for()

    def remove(self, name: str) -> "World":
        """From the first structure of this person, into its bin; itself."""
        with self.realm.services.db.unit_of_work() as session:
            session.execute(
                update(Membership)
                .where(Membership.public_id == self.names[f"{name}_membership"])
                .values(deleted_at=self.realm.services.clock.now())
            )
        return self

    def unconfirm(self, name: str) -> "World":
        """The first structure of this person waits for his word; itself."""
        with self.realm.services.db.unit_of_work() as session:
            session.execute(
                update(Membership)
                .where(Membership.public_id == self.names[f"{name}_membership"])
                .values(confirmed_at=None)
            )
        return self

    def put_back(self) -> None:
        """As it was at the start, in the browser too.

        The page is left first: one that asks how its work goes would go elsewhere by itself where
        that work is no more, and so stop what is opened next.
        """
        self.page.evaluate("sessionStorage.clear()")
        self.page.goto("about:blank")
        self.realm.put_back("start")

    # --- the beginning -------------------------------------------------------------------------

    def _note(self, event: BeforeRender) -> None:
        self.rendered.add(Path(str(event["renderer_name"])).name)

    def _settle(self) -> None:
        """More than the demonstration has: bin, locked, two structures, an address refused."""
        directory = self.directory
        again = Person(f"{PEOPLE['two']}@demo.example", "Moreau", "Inès")
        directory.accounts.add(OPERATOR, again, "a-budget", no_mail=True)
        directory.accounts.lock(OPERATOR, f"{PEOPLE['locked']}@demo.example")
        opens = self.realm.services.clock.now() + timedelta(days=30)
        directory.applications.schedule(OPERATOR, "site", opens_at=opens, message="Bientôt.")
        directory.bin.delete(OPERATOR, f"{PEOPLE['gone']}@demo.example")
        photos = self.realm.services.self_service.photos
        photos.keep(self._subject(PEOPLE["pictured"]), image())
        AddressChanges(self.realm.services.core).change(
            OPERATOR,
            self._subject("gaetan.lambert"),
            "gaetan.nouveau@demo.example",
            shown="gaetan.lambert@demo.example",
        )

    def _names(self) -> dict[str, str]:
        names = {name: self._subject(mail) for name, mail in PEOPLE.items()}
        with self.realm.services.db.reading() as session:
            for name in ("who", "two", "holder"):
                names[f"{name}_membership"] = session.scalars(
                    select(Membership.public_id)
                    .join(Account, Account.id == Membership.account_id)
                    .where(Account.subject_id == names[name])
                    .order_by(Membership.id)
                ).first()  # type: ignore[assignment]
            names["request"] = session.scalars(select(AccessRequest.public_id)).first() or ""
            text = session.scalars(
                select(OutboxMail.text).where(OutboxMail.kind == "address-changed")
            ).one()
        found = re.search(r"/adresse-remplacee/\S+", text)
        assert found is not None
        return names | {"refusal": found[0]}

    def _subject(self, name: str) -> str:
        with self.realm.services.db.reading() as session:
            mail = f"{name}@demo.example"
            return session.scalars(select(Account.subject_id).where(Account.mail == mail)).one()

    def _sign_in(self) -> None:
        self.open("/connexion")
        self.send(login=REFERENT, password=demonstration.PASSWORD)
        with self.page.expect_navigation():
            self.page.evaluate("document.getElementById('ouvrir-aia').requestSubmit()")


@contextmanager
def world_on(databases: Databases, folder: Path, context: BrowserContext) -> Iterator[World]:
    """The application on a port of its own, and the world on it."""
    port = free_port()
    base = f"http://localhost:{port}"
    with realm_on(databases, folder, convergences__public_url=base) as realm:
        server = create_server(realm.app.app, host="127.0.0.1", port=port, threads=4)
        thread = Thread(target=server.run, daemon=True)
        thread.start()
        try:
            yield World(realm, context.new_page(), base)
        finally:
            server.close()
            thread.join(10)
