"""What a référent may see of some rows, said anew.

The rules of 1-product.md are written down here a second time, over plain rows: no code of the
directory decides what the tests expect of it. :mod:`tests.functional.aia_trespasses` says what he
may change.
"""

from collections.abc import Iterator

from tests.functional.aia_chance import ME
from tests.functional.aia_realm import Rows

Line = dict[str, object]

_IDS = {
    "subject": ("account", "subject_id"),
    "structure": ("structure", "code"),
    "membership": ("membership", "public_id"),
    "request": ("access_request", "public_id"),
}


class Bounds:
    """What the référent may see and change of these rows."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        (self.me,) = (key for (key,), row in rows["account"].items() if row["mail"] == ME)
        self._paths = {key: str(row["path"]) for (key,), row in rows["structure"].items()}
        covered: dict[object, set[object]] = {}
        for row in rows["mandate_application"].values():
            covered.setdefault(row["mandate_id"], set()).add(row["application_id"])
        self._scopes = [
            (self._paths[row["structure_id"]], covered.get(key, set()))
            for (key,), row in rows["mandate"].items()
            if row["account_id"] == self.me
        ]
        self._memberships: dict[object, list[Line]] = {}
        for row in rows["membership"].values():
            self._memberships.setdefault(row["account_id"], []).append(row)
        own = {each["id"] for each in self._memberships.get(self.me, ())}
        self._held = {
            each["role_id"] for each in rows["assignment"].values() if each["membership_id"] in own
        }
        """Roles of his own, which his own sheet names."""

    def covers(self, structure: object, application: object = None) -> bool:
        """Whether a mandate of his covers this structure; and this application with it."""
        return any(
            self._paths.get(structure, "").startswith(root)
            and (application is None or application in known)
            for root, known in self._scopes
        )

    def below_a_root(self, structure: object) -> bool:
        """Whether it lies strictly below where a mandate of his begins."""
        path = self._paths[structure]
        return any(path.startswith(root) and path != root for root, _ in self._scopes)

    def covered(self, membership: Line, application: object) -> bool:
        """Whether he gives roles of this application there."""
        return self.covers(membership["structure_id"], application)

    def sees(self, account: object) -> bool:
        """Whether it is himself, or something of it is his, the bin included."""
        return account == self.me or any(
            self.covers(each["structure_id"]) for each in self._memberships.get(account, ())
        )

    def owns(self, account: object) -> bool:
        """Whether it is wholly his: nothing confirmed elsewhere, no mandate, not himself."""
        row = self.rows["account"][(account,)]
        paths = [
            each["structure_id"]
            for each in self._memberships.get(account, ())
            if each["deleted_at"] == row["deleted_at"] and each["confirmed_at"]
        ]
        return (
            account != self.me
            and not self.mandated(account)
            and bool(paths)
            and all(map(self.covers, paths))
        )

    def mandated(self, account: object) -> bool:
        """Whether he administers something."""
        return any(each["account_id"] == account for each in self.rows["mandate"].values())

    def listed(self) -> set[str]:
        """Subject ids of those who are in a structure of his."""
        return {
            str(self.rows["account"][(each["account_id"],)]["subject_id"])
            for each in self.members()
        }

    def known(self) -> dict[str, list[str]]:
        """Ids of what is his, by kind; a kind without any is left out."""
        members = list(self.members())
        rows, ids = self.rows, {each["id"] for each in members}
        found: dict[str, list[str]] = {
            "subject": sorted(self.listed()),
            "membership": [str(each["public_id"]) for each in members],
            "structure": [
                str(row["code"]) for (key,), row in rows["structure"].items() if self.covers(key)
            ],
            "request": [
                str(row["public_id"])
                for row in rows["access_request"].values()
                if row["membership_id"] in ids
            ],
            "mail": [str(rows["account"][(each["account_id"],)]["mail"]) for each in members],
        }
        return {kind: values for kind, values in found.items() if values}

    def knows(self, kind: str, value: str) -> bool:
        """Whether this is an id of something that he may see, the bin included."""
        table, column = _IDS[kind]
        return any(
            row[column] == value and self._is_his(kind, row) for row in self.rows[table].values()
        )

    def _is_his(self, kind: str, row: Line) -> bool:
        if kind == "subject":
            return self.sees(row["id"])
        if kind == "structure":
            return self.covers(row["id"])
        membership = row
        if kind == "request":
            membership = self.rows["membership"][(row["membership_id"],)]
        own = membership["account_id"] == self.me
        return own or self.covers(membership["structure_id"])

    def members(self) -> Iterator[Line]:
        """Memberships of living accounts in his structures, that are not in the bin."""
        for row in self.rows["membership"].values():
            alive = row["deleted_at"] is None and (
                self.rows["account"][(row["account_id"],)]["deleted_at"] is None
            )
            if alive and self.covers(row["structure_id"]):
                yield row

    def holders(self, role: object, application: object) -> set[object]:
        """Public ids of the memberships that he may see hold a role."""
        held = {
            each["membership_id"]
            for each in self.rows["assignment"].values()
            if each["role_id"] == role
        }
        return {
            row["public_id"]
            for row in self.members()
            if row["id"] in held and self.covered(row, application)
        }

    def may_read(self, kind: str, key: int) -> bool:
        """Whether a word of this thing may be shown to him."""
        if kind == "account":
            return self.sees(key) or self._helps(key)
        if kind == "role":
            return key in self._held or self._administers(
                self.rows["role"][(key,)]["application_id"]
            )
        if kind == "application":
            held = {self.rows["role"][(each,)]["application_id"] for each in self._held}
            return key in held or self._administers(key)
        if kind == "membership":
            row = self.rows["membership"].get((key,))
            return row is not None and (
                row["account_id"] == self.me or self.covers(row["structure_id"])
            )
        path = self._paths[key]
        own = {self._paths[each["structure_id"]] for each in self._memberships[self.me]}
        above = {
            each for each in (*own, *(root for root, _ in self._scopes)) if each.startswith(path)
        }
        return self.covers(key) or bool(above)

    def _administers(self, application: object) -> bool:
        return any(application in known for _, known in self._scopes)

    def _helps(self, account: object) -> bool:
        """Whether it is a référent of his own, whom a refusal names."""
        roots = [
            self._paths[each["structure_id"]]
            for each in self.rows["mandate"].values()
            if each["account_id"] == account and each["structure_id"] is not None
        ]
        own = [self._paths[each["structure_id"]] for each in self._memberships[self.me]]
        return any(path.startswith(root) for path in own for root in roots)
