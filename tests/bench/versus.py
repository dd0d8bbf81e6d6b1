"""The server of stock pysaml2: what it works on, and that it says the same as ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.bench.client import Target
from tests.bench.plan import PLAN, READY, SSO, Plan
from tests.bench.server import Server, serving
from tests.bench.world import KEY
from tests.bench.yardstick import Unmeasurable
from tests.common.fake_sp import FakeSP, Received, key_pair
from tests.common.ports import free_port
from views.demo.supervisor import granian


@contextmanager
def stock_server(folder: Path, xmlsec1: str, received: Received) -> Iterator[tuple[Server, Target]]:
    """A server with our key that releases the attributes which ours released; and who asks it.

    Raises:
        Unmeasurable: it does not start.
    """
    folder.mkdir()
    port = free_port()
    plan, expected = _plan(folder, port, xmlsec1, received)
    plan.write(folder / "plan.json")
    with serving(
        [*granian("tests.bench.stock:from_environment", port, workers=1), "--factory"],
        port=port,
        ready=READY,
        log=folder / "server.log",
        environment={PLAN: str(folder / "plan.json"), "PYTHONWARNINGS": "ignore"},
    ) as server:
        yield server, expected


def compare(ours: Received, stock: Received) -> None:
    """Check that both told the SP the same of the person.

    Raises:
        Unmeasurable: they did not.
    """
    if facts(ours.attributes) != facts(stock.attributes):
        raise Unmeasurable(f"stock pysaml2 sends other attributes than we: {stock.attributes}")


def facts(attributes: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Attributes by their plain names: pysaml2 writes ``urn:mace:dir:attribute-def:mail``."""
    return {name.rpartition(":")[2]: sorted(values) for name, values in attributes.items()}


def _plan(folder: Path, port: int, xmlsec1: str, received: Received) -> tuple[Plan, Target]:
    private_key, certificate = key_pair(KEY)
    base_url = f"http://localhost:{port}"
    sp = FakeSP("bench-stock", idp_sso=base_url + SSO)
    pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
    plan = Plan(
        entity_id=f"{base_url}/metadata",
        base_url=base_url,
        xmlsec1=xmlsec1,
        key_file=_written(folder / "key.pem", private_key),
        certificate_file=_written(folder / "certificate.pem", pem),
        sp_metadata_file=_written(folder / "sp.xml", sp.metadata()),
        identity=received.attributes,
    )
    return plan, Target(sp, SSO, plan.entity_id, certificate, response_signed=False)


def _written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)
