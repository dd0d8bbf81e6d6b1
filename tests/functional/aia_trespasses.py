"""What a référent may change, said anew; see :mod:`tests.functional.aia_bounds`."""

from collections.abc import Iterator

from tests.functional.aia_bounds import Bounds, Line
from tests.functional.aia_realm import Rows

DERIVED = {"sn_key", "given_name_key", "search_key", "identifier_key", "label_path", "path_key"}
"""Columns that follow others."""
NAMES = ("subject_id", "public_id", "membership_id")
"""Columns that never change: whose row it is."""
NEVER = ("mandate", "mandate_application", "application", "role", "application_entity", "notice")
"""Tables that no référent changes."""


def trespasses(before: Rows, after: Rows) -> list[str]:
    """What was changed between these that the référent may not change."""
    return list(_Judge(Bounds(before), Bounds(after)).wrong())


def _lives_of_a_row(
    old: Line | None, new: Line | None
) -> Iterator[tuple[Line | None, Line | None]]:
    """What became of a row; two rows where SQLite gave the number of one that went to another."""
    if old and new and any(old.get(name) != new.get(name) for name in NAMES):
        yield old, None
        yield None, new
    else:
        yield old, new


class _Judge:
    """Looks at each row that is not as it was."""

    def __init__(self, before: Bounds, after: Bounds) -> None:
        self._was = before
        self._is = after

    def wrong(self) -> Iterator[str]:
        """Each in a line."""
        rules = {
            "account": self._account,
            "account_photo": self._of_owned,
            "address_change": self._of_owned,
            "membership": self._membership,
            "assignment": self._assignment,
            "access_request": self._request,
            "structure": self._structure,
            "bulk_action": self._order,
            "bulk_item": self._of_seen,
            "role_change": self._of_seen,
            "password_link": self._of_seen,
            "outbox": self._mail,
        } | dict.fromkeys(NEVER, self._never)
        for table, now in self._is.rows.items():
            then = self._was.rows[table]
            for key in then.keys() | now.keys():
                for old, new in _lives_of_a_row(then.get(key), now.get(key)):
                    if old != new and not rules.get(table, self._never)(old, new):
                        yield f"{table} {key}: {_difference(old, new)}"

    def _account(self, old: Line | None, new: Line | None) -> bool:
        if old is not None and new is None:
            return self._erased(old["id"])
        if old is None or new is None:
            return new is not None and self._is.owns(new["id"])
        if old["deleted_at"] and new["deleted_at"] is None and not self._was.mandated(old["id"]):
            return self._is.owns(old["id"])  # restored
        return _columns(old, new) <= DERIVED or self._was.owns(old["id"])

    def _membership(self, old: Line | None, new: Line | None) -> bool:
        row = new or old or {}
        if old and new and _columns(old, new) <= DERIVED:
            return True
        if row["account_id"] == self._was.me:
            return False
        if old and new and _columns(old, new) == {"deleted_at"} and self._goes_along(old):
            return True
        if new is None and self._erased(row["account_id"]):
            return True
        return self._consented(old, new) and all(
            self._is.covers(each["structure_id"]) for each in (old, new) if each
        )

    def _consented(self, old: Line | None, new: Line | None) -> bool:
        """The person alone confirms; a second one waits for him, added or out of the bin."""
        comes = new and not new["deleted_at"] and (old is None or old["deleted_at"])
        if new and comes and self._lives(new["account_id"]):
            return new["confirmed_at"] is None
        return not (old and new) or old["confirmed_at"] == new["confirmed_at"]

    def _goes_along(self, membership: Line) -> bool:
        """What waits for a confirmation restricts nothing, and goes with the account."""
        return membership["confirmed_at"] is None and self._was.owns(membership["account_id"])

    def _erased(self, account: object) -> bool:
        """Whether he was in the bin, not to be restored, and a new person of his has the address.

        All that he had goes with him.
        """
        was = self._was.rows["account"][(account,)]
        heirs = (
            each["id"]
            for each in self._is.rows["account"].values()
            if each["mail_key"] == was["mail_key"] and each["subject_id"] != was["subject_id"]
        )
        theirs = self._was.mandated(account) or self._was.owns(account)
        return bool(was["deleted_at"]) and not theirs and any(map(self._is.owns, heirs))

    def _ended(self, membership: object) -> bool:
        """Whether it is no more; SQLite may have given its number to another."""
        was = self._was.rows["membership"].get((membership,))
        now = self._is.rows["membership"].get((membership,))
        return now is None or (was is not None and was["public_id"] != now["public_id"])

    def _lives(self, account: object) -> bool:
        return any(
            each["account_id"] == account
            and each["deleted_at"] is None
            and each["confirmed_at"] is not None
            for each in self._was.rows["membership"].values()
        )

    def _assignment(self, old: Line | None, new: Line | None) -> bool:
        row = new or old or {}
        key = (row["membership_id"],)
        was = self._was.rows["membership"].get(key)
        now = self._is.rows["membership"].get(key)
        ended = self._ended(row["membership_id"])
        if new is None and (ended or (was and now and was["structure_id"] != now["structure_id"])):
            return True  # it ends with the membership, or where that was; which is judged itself
        was = None if ended else was
        application = self._was.rows["role"][(row["role_id"],)]["application_id"]
        return all(self._is.covered(each, application) for each in (was, now) if each)

    def _request(self, old: Line | None, new: Line | None) -> bool:
        row = new or old or {}
        membership = self._was.rows["membership"].get((row["membership_id"],), {})
        if new is None:
            return self._ended(row["membership_id"])
        return membership.get("account_id") != self._was.me and self._was.covered(
            membership, row["application_id"]
        )

    def _structure(self, old: Line | None, new: Line | None) -> bool:
        if new is None:
            return False
        if old is None:
            return self._was.covers(new["parent_id"])
        changed = _columns(old, new) - DERIVED
        return self._was.below_a_root(old["id"]) and changed <= {"label", "closed_at"}

    def _of_owned(self, old: Line | None, new: Line | None) -> bool:
        account = (new or old or {})["account_id"]
        return self._was.owns(account) or (new is None and self._erased(account))

    def _of_seen(self, old: Line | None, new: Line | None) -> bool:
        account = (new or old or {})["account_id"]
        seen = self._was.sees(account) or self._is.sees(account)
        return seen or (new is None and self._erased(account))

    def _order(self, old: Line | None, new: Line | None) -> bool:
        mine = self._was.rows["account"][(self._was.me,)]["subject_id"]
        return all(each["subject_id"] == mine for each in (old, new) if each)

    def _mail(self, old: Line | None, new: Line | None) -> bool:
        """To whom it concerns, and to those who administer him."""
        mandated = {each["account_id"] for each in self._is.rows["mandate"].values()}
        known = {
            row["mail"]
            for bounds in (self._was, self._is)
            for (key,), row in bounds.rows["account"].items()
            if bounds.sees(key) or key in mandated
        }
        if new is None or old is not None:
            return False
        # The correspondant is told of a role that somebody gave himself.
        return new["kind"] == "role-granted-to-oneself" or new["recipient"] in known

    @staticmethod
    def _never(old: Line | None, new: Line | None) -> bool:
        del old, new
        return False


def _columns(old: Line, new: Line) -> set[str]:
    """Those that differ."""
    return {name for name in old if old[name] != new[name]}


def _difference(old: Line | None, new: Line | None) -> str:
    if old is None or new is None:
        return f"{'added' if old is None else 'removed'} {new or old}"
    return ", ".join(f"{name}: {old[name]!r} -> {new[name]!r}" for name in _columns(old, new))
