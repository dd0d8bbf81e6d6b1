"""The memberships of the in-memory directory that wait for their person's answer."""

from idp.asking import WaitingMembership, WaitingRole
from idp.errors import AlreadyAnswered, NotFound, StaleEdit
from tests.common.memory_directory import MemoryDirectory, MemoryMembership


class MemoryConfirmations:
    """Fulfils :class:`idp.self_service.IConfirmations`; shares no code with the SQL one."""

    def __init__(self, directory: MemoryDirectory) -> None:
        self._directory = directory

    def waiting(self, subject_id: str) -> tuple[WaitingMembership, ...]:
        return tuple(self._told(each) for each in self._directory.waiting(subject_id))

    def confirm(self, subject_id: str, membership_id: str, *, version: str) -> WaitingMembership:
        found = self._asked(subject_id, membership_id, version)
        found.confirmed = True
        return self._told(found)

    def refuse(self, subject_id: str, membership_id: str, *, version: str) -> WaitingMembership:
        found = self._asked(subject_id, membership_id, version)
        found.deleted = True
        return self._told(found)

    def _asked(self, subject_id: str, membership_id: str, version: str) -> MemoryMembership:
        for each in self._directory.waiting(subject_id):
            if each.id == membership_id:
                if self._told(each).version != version:
                    raise StaleEdit(membership_id)
                return each
        for each in self._directory.of_subject(subject_id):
            if each.id == membership_id and each.known:
                raise AlreadyAnswered(membership_id)
        raise NotFound(membership_id)

    def _told(self, membership: MemoryMembership) -> WaitingMembership:
        return WaitingMembership(
            id=membership.id,
            structure_label=membership.structure.label,
            structure_path=membership.structure.path,
            added_by="L'administration du service",
            added_at=membership.added_at,
            function=membership.function or "",
            service=membership.service or "",
            valid_from=membership.dates.valid_from,
            roles=tuple(
                WaitingRole(application, role, dates.valid_from)
                for application, role, dates in self._directory.roles_of(membership)
            ),
        )
