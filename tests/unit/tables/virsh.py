# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt through virsh."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.definition import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.disks import read_disks, read_iso
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.networks import (
    read_networks,
    starting_effects,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.table import read_settings
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.traits import virsh_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    NEXT_BOOT,
    File,
    Snapshot,
)

from unit.module_utils._drivers.virsh.answers import MAC, machine_xml
from unit.tables.rows import Elsewhere, G, M, absent, ask, ask_snapshot, found, rows_of

TRAITS = virsh_traits("QEMU", "9.0.0", local=True)
row = rows_of(replace(TRAITS, side_effects=starting_effects(frozenset({"lan"}))))


def _recorded_config():
    """The config that the driver reports of the recorded VM: one virtio disk, one NIC in the network default."""
    stored = Definition(machine_xml())
    told = {"disks": read_disks(stored, {"vda": 6 * G}), "networks": read_networks(stored), "iso": read_iso(stored, ())}
    return {**read_settings(stored), **told, "description": "", "tags": (), "autostart": False}


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
    row(1, "a linked clone of an image is made and stays off", absent(), ask(image=BASE), "create",
        after={"state": "stopped", "cpus": 2, "memory": 2 * G, "disks.vda": "present"}),
    Elsewhere(2, "runner", "a check run gets the same plan and does not apply it"),
    row(3, "a stopped machine is started", vm(), ask("started"), "start", after={"state": "running"}),
    row(3, "a running machine is left alone", vm("running"), ask("started")),
    row(3, "a network that is not active is started with it, and said so", vm(networks=ON_LAN), ask("started"),
        "start", also="the network 'lan' is started"),
    row(3, "a card that comes with the start counts too", vm(networks={}),
        ask("started", networks=[{"type": "network", "source": "lan"}]), "configure start",
        costs={"networks.0": NEXT_BOOT}, also="the network 'lan' is started"),
    Elsewhere(3, "runner", "a start that lost a race is judged by where the machine stands"),
    row(4, "paused by a user: resumed", vm("paused", reason="user"), ask("started"), "resume"),
    row(4, "paused by an I/O error: refused with the reason", vm("failed", reason="I/O error"),
        ask("started"), refused=("refused", "I/O error")),
    row(5, "a managed save is restored, and said so", vm("suspended"), ask("started"), "start",
        note="the saved memory is restored"),
    row(5, "a managed save is discarded only by force, and said so", vm("suspended"),
        ask("stopped", stop_mode="force"), "kill", note="discarded", after={"state": "stopped"}),
    row(6, "a guest is asked to stop", vm("running"), ask("stopped"), "stop", after={"state": "stopped"}),
    Elsewhere(7, "runner", "a guest that did not hear is asked again"),
    row(8, "the gentle stop is what is planned even if it may end in a cut", vm("running"),
        ask("stopped", stop_mode="graceful_then_force"), "stop"),
    Elsewhere(8, "runner", "the time-out and the cut after it"),
    row(9, "a paused guest is resumed to hear", vm("paused"), ask("stopped"), "resume stop"),
    row(9, "a paused guest is cut by force", vm("paused"), ask("stopped", stop_mode="force"), "kill"),
    row(10, "a running machine with snapshots goes", vm("running", snapshots=TREE), ask("absent"), "stop | delete"),
    row(10, "by force it is cut first", vm("running", snapshots=TREE),
        ask("absent", stop_mode="force"), "kill | delete"),
    row(10, "what is not there is not removed", absent(), ask("absent")),
    row(11, "only our own, unshared disks go along", vm(files=FILES), ask("absent"), "delete",
        files=("/images/web.qcow2",),
        kept=("/images/read-only.qcow2", "/images/shared.qcow2", "/iso/debian.iso", "/elsewhere/data.raw")),
    row(11, "all disks means foreign ones too, but never used ones or media", vm(files=FILES),
        ask("absent", delete_disks="all"), "delete", files=("/images/web.qcow2", "/elsewhere/data.raw")),
    row(12, "a disk outside of every pool is listed like any other",
        vm(files=(File("/srv/web.raw", "disk", ours=True),)),
        ask("absent"), "delete", files=("/srv/web.raw",), kept=()),
    row(13, "more memory for a stopped machine", vm(memory=512 * M), ask(memory="768M"), "configure",
        costs={"memory": NEXT_BOOT}, after={"memory": 768 * M}, restart_required=[]),
    Elsewhere(13, "driver", "the maximum is raised before the value"),
    row(14, "more processors for a running one wait for its next start", vm("running", cpus=1), ask(cpus=2),
        "configure",
        costs={"cpus": NEXT_BOOT}, after={"state": "running"}, restart_required=["cpus"]),
    row(14, "with consent it is power-cycled", vm("running", cpus=1), ask(cpus=2, allow_restart=True),
        "stop | configure start", costs={"cpus": NEXT_BOOT}, restart_required=[]),
    row(14, "so does UEFI, which comes without secure boot unless it is asked for",
        vm("running", firmware="bios", secure_boot=False), ask(firmware="uefi"), "configure",
        costs={"firmware": NEXT_BOOT}, after={"secure_boot": False}, restart_required=["firmware"]),
    row(14, "with bios goes secure boot",
        vm(firmware="uefi", secure_boot=True), ask(firmware="bios"), "configure",
        costs={"firmware": NEXT_BOOT, "secure_boot": NEXT_BOOT}, after={"secure_boot": False, "firmware": "bios"}),
    row(14, "whether it has secure boot is not known, so it is asked for",
        vm(firmware="uefi", secure_boot=None), ask(secure_boot=False), "configure",
        costs={"secure_boot": NEXT_BOOT}),
    row(14, "secure boot needs UEFI", vm(firmware="bios"), ask(secure_boot=True),
        refused=("refused", "firmware: uefi")),
    row(14, "another display waits, and the one that is there is left alone",
        vm("running", display={"type": "vnc", "video_memory": 16 * M}), ask(display={"type": "spice"}),
        "configure", costs={"display.type": NEXT_BOOT}, after={"display.video_memory": 16 * M},
        restart_required=["display.type"]),
    row(14, "16M of video memory are what it has", vm(display={"type": "vnc", "video_memory": 16 * M}),
        ask(display={"type": "vnc", "video_memory": "16M"})),
    row(14, "within its maximum a running one gets them at once", vm("running", cpus=1, max_cpus=4),
        ask(cpus=2), "configure", costs={"cpus": LIVE}, after={"cpus": 2, "max_cpus": 4}, restart_required=[]),
    row(14, "beyond its maximum both grow at its next start", vm("running", cpus=1, max_cpus=4),
        ask(cpus=6), "configure", costs={"cpus": NEXT_BOOT, "max_cpus": NEXT_BOOT},
        restart_required=["cpus", "max_cpus"]),
    row(14, "memory within its maximum is the balloon's", vm("running", memory=G, max_memory=2 * G),
        ask(memory="512M"), "configure", costs={"memory": LIVE}, restart_required=[]),
    row(14, "a card is plugged into a running machine", vm("running", networks={}),
        ask(networks=[{"type": "user"}]), "configure", costs={"networks.0": LIVE}, restart_required=[]),
    row(14, "a card that does not run as it is stored waits",
        vm("running", runs_with={"networks": {}}), ask(networks=[{}, {"type": "user"}]),
        "configure", costs={"networks.1": NEXT_BOOT},
        restart_required=["networks.0", "networks.1"]),
    row(15, "a disk on SATA waits for the next start", vm("running"),
        ask(disks=[{"slot": "sata0", "size": "1G"}]), "configure", costs={"disks.sda": NEXT_BOOT},
        after={"disks.sda.bus": "sata"}, restart_required=["disks.sda"]),
    row(15, "a disk grows while it runs", vm("running"), ask(disks=[{"slot": "vda", "size": "7G"}]),
        "configure",
        costs={"disks.vda.size": LIVE}, after={"disks.vda.size": 7 * G}, restart_required=[]),
    row(15, "a disk grows while it is off", vm(), ask(disks=[{"slot": "vda", "size": "7G"}]), "configure",
        costs={"disks.vda.size": LIVE}),
    row(15, "a disk never shrinks, running", vm("running"), ask(disks=[{"size": "5G"}]),
        refused=("refused", "shrunk")),
    row(15, "a disk never shrinks, off", vm(), ask(disks=[{"size": "5G"}]), refused=("refused", "shrunk")),
    row(16, "6G is what it has", vm(), ask(disks=[{"size": "6G"}])),
    row(16, "6144M is what it has", vm(), ask(disks=[{"size": "6144M"}])),
    row(16, "6442450944B is what it has", vm(), ask(disks=[{"size": "6442450944B"}])),
    row(17, "a new snapshot is taken", vm(), ask_snapshot("s1"), "snapshot", after={"snapshots": ["s1"]}),
    row(17, "one that exists is not taken again", vm(snapshots=TREE), ask_snapshot("base")),
    row(17, "a slash in its name is refused", vm(), ask_snapshot("a/b"), refused=("refused", "slash")),
    Elsewhere(17, "tool", "a leading minus and a semicolon are part of the argument"),
    row(18, "its children hang on its parent", vm(snapshots=TREE), ask_snapshot("child", "absent"), "drop_snapshot",
        after={"snapshots": ["base", "grandchild"]}),
    row(18, "its children go with it when asked", vm(snapshots=TREE), ask_snapshot("base", "absent", children=True),
        "drop_snapshot", arguments={"names": ("grandchild", "child", "base")}, after={"snapshots": None}),
    row(18, "one that is not there is not removed", vm(), ask_snapshot("s1", "absent")),
    row(19, "restoring always restores, and brings its settings back",
        vm(memory=G, snapshots=(INSIDE("base", config={**CONFIG, "memory": 512 * M}),)),
        ask_snapshot("base", "restored"), "restore", after={"memory": 512 * M, "state": "stopped"}),
    row(20, "an external snapshot cannot be reverted to by this version",
        vm(snapshots=(Snapshot("s1", kind="external"),)),
        ask_snapshot("s1", "restored"), refused=("refused", "9.9")),
    row(21, "no internal snapshot of a running UEFI guest", vm("running", firmware="uefi"), ask_snapshot("s1"),
        refused=("refused", "external")),
    row(21, "the same guest, off", vm(firmware="uefi"), ask_snapshot("s1"), "snapshot"),
    Elsewhere(22, "runner", "a lease is no proof of life: the banner is waited for"),
    Elsewhere(23, "driver", "the number of processes, and names read from a batch"),
    Elsewhere(24, "tool", "the daemon's and the read-only connection's messages"),
    row(26, "a clone is made as its source is, and stays off", absent(), ask(**of_db()), "clone", source=db(),
        after={"state": "stopped", "memory": G, "disks.vda.size": 6 * G, "disks.vda.format": "raw",
               "disks.vda.source": None, "networks.0.source": "default", "networks.0.mac": None}),
    row(26, "what is asked otherwise is configured before it starts", absent(),
        ask("started", memory="2G", disks=[{"size": "7G"}], networks=[{}, {"type": "nat"}], **of_db()),
        "clone | configure start", source=db(),
        costs={"memory": NEXT_BOOT, "disks.vda.size": LIVE, "networks.1": NEXT_BOOT},
        after={"state": "running", "memory": 2 * G, "disks.vda.size": 7 * G}),
    row(26, "what is asked and the same already is no step", absent(), ask(memory="1G", **of_db()), "clone",
        source=db()),
    row(26, "what stands on another image is qcow2, whatever that is", absent(),
        ask(disks=[{"format": "qcow2"}], **of_db(linked=True)), "clone", source=db()),
    row(26, "and a copy is what its source is", absent(), ask(disks=[{"format": "qcow2"}], **of_db()), source=db(),
        refused=("refused", "disks.vda.format")),
    row(26, "a disk of a clone never shrinks", absent(), ask(disks=[{"size": "5G"}], **of_db()), source=db(),
        refused=("refused", "shrunk")),
    row(26, "autostart is not inherited", absent(), ask(**of_db()), "clone", source=db(autostart=True),
        after={"autostart": False}),
    row(26, "an existing machine is not made again", vm(), ask(**of_db()), source=db()),
    row(27, "what runs cannot be cloned", absent(), ask(**of_db()), source=db("running"),
        refused=("refused", "Stop it first")),
    row(27, "nor what is paused", absent(), ask(**of_db(linked=True)), source=db("paused"),
        refused=("refused", "clone.snapshot")),
    row(27, "nor what is saved", absent(), ask(**of_db()), source=db("suspended"),
        refused=("refused", "clone.snapshot")),
    row(27, "but its snapshot can, with the settings of then", absent(), ask(**of_db(snapshot="s1")), "clone",
        source=db("running", snapshots=TAKEN), after={"memory": 512 * M}),
    row(27, "settings that nobody kept are those of now", absent(), ask(**of_db(snapshot="s2")), "clone",
        source=db(snapshots=TAKEN), after={"memory": G}),
    row(27, "an unknown snapshot is named, with those there are", absent(), ask(**of_db(snapshot="s3")),
        source=db(snapshots=TAKEN), refused=("not_found", "s1, s2")),
    row(27, "an unknown source too", absent(), ask(**of_db()), source=absent(), known=("one", "two"),
        refused=("not_found", "one, two")),
    row(25, "a machine made by hand is changed in what was asked only", vm(mark=None), ask(cpus=2),
        "configure",
        costs={"cpus": NEXT_BOOT}, after={"networks.0.mac": MAC}),
    row(25, "and its disks stay when it goes", vm(files=BY_HAND, mark=None), ask("absent"), "delete",
        files=(), kept=("/images/web.qcow2",)),
    row(25, "and those that the mark of another machine names", vm(files=FILES[:1], mark={"id": "u-other"}),
        ask("absent"), "delete", files=(), kept=("/images/web.qcow2",)),
]  # fmt: skip
