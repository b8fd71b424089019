# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observation of VMs from answers of virsh: power states, addresses, stored and running configuration."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import UNFINISHED
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import describe, describe_counters
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import observe
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.answers import Seen
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import MARK_NAMESPACE

from unit.module_utils._drivers.virsh.answers import (
    HERE,
    UUID,
    FakeVirsh,
    driver_of,
    failed,
    machine_xml,
    recorded,
    with_devices,
    with_metadata,
)

CONFIG, LIGHT = frozenset({"power", "config"}), frozenset({"power"})
ADDRESSES = frozenset({"power", "config", "addresses"})
LISTING = {
    ("version",): recorded("version-qemu.txt"),
    ("list", "--all", "--uuid", "--name"): f"{UUID} m1\n",
    ("list", "--all", "--uuid", "--autostart"): "",
    ("list", "--all", "--uuid", "--with-managed-save"): "",
    ("list", "--all", "--uuid", "--transient"): "",
    ("list", "--uuid"): f"{UUID}\n",
}
MACHINE = {
    ("domstate", UUID, "--reason"): "running (booted)\n",
    ("dumpxml", UUID, "--inactive"): machine_xml(),
    ("dumpxml", UUID): machine_xml(),
    ("domblkinfo", UUID, "--all"): recorded("domblkinfo-all.txt"),
    ("domifaddr", UUID): recorded("domifaddr-lease.txt"),
    ("domifaddr", UUID, "--source", "agent"): recorded("domifaddr-agent.txt"),
    ("domifaddr", UUID, "--source", "arp"): failed("internal error: wrong nlmsg len"),
}
OFF = {("list", "--uuid"): "", ("domstate", UUID, "--reason"): "shut off (unknown)\n"}


def virsh_with(*more):
    answers = {**LISTING, **MACHINE}
    for one in more:
        answers.update(one)
    return FakeVirsh(answers)


def observe_all(virsh, facets=CONFIG, native=()):
    listing = observe.Listing.read(virsh)
    return observe.observe_fully(virsh, listing, list(listing.names), facets, native, Seen())


def machine(*more, facets=CONFIG, native=()):
    return observe_all(virsh_with(*more), facets, native).vms[0]


# Power ----------------------------------------------------------------------------------------------------------------

POWER_STATES = [
    ("shut off (unknown)", "stopped", None),
    ("shut off (saved)", "stopped", None),
    ("shut off (crashed)", "stopped", None),
    ("running (booted)", "running", None),
    ("running (unknown)", "running", None),
    ("running (crashed)", "running", None),
    ("idle", "running", None),
    ("no state", "running", None),
    ("in shutdown (user)", "running", "stopping"),
    ("paused (user)", "paused", None),
    # The state of a VM that was saved while paused and then restored.
    ("paused (migrating)", "paused", None),
    ("paused (saving)", "paused", "saving"),
    ("paused (dumping)", "paused", "dumping"),
    ("paused (creating snapshot)", "paused", "creating snapshot"),
    ("paused (starting up)", "paused", "starting up"),
    ("paused (shutting down)", "paused", "shutting down"),
    ("paused (I/O error)", "failed", None),
    ("paused (watchdog)", "failed", None),
    ("paused (crashed)", "failed", None),
    ("crashed (panicked)", "failed", None),
    ("pmsuspended (unknown)", "unknown", None),
    ("something new (unheard of)", "unknown", None),
]


@pytest.mark.parametrize(("domstate", "power", "busy"), POWER_STATES)
def test_power_state_for_each_state_and_reason_of_libvirt(domstate, power, busy):
    state = {("domstate", UUID, "--reason"): f"{domstate}\n\n"}
    seen = machine(state)
    assert (seen.power, seen.busy) == (power, busy)
    info = {("dominfo", UUID): recorded("dominfo-running.txt")}
    light = observe.observe_power(virsh_with(state, info), [UUID], LIGHT).vms[0]
    assert (light.power, light.busy, light.reason) == (seen.power, seen.busy, seen.reason)


def test_unreadable_power_state_is_unknown_with_reason():
    seen = machine(
        {("domstate", UUID, "--reason"): failed("Timed out during operation: cannot acquire state change lock")}
    )
    assert (seen.power, seen.reason) == ("unknown", "Timed out during operation: cannot acquire state change lock")


def test_vm_deleted_between_two_queries_is_omitted():
    gone = {("dumpxml", UUID, "--inactive"): failed(f"failed to get domain '{UUID}'")}
    assert observe_all(virsh_with(gone)).vms == []
    info = {("dominfo", UUID): failed(f"failed to get domain '{UUID}'"), ("domstate", UUID, "--reason"): failed("gone")}
    assert observe.observe_power(virsh_with(info), [UUID], LIGHT).vms == []


def test_unreadable_definition_is_an_error():
    with pytest.raises(CommandFailed, match="access denied"):
        observe_all(virsh_with({("dumpxml", UUID, "--inactive"): failed("access denied")}))


def test_unreadable_list_is_an_error_and_not_an_empty_host():
    with pytest.raises(CommandFailed, match="access denied"):
        observe.Listing.read(virsh_with({("list", "--all", "--uuid", "--name"): failed("access denied")}))


# Processes ------------------------------------------------------------------------------------------------------------


def test_full_observation_needs_two_processes_and_light_one():
    virsh = virsh_with({("dominfo", UUID): recorded("dominfo-running.txt")})
    observe_all(virsh)
    assert virsh.processes == 2
    observe.observe_power(virsh, [UUID], LIGHT)
    assert virsh.processes == 3


def test_empty_host_needs_one_process():
    virsh = virsh_with({("list", "--all", "--uuid", "--name"): "", ("list", "--uuid"): ""})
    assert observe_all(virsh).vms == []
    assert virsh.processes == 1


# Configuration --------------------------------------------------------------------------------------------------------


def test_unreadable_disk_does_not_hide_size_of_others():
    gone = "Failed to open file '/gone.qcow2': No such file or directory"
    second = "<disk type='file' device='disk'><source file='/gone.qcow2'/><target dev='vdb' bus='virtio'/></disk>"
    seen = machine(
        OFF,
        {
            ("dumpxml", UUID, "--inactive"): machine_xml(with_devices(second)),
            ("domblkinfo", UUID, "--all"): failed(gone),
            ("domblkinfo", UUID, "vda"): "Capacity:       6442450944\nAllocation:     200704\nPhysical:       196616\n",
            ("domblkinfo", UUID, "vdb"): failed(gone),
        },
    )
    assert {slot: disk["size"] for slot, disk in seen.config["disks"].items()} == {"vda": 6 << 30, "vdb": None}


def test_flags_come_from_listing():
    flags = {
        ("list", "--all", "--uuid", "--autostart"): f"{UUID}\n",
        ("list", "--all", "--uuid", "--transient"): f"{UUID}\n",
    }
    seen = machine(flags)
    assert (seen.config["autostart"], seen.persistent) == (True, False)


_DISK = "/var/lib/libvirt/images/m1.qcow2"


def marked(mark, uri="qemu:///system"):
    text = mark if isinstance(mark, str) else json.dumps(mark)
    xml = machine_xml(with_metadata(f"<p:mark xmlns:p='{MARK_NAMESPACE}'>{text}</p:mark>"))
    virsh = virsh_with({("dumpxml", UUID, "--inactive"): xml})
    virsh.uri = uri
    return observe_all(virsh).vms[0]


@pytest.mark.parametrize(("uri", "is_here"), [("qemu:///system", True), ("qemu+ssh://other/system", False)])
def test_record_of_a_vm_on_this_host_names_no_file_of_another_one(uri, is_here):
    own = {"host": "old", "disks": [_DISK, "/other"], "making": ["/new"]}
    mark = marked({"v": 2, "id": UUID, **own}, uri).mark
    here = {"host": HERE["host"], "disks": [_DISK], "making": []}
    assert {key: mark[key] for key in own} == (here if is_here else own)


@pytest.mark.parametrize("faulty", [{"tags": None}, {"files": None}, {"tags": [1, "a"]}, {"files": 5}])
def test_edited_mark_causes_no_traceback(faulty):
    assert marked({"v": 1, "id": UUID, **faulty}).name == "m1"


# Addresses ------------------------------------------------------------------------------------------------------------


def sources(seen):
    return [(one.address, one.source) for one in seen.addresses]


def test_address_has_its_most_reliable_source_and_failed_ones_are_ignored():
    # The agent and the lease report the address; the failure of the ARP query is not an error of the VM.
    assert sources(machine(facets=ADDRESSES)) == [("192.168.122.222", "agent")]
    arp = {("domifaddr", UUID, "--source", "arp"): recorded("domifaddr-lease.txt")}
    assert sources(machine(arp, {("domifaddr", UUID, "--source", "agent"): failed("no agent")}, facets=ADDRESSES)) == [
        ("192.168.122.222", "arp")
    ]


def test_addresses_of_all_sources_are_merged_with_those_that_the_host_knows_first():
    rows = (
        "eth0 52:54:00:66:59:1c ipv6 2001:db8::7/64",
        "- - ipv4 10.1.1.7/8",
        "lo 00:00:00:00:00:00 ipv4 127.0.0.1/8",
    )
    agent = "\n".join(f" {row}" for row in rows)
    seen = machine({("domifaddr", UUID, "--source", "agent"): agent}, facets=ADDRESSES)
    assert sources(seen) == [("192.168.122.222", "lease"), ("10.1.1.7", "agent"), ("2001:db8::7", "agent")]
    # The guest may have chosen its address to be that of another one.
    assert seen.ssh == {"host": "192.168.122.222", "port": 22, "user": None, "scope": "host"}


def test_bridged_vm_can_be_reached_from_network():
    xml = machine_xml(
        ("<interface type='network'>", "<interface type='bridge'>"),
        ("<source network='default'/>", "<source bridge='br0'/>"),
    )
    assert machine({("dumpxml", UUID, "--inactive"): xml}).ssh["scope"] == "network"


# Values that the host chooses -----------------------------------------------------------------------------------------


def test_choice_of_host_does_not_require_restart():
    stored = machine_xml(("<os>", "<os firmware='efi'>"))
    features = "<feature enabled='yes' name='secure-boot'/><feature enabled='yes' name='enrolled-keys'/>"
    chosen = machine_xml(
        ("<os>", f"<os><firmware>{features}</firmware><loader type='pflash'>/f/CODE.fd</loader>"),
        ("<model fallback='forbid'>qemu64</model>", "<model>EPYC</model><feature policy='require' name='svm'/>"),
    )
    vm = machine({("dumpxml", UUID, "--inactive"): stored, ("dumpxml", UUID): chosen})
    assert (vm.config["firmware"], vm.config["secure_boot"]) == ("uefi", None)
    assert describe(vm, "libvirt")["restart_required"] == []


def test_stored_setting_other_than_choice_of_host_requires_restart():
    stored = machine_xml(("<os>", "<os firmware='efi'><firmware><feature enabled='no' name='secure-boot'/></firmware>"))
    chosen = machine_xml(("<os>", "<os><loader type='pflash' secure='yes'>/f/CODE.fd</loader>"))
    vm = machine({("dumpxml", UUID, "--inactive"): stored, ("dumpxml", UUID): chosen})
    assert describe(vm, "libvirt")["restart_required"] == ["secure_boot"]


FEATURES = "<feature enabled='yes' name='secure-boot'/><feature enabled='yes' name='enrolled-keys'/>"


def saved_with(loader, nvram):
    """A suspended UEFI VM with secure boot, saved with this firmware; libvirt reports no features in the saved XML."""
    stored = machine_xml(("<os>", f"<os firmware='efi'><firmware>{FEATURES}</firmware><nvram>/n/m1.secure</nvram>"))
    saved = machine_xml(("<os>", f"<os>{loader}<nvram template='/t'>{nvram}</nvram>"))
    flag = {("list", "--all", "--uuid", "--with-managed-save"): f"{UUID}\n", ("managedsave-dumpxml", UUID): saved}
    return machine(OFF, flag, {("dumpxml", UUID, "--inactive"): stored})


@pytest.mark.parametrize(
    ("loader", "nvram", "waiting"),
    [
        ("<loader secure='yes' type='pflash'>/f</loader>", "/n/m1.secure", []),
        ("<loader secure='yes' type='pflash'>/f</loader>", "/n/m1.other", ["secure_boot"]),
        ("<loader type='pflash'>/f</loader>", "/n/m1.secure", ["secure_boot"]),
    ],
)
def test_suspended_uefi_vm_requires_restart_only_if_firmware_changed(loader, nvram, waiting):
    vm = saved_with(loader, nvram)
    assert (vm.power, vm.config["secure_boot"]) == ("suspended", True)
    assert describe(vm, "libvirt")["restart_required"] == waiting


STATISTICS = ("domstats", UUID, "--cpu-total", "--balloon")


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({STATISTICS: recorded("domstats.txt")}, (6.602139, 265, 401408)),
        ({STATISTICS: "Domain: 'm1'\n"}, (None, None, 401408)),
        ({STATISTICS: failed("error: this function is not supported by the connection driver")}, (None, None, 401408)),
        (OFF, (None, None, 401408)),
    ],
)
def test_counters_are_read_in_the_same_process(answers, found):
    """Two processes with and without; the driver of a VM may have none, and one that is off has no more than disks."""
    virsh = virsh_with(answers)
    (vm,) = observe_all(virsh, CONFIG | {"counters"}).vms
    cpu_time, memory, disk = found
    assert describe_counters(vm) == {"cpu_time": cpu_time, "memory_used_mib": memory, "disk_used": disk, "uptime": None}
    (vm,) = observe_all(virsh_with(answers), CONFIG).vms
    assert vm.counters.cpu_time is None


def test_image_in_an_optical_drive_does_not_count_as_disk_space():
    """Else a VM with the ISO image of an installer seems to have written its disk."""
    drive = "<disk type='file' device='cdrom'><source file='/w.iso'/><target dev='sdb' bus='sata'/><readonly/></disk>"
    text = machine_xml().replace("<devices>", f"<devices>{drive}")
    sizes = recorded("domblkinfo-all.txt") + "sdb   6442450944   6442450944   6442450944\n"
    virsh = virsh_with({("dumpxml", UUID, "--inactive"): text, ("domblkinfo", UUID, "--all"): sizes})
    (vm,) = observe_all(virsh, CONFIG).vms
    assert (vm.config["cdroms"]["sata1"], vm.counters.disk_used) == ({"source": "/w.iso"}, 401408)


# VMs that are not complete --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark_id", [UUID, "another"])
def test_vm_that_a_task_has_begun_to_create_does_not_exist_yet(tmp_path, mark_id):
    """Tasks that delete or list it see it. A copy of it that somebody has made is a VM."""
    mark = f"<p:mark xmlns:p='{MARK_NAMESPACE}'>{json.dumps({'v': 2, 'id': mark_id, 'unfinished': True})}</p:mark>"
    text = machine_xml(with_metadata(mark))
    answers = {("dumpxml", UUID): text, ("dumpxml", UUID, "--inactive"): text, ("net-list", "--all", "--name"): ""}
    driver = driver_of(virsh_with(OFF, answers), tmp_path)
    found = driver.observe([Target(name="m1")], CONFIG)
    is_half = mark_id == UUID
    assert ([vm.name for vm in found.vms], list(found.known)) == (([], []) if is_half else (["m1"], ["m1"]))
    assert list(driver.unfinished) == ["m1"] * is_half
    (listed,) = driver.observe([Target(name="m1")], CONFIG | {"unfinished"}).vms
    assert (listed.reason == UNFINISHED, listed.created) == (is_half, is_half)


def test_name_may_look_like_uuid_and_belong_to_several_vms():
    rows = f"{UUID} web\n00000000-0000-4000-8000-000000000002 web\n00000000-0000-4000-8000-000000000003 {UUID}\n"
    listing = observe.Listing.read(virsh_with({("list", "--all", "--uuid", "--name"): rows}))
    assert listing.uuids(Target(name="web")) == [UUID, "00000000-0000-4000-8000-000000000002"]
    assert listing.uuids(Target(id=UUID)) == [UUID]
    assert listing.uuids(Target(name=UUID)) == ["00000000-0000-4000-8000-000000000003"]
    assert listing.uuids(Target(id="nosuch")) == listing.uuids(Target(name="nosuch")) == []
