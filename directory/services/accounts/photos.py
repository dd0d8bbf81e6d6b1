"""Photos of people: each changes his own, and who may see the account's state may see the photo."""

from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import Session

from directory import actors
from directory.authorisation import Permission, require
from directory.models import Account, AccountPhoto
from directory.pictures import CONTENT_TYPE, square_photo
from directory.services.lookup import account_target
from directory.validity import ACCOUNT, PHOTO
from idp.errors import NotFound
from idp.self_service import Photo, Square

if TYPE_CHECKING:
    from idp.services import Core

_READ = (
    select(PHOTO.c.account_id, PHOTO.c.content_type, PHOTO.c.image, ACCOUNT.c.subject_id)
    .join(ACCOUNT, ACCOUNT.c.id == PHOTO.c.account_id)
    .where(PHOTO.c.digest == bindparam("digest"), ACCOUNT.c.deleted_at.is_(None))
)


class Photos:
    """See :class:`idp.self_service.IPhotos`."""

    def __init__(self, core: "Core") -> None:
        self._core = core

    def prepare(self, upload: bytes, square: Square | None = None) -> Photo:
        """See :meth:`idp.self_service.IPhotos.prepare`."""
        image = square_photo(upload, square)
        return Photo(_digest("", image), CONTENT_TYPE, image)

    def keep(self, subject_id: str, upload: bytes, square: Square | None = None) -> str:
        """See :meth:`idp.self_service.IPhotos.keep`. No transaction is open while it is made."""
        image = square_photo(upload, square)
        with self._core.db.unit_of_work() as session:
            return self.put(session, _account(session, subject_id), image)

    def put(self, session: Session, account: Account, image: bytes) -> str:
        """Make a photo that was prepared the one of this account, which the caller has locked."""
        digest = _digest(account.subject_id, image)
        photo = session.get(AccountPhoto, account.id)
        if photo is not None and photo.digest == digest:
            return digest
        code = "account.photo-added" if photo is None else "account.photo-changed"
        if photo is None:
            photo = AccountPhoto(account_id=account.id)
            session.add(photo)
        photo.digest = digest
        photo.content_type = CONTENT_TYPE
        photo.updated_at = self._core.clock.now()
        photo.image = image
        session.flush()
        self._core.audit.record(code, subject_id=account.subject_id)
        return digest

    def remove(self, subject_id: str) -> None:
        """See :meth:`idp.self_service.IPhotos.remove`."""
        own = select(Account.id).where(Account.subject_id == subject_id).scalar_subquery()
        with self._core.db.unit_of_work() as session:
            gone = session.execute(
                delete(AccountPhoto)
                .where(AccountPhoto.account_id == own)
                .returning(AccountPhoto.digest)
            )
            if gone.scalar() is not None:
                self._core.audit.record("account.photo-removed", subject_id=subject_id)

    def read(self, viewer: str, digest: str) -> Photo:
        """See :meth:`idp.self_service.IPhotos.read`. One statement for one's own."""
        rows = self._core.db.rows(_READ, {"digest": digest})
        if not rows:
            raise NotFound(f"photo {digest!r}", public="Cette photo n'existe pas.")
        found = rows[0]
        if found.subject_id != viewer:
            self._require_sight(viewer, found.account_id)
        return Photo(digest, found.content_type, found.image)

    def _require_sight(self, viewer: str, account_id: int) -> None:
        actor = actors.load(self._core, viewer)
        with self._core.db.reading() as session:
            account = session.get(Account, account_id)
            if actor is None or account is None:
                raise NotFound(f"photo of account {account_id}")
            target = account_target(session, account, self._core.clock.now())
        require(actor, Permission.SEE_ACCOUNT_STATE, target)


def _digest(subject_id: str, image: bytes) -> str:
    """Two people's photos never have the same name, even when they are the same."""
    return sha256(subject_id.encode() + b"\n" + image).hexdigest()[:40]


def _account(session: Session, subject_id: str) -> Account:
    """The account, locked: two tabs may change the photo at once.

    Raises:
        NotFound: there is none.
    """
    statement = select(Account).where(Account.subject_id == subject_id).with_for_update()
    found = session.scalar(statement)
    if found is None:
        raise NotFound(f"account {subject_id!r}", public="Ce compte n'existe pas.")
    return found
