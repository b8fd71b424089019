# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: most settings need the VM off, a few can be changed while it runs."""

from __future__ import annotations

from functools import partial

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, POWER_OFF, RUNNING, File, Snapshot
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.table import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.traits import Known, vbox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.vbox_vm import VBoxVm
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_long as long
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vboxmanage_output as output
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_file import settings_in

from unit.module_utils._tools.vbox_recordings import RECORDED, recorded
from unit.tables.rows import Elsewhere, G, absent, ask, ask_snapshot, found, rows_of

_KNOWN = Known()
_KNOWN.controllers["u-web"] = {"SATA": "sata", "NVMe": "pcie"}
TRAITS = vbox_traits((7, 2, 22), _KNOWN)
row = rows_of(TRAITS)


def _recorded_config(name):
    """The config that the driver reports of a recorded VM."""
    other_lists, list_of_vms = long.split_before_vms(recorded("list-multiple"))
    media = {medium.uuid: medium for medium in output.media(other_lists)}
    listed = next(one for one in long.vms(list_of_vms) if one.name == name)
    return config_of(VBoxVm(listed.uuid, listed.machine, settings_in(RECORDED / f"settings-{name}.txt"), media))


#: A VM with one NIC of type nat, one VDI disk and an empty drive; rows set differences.
vm = partial(found, **_recorded_config("run"))

DISK = [{"slot": "SATA 0", "size": "8G"}]
HOST_ONLY = {"type": "hostonly", "source": "vboxnet0"}
FORWARDS = {
    "a": {"protocol": "tcp", "host_port": 2001, "guest_port": 1},
    "b": {"protocol": "tcp", "host_port": 2002, "guest_port": 2},
}
CHANGED_FORWARDS = [
    {"name": "b", "host_port": 2222, "guest_port": 2},
    {"name": "c", "host_port": 2003, "guest_port": 3},
]
TWINS = (Snapshot("s1", id="u1"), Snapshot("s2", id="u2", parent="u1"), Snapshot("s1", id="u3", parent="u2"))
FORK = (Snapshot("s1", id="u1"), Snapshot("s2", id="u2", parent="u1"), Snapshot("s3", id="u3", parent="u1"))
ONLINE = (Snapshot("s1", id="u1", power=RUNNING),)
OLD = (Snapshot("s1", id="u1"),)
GROWN = {"SATA 0": {"size": 8 * G, "source": "/vms/web/web-SATA-0.vdi", "format": "vdi"}}
INACCESSIBLE = found("unknown", mark=None, reason="inaccessible: {u-web} /vms/web/web.vbox cannot be read")

ROWS = [
    row(1, "a new VM is stopped", absent(), ask(cpus=1, memory=1024, disks=DISK), "create",
        after={"cpus": 1, "memory": G, "disks.SATA 0.size": 8 * G, "state": "stopped"}),
    row(2, "memory of a stopped VM is changed",
        vm(memory=G), ask(memory=2048), "configure", costs={"memory": POWER_OFF}),
    Elsewhere(2, "runner", "check mode does not carry out the plan"),
    row(3, "CPUs of a running VM need permission", vm("running", cpus=1), ask(cpus=2),
        refused=("refused", "allow_restart")),
    row(4, "a port forward and the cable of a NIC are changed live",
        vm("running", port_forwards={}, native={"cableconnected1": "off"}),
        ask(port_forwards=[{"name": "ssh", "host_port": 2222, "guest_port": 22}], native={"cableconnected1": "on"}),
        "configure", costs={"port_forwards.ssh": LIVE, "native.cableconnected1": LIVE}, restart_required=[]),
    row(4, "a NIC of a running VM moves to another network", vm("running"), ask(networks=[HOST_ONLY]), "configure",
        costs={"networks.0.type": LIVE, "networks.0.source": LIVE}, restart_required=[]),
    row(4, "a NIC of a saved VM moves to another network", vm("suspended"), ask(networks=[HOST_ONLY]), "configure",
        costs={"networks.0.type": LIVE, "networks.0.source": LIVE}, after={"state": "suspended"}),
    row(4, "a live change does not start a saved VM", vm("suspended"), ask(tags=["x"], allow_restart=True),
        "configure", costs={"tags": LIVE}, after={"state": "suspended"}, restart_required=[]),
    row(4, "another NIC model needs the VM stopped", vm("running"), ask(networks=[{"model": "virtio"}]),
        refused=("refused", "networks.0.model can be changed only while the VM is off")),
    row(5, "a running VM is not started again", vm("running"), ask("started")),
    row(6, "the memory of a saved VM is restored", vm("suspended"), ask("started"), "start", note="restored"),
    row(7, "a paused VM is resumed", vm("paused"), ask("started"), "resume"),
    row(8, "a VM in guru meditation is stopped by force",
        vm("failed", reason="gurumeditation"), ask("stopped"), "kill"),
    row(8, "a VM in guru meditation is started again only by force",
        vm("failed", reason="gurumeditation"), ask("started"), refused=("refused", "gurumeditation")),
    row(8, "with force, a VM in guru meditation is stopped and started",
        vm("failed", reason="gurumeditation"), ask("started", stop_mode="force"), "kill | start"),
    row(9, "graceful: the power button is pressed", vm("running"), ask("stopped", stop_mode="graceful"), "stop"),
    row(10, "force is used only after the timeout", vm("running"),
        ask("stopped", stop_mode="graceful_then_force"), "stop"),
    Elsewhere(10, "runner", "the timeout, and the forced stop or the error after it"),
    Elsewhere(11, "runner", "a guest that stopped on its own meanwhile is not an error"),
    row(12, "an aborted VM counts as stopped", vm("stopped", reason="aborted"), ask("stopped")),
    row(12, "an aborted VM is started", vm("stopped", reason="aborted"), ask("started"), "start"),
    Elsewhere(13, "runner", "the driver has the texts of lock errors, the runner retries"),
    Elsewhere(14, "runner", "after a start that lost a race, the power state decides"),
    Elsewhere(15, "tool", "the first line of the error is found among progress and context"),
    Elsewhere(16, "tool", "quoting and parsing of names; VMs are addressed by UUID"),
    row(17, "a description of several lines is equal to itself", vm(description='one "q"\ntwo'),
        ask(description='one "q"\ntwo')),
    Elsewhere(17, "tool", "multi-line values are read back whole"),
    row(18, "purge: one port forward is removed, one changed, one added", vm(port_forwards=FORWARDS),
        ask(port_forwards=CHANGED_FORWARDS, purge=["port_forwards"]), "configure",
        costs={"port_forwards.b.host_port": LIVE, "port_forwards.c": LIVE, "port_forwards.a": LIVE},
        after={"port_forwards.b.host_port": 2222, "port_forwards.a.host_port": None}),
    Elsewhere(19, "tool", "rules are attributed to the NIC that has them in its block"),
    row(20, "two snapshots of one name are rejected with their ids", vm(snapshots=TWINS),
        ask_snapshot("s1", "absent"),
        refused=("refused", "u1, u3")),
    row(20, "one of two snapshots of one name is deleted by its id",
        vm(snapshots=TWINS), ask_snapshot("u3", "absent"), "drop_snapshot",
        arguments={"ids": ("u3",)}, after={"snapshots": ["s1", "s2"]}),
    row(21, "a snapshot with two children cannot be deleted alone", vm(snapshots=FORK), ask_snapshot("s1", "absent"),
        refused=("refused", "children: true")),
    row(21, "children of a snapshot are deleted before it",
        vm(snapshots=FORK), ask_snapshot("s1", "absent", children=True),
        "drop_snapshot", arguments={"ids": ("u2", "u3", "u1")}),
    row(22, "a VM restored to a snapshot with memory runs again", vm("running", snapshots=ONLINE),
        ask_snapshot("s1", "restored"), "kill | restore | start", after={"state": "running"}),
    row(22, "a saved VM is restored without a stop", vm("suspended", snapshots=ONLINE), ask_snapshot("s1", "restored"),
        "restore | start", after={"state": "running"}),
    row(22, "with power keep, a VM restored to an offline snapshot is started", vm("running", snapshots=OLD),
        ask_snapshot("s1", "restored", power="keep"), "kill | restore | start", after={"state": "running"}),
    row(22, "with power keep, the memory of a snapshot is discarded if the VM is off", vm(snapshots=ONLINE),
        ask_snapshot("s1", "restored", power="keep"), "restore | kill", after={"state": "stopped"}),
    row(23, "a disk with snapshots grows in its slot", vm(disks=GROWN, snapshots=OLD), ask(disks=[{"size": "10G"}]),
        "configure", costs={"disks.SATA 0.size": POWER_OFF}, after={"disks.SATA 0.size": 10 * G}),
    row(23, "a disk with snapshots does not shrink", vm(disks=GROWN, snapshots=OLD), ask(disks=[{"size": "4G"}]),
        refused=("refused", "shrunk")),
    row(24, "a VM is not deleted if linked clones use its disk",
        vm(files=(File("/vms/web.vdi", "disk", True, ("clone",), True),)),
        ask("absent"), refused=("refused", "clone")),
    row(25, "an inaccessible VM is not changed", INACCESSIBLE, ask(cpus=2),
        refused=("refused", "web.vbox")),
    row(25, "an inaccessible VM is not deleted", INACCESSIBLE, ask("absent", stop_mode="force"),
        refused=("refused", "inaccessible")),
]  # fmt: skip
