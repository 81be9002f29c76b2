"""Certificates: only the cluster's own CA counts, and inline keys leave nothing behind."""

import base64
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kube_cases import Scripted

from reconciler.edges.kube.connect import open_kubeconfig
from reconciler.errors import Retry

NOW = datetime.now(UTC)


class Authority:
    """A CA that issues certificates for 127.0.0.1."""

    def __init__(self, name: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(
            self.key.public_key(), self.name, x509.BasicConstraints(ca=True, path_length=None)
        )

    def _sign(self, key, subject: x509.Name, *extensions) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder(issuer_name=self.name, subject_name=subject, public_key=key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(hours=1))
            .not_valid_after(NOW + timedelta(hours=1))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, address: str = "127.0.0.1") -> tuple[bytes, bytes]:
        """(certificate, key) as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "who")])
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._sign(key.public_key(), subject, names).public_bytes(serialization.Encoding.PEM), private


@pytest.fixture(scope="module")
def ours() -> Authority:
    return Authority("ours")


@pytest.fixture(scope="module")
def theirs() -> Authority:
    return Authority("theirs")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator:
    """serve(certificate, key, client_ca): the port of a TLS server."""
    servers: list[Scripted] = []

    def start(certificate: bytes, key: bytes, client_ca: bytes = b"") -> int:
        for name, data in (("crt", certificate), ("key", key), ("ca", client_ca)):
            (tmp_path / name).write_bytes(data)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
        if client_ca:
            context.load_verify_locations(tmp_path / "ca")
            context.verify_mode = ssl.CERT_REQUIRED
        servers.append(Scripted(tls=context))
        servers[-1].start()
        return servers[-1].port

    yield start
    for server in servers:
        server.stop()


def inline(data: bytes) -> str:
    return base64.b64encode(data).decode()


def ask(tmp_path: Path, port: int, ca: bytes, user: dict | None = None, **cluster) -> tuple[int, bytes]:
    data = {
        "current-context": "c",
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": inline(ca)} | cluster,
            }
        ],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "kubeconfig").write_bytes(orjson.dumps(data))
    connection = open_kubeconfig(tmp_path / "kubeconfig", name="eu-1")
    try:
        return connection.request("GET", "/version")
    finally:
        connection.close()


def test_a_server_with_a_certificate_of_the_clusters_ca_is_talked_to(ours, serve, tmp_path):
    assert ask(tmp_path, serve(*ours.issue()), ours.pem) == (200, b"{}")


def test_a_certificate_of_another_ca_is_not_accepted(ours, theirs, serve, tmp_path):
    with pytest.raises(Retry, match="its TLS certificate or handshake is not accepted"):
        ask(tmp_path, serve(*theirs.issue()), ours.pem)


def test_a_certificate_for_another_address_is_not_accepted(ours, serve, tmp_path):
    with pytest.raises(Retry, match="its TLS certificate or handshake is not accepted"):
        ask(tmp_path, serve(*ours.issue("127.0.0.9")), ours.pem)


def test_the_name_to_check_can_be_given(ours, serve, tmp_path):
    port = serve(*ours.issue("127.0.0.9"))
    assert ask(tmp_path, port, ours.pem, **{"tls-server-name": "127.0.0.9"}) == (200, b"{}")


def test_an_inline_client_certificate_logs_in_and_its_key_is_on_no_disk(ours, serve, tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    certificate, key = ours.issue()
    user = {"client-certificate-data": inline(certificate), "client-key-data": inline(key)}
    port = serve(*ours.issue(), ours.pem)
    for _ in range(2):  # the library remembers its files by what is in them
        assert ask(tmp_path, port, ours.pem, user) == (200, b"{}")
    assert list(folder.rglob("*")) == []
    with pytest.raises(Retry):
        ask(tmp_path, port, ours.pem)
