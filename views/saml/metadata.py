"""The IdP's own EntityDescriptor. [SAMLMeta] 4.1."""

from hashlib import sha256

from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from idp.request import Request


@view_config(route_name="saml_metadata", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def saml_metadata(request: Request) -> Response:
    """Signed, with an ETag, so that SPs may ask often."""
    document = request.services.metadata.document()
    response = Response(
        document,
        content_type="application/samlmetadata+xml",
        charset="utf-8",
        conditional_response=True,
    )
    response.etag = sha256(document).hexdigest()
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
