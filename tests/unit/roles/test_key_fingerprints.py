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
def ask(tmp_path):
    def run(content):
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
    ids=["armored", "two armored", "binary", "two binary", "ends of line of Windows", "with a comment"],
)
def test_every_primary_key_is_told_and_no_subkey(ask, content, fingerprints):
    told = ask(content)
    assert told.stdout.split() == fingerprints, told.stderr
    assert told.returncode == 0


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
    ids=["two blocks", "text before", "cut off", "cut off early", "data behind", "a page", "private", "a lone byte"],
)
def test_what_is_out_of_the_ordinary_is_refused_without_a_traceback(ask, content):
    told = ask(content)
    assert (told.returncode, told.stdout) == (1, "")
    assert len(told.stderr.splitlines()) == 1


def test_a_file_that_is_not_there_is_told(tmp_path):
    told = subprocess.run([sys.executable, SCRIPT, tmp_path / "no"], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "No such file" in told.stderr
