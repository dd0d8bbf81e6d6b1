"""The services are built from the settings; without a plug-in the start is refused clearly."""

from pathlib import Path

import pytest

from idp.errors import ConfigurationError
from idp.services import SystemClock, build
from tests.common.settings import make_settings


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("idp__directory", "no directory; check the setting idp.directory"),
        ("idp__service_providers", "no service_providers; check the setting"),
        ("idp__metadata", "no metadata; check the setting"),
        ("idp__mail_texts", "no mail_texts; check the setting"),
    ],
)
@pytest.mark.parametrize("name", ["nowhere.build", "directory.plugin.absent"])
def test_a_plug_in_that_is_not_there_is_named(
    tmp_path: Path, key: str, kind: str, name: str
) -> None:
    settings = make_settings(tmp_path, f"sqlite:///{tmp_path / 'x.sqlite'}", **{key: name})
    with pytest.raises(ConfigurationError, match=kind):
        build(settings)


def test_the_clock_is_aware_and_in_utc() -> None:
    assert str(SystemClock().now().tzinfo) == "UTC"
