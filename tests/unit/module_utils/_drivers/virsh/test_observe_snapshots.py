# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots in an observation."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed

from unit.module_utils._drivers.virsh.answers import UUID, failed, recorded
from unit.module_utils._drivers.virsh.test_observe import machine, observe_all, virsh_with

SNAPSHOTS = frozenset({"power", "config", "snapshots"})
TWO_SNAPSHOTS = {
    ("snapshot-list", UUID, "--name"): "off\n two words;x \n",
    ("snapshot-current", UUID, "--name"): " two words;x ",
    ("snapshot-dumpxml", UUID, "--snapshotname", "off"): recorded("snapshot-internal-off.xml"),
    ("snapshot-dumpxml", UUID, "--snapshotname", " two words;x "): recorded("snapshot-internal-running.xml"),
}
NO_SNAPSHOTS = {
    ("snapshot-list", UUID, "--name"): "",
    ("snapshot-current", UUID, "--name"): failed(f"domain '{UUID}' has no current snapshot"),
}


def test_snapshots_are_read_only_with_their_facet():
    assert machine(TWO_SNAPSHOTS).snapshots == ()
    seen = machine(TWO_SNAPSHOTS, facets=SNAPSHOTS).snapshots
    assert [(one.name, one.power, one.current) for one in seen] == [("off", "stopped", False), ("on", "running", True)]
    assert [one.config for one in seen] == [None, None]


def test_snapshots_need_one_more_process_unless_there_are_none():
    for answers, processes in ((TWO_SNAPSHOTS, 3), (NO_SNAPSHOTS, 2)):
        virsh = virsh_with(answers)
        assert len(observe_all(virsh, SNAPSHOTS).vms) == 1
        assert virsh.processes == processes


def test_snapshot_contains_settings():
    checkpoints = {("checkpoint-list", UUID, "--name"): ""}
    facets = SNAPSHOTS | {"snapshot_configs"}
    seen = machine(TWO_SNAPSHOTS, checkpoints, facets=facets, native=("os/type@machine",))
    then = seen.snapshots[0].config
    # The size of a disk in the snapshot is not recorded, so its present size is used.
    size = seen.config["disks"]["vda"]["size"]
    disk = {"size": size, "format": "qcow2", "source": "/var/lib/libvirt/images/pvs/pvs-a.qcow2", "bus": "virtio"}
    assert (then["cpus"], then["memory"], then["disks"]) == (1, 64 << 20, {"vda": disk})
    assert (then["native"], then["tags"], then["description"]) == ({"os/type@machine": "pc-q35-7.2"}, (), "")
    assert set(then) == set(seen.config)


def test_unreadable_snapshots_are_an_error():
    for words in (("snapshot-list", UUID, "--name"), ("snapshot-dumpxml", UUID, "--snapshotname", "off")):
        with pytest.raises(CommandFailed, match="access denied"):
            machine(TWO_SNAPSHOTS, {words: failed("access denied")}, facets=SNAPSHOTS)


def test_snapshot_deleted_meanwhile_is_omitted():
    gone = failed("Domain snapshot not found: no domain snapshot with matching name 'off'")
    seen = machine(TWO_SNAPSHOTS, {("snapshot-dumpxml", UUID, "--snapshotname", "off"): gone}, facets=SNAPSHOTS)
    assert [one.name for one in seen.snapshots] == ["on"]


def test_hypervisor_driver_without_snapshots_has_none():
    error = "this function is not supported by the connection driver: virDomainListAllSnapshots"
    assert machine({**NO_SNAPSHOTS, ("snapshot-list", UUID, "--name"): failed(error)}, facets=SNAPSHOTS).snapshots == ()
