"""What the program of stock pysaml2 is told; apart, so that the bench need not import pysaml2."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

PLAN = "BENCH_STOCK"
SSO = "/sso"
READY = "/readyz"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the program works on; ``identity`` are the attributes of its one user."""

    entity_id: str
    base_url: str
    xmlsec1: str
    key_file: str
    certificate_file: str
    sp_metadata_file: str
    identity: dict[str, list[str]]

    def write(self, path: Path) -> None:
        """Keep it for the program."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read(path: Path) -> Plan:
    """The plan that :meth:`Plan.write` wrote."""
    return Plan(**json.loads(path.read_text(encoding="utf-8")))
