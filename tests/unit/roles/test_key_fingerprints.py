# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that role agent runs in a guest to identify keys in a file. The fingerprints are those of gpg 2.2.40."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "roles" / "agent" / "files" / "key_fingerprints.py"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "openpgp"

# An Ed25519 key with a subkey, and an RSA key with longer packet headers.
ELLIPTIC = "4D30E85BE34451E98ED6BB03ADFB420703AB451F"
RSA = "456EAD57A7BB785A83D78D8C3E18049D8E2B3982"
ONE = (FIXTURES / "one.asc").read_bytes()
TWO = (FIXTURES / "two.asc").read_bytes()


def binary(armored):
    body = re.search(rb"\n\n(.*?)\n=", armored, re.S).group(1)
    return base64.b64decode(body)


@pytest.fixture
def fingerprints_of(tmp_path):
    def run(content):
        """Run the script with a file of this content."""
        file = tmp_path / "key"
        file.write_bytes(content)
        return subprocess.run([sys.executable, SCRIPT, file], capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    "content, fingerprints",
    [
        (ONE, [ELLIPTIC]),
        (TWO, [ELLIPTIC, RSA]),
        (binary(ONE), [ELLIPTIC]),
        (binary(TWO), [ELLIPTIC, RSA]),
        (ONE.replace(b"\n", b"\r\n"), [ELLIPTIC]),
        (ONE.replace(b"BLOCK-----\n", b"BLOCK-----\nComment: a vendor's\n", 1), [ELLIPTIC]),
    ],
    ids=["armored", "two armored", "binary", "two binary", "Windows line endings", "with a comment"],
)
def test_fingerprints_of_primary_keys_but_no_subkeys_are_printed(fingerprints_of, content, fingerprints):
    result = fingerprints_of(content)
    assert result.stdout.split() == fingerprints, result.stderr
    assert result.returncode == 0


@pytest.mark.parametrize(
    "content",
    [
        ONE + TWO,
        b"some text\n" + ONE,
        binary(ONE)[:-1],
        binary(ONE)[:50],
        binary(ONE) + b"\xcb\x01b",
        b"<html>not found</html>",
        ONE.replace(b"PUBLIC KEY", b"PRIVATE KEY"),
        b"\x99",
    ],
    ids=[
        "two blocks",
        "text before",
        "cut off",
        "cut off early",
        "data after the key",
        "HTML page",
        "private key",
        "single byte",
    ],
)
def test_unusual_content_is_rejected_without_a_traceback(fingerprints_of, content):
    result = fingerprints_of(content)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


def test_missing_file_is_reported(tmp_path):
    result = subprocess.run([sys.executable, SCRIPT, tmp_path / "no"], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "No such file" in result.stderr
