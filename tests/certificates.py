"""Certificates for tests, made by the openssl program in a moment and thrown away afterwards."""

import shutil
import ssl
import subprocess
from pathlib import Path

OPENSSL = shutil.which("openssl")


class Authority:
    """Signs certificates into a directory of its own."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self.directory = directory
        self.certificate = directory / f"{name}.pem"
        self._key = directory / f"{name}.key"
        self._run("ecparam", "-genkey", "-name", "prime256v1", "-out", self._key)
        self._run("req", "-x509", "-key", self._key, "-subj", f"/CN={name}", "-days", 2, "-out", self.certificate)

    def _run(self, *arguments: object) -> None:
        assert OPENSSL
        subprocess.run([OPENSSL, *map(str, arguments)], check=True, capture_output=True, timeout=30)

    def issue(self, host: str) -> tuple[Path, Path]:
        """A certificate for a host, and its key."""
        certificate, key = self.directory / f"{host}.pem", self.directory / f"{host}.key"
        request, names = self.directory / f"{host}.csr", self.directory / f"{host}.ext"
        names.write_text(f"subjectAltName=DNS:{host}\n")
        self._run("ecparam", "-genkey", "-name", "prime256v1", "-out", key)
        self._run("req", "-new", "-key", key, "-subj", "/O=test", "-out", request)
        signing = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", 2)
        self._run("x509", "-req", "-in", request, *signing, "-extfile", names, "-out", certificate)
        return certificate, key

    def context(self, host: str = "", side: int = ssl.PROTOCOL_TLS_CLIENT) -> ssl.SSLContext:
        """What the peer of this name brings; without a name it shows no certificate."""
        context = ssl.SSLContext(side)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.certificate)
        if host:
            context.load_cert_chain(*self.issue(host))
        return context
