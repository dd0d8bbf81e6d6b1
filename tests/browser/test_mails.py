"""Mails in a real browser: what was sent is read and followed; what was not is dealt with."""

import os
import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Demonstration, Visit, Visitors
from tests.common.processes import REPOSITORY

# What a mail server would have refused, put into the outbox of the running demonstration.
REFUSED = """
import sys
from pathlib import Path
from sqlalchemy import update
from idp.mail import OutboxMail
from idp.services import build, import_models
from idp.settings import from_file
settings = from_file(Path("development.ini"))
import_models(settings)
services = build(settings)
person = {"given_name": "Léa", "sn": "Noël", "mail": "agent@demo.example"}
with services.db.unit_of_work() as session:
    for recipient in sys.argv[1:]:
        services.core.mailer.send(recipient, "password-changed", person)
        session.execute(
            update(OutboxMail)
            .where(OutboxMail.recipient == recipient)
            .values(state="dead", cause="unknown-address", last_error="550 5.1.1 User unknown")
        )
"""


def refuse(demonstration: Demonstration, *recipients: str) -> None:
    subprocess.run(
        [sys.executable, "-c", REFUSED, *recipients],
        cwd=REPOSITORY,
        env={**os.environ, **demonstration.environment},
        check=True,
        timeout=60,
    )


def enter_the_desk(visit: Visit) -> None:
    visit.sign_in("correspondant@demo.example")
    visit.page.get_by_role("button", name="Annuaire des").click()
    visit.open("/aia/administration/courriels")
    expect(visit.page.get_by_role("heading", name="Mails", exact=True)).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("phone", [True, False])
def test_the_correspondant_sends_again_and_abandons(
    visitors: Visitors, demonstration: Demonstration, *, script: bool, phone: bool
) -> None:
    again, left = (f"{each}-{script}-{phone}@ville.example".lower() for each in ("a", "b"))
    refuse(demonstration, again, left)
    visit = visitors(script=script, phone=phone)
    enter_the_desk(visit)
    visit.look("courriels-non-remis")

    page = visit.page
    one = page.get_by_role("listitem").filter(has_text=again)
    expect(one).to_contain_text("Cette adresse n'existe pas.")
    one.get_by_role("button", name="Envoyer de nouveau").click()
    expect(page.get_by_role("status").first).to_contain_text("part de nouveau")
    expect(page.get_by_role("listitem").filter(has_text=again)).to_have_count(0)

    other = page.get_by_role("listitem").filter(has_text=left)
    other.get_by_text("Abandonner…").press("Enter")
    visit.look("courriels-abandonner")
    other.get_by_role("button", name="Abandonner").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("ne partira plus")
    page.get_by_role("link", name="Abandonnés").click()
    expect(page.get_by_role("listitem").filter(has_text=left)).to_be_visible()

    page.get_by_label("Adresse du destinataire").fill(again)
    page.get_by_role("button", name="Rechercher").press("Enter")
    expect(page.get_by_role("listitem").filter(has_text=again)).to_be_visible()


def test_the_list_at_night(visitors: Visitors, demonstration: Demonstration) -> None:
    refuse(demonstration, "nuit@ville.example")
    visit = visitors(dark=True)
    enter_the_desk(visit)
    visit.look("courriels-non-remis")
    visit.page.get_by_role("link", name="Partis").click()
    visit.look("courriels-partis")


@pytest.mark.parametrize("phone", [True, False])
def test_a_mail_is_read_and_its_link_followed(
    visitors: Visitors, demonstration: Demonstration, *, phone: bool
) -> None:
    address = f"nouveau-{phone}@demo.example".lower()
    words = ("--name", "Nouveau", "--first-name", "Zoé", "--structure", "cig-pc")
    demonstration.command("account", "add", address, *words)
    visit = visitors(phone=phone)
    visit.open("/demo/courriels")
    page = visit.page
    mail = page.get_by_role("article").filter(has_text=address).first
    for _ in range(20):
        if mail.count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(mail).to_contain_text("Création de votre profil utilisateur")
    mail.get_by_text("Voir la mise en page").click()
    framed = mail.frame_locator("iframe")
    expect(framed.get_by_role("heading", level=1)).to_have_text(
        "Création de votre profil utilisateur"
    )
    visit.look("courriels-demonstration")
    framed.get_by_role("link", name=demonstration.url("/")).click()
    expect(page).to_have_url(demonstration.url("/connexion"))
    visit.open("/demo/courriels")
    link = page.get_by_role("article").filter(has_text=address).first.get_by_role("link").first
    expect(link).to_have_attribute("href", demonstration.url("/"))
