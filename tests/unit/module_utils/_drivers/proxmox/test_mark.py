# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark in the notes of a VM, and the power and the names of VMs."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.cluster import VmOptions, power_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import (
    name_fault,
    snapshot_name_fault,
)

OURS = mark.new_mark(105, {"clone": "9000"})
BORN = {"meta": "creation-qemu=10.1.2,ctime=1700000000", "smbios1": "uuid=0E58B3E4-0000-4000-8000-000000000001"}
BIRTH = "105:1700000000:0e58b3e4-0000-4000-8000-000000000001"


@pytest.mark.parametrize("text", ["", "one", "two\nlines ü", "a <!-- comment --> in it", "<!-- polyvirt no mark -->"])
def test_text_and_mark_are_read_as_written(text):
    assert mark.split_notes(mark.notes_of(text, OURS)) == (text, OURS)
    assert mark.split_notes(mark.notes_of(text, None)) == (text, None)


@pytest.mark.parametrize(
    ("notes", "text"),
    [("{mark}\nmore", "more"), ("one\n{mark}\nmore", "one\nmore"), ("one\r\n{mark}\r\nmore\n", "one\r\nmore")],
)
def test_mark_is_found_anywhere_in_the_notes(notes, text):
    assert mark.split_notes(notes.format(mark=mark.notes_of("", OURS))) == (text, OURS)


def test_last_of_several_marks_counts():
    copied = mark.notes_of("", {**OURS, "id": "106"})
    assert mark.split_notes(f"{copied}\none\n{mark.notes_of('', OURS)}\ntwo") == ("one\ntwo", OURS)


@pytest.mark.parametrize("line", ["<!-- polyvirt {half -->", '<!-- polyvirt {"v":1 -->'])
def test_damaged_mark_is_no_mark(line):
    assert mark.split_notes(f"one\n{line}")[1] is None


def test_birth_has_number_time_and_uuid():
    assert mark.birth_of("105", BORN) == BIRTH
    assert mark.birth_of("105", {"smbios1": "manufacturer=x"}) == ""


@pytest.mark.parametrize(
    ("changed", "is_own"),
    [({}, True), ({"birth": BIRTH}, True), ({"birth": f"{BIRTH}0"}, False), ({"id": "106"}, False)],
)
def test_mark_is_valid_only_for_the_birth_of_its_vm(changed, is_own):
    notes = mark.notes_of("", {**OURS, **changed})
    vm_options = VmOptions("105", "pve1", {"description": notes, **BORN}, {})
    assert ((vm_options.own_mark is not None), vm_options.is_unfinished) == (is_own, is_own)
    unborn = VmOptions("105", "pve1", {"description": notes}, {})
    assert (unborn.own_mark is not None) == (changed == {})


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
