"""The WSGI application for a server: ``granian --interface wsgi idp.wsgi:application``.

The environment variable ``CONVERGENCES_CONFIG`` names the .ini file; ``development.ini`` otherwise.
"""

import os
from pathlib import Path

from idp import garbage, log, make_app
from idp.settings import from_file

_settings = from_file(Path(os.environ.get("CONVERGENCES_CONFIG", "development.ini")))
log.configure(demonstration=_settings.demonstration)
application = make_app(_settings)
garbage.settle()
