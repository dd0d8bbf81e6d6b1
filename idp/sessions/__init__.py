"""The sign-on's state: browser sessions, SP sessions, pending AuthnRequests, persistent NameIDs."""
