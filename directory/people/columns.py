"""What the lists of people read of each row."""

from directory.validity import ACCOUNT, ASSIGNMENT, MEMBERSHIP, STRUCTURE

ACCOUNT_COLUMNS = (
    ACCOUNT.c.id,
    ACCOUNT.c.subject_id,
    ACCOUNT.c.mail,
    ACCOUNT.c.sn,
    ACCOUNT.c.given_name,
    ACCOUNT.c.locked,
    ACCOUNT.c.deleted_at,
    ACCOUNT.c.valid_from,
    ACCOUNT.c.valid_until,
    ACCOUNT.c.last_sign_in_at,
)
STRUCTURE_COLUMNS = (STRUCTURE.c.code, STRUCTURE.c.label, STRUCTURE.c.label_path)
LINE_COLUMNS = (
    *ACCOUNT_COLUMNS,
    MEMBERSHIP.c.public_id,
    MEMBERSHIP.c.function,
    MEMBERSHIP.c.service,
    MEMBERSHIP.c.suspended,
    MEMBERSHIP.c.confirmed_at,
    MEMBERSHIP.c.valid_from.label("membership_from"),
    MEMBERSHIP.c.valid_until.label("membership_until"),
    STRUCTURE.c.closed_at,
    STRUCTURE.c.path,
    *STRUCTURE_COLUMNS,
)
GRANT_COLUMNS = (
    ASSIGNMENT.c.valid_from.label("granted_from"),
    ASSIGNMENT.c.valid_until.label("granted_until"),
    ASSIGNMENT.c.granted_by,
    ASSIGNMENT.c.granted_at,
)
