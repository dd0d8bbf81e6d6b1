"""The SAML 2.0 protocol: what comes in is decoded, parsed and accepted; what goes out is built,
signed and encoded. Pure but for the signing key: no database, no clock, no HTTP request.
"""  # noqa: D205 - one sentence needs two lines
