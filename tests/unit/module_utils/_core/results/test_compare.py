# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of snapshots: settings of any shape, path by path."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Comparison, Field, Snapshot, Traits
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.compare import (
    check_content,
    differences,
    points,
)

from unit.tables.rows import found

THEN = {
    "cpus": 1,
    "tags": ("a",),
    "disks": {"vda": {"source": "/a", "size": 1}, "vdb": {"source": "/b", "size": 2}},
    "networks": {"0": {"mac": "m0"}},
    "display": {"type": "vnc"},
    "native": {"os/loader": None},
    "iso": None,
}
ONE, TWO = Snapshot("one", id="u1", config=THEN), Snapshot("two", id="u2", config={**THEN, "cpus": 2})
VM = found("running", cpus=4, memory=8, snapshots=(ONE, TWO, Snapshot("two", id="u3"), Snapshot("old")))


def test_all_differing_paths_are_returned():
    now = {
        **THEN,
        "cpus": 4,
        "tags": ("a", "b"),
        "disks": {"vda": {"source": "/a.s", "size": 1}, "vdc": {"size": 3}},
        "networks": {"0": {"mac": "m0"}, "1": {}},
        "display": {"type": "none"},
        "native": {"os/loader": "x"},
        "iso": "/cd",
        "memory": 8,
    }
    found = {one["path"]: (one["before"], one["after"]) for one in differences(VM.having(config=now), ONE, None)}
    assert found == {
        "cpus": (1, 4),
        "tags": (["a"], ["a", "b"]),
        "disks.vda.source": ("/a", "/a.s"),
        "disks.vdb.source": ("/b", None),
        "disks.vdb.size": (2, None),
        "disks.vdc.size": (None, 3),
        "networks.1": (None, "present"),
        "display.type": ("vnc", "none"),
        "native.os/loader": (None, "x"),
        "iso": (None, "/cd"),
        "memory": (None, 8),
    }


def test_comparison_of_two_snapshots_has_a_direction():
    assert differences(VM, ONE, TWO) == [{"path": "cpus", "before": 1, "after": 2}]
    assert differences(VM, TWO, ONE) == [{"path": "cpus", "before": 2, "after": 1}]
    assert differences(VM, ONE, ONE) == []


def test_current_vm_means_stored_settings_and_not_running_ones():
    vm = found("running", runs_with={"cpus": 9}, cpus=1, snapshots=(ONE,))
    assert "cpus" not in [one["path"] for one in differences(vm, ONE, None)]


def test_snapshot_without_settings_is_rejected():
    for before, after in ((Snapshot("old"), None), (ONE, Snapshot("old"))):
        with pytest.raises(Refused, match="web: snapshot 'old' does not contain the settings"):
            differences(VM, before, after)


def test_snapshots_are_found_by_name_or_id():
    assert points(VM, Comparison("one")) == (ONE, None)
    assert points(VM, Comparison("u2", "one")) == (TWO, ONE)


@pytest.mark.parametrize(
    ("requested", "error", "message"),
    [
        (Comparison("nosuch"), NotFound, "web: it has no snapshot 'nosuch'"),
        (Comparison("one", "nosuch"), NotFound, "Its snapshots: one, two, two, old"),
        (Comparison("one", "two"), Refused, "2 snapshots are named 'two'. Select one by its ID: u2, u3"),
    ],
)
def test_missing_or_ambiguous_snapshot_is_rejected(requested, error, message):
    with pytest.raises(error) as caught:
        points(VM, requested)
    assert message in str(caught.value)


def test_platform_that_cannot_compare_files_on_disks():
    check_content(VM, Traits("any", fields={"snapshot.content": Field()}))
    with pytest.raises(Unsupported, match=r"web: any cannot compare the files on its disks here\. Omit content"):
        check_content(VM, Traits("any"))
    with pytest.raises(Unsupported, match="Mount them"):
        check_content(VM, Traits("any", instead={"snapshot.content": "Mount them."}))
