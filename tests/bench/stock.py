"""Stock pysaml2 as an identity provider: the program that we are compared with.

It does what pysaml2's documentation shows and nothing besides: parse the AuthnRequest, build the
Response of a person who is always signed in, have the ``xmlsec1`` program sign it, hand it over. No
directory, no session, no journal, no page around it.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.saml import NAME_FORMAT_BASIC, NAMEID_FORMAT_TRANSIENT
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from tests.bench.plan import PLAN, READY, SSO, Plan, read

USER = "agent@demo.example"

Environ = Mapping[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]


def configuration(plan: Plan) -> IdPConfig:
    """pysaml2's configuration of an IdP that signs assertions with the program xmlsec1."""
    return IdPConfig().load(
        {
            "entityid": plan.entity_id,
            "xmlsec_binary": plan.xmlsec1,
            "key_file": plan.key_file,
            "cert_file": plan.certificate_file,
            "metadata": {"local": [plan.sp_metadata_file]},
            "service": {
                "idp": {
                    "endpoints": {
                        "single_sign_on_service": [(plan.base_url + SSO, BINDING_HTTP_REDIRECT)]
                    },
                    "name_id_format": [NAMEID_FORMAT_TRANSIENT],
                    "sign_assertion": True,
                    "sign_response": False,
                    "signing_algorithm": SIG_RSA_SHA256,
                    "digest_algorithm": DIGEST_SHA256,
                    "policy": {
                        "default": {
                            "lifetime": {"minutes": 5},
                            "attribute_restrictions": None,
                            "name_form": NAME_FORMAT_BASIC,
                        }
                    },
                }
            },
        }
    )


class Application:
    """The WSGI program."""

    def __init__(self, plan: Plan) -> None:
        self._identity = plan.identity
        self._server = Server(config=configuration(plan))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer an AuthnRequest by Redirect, and whoever asks whether we are there."""
        if environ["PATH_INFO"] == READY:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ready\n"]
        query = parse_qs(environ["QUERY_STRING"])
        page = self._answer(query["SAMLRequest"][0], query.get("RelayState", [""])[0]).encode()
        headers = [("Content-Type", "text/html"), ("Content-Length", str(len(page)))]
        start_response("200 OK", headers)
        return [page]

    def _answer(self, saml_request: str, relay_state: str) -> str:
        received = self._server.parse_authn_request(saml_request, BINDING_HTTP_REDIRECT)
        arguments = self._server.response_args(received.message, [BINDING_HTTP_POST])
        destination = arguments["destination"]
        response = self._server.create_authn_response(
            self._identity,
            userid=USER,
            authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": USER},
            **arguments,
        )
        sent = self._server.apply_binding(
            BINDING_HTTP_POST, str(response), destination, relay_state, response=True
        )
        return str(sent["data"])


def from_environment() -> Application:
    """The program for the plan in the file that the variable ``BENCH_STOCK`` names."""
    return Application(read(Path(os.environ[PLAN])))
