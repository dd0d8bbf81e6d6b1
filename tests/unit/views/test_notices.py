"""The centre's notices cost nobody a page."""

import pytest
from sqlalchemy.exc import OperationalError
from webtest import TestApp

from directory.services.own.notices import Notices
from idp.services import Services


def test_the_sign_in_page_does_without_notices_that_cannot_be_read(
    app: TestApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def gone(notices: Notices) -> None:
        asked.append(isinstance(notices, Notices))
        raise OperationalError("select", {}, Exception("gone"))

    monkeypatch.setattr(type(services.self_service.notices), "current", gone)
    page = app.get("/connexion", status=200)
    assert page.html.select_one(".centre-notices") is None
    assert asked == [True]
