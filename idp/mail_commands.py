"""``convergences mail``: what the correspondant's page of mails shows and does."""

import click

from idp.cli import Cli, outside_unit_of_work
from idp.mail import MailState
from idp.mail_desk import MailPage, MailSlip


@click.group(name="mail")
def mail_group() -> None:
    """Les mails qui attendent, sont partis ou n'ont pas été remis."""


@mail_group.command(name="list")
@click.option(
    "--state",
    type=click.Choice([each.value for each in MailState]),
    help="Ceux-là seulement ; sinon, tous les états.",
)
@click.option("--to", "recipient", default="", help="À cette adresse seulement.")
@click.option("--before", type=int, help="Plus anciens que ce numéro.")
@click.pass_obj
@outside_unit_of_work
def list_mails(cli: Cli, state: str | None, recipient: str, before: int | None) -> None:
    """Montrer cinquante mails, les plus récents d'abord (jamais leur texte)."""
    wanted = None if state is None else MailState(state)
    page = cli.services.mails.page(wanted, before=before, recipient=recipient)
    text = "\n".join(_line(mail) for mail in page.mails) or "Aucun mail."
    if page.older is not None:
        text += f"\nPlus anciens : --before {page.older}"
    cli.say(text, _data(page))


@mail_group.command(name="retry")
@click.argument("numbers", metavar="NUMÉRO…", nargs=-1, type=int)
@click.option("--dead", is_flag=True, help="Tous ceux qui n'ont pas été remis et le peuvent.")
@click.pass_obj
def retry(cli: Cli, numbers: tuple[int, ...], dead: bool) -> None:  # noqa: FBT001 - click
    """Envoyer de nouveau des mails."""
    chosen = list(numbers) if numbers or not dead else _all_dead(cli)
    if not chosen and not dead:
        raise click.UsageError("donnez des numéros (convergences mail list) ou --dead")
    sent = [cli.services.mails.send_again(number) for number in chosen]
    text = "\n".join(f"{mail.id}  {mail.recipient}  part de nouveau" for mail in sent)
    cli.say(text or "Aucun mail à envoyer de nouveau.", {"retried": chosen})


@mail_group.command(name="abandon")
@click.argument("numbers", metavar="NUMÉRO…", nargs=-1, type=int, required=True)
@click.pass_obj
def abandon(cli: Cli, numbers: tuple[int, ...]) -> None:
    """Ne plus envoyer des mails, et effacer leur texte."""
    left = [cli.services.mails.abandon(number) for number in numbers]
    text = "\n".join(f"{mail.id}  {mail.recipient}  abandonné" for mail in left)
    cli.say(text, {"abandoned": list(numbers)})


def _all_dead(cli: Cli) -> list[int]:
    """The dead ones that can be sent again."""
    found: list[int] = []
    before = None
    while True:
        page = cli.services.mails.page(MailState.DEAD, before=before)
        found += [mail.id for mail in page.mails if mail.resendable]
        if page.older is None:
            return found
        before = page.older


def _line(mail: MailSlip) -> str:
    why = f"  {mail.cause}: {mail.answer}" if mail.cause else ""
    return (
        f"{mail.id}  {mail.state}  {mail.created_at:%d/%m/%Y}  {mail.recipient}  {mail.kind}{why}"
    )


def _data(page: MailPage) -> dict[str, object]:
    names = ("id", "state", "kind", "recipient", "subject", "attempts", "created_at", "next_try_at")
    more = ("sent_at", "cause", "answer", "resendable")
    return {
        "mails": [{name: getattr(mail, name) for name in (*names, *more)} for mail in page.mails],
        "older": page.older,
    }
