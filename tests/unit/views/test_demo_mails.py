"""The demonstration's mailbox."""

import os
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from webtest import TestApp

from idp import make_app
from idp.services import Services
from idp.settings import Mail, Settings
from tests.common.settings import make_settings
from views.demo.mails import folder_of, parse, read


def write(folder: Path, name: str, *, subject: str, text: str, at: int = 0) -> Path:
    message = EmailMessage()
    message["Subject"] = subject
    message["To"] = "Zoé <zoe@ville.example>"
    message["From"] = "ne-pas-repondre@cdg.example"
    message["Date"] = "Fri, 20 Nov 2026 09:05:00 +0000"
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(message.as_bytes())
    os.utime(path, (at, at))
    return path


@pytest.fixture
def settings(tmp_path: Path, database_url: str, directory_plugin: str) -> Settings:
    return make_settings(
        tmp_path,
        database_url,
        idp__directory=directory_plugin,
        convergences__demonstration="true",
    )


@pytest.fixture
def visitor(settings: Settings, services: Services) -> TestApp:
    """Nobody in particular, at the demonstration's own address."""
    host = settings.public_url.removeprefix("http://")
    return TestApp(make_app(settings, services), extra_environ={"HTTP_HOST": host})


def test_a_mail_is_read_as_its_reader_sees_it(tmp_path: Path) -> None:
    text = "Bonjour Zoé,\n\nVotre profil est créé.\nÀ bientôt\n"
    mail = parse(write(tmp_path, "a.eml", subject="Création éà", text=text).read_bytes())
    assert mail.subject == "Création éà"
    assert mail.recipient == "zoe@ville.example"
    assert mail.sender == "ne-pas-repondre@cdg.example"
    assert mail.sent_at is not None
    assert mail.sent_at.timestamp() == 1795165500
    assert mail.paragraphs == (("Bonjour Zoé,",), ("Votre profil est créé.", "À bientôt"))


def test_a_mail_may_lack_everything() -> None:
    mail = parse(b"\r\n")
    assert (mail.subject, mail.recipient, mail.sent_at, mail.paragraphs) == ("", "", None, ())


def test_the_newest_come_first(tmp_path: Path) -> None:
    write(tmp_path, "a.eml", subject="ancien", text="1", at=10)
    write(tmp_path, "b.eml", subject="nouveau", text="2", at=20)
    write(tmp_path, "c.txt", subject="autre chose", text="3", at=30)
    assert [mail.subject for mail in read(tmp_path)] == ["nouveau", "ancien"]


def test_at_most_fifty_are_read(tmp_path: Path) -> None:
    for number in range(52):
        write(tmp_path, f"{number}.eml", subject=str(number), text="x", at=number)
    subjects = [mail.subject for mail in read(tmp_path)]
    assert subjects == [str(number) for number in range(51, 1, -1)]


def test_no_folder_no_mail(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == ()


def test_mails_that_are_really_sent_are_nowhere(settings: Settings) -> None:
    sent = replace(settings, mail=Mail("smtp://mail.example:25", "a@b.example"))
    assert folder_of(sent) is None
    assert folder_of(settings) == settings.var / "mails"


def test_the_page_shows_a_mail_and_escapes_it(visitor: TestApp, settings: Settings) -> None:
    text = "<script>alert(1)</script>\n\nhttp://localhost:6543/premiere-visite"
    write(settings.var / "mails", "a.eml", subject="<b>Objet</b>", text=text)
    page = visitor.get("/demo/courriels", status=200)
    assert "&lt;b&gt;Objet&lt;/b&gt;" in page.text
    assert "<script>alert" not in page.text
    assert 'href="http://localhost:6543/premiere-visite"' in page.text
    assert "zoe@ville.example" in page.text
    assert page.headers["Cache-Control"].startswith("no-store")


def test_a_flowed_text_is_joined_again() -> None:
    message = EmailMessage()
    message.set_content("Une ligne \nqui continue.\n\nFin\n", params={"format": "flowed"})
    assert parse(message.as_bytes()).paragraphs == (("Une ligne qui continue.",), ("Fin",))


def test_the_page_of_a_mail_is_shown_where_nothing_runs(
    visitor: TestApp, settings: Settings
) -> None:
    write(settings.var / "mails", "a-1.eml", subject="Objet", text="<script>alert(1)</script>")
    page = visitor.get("/demo/courriels", status=200)
    frame = page.html.find("iframe")
    assert frame["src"] == "/demo/courriels/a-1"
    assert "allow-scripts" not in frame["sandbox"]
    assert "allow-same-origin" not in frame["sandbox"]
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]

    shown = visitor.get(frame["src"], status=200)
    policy = shown.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "script-src" not in policy
    assert "allow-scripts" not in policy
    assert shown.headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("name", ["aucun", "..%2Fsecret", "%2E%2E%2Fmails%2Fa", "a.eml", "é"])
def test_no_other_file_is_a_mail(visitor: TestApp, settings: Settings, name: str) -> None:
    write(settings.var / "mails", "a.eml", subject="Objet", text="x")
    (settings.var / "secret.eml").write_bytes(b"Subject: secret\r\n\r\nsecret")
    visitor.get(f"/demo/courriels/{quote(name, safe='%')}", status=404)


def test_a_mail_without_a_page_has_none(visitor: TestApp, settings: Settings) -> None:
    folder = settings.var / "mails"
    folder.mkdir(parents=True)
    (folder / "a.eml").write_bytes(b"Subject: x\r\n\r\nBonjour\r\n")
    assert visitor.get("/demo/courriels").html.find("iframe") is None
    visitor.get("/demo/courriels/a", status=404)


def test_the_empty_page_says_what_to_do(visitor: TestApp) -> None:
    assert "Aucun mail pour l'instant" in visitor.get("/demo/courriels").text


def test_outside_the_demonstration_there_is_no_such_page(
    tmp_path: Path, database_url: str, directory_plugin: str, services: Services
) -> None:
    settings = make_settings(tmp_path, database_url, idp__directory=directory_plugin)
    core = replace(services.core, settings=settings)
    app = TestApp(make_app(settings, replace(services, core=core)))
    app.get("/demo/courriels", status=404)
