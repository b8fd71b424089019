# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cost of each change on each platform as a table: one letter for each power state of the VM.

The letters stand for stopped, running, paused, suspended and failed, in this order: l is live, n next boot, p power
off, d destructive and x never.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Callable

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    COLLECTIONS,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    Change,
    Snapshot,
    SnapshotRequest,
    Traits,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import INTERRUPTED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.traits import vagrant_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits

from unit.tables import proxmox, vagrant, vbox, virsh
from unit.tables.rows import G, M

POWERS = (STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
#: Creation inputs, and fields that only show that a platform supports something: they are never changed.
COSTLESS = ("image", "appliance", "snapshot.content", INTERRUPTED)


@dataclass(frozen=True)
class Costs:
    """``plain`` are lines of letters and fields. ``special`` are fields with costs that depend on values:
    (letters, field, old value, new value, key), and if needed, settings of the VM."""

    traits: Traits
    vm: Callable
    plain: str
    special: tuple = ()

    def lines(self):
        """Yield (letters, field, change, settings of the VM) of all lines."""
        for letters, *kinds in map(str.split, self.plain.strip().splitlines()):
            yield from ((letters, kind, _plain_change(kind), {}) for kind in kinds)
        for letters, kind, old, new, key, *has in self.special:
            yield letters, kind, _change(kind, old, new, key), has[0] if has else {}


def _change(kind, old: Any, new: Any, key=None):
    field, _dot, attribute = kind.partition(".")
    return Change(field, old, new, key, attribute if attribute not in ("", "add", "remove") else None)


def _plain_change(kind):
    part = kind.partition(".")[2]
    old, new = {"add": (None, {}), "remove": ({}, None), "drop": (Snapshot("s"), None)}.get(part, (1, 2))
    return _change(kind, old, new, "0" if kind.partition(".")[0] in COLLECTIONS else None)


FULL, LINKED, OF_SNAPSHOT = {"source": "db"}, {"source": "db", "linked": True}, {"source": "db", "snapshot": "s"}
LINKED_OF_SNAPSHOT = {**LINKED, **OF_SNAPSHOT}
TAKE, TAKE_DISKS_ONLY = SnapshotRequest("s"), SnapshotRequest("s", include_memory=False)
ROOM = {"max_cpus": 4, "max_memory": 2 * G}
EFI = {"firmware": "uefi", "secure_boot": True, "efi_storage": "local"}
DRIVES = {"cdroms": {"sata0": {"source": "/a.iso"}}}
SCRIPT, UNUSED = {"inline": "true"}, {"inline": "true", "run": "never"}
SCRIPTS = (
    ("nnnnn", "provisioners", (), (SCRIPT,), None),
    ("nnnnn", "provisioners", (SCRIPT,), (UNUSED,), None),
    ("lllll", "provisioners", (SCRIPT,), (SCRIPT, UNUSED), None),
)
NIC = "virtio=BC:24:11:00:00:01,bridge=vmbr0"

LIBVIRT = Costs(virsh_traits("QEMU", "10.0.0", local=True), virsh.vm, """
    lllnn description tags fleet owner expires autostart
    lllll snapshot.drop snapshot.expires networks.address
    nnnnn firmware secure_boot tpm nested_virtualization display.type display.video_memory serial_log boot_order native
    nnnnn cdroms.add cdroms.remove
    nnnnn disks.serial rtc networks.type networks.mac networks.model watchdog.model watchdog.action
    nnnnn shared_folders.add shared_folders.remove shared_folders.host_path shared_folders.read_only
    nnnnn port_forwards.add port_forwards.remove port_forwards.protocol
    nnnnn port_forwards.host_address port_forwards.host_port port_forwards.guest_port devices.type devices.id
    xxxxx disks.bus disks.directory disks.format disks.source
    ddddd architecture
""", (
    ("nnnnn", "devices.add", None, {}, "pci 0000:01:00.0"),
    ("nnnnn", "devices.remove", {}, None, "pci 0000:01:00.0"),
    ("nllnn", "devices.add", None, {}, "usb 046d:c52b"),
    ("nllnn", "devices.remove", {}, None, "usb 046d:c52b"),
    ("nnnnn", "cpus", 1, 2, None),
    ("nllnn", "cpus", 1, 2, None, ROOM),
    ("nnnnn", "cpus", 1, 2, None, {**ROOM, "architecture": "arm64"}),
    ("nnnnn", "memory", 512 * M, G, None),
    ("nllnn", "memory", 512 * M, G, None, ROOM),
    ("nnnnn", "max_cpus", None, 4, None),
    ("nllnn", "max_cpus", 4, 2, None, {"max_cpus": 4, "runs_with": {"max_cpus": 2}}),
    ("nnnnn", "max_memory", None, G, None),
    ("lllnn", "cdroms.source", "/a.iso", "", "sata0", DRIVES),
    ("lnnnn", "cdroms.source", "/a.iso", "", "sata0", {**DRIVES, "runs_with": {"cdroms": {"sata1": {}}}}),
    ("nnnnn", "cdroms.skip_boot_prompt", None, True, "sata0", DRIVES),
    ("lllpn", "disks.size", G, 2 * G, "vda", {"disks": {"vda": {}}}),
    ("lnnpn", "disks.size", G, 2 * G, "vda", {"disks": {"vda": {}}, "runs_with": {"disks": {}}}),
    *(
        (costs, f"disks.{limit}", None, 5, "vda", {"disks": {"vda": {}}, **runs_with})
        for limit in ("iops_limit", "bandwidth_limit")
        for costs, runs_with in (("lllnn", {}), ("lnnnn", {"runs_with": {"disks": {}}}))
    ),
    ("lllnn", "disks.add", None, {"size": G}, "vdb"),
    ("nnnnn", "disks.add", None, {"size": G}, "hdb"),
    ("llnnn", "disks.remove", {"bus": "virtio"}, None, "vda"),
    ("nnnnn", "disks.remove", {"bus": "sata"}, None, "sda"),
    ("nllnn", "networks.add", None, {"type": "user"}, "1"),
    ("nnnnn", "networks.add", None, {"type": "user"}, "1", {"runs_with": {"networks": {}}}),
    ("nlnnn", "networks.remove", {}, None, "0"),
    ("nllnn", "networks.source", "default", "lan", "0"),
    ("lxxxx", "clone", None, FULL, None),
    ("lllll", "clone", None, OF_SNAPSHOT, None),
    ("lllxl", "snapshot.take", None, TAKE, None),
    ("lllxl", "snapshot.take", None, TAKE, None, {"firmware": "uefi"}),
    ("lxxxl", "snapshot.take", None, replace(TAKE, kind="internal"), None, {"firmware": "uefi"}),
    ("lllpp", "snapshot.restore", Snapshot("s", kind="internal"), TAKE, None),
    ("lllxx", "backup.take", None, None, None),
    ("lllnn", "disks.add", None, {"size": G}, "sdb"),
    ("nnnnn", "disks.add", None, {"bus": "sata"}, "sdb"),
    ("llnnn", "disks.remove", {"bus": "scsi"}, None, "sdb"),
))  # fmt: skip
TEST_DRIVER = Costs(virsh_traits("TEST", "9.0.0", local=True), partial(virsh.vm, **ROOM), """
    nnnnn cpus memory max_cpus max_memory cdroms.add cdroms.remove cdroms.source disks.add disks.remove
    nnnnn networks.add networks.remove networks.source networks.mac networks.model devices.add devices.remove
    xxxxx disks.size
""")  # fmt: skip
REMOTE_LIBVIRT = Costs(virsh_traits("QEMU", "10.0.0", local=False), virsh.vm, "nnnnn networks.type")
VIRTUALBOX = Costs(vbox.TRAITS, vbox.vm, """
    lllll tags fleet owner expires ssh_forward networks.type networks.source networks.address snapshot.drop
    lllll snapshot.expires port_forwards.add port_forwards.remove port_forwards.protocol
    lllll port_forwards.host_address port_forwards.host_port port_forwards.guest_port
    lllpp display.type
    lpplp snapshot.restore
    ppplp description groups
    pppnp rtc
    ppppp cpus memory firmware secure_boot tpm nested_virtualization os_type graphics_controller boot_order
    ppppp display.video_memory
    ppppp serial_log cdroms.remove
    lllpp cdroms.source cdroms.skip_boot_prompt
    ppppp disks.remove disks.size networks.add networks.remove networks.mac networks.model shared_folders.add
    ppppp shared_folders.remove shared_folders.host_path shared_folders.guest_path shared_folders.read_only
    xxxxx disks.directory disks.format disks.source architecture
""", (
    ("lllll", "autostart", False, True, None),
    ("lpplp", "autostart", True, False, None),
    ("lllpp", "cdroms.add", None, {"source": ""}, "SATA 1"),
    ("ppppp", "cdroms.add", None, {"source": ""}, "IDE 1"),
    ("ppppp", "cdroms.add", None, {"source": ""}, "VirtIO 0"),
    ("lllpp", "disks.add", None, {"size": G}, "SATA 1"),
    ("ppppp", "disks.add", None, {"size": G}, "NVMe 0"),
    ("ppppp", "disks.add", None, {"size": G}, "AHCI 1"),
    ("pllnp", "native", "on", "off", "cableconnected1"),
    ("pppnp", "native", "on", "off", "audio-in"),
    ("ppppp", "native", "on", "off", "hpet"),
    ("lxxxx", "clone", None, FULL, None),
    ("xxxxx", "clone", None, LINKED, None),
    ("lllll", "clone", None, LINKED_OF_SNAPSHOT, None),
    ("llllx", "snapshot.take", None, TAKE, None),
    ("lxxxx", "snapshot.take", None, TAKE_DISKS_ONLY, None),
    ("lllll", "clone", None, OF_SNAPSHOT, None),
    ("pllnp", "native", "off", "on", "vrde"),
    ("pppnp", "native", "0", "1", "nicbootprio1"),
))  # fmt: skip
PROXMOX = Costs(proxmox.TRAITS, proxmox.vm, """
    lllll pool
    lllpl name description tags fleet owner expires autostart protection node
    lllpl networks.type networks.source networks.vlan networks.trunk snapshot.restore
    lllpl cloud_init.user cloud_init.ssh_authorized_keys cloud_init.ip_config
    lllpl cloud_init.nameservers cloud_init.search_domains
    lllpl networks.add networks.remove networks.mac networks.model
    lllxl snapshot.take snapshot.drop snapshot.expires backup.take
    nnnpn cloud_init.password cloud_init.user_data cloud_init.meta_data cloud_init.network_config
    nnnpn cloud_init.answer_file cloud_init.answer_files cloud_init.answer_drivers
    nnnpn cpus memory firmware tpm nested_virtualization os_type display.type display.video_memory
    nnnpn devices.type devices.id devices.mapping cloud_init.state
    ppppp disks.serial
    xxxxx disks.format disks.source
    ddddd architecture
""", (
    ("nnnpn", "devices.add", None, {}, "pci gpu1"),
    ("nnnpn", "devices.remove", {}, None, "pci 0000:01:00.0"),
    ("lllpl", "memory", 2 * G, 4 * G, None, {"hotplug": ("memory",)}),
    ("lnnpn", "memory", 2 * G, 4 * G, None, {"hotplug": ("memory",), "runs_with": {"hotplug": ("disk",)}}),
    ("lllpl", "native", None, "0", "tablet"),
    ("nnnpn", "native", None, "0", "tablet", {"hotplug": ("disk",)}),
    ("lllpl", "devices.add", None, {}, "usb 046d:c52b"),
    ("lllpl", "devices.remove", {}, None, "usb 1-4"),
    ("nnnpn", "devices.add", None, {}, "usb 1-4", {"hotplug": ("disk",)}),
    *(("nnnpn", f"networks.{part}", *values, "0", {"hotplug": ("disk",)}) for part, values in {
        "add": (None, {}), "remove": ({}, None), "mac": ("a", "b"), "model": ("virtio", "e1000")}.items()),
    *((costs, f"cdroms.{part}", *values, slot) for costs, slot in (("lllpl", "scsi1"), ("nnnpn", "sata1"))
      for part, values in {"add": (None, {"source": ""}), "remove": ({"source": ""}, None)}.items()),
    ("lllpl", "disks.add", None, {"size": G}, "scsi1"),
    ("nnnpn", "disks.add", None, {"size": G}, "sata1"),
    ("nnnpn", "disks.add", None, {"size": G}, "scsi1", {"hotplug": ("network",)}),
    ("lllpl", "disks.remove", {}, None, "virtio1"),
    ("lllpl", "disks.size", 32 * G, 40 * G, "scsi0"),
    ("lpppp", "disks.size", 32 * G, 40 * G, "scsi0", {"runs_with": {"disks": {}}}),
    ("lllpl", "disks.iops_limit", None, 5, "scsi0"),
    ("lpppp", "disks.bandwidth_limit", None, 5, "scsi0", {"runs_with": {"disks": {}}}),
    ("lllpl", "disks.storage", "local-lvm", "nfs", "scsi0"),
    ("lpppp", "disks.storage", "local-lvm", "nfs", "scsi0", {"runs_with": {"disks": {}}}),
    ("lllpl", "unused_disks", ("local:vm-1-disk-1",), (), None),
    ("lllpl", "efi_storage", None, "nfs", None),
    ("lllpl", "efi_storage", "local", "nfs", None, {**EFI}),
    ("lpppp", "efi_storage", "local", "nfs", None, {**EFI, "runs_with": {"secure_boot": None}}),
    ("lpppp", "efi_storage", "local", "nfs", None, {**EFI, "runs_with": {"firmware": "bios"}}),
    ("lllpl", "tpm_storage", None, "nfs", None),
    ("ppppp", "tpm_storage", "local", "nfs", None, {"tpm_storage": "local"}),
    ("lllpl", "cdroms.source", "", "local:iso/a.iso", "sata0", DRIVES),
    ("lnnpn", "cdroms.source", "", "local:iso/a.iso", "sata0", {**DRIVES, "runs_with": {"cdroms": {}}}),
    ("nnnpn", "secure_boot", False, True, None),
    ("xxxxx", "secure_boot", False, True, None, {"firmware": "uefi"}),
    ("lpppp", "template", False, True, None),
    ("xxxxx", "template", True, False, None),
    ("lllpl", "native", None, "order=1", "startup"),
    ("nnnpn", "native", None, "1", "agent"),
    ("lllpl", "native", NIC, f"{NIC},firewall=1", "net0", {"hotplug": ()}),
    ("lllpl", "native", NIC, f"{NIC},mtu=1400", "net0"),
    ("nnnpn", "native", NIC, f"{NIC},mtu=1400", "net0", {"hotplug": ()}),
    ("lllpl", "native", "a:b", "a:b,iops_rd=100", "scsi0"),
    ("nnnpn", "native", "a:b", "a:b,ssd=1", "scsi0"),
    ("lllxl", "clone", None, FULL, None),
    ("xxxxx", "clone", None, LINKED, None),
    ("lllxl", "clone", None, LINKED, None, {"template": True}),
    ("xxxxx", "clone", None, LINKED_OF_SNAPSHOT, None, {"template": True}),
))  # fmt: skip
VAGRANT_WITH_LIBVIRT = Costs(vagrant.MANAGED, vagrant.vm, """
    ddddd provider box architecture box_version linked_clone hostname gui disks.add disks.size
    ddddd networks.add networks.remove networks.type networks.source networks.mac networks.address
    lllll description tags fleet owner expires os_type box_url box_checksum environment snapshot.restore
    lllll snapshot.expires
    nnnnn cpus memory port_forwards.add port_forwards.remove port_forwards.protocol
    nnnnn port_forwards.host_address port_forwards.host_port port_forwards.guest_port
    nnnnn shared_folders.add shared_folders.remove shared_folders.host_path shared_folders.guest_path
    nnnnn shared_folders.read_only shared_folders.type
""", (
    ("ddddd", "shared_folders.add", None, {"type": "9p"}, "a"),
    ("ddddd", "shared_folders.host_path", "/a", "/b", "a", {"shared_folders": {"a": {"type": "virtiofs"}}}),
    *SCRIPTS,
    ("nnnnn", "native", None, "host", "cpu_mode"),
    ("ddddd", "native", None, "q35", "machine_type"),
    ("nnnnn", "native", None, 300, "vm.boot_timeout"),
    ("ddddd", "native", None, [], "vm.network"),
    *(("nnnnn", field, 1, 2, None, {"id": None}) for field in ("provider", "box", "hostname", "cpus")),
    ("nnnnn", "native", None, "q35", "machine_type", {"id": None}),
    ("lllxx", "snapshot.take", None, TAKE, None),
    ("lxxxx", "snapshot.take", None, TAKE_DISKS_ONLY, None),
    ("lllll", "snapshot.drop", Snapshot("s"), SnapshotRequest("s", children=True), None),
))  # fmt: skip
VAGRANT_WITH_VIRTUALBOX = Costs(vagrant_traits({"virtualbox"}), partial(vagrant.vm, provider="virtualbox"), """
    ddddd provider box architecture box_version linked_clone
    lllll description tags fleet owner expires os_type box_url box_checksum environment
    lpplp snapshot.restore
    lllll snapshot.expires
    nnnnn cpus memory hostname gui disks.add disks.size
    nnnnn networks.add networks.remove networks.type networks.source networks.mac networks.address
    nnnnn port_forwards.add port_forwards.remove port_forwards.protocol
    nnnnn port_forwards.host_address port_forwards.host_port port_forwards.guest_port
    nnnnn shared_folders.add shared_folders.remove shared_folders.host_path shared_folders.guest_path
    nnnnn shared_folders.read_only shared_folders.type
""", (
    *SCRIPTS,
    ("nnnnn", "native", None, [], "customize"),
    ("lllxx", "snapshot.take", None, TAKE, None),
    ("lllll", "snapshot.drop", Snapshot("s"), SnapshotRequest("s"), None),
))  # fmt: skip
VAGRANT_WITH_PROXMOX = Costs(vagrant_traits({"proxmox"}), partial(vagrant.vm, provider="proxmox"), """
    ddddd box cpus memory hostname port_forwards.add
    nnnnn shared_folders.add
""", (*SCRIPTS, ("xxxxx", "snapshot.drop", Snapshot("s"), SnapshotRequest("s", children=True), None)))  # fmt: skip
WHOLE = {
    "libvirt": LIBVIRT,
    "virtualbox": VIRTUALBOX,
    "proxmox": PROXMOX,
    "vagrant-libvirt": VAGRANT_WITH_LIBVIRT,
    "vagrant-virtualbox": VAGRANT_WITH_VIRTUALBOX,
}
PARTS = {"libvirt-test": TEST_DRIVER, "libvirt-remote": REMOTE_LIBVIRT, "vagrant-proxmox": VAGRANT_WITH_PROXMOX}


def _always_rejected(traits):
    return {kind for kind, field in traits.fields.items() if field.choices == ()}


@pytest.mark.parametrize("costs", WHOLE.values(), ids=WHOLE)
def test_table_names_every_field_of_the_driver(costs):
    fields = {kind for kind in costs.traits.fields if not kind.startswith(COSTLESS)} - _always_rejected(costs.traits)
    fields -= {"cloud_init"}  # As a creation input, it has no cost.
    assert {kind for _letters, kind, _change, _has in costs.lines()} == fields


@pytest.mark.parametrize(
    ("costs", "letters", "kind", "change", "has"),
    [
        pytest.param(costs, *line, id=f"{name}-{line[1]}-{number}")
        for name, costs in {**WHOLE, **PARTS}.items()
        for number, line in enumerate(costs.lines())
    ],
)
def test_cost_of_a_change(costs, letters, kind, change, has):
    field = costs.traits.fields[kind]
    found = [field.cost_of(costs.vm(power, **has), change) for power in POWERS]
    assert "".join({"never": "x"}.get(cost, cost[0]) for cost in found) == letters
