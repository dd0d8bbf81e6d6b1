"""Signing with an SP's own key, but otherwise than SAML says."""

import xmlsec
from lxml import etree

from tests.common.fake_sp import FakeSP

EXCLUSIVE = (xmlsec.Transform.EXCL_C14N,)


def sign(sp: FakeSP, request: etree._Element, **options: object) -> None:
    """Sign, with another ``method``, ``c14n``, ``digest``, ``uri``, ``transforms`` or ``parent``.

    ``secret`` is the key of an HMAC.
    """
    method = options.get("method", xmlsec.Transform.RSA_SHA256)
    c14n = options.get("c14n", xmlsec.Transform.EXCL_C14N)
    digest = options.get("digest", xmlsec.Transform.SHA256)
    signature = xmlsec.template.create(request, c14n, method, ns="ds")
    parent = options.get("parent", request)
    parent.insert(1, signature)  # type: ignore[attr-defined]
    uri = options.get("uri", f"#{request.get('ID')}")
    reference = xmlsec.template.add_reference(signature, digest, uri=uri)
    for transform in (xmlsec.Transform.ENVELOPED, *options.get("transforms", ())):  # type: ignore[misc]
        xmlsec.template.add_transform(reference, transform)
    xmlsec.tree.add_ids(request, ["ID"])
    context = xmlsec.SignatureContext()
    if "secret" in options:
        context.key = xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, options["secret"])
    else:
        context.key = xmlsec.Key.from_memory(sp.private_key, xmlsec.KeyFormat.PEM)
    context.sign(signature)
