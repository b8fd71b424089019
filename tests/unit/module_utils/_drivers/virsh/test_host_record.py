# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what the role libvirt_host added: written, read again, and damaged."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt.host_record import Record, dump, parse

RECORD = Record(packages=("qemu",), users=("alice",), nested=True, forwarding=("0", "1"), started=True)


def test_record_is_read_as_it_was_written():
    assert parse(dump(RECORD)) == RECORD


def test_host_without_a_file_has_no_record():
    assert parse(None) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps({"format": 2}).encode(),
        json.dumps({"format": 1, "unknown": True}).encode(),
    ],
)
def test_damaged_record_is_an_error_with_its_path(data):
    with pytest.raises(PolyvirtError, match=r"/var/lib/polyvirt/libvirt_host\.json cannot be read: .*Restore it"):
        parse(data)
