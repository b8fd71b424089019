# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark in the notes of a VM, and the power and the names of VMs."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.mark import finished_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.cluster import power_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import (
    name_fault,
    snapshot_name_fault,
)

OURS = mark.new_mark(105, {"clone": "9000"})


@pytest.mark.parametrize("text", ["", "one", "two\nlines ü", "a <!-- comment --> in it", "<!-- polyvirt no mark -->"])
def test_text_and_mark_are_read_as_written(text):
    assert mark.split_notes(mark.notes_of(text, OURS)) == (text, OURS)
    assert mark.split_notes(mark.notes_of(text, None)) == (text, None)


def test_mark_with_text_below_is_no_mark():
    notes = mark.notes_of("one", OURS) + "\nmore"
    assert mark.split_notes(notes) == (notes, None)


@pytest.mark.parametrize("line", ["<!-- polyvirt {half -->", '<!-- polyvirt {"v":1 -->'])
def test_damaged_mark_is_no_mark(line):
    assert mark.split_notes(f"one\n{line}")[1] is None


def test_vm_is_unfinished_only_by_its_own_mark():
    assert mark.is_unfinished("105", OURS)
    assert not mark.is_unfinished("106", OURS)
    assert not mark.is_unfinished("105", finished_mark(OURS))
    assert not mark.is_unfinished("105", None)


@pytest.mark.parametrize(
    ("values", "power"),
    [
        (("stopped", "stopped", None), ("stopped", None, "")),
        (("running", "running", None), ("running", None, "")),
        (("running", None, None), ("running", None, "")),
        (("running", "paused", None), ("paused", None, "paused")),
        (("running", "prelaunch", None), ("paused", None, "prelaunch")),
        (("running", "io-error", None), ("failed", None, "io-error")),
        (("running", "shutdown", "backup"), ("failed", "backup", "shutdown")),
        (("running", "postmigrate", None), ("paused", None, "postmigrate")),
        (("running", "suspended", None), ("paused", None, "suspended")),
        (("running", "inmigrate", None), ("running", "inmigrate", "inmigrate")),
        (("running", "running", "backup"), ("running", "backup", "")),
        (("stopped", "stopped", "suspended"), ("suspended", None, "")),
        (("running", "running", "suspending"), ("running", "suspending", "")),
        (("stopped", "stopped", "clone"), ("stopped", "clone", "")),
    ],
)
def test_power_states(values, power):
    assert power_of(*values) == power


def test_valid_and_invalid_names():
    assert [name for name in ("web1", "a.b-c", "9") if name_fault(name)] == []
    for wrong in ("web_1", "-web", "web-", "a..b", "two words", "ü", "x" * 64, ""):
        assert name_fault(wrong), wrong
    assert [name for name in ("s1", "Before_2-x", "ab") if snapshot_name_fault(name)] == []
    for wrong in ("s", "1a", "a b", "current", "Pending", "x" * 41, "ä1"):
        assert snapshot_name_fault(wrong), wrong
