# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: most hardware needs the VM off, names are not unique, disks with checkpoints cannot be changed."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.observe import Found, Host
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.settings.disks import slot_name
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.traits import hyperv_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    LIVE,
    POWER_OFF,
    RUNNING,
    STOPPED,
    File,
    Snapshot,
)

from unit.tables.rows import Elsewhere, G, M, absent, ask, ask_snapshot, found, rows_of

SWITCHES = tuple({"Id": f"id-{name}", "Name": name} for name in ("lan", "dmz"))
READER = SimpleNamespace(
    host=Host(disk_folder="C:\\Disks", cpus=16, switches=SWITCHES, build=20348),
    found=Found(),
    slot=lambda place: slot_name(place, is_bios=False),
)
TRAITS = hyperv_traits(READER)
row = rows_of(TRAITS)

NEW = {"firmware": "uefi", "memory": "2G", "cpus": 2, "disks": [{"size": "40G"}]}
MADE = {"firmware": "uefi", "memory": 2 * G, "cpus": 2, "disks": {"SCSI 0:0": {"size": 40 * G}}}
CHAIN = (File("web_1.avhdx", "disk", ours=True), File("web.vhdx", "disk", ours=True))
CHECKPOINT = (Snapshot("c1", id="g1"),)
LIVE_CHECKPOINT = (Snapshot("c1", id="g1", power=RUNNING),)
DYNAMIC = {"dynamic_memory": True, "minimum_memory": "512M", "maximum_memory": "4G"}
WITH_DYNAMIC = {"dynamic_memory": True, "minimum_memory": 512 * M, "maximum_memory": 4 * G}
CARD = {"0": {"type": "network", "source": "lan", "vlan": 7, "mac": "00:15:5d:00:00:01"}}
SERVICES = {"heartbeat": True, "shutdown": False}

ROWS = [
    row(1, "made off, with no card that nobody asked for", absent(), ask(**NEW), "create",
        after={"state": "stopped", "cpus": 2, "disks.SCSI 0:0.size": 40 * G, "networks.0": None}),
    row(2, "nothing is left to do", found(**MADE), ask(**NEW)),
    row(3, "processors, while it is off", found(**MADE), ask(cpus=4), "configure", costs={"cpus": POWER_OFF}),
    row(4, "processors, while it runs, need consent", found("running", **MADE), ask(cpus=4),
        refused=("refused", "cpus")),
    row(5, "with consent it is power-cycled", found("running", **MADE), ask(cpus=4, allow_restart=True),
        "stop | configure start", costs={"cpus": POWER_OFF}, after={"state": "running", "cpus": 4}),
    row(6, "off is started", found(), ask("started"), "start"),
    row(6, "saved is started", found("suspended"), ask("started"), "start", note="restored"),
    row(6, "paused is resumed", found("paused"), ask("started"), "resume"),
    row(6, "running is running", found("running"), ask("started")),
    Elsewhere(7, "runner", "addresses are waited for"),
    row(8, "a guest is asked to stop", found("running"), ask("stopped"), "stop"),
    row(9, "a guest that cannot be asked is cut by force", found("running"), ask("stopped", stop_mode="force"), "kill"),
    Elsewhere(9, "driver", "asking a guest fails at once if its service does not answer"),
    row(10, "the cut comes only after the time-out", found("running"),
        ask("stopped", stop_mode="graceful_then_force"), "stop"),
    Elsewhere(10, "runner", "the time-out, and the cut or the failure after it"),
    row(11, "stopped and removed with its whole chain", found("running", files=CHAIN), ask("absent"), "stop | delete",
        files=("web_1.avhdx", "web.vhdx")),
    row(11, "its disks stay when asked", found(files=CHAIN), ask("absent", delete_disks="none"), "delete",
        files=(), kept=("web_1.avhdx", "web.vhdx")),
    row(12, "what is not there is not removed", absent(), ask("absent")),
    Elsewhere(12, "tool", "a service that does not run is not an absent machine"),
    row(13, "named by its id, one of two goes", found(), ask("absent", id="u-web"), "delete"),
    Elsewhere(13, "runner", "two machines of one name are refused with their ids"),
    Elsewhere(14, "driver", "a name in other letters is the same name: a VM is reported as the task names it"),
    row(15, "a checkpoint is taken", found("running"), ask_snapshot("c1"), "snapshot"),
    row(15, "and not taken again", found("running", snapshots=CHECKPOINT), ask_snapshot("c1")),
    row(15, "removed; its end has to be seen", found(snapshots=CHECKPOINT),
        ask_snapshot("c1", "absent"), "drop_snapshot"),
    row(15, "restored to off", found("running", snapshots=CHECKPOINT), ask_snapshot("c1", "restored"), "restore",
        after={"state": "stopped"}),
    row(15, "taken while running it is left saved, and started", found(snapshots=LIVE_CHECKPOINT),
        ask_snapshot("c1", "restored"), "restore | start", after={"state": "running"}),
    row(16, "a disk grows", found(**MADE), ask(disks=[{"size": "60G"}]), "configure",
        costs={"disks.SCSI 0:0.size": LIVE}),
    row(16, "and does not shrink", found(**MADE), ask(disks=[{"size": "20G"}]), refused=("refused", "shrunk")),
    row(16, "and does not grow under checkpoints", found(snapshots=CHECKPOINT, **MADE), ask(disks=[{"size": "60G"}]),
        refused=("refused", "checkpoints")),
    row(17, "an overlay of a base disk", absent(), ask(image={"source": "base.vhdx", "linked": True}), "create"),
    row(17, "a second run does not compare what it was made from", found(),
        ask(image={"source": "base.vhdx", "linked": True})),
    row(18, "a full clone", absent(), ask(clone={"source": "db"}), "clone",
        source=found(name="db"), after={"state": STOPPED}),
    row(18, "the disks of a running machine change while they are copied", absent(), ask(clone={"source": "db"}),
        source=found("running", name="db"), refused=("refused", "clone.snapshot")),
    row(19, "a switch that the host does not have is refused before anything", absent(),
        ask(networks=[{"source": "lna"}], **NEW), refused=("not_found", "dmz, lan")),
    row(19, "a VLAN is taken away live", found("running", networks=CARD), ask(networks=[{"vlan": 0}]), "configure",
        costs={"networks.0.vlan": LIVE}, after={"networks.0.mac": "00:15:5d:00:00:01"}),
    row(19, "another address needs it off", found("running", networks=CARD),
        ask(networks=[{"mac": "00:15:5d:00:00:02"}]),
        refused=("refused", "networks.0.mac")),
    Elsewhere(20, "driver", "the default switch is known by its id, not by its name"),
    row(21, "secure boot for Linux, and a TPM",
        found(secure_boot=True, tpm=False, secure_boot_template="windows"),
        ask(tpm=True, secure_boot_template="linux"), "configure",
        costs={"tpm": POWER_OFF, "secure_boot_template": POWER_OFF}),
    row(21, "the template is not sent again", found(tpm=True, secure_boot_template="linux"),
        ask(tpm=True, secure_boot_template="linux")),
    row(22, "dynamic memory is set in one step", found(memory=G, dynamic_memory=False),
        ask(memory="2G", **DYNAMIC), "configure",
        costs={"memory": POWER_OFF, "dynamic_memory": POWER_OFF, "minimum_memory": LIVE, "maximum_memory": LIVE}),
    row(22, "and static again", found(memory=2 * G, **WITH_DYNAMIC), ask(memory="1G", dynamic_memory=False),
        "configure", costs={"memory": POWER_OFF, "dynamic_memory": POWER_OFF}),
    row(22, "a running machine gets a wider range", found("running", memory=2 * G, **WITH_DYNAMIC),
        ask(maximum_memory="8G"), "configure", costs={"maximum_memory": LIVE}),
    row(22, "and no narrower one", found("running", memory=2 * G, **WITH_DYNAMIC), ask(maximum_memory="3G"),
        refused=("refused", "maximum_memory")),
    row(23, "a service of the guest is switched live", found("running", integration_services=SERVICES),
        ask(integration_services={"shutdown": True}), "configure", costs={"integration_services": LIVE}),
    Elsewhere(23, "driver", "services are found by their ids, which have no language"),
    Elsewhere(24, "tool", "missing rights and a missing module have their own messages"),
    Elsewhere(25, "tool", "names of enumerations, sizes, dates"),
]  # fmt: skip
