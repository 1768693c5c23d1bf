"""What is read of a certificate's file, against what openssl reads."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from foretide_extender.expiry import soonest_not_after_seconds
from tests.extender.authority import Authority


def expected_seconds(certificate: Path) -> float:
    command = ["openssl", "x509", "-in", str(certificate), "-noout", "-enddate"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(ssl.cert_time_to_seconds(said.strip().removeprefix("notAfter=")))


@pytest.mark.parametrize("days", [300, 36_500])
def test_dates_of_either_century_are_read(tmp_path: Path, days: int) -> None:
    certificate = Authority(tmp_path / "of_this_name").server(days=days).certificate
    assert soonest_not_after_seconds(certificate.read_text()) == expected_seconds(certificate)


def test_of_several_certificates_the_first_to_expire_counts_and_words_between_them_do_not(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    late = authority.server(days=300).certificate.read_text()
    assert soonest_not_after_seconds(f"a chain\n{late}of\n{authority.certificate.read_text()}") == expected_seconds(
        authority.certificate
    )


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----"])
def test_what_cannot_be_read_expires_at_no_known_time(text: str) -> None:
    assert soonest_not_after_seconds(text) is None
