"""What Prometheus counts. Labels come from closed sets: never an address, a login or a URL."""

from prometheus_client import Counter, Histogram

sign_ins = Counter(
    "convergences_sign_ins", "Sign-ins by outcome (success or error code)", ["outcome"]
)
sign_ons = Counter("convergences_sign_ons", "Assertions issued, by service provider", ["entity_id"])
refusals = Counter("convergences_refusals", "Sign-ons refused, by cause (error code)", ["cause"])
logouts = Counter(
    "convergences_logouts",
    "Service providers told that a session is over, by outcome (closed, failed, open)",
    ["entity_id", "outcome"],
)
metadata_refreshes = Counter(
    "convergences_metadata_refreshes",
    "Readings of a service provider's metadata address, by outcome (same, changed, failed)",
    ["entity_id", "outcome"],
)
http_requests = Counter(
    "convergences_http_requests", "HTTP responses", ["method", "route", "status"]
)
password_wait = Histogram(
    "convergences_password_wait_seconds",
    "How long a password waited for its turn to be hashed",
    buckets=(0.1, 0.3, 1, 3, 10, 30),
)
password_turned_away = Counter(
    "convergences_password_turned_away", "Passwords not looked at: every place was taken"
)
mails = Counter(
    "convergences_mails_tried",
    "Tries to send a mail, by outcome (sent, postponed, dead)",
    ["outcome"],
)
