"""Certificates and keys of a control plane, made by openssl for one cluster and thrown away with it.

One authority signs everything. It carries `keyCertSign` and the leaf an authority key identifier: Python 3.13 refuses
the API server's certificate without them.
"""

from __future__ import annotations

from pathlib import Path

from devcluster.command import run

_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
_DAYS = "30"
_NAMES = (
    "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,"
    "DNS:kubernetes.default.svc.cluster.local,IP:127.0.0.1,IP:10.0.0.1"
)


def create(directory: Path) -> None:
    """Write ca, apiserver, apiserver-kubelet-client (each .crt and .key) and service-account (.key, .pub)."""
    directory.mkdir(parents=True, exist_ok=True)
    authority = ["-addext", "keyUsage=critical,keyCertSign,cRLSign", "-subj", "/CN=devcluster"]
    _openssl(directory, "req", "-x509", *_CURVE, "-keyout", "ca.key", "-out", "ca.crt", "-days", _DAYS, *authority)
    _leaf(directory, "apiserver", "/CN=kube-apiserver", f"extendedKeyUsage=serverAuth\nsubjectAltName={_NAMES}\n")
    _leaf(
        directory,
        "apiserver-kubelet-client",
        "/O=system:masters/CN=apiserver-kubelet-client",
        "extendedKeyUsage=clientAuth\n",
    )
    _openssl(
        directory,
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-out",
        "service-account.key",
    )
    _openssl(directory, "pkey", "-in", "service-account.key", "-pubout", "-out", "service-account.pub")


def _leaf(directory: Path, name: str, subject: str, extensions: str) -> None:
    (directory / f"{name}.ext").write_text(
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nkeyUsage=critical,digitalSignature\n" + extensions
    )
    _openssl(directory, "req", *_CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
    signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", _DAYS]
    _openssl(directory, "x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", f"{name}.ext", "-out", f"{name}.crt")


def _openssl(directory: Path, *arguments: str) -> None:
    run(["openssl", *arguments], directory=directory)
