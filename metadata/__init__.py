"""The registry of service providers, and the IdP's own description."""
