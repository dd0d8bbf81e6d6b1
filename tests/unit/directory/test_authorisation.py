"""The decider, attacked with every actor and target that Hypothesis can think of."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory.authorisation import (
    OPERATOR,
    AccountTarget,
    Actor,
    ApplicationTarget,
    AssignmentTarget,
    ClosingTarget,
    MailsTarget,
    MandateTarget,
    MembershipTarget,
    NoticeTarget,
    Permission,
    Scope,
    StructureTarget,
    Target,
    may,
    require,
)
from idp.errors import NotAllowed

# A small tree; 1 and 11, 5 and 51: numbers that begin alike are no ancestors.
PATHS = ("/1/", "/1/5/", "/1/5/9/", "/1/51/", "/1/51/9/", "/11/", "/11/5/")
APPLICATIONS = (1, 2, 3)
ACCOUNTS = (7, 8)

paths = st.sampled_from(PATHS)
path_sets = st.frozensets(paths, max_size=3)
accounts = st.sampled_from(ACCOUNTS)
applications = st.sampled_from(APPLICATIONS)
scopes = st.lists(st.builds(Scope, paths, st.frozensets(applications, min_size=1)), max_size=3).map(
    tuple
)
referents = st.builds(Actor, st.just("s"), accounts, scopes)
centrals = st.builds(Actor, st.just("s"), accounts, scopes, central=st.sampled_from([True]))
actors = referents | centrals | st.just(OPERATOR)

account_targets = st.builds(
    AccountTarget, accounts, path_sets, path_sets, st.booleans(), st.booleans()
)
membership_targets = st.builds(MembershipTarget, accounts, paths)
assignment_targets = st.builds(AssignmentTarget, accounts, paths, applications)
mandate_targets = st.builds(MandateTarget, accounts)
structure_targets = st.builds(StructureTarget, paths | st.just(""))
closing_targets = st.builds(ClosingTarget, paths | st.just(""), st.booleans(), st.booleans())
application_targets = st.builds(ApplicationTarget, applications | st.none())

ABOUT: dict[Permission, st.SearchStrategy[Target]] = {
    Permission.SEE_STRUCTURE: structure_targets,
    Permission.CREATE_STRUCTURE: structure_targets,
    Permission.RENAME_STRUCTURE: structure_targets,
    Permission.CLOSE_STRUCTURE: closing_targets,
    Permission.SET_SIRET: structure_targets,
    Permission.SEE_ACCOUNT: account_targets,
    Permission.SEE_ACCOUNT_STATE: account_targets,
    Permission.CREATE_ACCOUNT: structure_targets,
    Permission.LOCK_ACCOUNT: account_targets,
    Permission.EDIT_ACCOUNT: account_targets,
    Permission.CHANGE_ADDRESS: account_targets,
    Permission.DELETE_ACCOUNT: account_targets,
    Permission.SET_PASSWORD: account_targets,
    Permission.SEND_LINK: account_targets,
    Permission.ADD_MEMBERSHIP: membership_targets,
    Permission.CONFIRM_MEMBERSHIP: membership_targets,
    Permission.EDIT_MEMBERSHIP: membership_targets,
    Permission.SUSPEND_MEMBERSHIP: membership_targets,
    Permission.REMOVE_MEMBERSHIP: membership_targets,
    Permission.GRANT_ROLE: assignment_targets,
    Permission.WITHDRAW_ROLE: assignment_targets,
    Permission.ANSWER_REQUEST: assignment_targets,
    Permission.GIVE_MANDATE: mandate_targets,
    Permission.WITHDRAW_MANDATE: mandate_targets,
    Permission.SEE_APPLICATION: application_targets,
    Permission.MANAGE_APPLICATION: application_targets,
    Permission.MANAGE_NOTICE: st.just(NoticeTarget()),
    Permission.MANAGE_MAILS: st.just(MailsTarget()),
}
questions = st.sampled_from(list(ABOUT)).flatmap(
    lambda permission: st.tuples(st.just(permission), ABOUT[permission])
)
Question = tuple[Permission, Target]

NEVER_ON_ONESELF = (
    Permission.LOCK_ACCOUNT,
    Permission.EDIT_ACCOUNT,
    Permission.CHANGE_ADDRESS,
    Permission.DELETE_ACCOUNT,
    Permission.SET_PASSWORD,
    Permission.SEND_LINK,
    Permission.ADD_MEMBERSHIP,
    Permission.EDIT_MEMBERSHIP,
    Permission.SUSPEND_MEMBERSHIP,
    Permission.REMOVE_MEMBERSHIP,
    Permission.ANSWER_REQUEST,
    Permission.GIVE_MANDATE,
)
CENTRAL_ONLY = (
    Permission.SET_SIRET,
    Permission.GIVE_MANDATE,
    Permission.WITHDRAW_MANDATE,
    Permission.MANAGE_APPLICATION,
    Permission.MANAGE_MAILS,
    Permission.MANAGE_NOTICE,
)
OVER_THE_ACCOUNT = (
    Permission.LOCK_ACCOUNT,
    Permission.EDIT_ACCOUNT,
    Permission.CHANGE_ADDRESS,
    Permission.DELETE_ACCOUNT,
)
OWN = (Permission.SEE_ACCOUNT, Permission.SEE_ACCOUNT_STATE, Permission.CONFIRM_MEMBERSHIP)


def test_every_permission_is_asked_about() -> None:
    assert set(ABOUT) == set(Permission)


@given(questions)
def test_operator_may_everything(question: Question) -> None:
    assert may(OPERATOR, *question)


@given(referents, questions)
def test_a_mandate_never_takes_anything_away(actor: Actor, question: Question) -> None:
    """More scopes, never fewer permissions; and the correspondant may what any référent may."""
    if may(actor, *question):
        more = (*actor.scopes, Scope("/1/51/", frozenset({3})))
        assert may(replace(actor, scopes=more), *question)
        assert may(replace(actor, central=True), *question)


@given(referents | centrals, questions)
def test_nobody_locks_deletes_or_widens_himself(actor: Actor, question: Question) -> None:
    permission, target = question
    own = getattr(target, "account_id", None) == actor.account_id
    if own and permission in NEVER_ON_ONESELF:
        assert not may(actor, permission, target)


@given(referents, questions)
def test_some_things_are_the_correspondant_s_alone(actor: Actor, question: Question) -> None:
    if question[0] in CENTRAL_ONLY:
        assert not may(actor, *question)
        assert may(replace(actor, account_id=99, central=True), *question)


@given(referents | centrals, account_targets)
def test_only_the_command_line_chooses_passwords(actor: Actor, target: AccountTarget) -> None:
    assert not may(actor, Permission.SET_PASSWORD, target)


@given(questions, accounts)
def test_without_a_mandate_only_oneself(question: Question, account_id: int) -> None:
    permission, target = question
    if may(Actor("s", account_id), permission, target):
        assert permission in OWN
        assert getattr(target, "account_id", None) == account_id


@given(referents, assignment_targets)
def test_structure_and_application_in_one_mandate(actor: Actor, target: AssignmentTarget) -> None:
    """Two mandates never add up: A for one application, B for another, is not A for the other."""
    expected = any(
        target.path.startswith(scope.root) and target.application_id in scope.application_ids
        for scope in actor.scopes
    )
    assert may(actor, Permission.GRANT_ROLE, target) == expected
    assert may(actor, Permission.WITHDRAW_ROLE, target) == expected


@given(
    referents,
    st.sampled_from(OVER_THE_ACCOUNT),
    account_targets,
)
def test_shared_and_privileged_accounts(
    actor: Actor, permission: Permission, target: AccountTarget
) -> None:
    """Wholly within his subtrees, no mandate, uncontested, not himself: exactly then."""
    inside = [any(path.startswith(scope.root) for scope in actor.scopes) for path in target.paths]
    expected = (
        bool(inside)
        and all(inside)
        and not target.privileged
        and not target.contested
        and target.account_id != actor.account_id
    )
    assert may(actor, permission, target) == expected


@given(
    actors,
    st.sampled_from((*OVER_THE_ACCOUNT, Permission.SEE_ACCOUNT_STATE, Permission.SEND_LINK)),
    account_targets,
    path_sets,
)
def test_unconfirmed_memberships_restrict_and_grant_nothing(
    actor: Actor, permission: Permission, target: AccountTarget, waiting: frozenset[str]
) -> None:
    other = replace(target, unconfirmed_paths=waiting)
    assert may(actor, permission, target) == may(actor, permission, other)


@given(actors, account_targets)
def test_the_state_of_an_account_is_seen_by_what_was_confirmed(
    actor: Actor, target: AccountTarget
) -> None:
    """Everywhere, himself, or a confirmed membership in scope: exactly then."""
    inside = any(path.startswith(scope.root) for scope in actor.scopes for path in target.paths)
    expected = actor.everywhere or inside or target.account_id == actor.account_id
    assert may(actor, Permission.SEE_ACCOUNT_STATE, target) == expected
    assert not expected or may(actor, Permission.SEE_ACCOUNT, target)


@given(referents, structure_targets)
def test_the_root_of_a_mandate_is_not_his(actor: Actor, target: StructureTarget) -> None:
    renames = may(actor, Permission.RENAME_STRUCTURE, target)
    below = [
        scope
        for scope in actor.scopes
        if target.path.startswith(scope.root) and target.path != scope.root
    ]
    assert renames == bool(below)
    if target.path == "":
        assert not may(actor, Permission.CREATE_STRUCTURE, target)


@given(referents, closing_targets)
def test_closing_touches_neither_oneself_nor_a_mandate(actor: Actor, target: ClosingTarget) -> None:
    renames = may(actor, Permission.RENAME_STRUCTURE, StructureTarget(target.path))
    expected = renames and not target.own and not target.mandated
    assert may(actor, Permission.CLOSE_STRUCTURE, target) == expected
    correspondant = replace(actor, central=True)
    assert may(correspondant, Permission.CLOSE_STRUCTURE, target) == (not target.own)


@given(referents, membership_targets | account_targets)
def test_what_he_touches_he_sees(actor: Actor, target: MembershipTarget | AccountTarget) -> None:
    if isinstance(target, MembershipTarget):
        touched = any(
            may(actor, permission, target)
            for permission in (
                Permission.EDIT_MEMBERSHIP,
                Permission.SUSPEND_MEMBERSHIP,
                Permission.REMOVE_MEMBERSHIP,
            )
        )
        sheet = AccountTarget(target.account_id, frozenset({target.path}))
    else:
        touched = may(actor, Permission.LOCK_ACCOUNT, target)
        sheet = target
    assert not touched or may(actor, Permission.SEE_ACCOUNT, sheet)


@given(actors, questions)
def test_require_is_may(actor: Actor, question: Question) -> None:
    if may(actor, *question):
        require(actor, *question)
    else:
        with pytest.raises(NotAllowed):
            require(actor, *question)


def test_wrong_kind_of_target_is_a_programming_error() -> None:
    with pytest.raises(TypeError):
        may(OPERATOR, Permission.LOCK_ACCOUNT, StructureTarget("/1/"))


def test_application_of_a_mandate_is_seen() -> None:
    actor = Actor("s", 7, (Scope("/1/", frozenset({2})),))
    assert may(actor, Permission.SEE_APPLICATION, ApplicationTarget(2))
    assert not may(actor, Permission.SEE_APPLICATION, ApplicationTarget(1))
    assert not may(actor, Permission.SEE_APPLICATION, ApplicationTarget(None))
