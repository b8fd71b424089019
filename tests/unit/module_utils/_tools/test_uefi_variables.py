# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of UEFI firmware, in the files of Debian's OVMF and in changed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools.uefi_variables import secure_boot_in, variables_in

_OVMF = Path("/usr/share/OVMF")


def _ovmf(name):
    path = _OVMF / name
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    return path.read_bytes()


def test_file_of_ovmf_with_keys_has_secure_boot():
    content = _ovmf("OVMF_VARS_4M.ms.fd")
    assert secure_boot_in(content) is True
    assert {"PK", "KEK", "db"} <= set(variables_in(content))


def test_empty_file_of_ovmf_has_no_secure_boot():
    content = _ovmf("OVMF_VARS_4M.fd")
    assert (variables_in(content), secure_boot_in(content)) == ({}, False)


def test_deleted_key_does_not_count():
    content = bytearray(_ovmf("OVMF_VARS_4M.ms.fd"))
    name = "PK\0".encode("utf-16-le")
    at = content.index(name + bytes.fromhex("a159c0a5")) - 60
    assert content[at : at + 3] == b"\xaa\x55\x3f"
    content[at + 2] = 0x3C
    assert secure_boot_in(bytes(content)) is False


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(40) + b"_FVH" + bytes(100)])
def test_other_files_are_unknown(content):
    assert secure_boot_in(content) is None


@pytest.mark.parametrize("length", [44, 49, 72, 100, 101, 130, 160, 5000])
def test_file_that_ends_early_is_no_error(length):
    assert secure_boot_in(_ovmf("OVMF_VARS_4M.ms.fd")[:length]) in (None, False, True)
