# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt through virsh."""

from __future__ import annotations

from functools import partial

from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, File, Snapshot
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.networks import starting_effects
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.table import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.answers import MAC, machine_xml
from unit.tables.rows import Elsewhere, G, M, absent, ask, ask_snapshot, found, rows_of

TRAITS = virsh_traits("QEMU", "9.0.0", local=True)
row = rows_of(replace(TRAITS, side_effects=starting_effects(frozenset({"lan"}))))


def _recorded_config():
    """The config that the driver reports of the recorded VM: one virtio disk, one NIC in the network default."""
    stored = Definition(machine_xml())
    return {**config_of(stored, {"vda": 6 * G}), "description": "", "tags": (), "autostart": False}


CONFIG = _recorded_config()
#: That VM; rows set differences.
vm = partial(found, **CONFIG)

BASE = {"source": "/images/base.qcow2", "linked": True}
ON_LAN = {"0": {"type": "network", "source": "lan", "mac": MAC, "model": "virtio"}}
FILES = (
    File("/images/web.qcow2", "disk", ours=True),
    File("/images/read-only.qcow2", "medium", used_by=("db",)),
    File("/images/shared.qcow2", "disk", ours=True, used_by=("db",)),
    File("/iso/debian.iso", "medium"),
    File("/elsewhere/data.raw", "disk"),
)
#: Without our mark, no file counts as created by this collection.
BY_HAND = (File("/images/web.qcow2", "disk"),)
INSIDE = partial(Snapshot, kind="internal")
TREE = (INSIDE("base"), INSIDE("child", parent="base"), INSIDE("grandchild", parent="child"))

TEMPLATE = {**CONFIG, "memory": G, "disks": {"vda": {**CONFIG["disks"]["vda"], "format": "raw"}}}
TAKEN = (Snapshot("s1", kind="external", config={**TEMPLATE, "memory": 512 * M}), INSIDE("s2"))


def of_db(**more):
    """The source of a clone as the task sets it."""
    return {"clone": {"source": "db", **more}}


def db(power="stopped", **more):
    """The VM that is cloned."""
    return found(power, **{"name": "db", "id": "u-db", "mark": {"id": "u-db"}, **TEMPLATE, **more})


ROWS = [
    row(1, "a VM created as a linked clone of an image is stopped", absent(), ask(image=BASE), "create",
        after={"state": "stopped", "cpus": 2, "memory": 2 * G, "disks.vda": "present"}),
    Elsewhere(2, "runner", "check mode has the same plan and does not carry it out"),
    row(3, "a stopped VM is started", vm(), ask("started"), "start", after={"state": "running"}),
    row(3, "a running VM is not changed", vm("running"), ask("started")),
    row(3, "an inactive network is started with the VM and reported", vm(networks=ON_LAN), ask("started"),
        "start", also="the network 'lan' is started"),
    row(3, "the inactive network of a new NIC is started and reported, too", vm(networks={}),
        ask("started", networks=[{"type": "network", "source": "lan"}]), "configure start",
        costs={"networks.0": NEXT_BOOT}, also="the network 'lan' is started"),
    Elsewhere(3, "runner", "after a start that lost a race, the power state decides"),
    row(4, "a VM paused by a user is resumed", vm("paused", reason="user"), ask("started"), "resume"),
    row(4, "a VM paused by an I/O error is rejected with the reason", vm("failed", reason="I/O error"),
        ask("started"), refused=("refused", "I/O error")),
    row(5, "a managed save is restored and reported", vm("suspended"), ask("started"), "start",
        note="the saved memory is restored"),
    row(5, "a managed save is discarded only by force and reported", vm("suspended"),
        ask("stopped", stop_mode="force"), "kill", note="discarded", after={"state": "stopped"}),
    row(6, "a guest is shut down", vm("running"), ask("stopped"), "stop", after={"state": "stopped"}),
    Elsewhere(7, "runner", "the shutdown request is repeated if the guest ignores it"),
    row(8, "a graceful stop is planned even if force may follow", vm("running"),
        ask("stopped", stop_mode="graceful_then_force"), "stop"),
    Elsewhere(8, "runner", "the timeout, and the forced stop after it"),
    row(9, "a paused guest is resumed before it is shut down", vm("paused"), ask("stopped"), "resume stop"),
    row(9, "a paused guest is stopped by force", vm("paused"), ask("stopped", stop_mode="force"), "kill"),
    row(10, "a running VM with snapshots is stopped and deleted",
        vm("running", snapshots=TREE), ask("absent"), "stop | delete"),
    row(10, "with force, it is killed and deleted", vm("running", snapshots=TREE),
        ask("absent", stop_mode="force"), "kill | delete"),
    row(10, "a VM that does not exist is not deleted", absent(), ask("absent")),
    row(11, "only own disks without other users are deleted with the VM", vm(files=FILES), ask("absent"), "delete",
        files=("/images/web.qcow2",),
        kept=("/images/read-only.qcow2", "/images/shared.qcow2", "/iso/debian.iso", "/elsewhere/data.raw")),
    row(11, "delete_disks all: foreign disks are deleted, disks in use and ISO images are not", vm(files=FILES),
        ask("absent", delete_disks="all"), "delete", files=("/images/web.qcow2", "/elsewhere/data.raw")),
    row(12, "a disk outside of all storage pools is deleted like any other",
        vm(files=(File("/srv/web.raw", "disk", ours=True),)),
        ask("absent"), "delete", files=("/srv/web.raw",), kept=()),
    row(13, "more memory for a stopped VM", vm(memory=512 * M), ask(memory="768M"), "configure",
        costs={"memory": NEXT_BOOT}, after={"memory": 768 * M}, restart_required=[]),
    Elsewhere(13, "driver", "the maximum is raised before the value"),
    row(14, "more CPUs of a running VM take effect at its next start", vm("running", cpus=1), ask(cpus=2),
        "configure",
        costs={"cpus": NEXT_BOOT}, after={"state": "running"}, restart_required=["cpus"]),
    row(14, "with permission it is power-cycled", vm("running", cpus=1), ask(cpus=2, allow_restart=True),
        "stop | configure start", costs={"cpus": NEXT_BOOT}, restart_required=[]),
    row(14, "UEFI takes effect at the next start, without secure boot unless set",
        vm("running", firmware="bios", secure_boot=False), ask(firmware="uefi"), "configure",
        costs={"firmware": NEXT_BOOT}, after={"secure_boot": False}, restart_required=["firmware"]),
    row(14, "firmware bios disables secure boot",
        vm(firmware="uefi", secure_boot=True), ask(firmware="bios"), "configure",
        costs={"firmware": NEXT_BOOT, "secure_boot": NEXT_BOOT}, after={"secure_boot": False, "firmware": "bios"}),
    row(14, "if secure boot is unknown, it is set",
        vm(firmware="uefi", secure_boot=None), ask(secure_boot=False), "configure",
        costs={"secure_boot": NEXT_BOOT}),
    row(14, "secure boot needs UEFI", vm(firmware="bios"), ask(secure_boot=True),
        refused=("refused", "firmware: uefi")),
    row(14, "display type takes effect at the next start; video memory is kept",
        vm("running", display={"type": "vnc", "video_memory": 16 * M}), ask(display={"type": "spice"}),
        "configure", costs={"display.type": NEXT_BOOT}, after={"display.video_memory": 16 * M},
        restart_required=["display.type"]),
    row(14, "16M equals the current video memory", vm(display={"type": "vnc", "video_memory": 16 * M}),
        ask(display={"type": "vnc", "video_memory": "16M"})),
    row(14, "CPUs up to max_cpus are added live", vm("running", cpus=1, max_cpus=4),
        ask(cpus=2), "configure", costs={"cpus": LIVE}, after={"cpus": 2, "max_cpus": 4}, restart_required=[]),
    row(14, "more CPUs than max_cpus increase both at the next start", vm("running", cpus=1, max_cpus=4),
        ask(cpus=6), "configure", costs={"cpus": NEXT_BOOT, "max_cpus": NEXT_BOOT},
        restart_required=["cpus", "max_cpus"]),
    row(14, "memory up to max_memory is changed live by the balloon", vm("running", memory=G, max_memory=2 * G),
        ask(memory="512M"), "configure", costs={"memory": LIVE}, restart_required=[]),
    row(14, "a NIC is added live", vm("running", networks={}),
        ask(networks=[{"type": "user"}]), "configure", costs={"networks.0": LIVE}, restart_required=[]),
    row(14, "a NIC waits for the next start if the running NICs differ from the stored ones",
        vm("running", runs_with={"networks": {}}), ask(networks=[{}, {"type": "user"}]),
        "configure", costs={"networks.1": NEXT_BOOT},
        restart_required=["networks.0", "networks.1"]),
    row(15, "a disk on SATA is added at the next start", vm("running"),
        ask(disks=[{"slot": "sata1", "size": "1G"}]), "configure", costs={"disks.sdb": NEXT_BOOT},
        after={"disks.sdb.bus": "sata"}, restart_required=["disks.sdb"]),
    row(15, "a disk in the slot of the optical drive is rejected", vm(), ask(disks=[{"slot": "sata0", "size": "1G"}]),
        refused=("refused", "used by an optical drive")),
    row(15, "a disk of a running VM grows", vm("running"), ask(disks=[{"slot": "vda", "size": "7G"}]),
        "configure",
        costs={"disks.vda.size": LIVE}, after={"disks.vda.size": 7 * G}, restart_required=[]),
    row(15, "a disk of a stopped VM grows", vm(), ask(disks=[{"slot": "vda", "size": "7G"}]), "configure",
        costs={"disks.vda.size": LIVE}),
    row(15, "a disk of a running VM never shrinks", vm("running"), ask(disks=[{"size": "5G"}]),
        refused=("refused", "shrunk")),
    row(15, "a disk of a stopped VM never shrinks", vm(), ask(disks=[{"size": "5G"}]), refused=("refused", "shrunk")),
    row(16, "6G equals the current size", vm(), ask(disks=[{"size": "6G"}])),
    row(16, "6144M equals the current size", vm(), ask(disks=[{"size": "6144M"}])),
    row(16, "6442450944B equals the current size", vm(), ask(disks=[{"size": "6442450944B"}])),
    row(17, "a new snapshot is created", vm(), ask_snapshot("s1"), "snapshot", after={"snapshots": ["s1"]}),
    row(17, "an existing snapshot is not created again", vm(snapshots=TREE), ask_snapshot("base")),
    row(17, "a slash in the name of a snapshot is rejected", vm(), ask_snapshot("a/b"), refused=("refused", "slash")),
    Elsewhere(17, "tool", "a leading minus and a semicolon are part of the argument"),
    row(18, "children of a deleted snapshot get its parent",
        vm(snapshots=TREE), ask_snapshot("child", "absent"), "drop_snapshot",
        after={"snapshots": ["base", "grandchild"]}),
    row(18, "children of a snapshot are deleted with it if requested",
        vm(snapshots=TREE), ask_snapshot("base", "absent", children=True),
        "drop_snapshot", arguments={"names": ("grandchild", "child", "base")}, after={"snapshots": None}),
    row(18, "a snapshot that does not exist is not deleted", vm(), ask_snapshot("s1", "absent")),
    row(19, "restored always restores the snapshot with its settings",
        vm(memory=G, snapshots=(INSIDE("base", config={**CONFIG, "memory": 512 * M}),)),
        ask_snapshot("base", "restored"), "restore", after={"memory": 512 * M, "state": "stopped"}),
    row(20, "an external snapshot cannot be reverted to by this version",
        vm(snapshots=(Snapshot("s1", kind="external"),)),
        ask_snapshot("s1", "restored"), refused=("refused", "9.9")),
    row(21, "no internal snapshot of a running UEFI guest", vm("running", firmware="uefi"), ask_snapshot("s1"),
        refused=("refused", "external")),
    row(21, "an internal snapshot of a stopped UEFI guest", vm(firmware="uefi"), ask_snapshot("s1"), "snapshot"),
    Elsewhere(22, "runner", "a DHCP lease does not show that the guest is up: the task waits for the SSH banner"),
    Elsewhere(23, "driver", "the number of processes, and names read from a batch"),
    Elsewhere(24, "tool", "the daemon's and the read-only connection's messages"),
    row(26, "a clone has the settings of its source and is stopped", absent(), ask(**of_db()), "clone", source=db(),
        after={"state": "stopped", "memory": G, "disks.vda.size": 6 * G, "disks.vda.format": "raw",
               "disks.vda.source": None, "networks.0.source": "default", "networks.0.mac": None}),
    row(26, "other requested settings are configured before the first start", absent(),
        ask("started", memory="2G", disks=[{"size": "7G"}], networks=[{}, {"type": "nat"}], **of_db()),
        "clone | configure start", source=db(),
        costs={"memory": NEXT_BOOT, "disks.vda.size": LIVE, "networks.1": NEXT_BOOT},
        after={"state": "running", "memory": 2 * G, "disks.vda.size": 7 * G}),
    row(26, "requested settings that equal those of the source need no step",
        absent(), ask(memory="1G", **of_db()), "clone", source=db()),
    row(26, "a linked clone is qcow2, whatever the format of its source", absent(),
        ask(disks=[{"format": "qcow2"}], **of_db(linked=True)), "clone", source=db()),
    row(26, "a full clone keeps the format of its source",
        absent(), ask(disks=[{"format": "qcow2"}], **of_db()), source=db(), refused=("refused", "disks.vda.format")),
    row(26, "a disk of a clone never shrinks", absent(), ask(disks=[{"size": "5G"}], **of_db()), source=db(),
        refused=("refused", "shrunk")),
    row(26, "autostart is not inherited", absent(), ask(**of_db()), "clone", source=db(autostart=True),
        after={"autostart": False}),
    row(26, "an existing VM is not cloned again", vm(), ask(**of_db()), source=db()),
    row(27, "a running VM cannot be cloned", absent(), ask(**of_db()), source=db("running"),
        refused=("refused", "Stop it first")),
    row(27, "a paused VM cannot be cloned", absent(), ask(**of_db(linked=True)), source=db("paused"),
        refused=("refused", "clone.snapshot")),
    row(27, "a suspended VM cannot be cloned", absent(), ask(**of_db()), source=db("suspended"),
        refused=("refused", "clone.snapshot")),
    row(27, "a snapshot of a running VM can be cloned, with the settings of the snapshot",
        absent(), ask(**of_db(snapshot="s1")), "clone",
        source=db("running", snapshots=TAKEN), after={"memory": 512 * M}),
    row(27, "a clone of a snapshot without settings has the current settings",
        absent(), ask(**of_db(snapshot="s2")), "clone", source=db(snapshots=TAKEN), after={"memory": G}),
    row(27, "an unknown snapshot is rejected with the existing names", absent(), ask(**of_db(snapshot="s3")),
        source=db(snapshots=TAKEN), refused=("not_found", "s1, s2")),
    row(27, "an unknown source is rejected with the existing names",
        absent(), ask(**of_db()), source=absent(), known=("one", "two"), refused=("not_found", "one, two")),
    row(25, "only requested settings of a VM created by hand are changed", vm(mark=None), ask(cpus=2),
        "configure",
        costs={"cpus": NEXT_BOOT}, after={"networks.0.mac": MAC}),
    row(25, "disks of a VM created by hand are kept when it is deleted",
        vm(files=BY_HAND, mark=None), ask("absent"), "delete", files=(), kept=("/images/web.qcow2",)),
    row(25, "disks of a VM with the mark of another VM are kept", vm(files=FILES[:1], mark={"id": "u-other"}),
        ask("absent"), "delete", files=(), kept=("/images/web.qcow2",)),
]  # fmt: skip
