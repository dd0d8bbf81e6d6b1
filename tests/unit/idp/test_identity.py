"""Which service providers know a person by the address."""

import pytest

from idp.identity import known_by_address
from idp.types import NameIDFormat, ReleaseRule, ServiceProvider, Source

PERSISTENT = NameIDFormat.PERSISTENT


@pytest.mark.parametrize(
    ("name_id_format", "rules", "expected"),
    [
        (NameIDFormat.EMAIL_ADDRESS, (), True),
        (NameIDFormat.UNSPECIFIED, (), True),
        (PERSISTENT, (), False),
        (NameIDFormat.TRANSIENT, (ReleaseRule("role", Source.ROLE),), False),
        (PERSISTENT, (ReleaseRule("mail", Source.MAIL),), True),
        (PERSISTENT, (ReleaseRule("uid", Source.UID),), True),
        (PERSISTENT, (ReleaseRule("x", Source.TEMPLATE, argument="{sn} <{mail}>"),), True),
        (PERSISTENT, (ReleaseRule("x", Source.TEMPLATE, argument="{givenName} {sn}"),), False),
        (PERSISTENT, (ReleaseRule("id", Source.PAIRWISE_ID),), False),
    ],
)
def test_what_changes_with_the_address(
    name_id_format: NameIDFormat, rules: tuple[ReleaseRule, ...], *, expected: bool
) -> None:
    sp = ServiceProvider(
        entity_id="https://sp.example",
        display_name="SP",
        assertion_consumer_services=(),
        rules=rules,
        name_id_format=name_id_format,
    )
    assert known_by_address(sp) is expected
