# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expiry at the end of a snapshot's description: what was stored is read, and nothing else is taken for it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import (
    NEVER_EXPIRES,
    Expiry,
    described,
    in_text,
    read_stored,
    with_expiry,
    without,
)

AT, VM = 1_800_000_000, "6f0b2f5e-6f2f-4c3e-9c3b-0a8f4f0b6a10"
EIGHT = Expiry("8h", AT)
TEXTS = ["", "first", "two\nlines", "ends with a line\n", 'quotes " and [brackets]', " spaces ", "[polyvirt: expires]"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("expires", [EIGHT, Expiry("2027-01-15", AT), Expiry("2027-01-15T08:00:00Z", AT)])
def test_stored_expiry_is_read_and_leaves_the_description(text, expires):
    stored = described(text, expires, VM)
    assert in_text(stored, VM) == {"description": text, "expires": expires}
    assert "\n" not in stored[len(text) :]


@pytest.mark.parametrize("text", TEXTS)
def test_snapshot_without_an_expiry_has_its_description_only(text):
    assert described(text, NEVER_EXPIRES, VM) == text
    assert in_text(text, VM) == {"description": text, "expires": NEVER_EXPIRES}


def test_snapshot_of_a_copied_vm_does_not_expire():
    stored = described("first", EIGHT, VM)
    assert in_text(stored, "another") == {"description": stored, "expires": NEVER_EXPIRES}


@pytest.mark.parametrize(("old", "new"), [("2027", "2027-13"), (" (8h)", ""), ("VM 6", "VM"), ("]", "")])
def test_edited_text_is_only_a_description(old, new):
    stored = described("first", EIGHT, VM).replace(old, new)
    assert in_text(stored, VM) == {"description": stored, "expires": NEVER_EXPIRES}


@pytest.mark.parametrize("value", [None, "8h", {}, {"text": "8h", "at": "never"}, {"text": 8, "at": None}, ["8h"]])
def test_value_that_is_not_a_stored_expiry_is_none(value):
    assert read_stored(value) == NEVER_EXPIRES


def test_description_that_is_missing():
    assert in_text(None, VM) == {"description": "", "expires": NEVER_EXPIRES}


def test_expiry_in_the_record_of_a_vm_replaces_only_that_of_its_snapshot():
    recorded = {"a": 1, "b": 2}
    assert with_expiry(recorded, "a", 3) == {"a": 3, "b": 2}
    assert with_expiry(recorded, "c", 3) == {"a": 1, "b": 2, "c": 3}
    assert with_expiry(recorded, "a", None) == {"b": 2}
    assert without(recorded, ["b", "c"]) == {"a": 1}
