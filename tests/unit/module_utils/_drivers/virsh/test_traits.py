# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's abilities as data: names of slots, costs, synonyms, and names that are none."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    FAILED,
    LIVE,
    NEXT_BOOT,
    RUNNING,
    SUSPENDED,
    Change,
    Snapshot,
    SnapshotRequest,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import VirshDriver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import snapshot_effects, virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import is_local

from unit.module_utils._drivers.virsh.answers import FakeVirsh

TRAITS = virsh_traits("QEMU", "9.0.0", local=True)


def normalized_networks(networks, found=None):
    return TRAITS.normalize(Vm("a", config={"networks": found or {}}), {"networks": networks})["networks"]


@pytest.mark.parametrize(
    ("requested", "nic"),
    [
        ({"type": "nat"}, {"type": "network", "source": "default"}),
        ({"type": "nat", "source": "lan"}, {"type": "network", "source": "lan"}),
        ({"type": "internal", "source": "lan"}, {"type": "network", "source": "lan"}),
        ({"type": "bridged", "source": "br0"}, {"type": "bridged", "source": "br0"}),
        ({"type": "user"}, {"type": "user"}),
        ({"model": "e1000e"}, {"type": "network", "source": "default", "model": "e1000e"}),
        ({}, {"type": "network", "source": "default"}),
    ],
)
def test_types_and_defaults_of_new_nics(requested, nic):
    assert normalized_networks({"0": requested}) == {"0": nic}


@pytest.mark.parametrize(
    ("name", "fault"), [("54", True), ("web", False), ("54a", False), ("ü", False), ("a b", False)]
)
def test_numeric_names_are_rejected(name, fault):
    assert bool(TRAITS.name_fault(name)) is fault


def test_test_driver_has_no_suspended_state():
    assert "suspended" not in virsh_traits("TEST", "9.0.0", local=True).powers
    assert "suspended" in TRAITS.powers


def test_fields_with_files_are_supported_only_on_local_host():
    remote = virsh_traits("QEMU", "9.0.0", local=False)
    with_files = {"image", "clone", "cdroms.add", "cloud_init", "disks.add", "shared_folders.add", "snapshot.content"}
    assert {*with_files, *FIRMWARE, "nested_virtualization"} <= set(TRAITS.fields) - set(remote.fields)
    instead = {remote.instead[name.partition(".")[0]] for name in with_files - {"snapshot.content"}}
    assert instead == {remote.instead[name] for name in ("iso", "skip_boot_prompt")}
    assert instead == {"Run the task on the hypervisor itself, with a uri such as qemu:///system."}
    choices = [set(traits.fields["networks.type"].choices) for traits in (TRAITS, remote)]
    assert choices[0] - choices[1] == {"bridged"}
    assert {"cpus", "memory", "networks.add", "snapshot.take"} <= set(remote.fields)


@pytest.mark.parametrize(
    ("uri", "user", "folder"),
    [
        ("qemu:///system", 0, "/var/lib/libvirt/images"),
        ("qemu:///system", 1000, "/var/lib/libvirt/images"),
        ("qemu:///session", 0, "/var/lib/libvirt/images"),
        ("qemu:///session?socket=/s", 1000, "/home/u/.local/share/libvirt/images"),
    ],
)
def test_default_directory_of_a_connection(monkeypatch, uri, user, folder):
    monkeypatch.setenv("HOME", "/home/u")
    monkeypatch.setattr("os.geteuid", lambda: user)
    virsh = FakeVirsh()
    virsh.uri = uri
    assert VirshDriver(virsh, Commands(), {}).storage.folder == folder


FIRMWARE = {"firmware", "secure_boot"}
HARDWARE_FIELDS = {*FIRMWARE, "nested_virtualization", "tpm", "serial_log", "display.type"}


@pytest.mark.parametrize(
    ("traits", "missing", "remedy"),
    [
        (TRAITS, set(), ""),
        (virsh_traits("QEMU", "7.10.0", local=True), set(), ""),
        (virsh_traits("QEMU", "7.1.0", local=True), FIRMWARE, "7.2 or later"),
        (virsh_traits("QEMU", "9.0.0", local=False), {*FIRMWARE, "nested_virtualization"}, "hypervisor itself"),
        (virsh_traits("TEST", "9.0.0", local=True), HARDWARE_FIELDS, "only simulated"),
    ],
)
def test_missing_fields_of_connection_have_alternatives(traits, missing, remedy):
    assert HARDWARE_FIELDS - set(traits.fields) == missing
    for kind in missing:
        assert remedy in traits.instead[kind.split(".")[0]]


@pytest.mark.parametrize(
    ("uri", "local"),
    [
        ("qemu:///system", True),
        ("qemu:///session", True),
        ("test:///default", True),
        ("qemu+unix:///system", True),
        ("qemu+ssh://root@host/system", False),
        ("qemu+tls://host/system", False),
    ],
)
def test_uris_of_this_host(uri, local):
    assert is_local(uri) is local


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"secure_boot": True, "firmware": "bios"}, "secure_boot requires UEFI, but the firmware is bios"),
        ({"networks": {"0": {"type": "internal"}}}, "source is required for a NIC of type"),
        ({"networks": {"0": {"type": "bridged"}}}, "source is required for a NIC of type"),
        ({"networks": {"0": {"type": "user", "source": "x"}}}, "source is not supported"),
    ],
)
def test_unsupported_values_are_rejected(config, word):
    with pytest.raises(Refused, match=word):
        TRAITS.normalize(Vm("a"), config)


# Snapshots ------------------------------------------------------------------------------------------------------------


def snapshot_cost(kind, vm, requested, old=None, version="9.0.0"):
    traits = virsh_traits("QEMU", version, local=True)
    return traits.fields[f"snapshot.{kind}"].cost_of(vm, Change("snapshot", old, requested))


@pytest.mark.parametrize(
    ("firmware", "power", "kind", "others", "cost"),
    [
        ("uefi", "running", "", (), "never"),
        ("uefi", "running", "external", (), "live"),
        ("uefi", "running", "", (Snapshot("a", kind="external"),), "live"),
        (None, "running", "", (), "live"),
    ],
)
def test_internal_snapshot_of_running_uefi_vm_is_not_supported(firmware, power, kind, others, cost):
    vm = Vm("web", power=power, config={"firmware": firmware}, snapshots=others)
    assert snapshot_cost("take", vm, SnapshotRequest("s", kind=kind)) == cost


@pytest.mark.parametrize(
    ("version", "by_debian", "nvram_format", "asked", "taken_as"),
    [
        ("9.0.0", True, "raw", "", None),
        ("9.8.9", False, "raw", "", None),
        ("9.9.0", False, "raw", "", ("external", "running")),
        ("9.9.0", False, "raw", "internal", None),
        ("10.9.0", False, "qcow2", "", ("external", "running")),
        ("10.10.0", False, "qcow2", "", ("internal", "running")),
        ("10.10.0", False, "raw", "", ("external", "running")),
        ("11.1.0", False, "qcow2", "", ("internal", "running")),
        ("11.2.0", False, "qcow2", "internal", None),
        ("11.3.0", False, "qcow2", "", ("external", "running")),
        ("11.3.0", True, "qcow2", "", ("internal", "running")),
        ("11.4.0", False, "qcow2", "", ("internal", "running")),
        ("11.4.0", False, "qcow2", "external", ("external", "stopped")),
    ],
)
def test_snapshot_of_running_uefi_vm_by_version(version, by_debian, nvram_format, asked, taken_as):
    traits = virsh_traits("QEMU", version, local=True, by_debian=lambda: by_debian)
    vm = Vm("web", power="running", config={"firmware": "uefi", "nvram_format": nvram_format})
    request = SnapshotRequest("s", kind=asked)
    cost = traits.fields["snapshot.take"].cost_of(vm, Change("snapshot", None, request))
    assert (traits.taken_as(vm, request) if cost == "live" else None) == taken_as


def test_external_snapshot_reports_that_nvram_is_not_included():
    vm = Vm("web", power="running", config={"firmware": "uefi"})
    for kind, has_text in (("external", True), ("internal", False)):
        texts = snapshot_effects("snapshot", vm, [Change("snapshot", None, kind)])
        assert any("NVRAM" in text for text in texts) == has_text
    bios = Vm("web", power="running", config={"firmware": "bios"})
    assert snapshot_effects("snapshot", bios, [Change("snapshot", None, "external")]) == ()


@pytest.mark.parametrize(
    ("found", "requested", "nvram_format"),
    [
        ({}, {"firmware": "uefi"}, "qcow2"),
        ({}, {"firmware": "uefi", "nvram_format": "raw"}, "raw"),
        ({"firmware": "bios", "nvram_format": ""}, {"firmware": "uefi"}, "qcow2"),
        ({"firmware": "uefi", "nvram_format": "raw"}, {"firmware": "uefi"}, None),
        ({"firmware": "uefi", "nvram_format": "raw"}, {"cpus": 2}, None),
        ({"firmware": "uefi", "nvram_format": "qcow2"}, {"firmware": "bios"}, ""),
        ({}, {"firmware": "bios"}, None),
    ],
)
def test_nvram_format_of_new_firmware(found, requested, nvram_format):
    traits = virsh_traits("QEMU", "10.10.0", local=True)
    assert traits.normalize(Vm("web", config=found), requested).get("nvram_format") == nvram_format
    old = virsh_traits("QEMU", "10.9.0", local=True).normalize(Vm("web", config=found), requested)
    assert old.get("nvram_format") == requested.get("nvram_format")


def test_bios_has_no_nvram_format():
    traits = virsh_traits("QEMU", "10.10.0", local=True)
    with pytest.raises(Refused, match="nvram_format requires UEFI"):
        traits.normalize(Vm("web", config={"firmware": "bios"}), {"nvram_format": "qcow2"})


@pytest.mark.parametrize(
    ("kind", "version", "cost"),
    [("internal", "8.10.0", "live"), ("external", "8.10.0", "never"), ("external", "9.0.0", "live")],
)
def test_cost_of_deleting_a_snapshot(kind, version, cost):
    snapshot = Snapshot("s", kind=kind)
    assert snapshot_cost("drop", Vm("web", power="stopped"), SnapshotRequest("s"), snapshot, version) == cost


@pytest.mark.parametrize(
    ("kind", "power", "version", "cost"),
    [
        ("internal", "running", "9.0.0", "live"),
        ("external", "stopped", "9.8.9", "never"),
        ("external", "stopped", "9.9.0", "live"),
        ("external", "stopped", "10.0.0", "live"),
        ("external", "suspended", "11.1.0", "power_off"),
        ("external", "stopped", "", "never"),
    ],
)
def test_cost_of_restore(kind, power, version, cost):
    vm = Vm("web", power=power)
    assert snapshot_cost("restore", vm, SnapshotRequest("s"), Snapshot("s", kind=kind), version) == cost


@pytest.mark.parametrize(
    ("requested", "others", "power", "taken_as"),
    [
        ({}, (), "running", ("internal", "running")),
        ({}, (), "stopped", ("internal", "stopped")),
        ({"include_memory": True}, (), "paused", ("internal", "paused")),
        ({"kind": "external"}, (), "running", ("external", "stopped")),
        ({"kind": "external", "include_memory": False}, (), "running", ("external", "stopped")),
        ({"kind": "external", "include_memory": True}, (), "running", ("external", "running")),
        ({}, (Snapshot("a", kind="external"),), "running", ("external", "stopped")),
        ({"kind": "internal"}, (Snapshot("a", kind="external"),), "running", ("internal", "running")),
    ],
)
def test_kind_and_power_state_of_new_snapshot(requested, others, power, taken_as):
    vm = Vm("web", power=power, snapshots=others)
    assert TRAITS.taken_as(vm, SnapshotRequest("s", **requested)) == taken_as


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a/b", "slash"),
        (".a", "a leading dot"),
        ("x" * 248, "247 bytes"),
        ("ü" * 124, "247 bytes"),
        ("x" * 247, None),
        ("a.b", None),
        ("-a b;ü", None),
    ],
)
def test_invalid_snapshot_names(name, fault):
    reported = TRAITS.snapshot_name_fault(name)
    assert reported is None if fault is None else fault in reported


@pytest.mark.parametrize(
    ("hypervisor", "local", "content"), [("QEMU", True, True), ("QEMU", False, False), ("TEST", True, False)]
)
def test_contents_are_compared_only_on_local_qemu_host(hypervisor, local, content):
    traits = virsh_traits(hypervisor, "9.0.0", local)
    assert ("snapshot.content" in traits.fields) == content
    assert "on the hypervisor itself" in traits.instead["snapshot.content"]


@pytest.mark.parametrize("power", [SUSPENDED, FAILED])
@pytest.mark.parametrize("hypervisor", ["QEMU", "TEST"])
def test_nothing_is_live_in_a_suspended_or_crashed_vm(power, hypervisor):
    """Of all settings, so that a new one cannot be forgotten; the platform saves a VM with its definition."""
    fields = virsh_traits(hypervisor, "11.0.0", True).fields
    vm = Vm("web", id="u", power=power, config={"cdroms": {"sata0": {"source": "/a.iso"}}}, active={})
    changes = [Change(name, "old", "new") for name in ("description", "tags", "autostart")]
    for change in (*changes, Change("cdroms", "old", "new", "sata0", "source")):
        assert fields[change.kind].cost_of(vm, change) == NEXT_BOOT
    assert fields["description"].cost_of(vm.having(power=RUNNING), Change("description", "old", "new")) == LIVE
