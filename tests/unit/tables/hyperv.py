# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: most hardware needs the VM off, names are not unique, disks with checkpoints cannot be changed."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    LIVE,
    POWER_OFF,
    RUNNING,
    STOPPED,
    File,
    Snapshot,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.hyperv_vm import Found, Host
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.settings.disks import slot_name
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.traits import hyperv_traits

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
CREATED = {"firmware": "uefi", "memory": 2 * G, "cpus": 2, "disks": {"SCSI 0:0": {"size": 40 * G}}}
CHAIN = (File("web_1.avhdx", "disk", ours=True), File("web.vhdx", "disk", ours=True))
CHECKPOINT = (Snapshot("c1", id="g1"),)
LIVE_CHECKPOINT = (Snapshot("c1", id="g1", power=RUNNING),)
DYNAMIC = {"dynamic_memory": True, "minimum_memory": "512M", "maximum_memory": "4G"}
WITH_DYNAMIC = {"dynamic_memory": True, "minimum_memory": 512 * M, "maximum_memory": 4 * G}
WITH_NIC = {"0": {"type": "network", "source": "lan", "vlan": 7, "mac": "00:15:5d:00:00:01"}}
SERVICES = {"heartbeat": True, "shutdown": False}

ROWS = [
    row(1, "a new VM is stopped and has only requested NICs", absent(), ask(**NEW), "create",
        after={"state": "stopped", "cpus": 2, "disks.SCSI 0:0.size": 40 * G, "networks.0": None}),
    row(1, "a new VM has an empty drive if iso is empty", absent(), ask(**NEW, iso=""), "create",
        after={"cdroms.SCSI 0:63.source": ""}),
    row(2, "a second run changes nothing", found(**CREATED), ask(**NEW)),
    row(3, "the number of CPUs of a stopped VM is changed",
        found(**CREATED), ask(cpus=4), "configure", costs={"cpus": POWER_OFF}),
    row(4, "CPUs of a running VM need permission", found("running", **CREATED), ask(cpus=4),
        refused=("refused", "cpus")),
    row(5, "with permission it is power-cycled", found("running", **CREATED), ask(cpus=4, allow_restart=True),
        "stop | configure start", costs={"cpus": POWER_OFF}, after={"state": "running", "cpus": 4}),
    row(6, "a stopped VM is started", found(), ask("started"), "start"),
    row(6, "a saved VM is started", found("suspended"), ask("started"), "start", note="restored"),
    row(6, "a paused VM is resumed", found("paused"), ask("started"), "resume"),
    row(6, "a running VM is not started again", found("running"), ask("started")),
    Elsewhere(7, "runner", "the task waits for addresses"),
    row(8, "a guest is shut down", found("running"), ask("stopped"), "stop"),
    row(9, "a guest that cannot be shut down is stopped by force",
        found("running"), ask("stopped", stop_mode="force"), "kill"),
    Elsewhere(9, "driver", "a shutdown fails at once if the guest's service does not answer"),
    row(10, "force is used only after the timeout", found("running"),
        ask("stopped", stop_mode="graceful_then_force"), "stop"),
    Elsewhere(10, "runner", "the timeout, and the forced stop or the error after it"),
    row(11, "a running VM is stopped and deleted with its chain of disks",
        found("running", files=CHAIN), ask("absent"), "stop | delete", files=("web_1.avhdx", "web.vhdx")),
    row(11, "with delete_disks none, the disks are kept",
        found(files=CHAIN), ask("absent", delete_disks="none"), "delete", files=(), kept=("web_1.avhdx", "web.vhdx")),
    row(12, "a VM that does not exist is not deleted", absent(), ask("absent")),
    Elsewhere(12, "tool", "a stopped service does not mean that the VM is absent"),
    row(13, "one of two VMs of the same name is deleted by its id", found(), ask("absent", id="u-web"), "delete"),
    Elsewhere(13, "runner", "two VMs of the same name are rejected with their ids"),
    Elsewhere(14, "driver", "names are case-insensitive: a VM is reported with the name of the task"),
    row(15, "a checkpoint is created", found("running"), ask_snapshot("c1"), "snapshot"),
    row(15, "an existing checkpoint is not created again", found("running", snapshots=CHECKPOINT), ask_snapshot("c1")),
    row(15, "an existing checkpoint is deleted", found(snapshots=CHECKPOINT),
        ask_snapshot("c1", "absent"), "drop_snapshot"),
    row(15, "a checkpoint without memory is restored, and the VM is stopped",
        found("running", snapshots=CHECKPOINT), ask_snapshot("c1", "restored"), "restore", after={"state": "stopped"}),
    row(15, "a VM restored to a checkpoint with memory is saved, and then started", found(snapshots=LIVE_CHECKPOINT),
        ask_snapshot("c1", "restored"), "restore | start", after={"state": "running"}),
    row(15, "with power keep, the memory of a checkpoint is discarded if the VM is off",
        found(snapshots=LIVE_CHECKPOINT), ask_snapshot("c1", "restored", power="keep"), "restore | kill",
        after={"state": "stopped"}),
    row(16, "a disk grows", found(**CREATED), ask(disks=[{"size": "60G"}]), "configure",
        costs={"disks.SCSI 0:0.size": LIVE}),
    row(16, "a disk does not shrink", found(**CREATED), ask(disks=[{"size": "20G"}]), refused=("refused", "shrunk")),
    row(16, "a disk of a VM with checkpoints does not grow",
        found(snapshots=CHECKPOINT, **CREATED), ask(disks=[{"size": "60G"}]), refused=("refused", "checkpoints")),
    row(17, "a VM is created with an overlay of a base disk",
        absent(), ask(image={"source": "base.vhdx", "linked": True}), "create"),
    row(17, "a second run does not compare the image", found(),
        ask(image={"source": "base.vhdx", "linked": True})),
    row(18, "a stopped VM is cloned", absent(), ask(clone={"source": "db"}), "clone",
        source=found(name="db"), after={"state": STOPPED}),
    row(18, "a running VM is not cloned, because its disks change", absent(), ask(clone={"source": "db"}),
        source=found("running", name="db"), refused=("refused", "clone.snapshot")),
    row(19, "a switch that does not exist is rejected before any change", absent(),
        ask(networks=[{"source": "lna"}], **NEW), refused=("not_found", "dmz, lan")),
    row(19, "a VLAN is removed live", found("running", networks=WITH_NIC), ask(networks=[{"vlan": 0}]), "configure",
        costs={"networks.0.vlan": LIVE}, after={"networks.0.mac": "00:15:5d:00:00:01"}),
    row(19, "another MAC address needs the VM stopped", found("running", networks=WITH_NIC),
        ask(networks=[{"mac": "00:15:5d:00:00:02"}]),
        refused=("refused", "networks.0.mac")),
    Elsewhere(20, "driver", "the default switch is known by its id, not by its name"),
    row(21, "secure boot template and TPM of a stopped VM are changed",
        found(secure_boot=True, tpm=False, secure_boot_template="windows"),
        ask(tpm=True, secure_boot_template="linux"), "configure",
        costs={"tpm": POWER_OFF, "secure_boot_template": POWER_OFF}),
    row(21, "an equal secure boot template is not changed", found(tpm=True, secure_boot_template="linux"),
        ask(tpm=True, secure_boot_template="linux")),
    row(22, "dynamic memory is set in one step", found(memory=G, dynamic_memory=False),
        ask(memory="2G", **DYNAMIC), "configure",
        costs={"memory": POWER_OFF, "dynamic_memory": POWER_OFF, "minimum_memory": LIVE, "maximum_memory": LIVE}),
    row(22, "dynamic memory is disabled", found(memory=2 * G, **WITH_DYNAMIC), ask(memory="1G", dynamic_memory=False),
        "configure", costs={"memory": POWER_OFF, "dynamic_memory": POWER_OFF}),
    row(22, "the range of dynamic memory grows while the VM runs", found("running", memory=2 * G, **WITH_DYNAMIC),
        ask(maximum_memory="8G"), "configure", costs={"maximum_memory": LIVE}),
    row(22, "the range of dynamic memory does not shrink while the VM runs",
        found("running", memory=2 * G, **WITH_DYNAMIC), ask(maximum_memory="3G"),
        refused=("refused", "maximum_memory")),
    row(23, "an integration service is changed live", found("running", integration_services=SERVICES),
        ask(integration_services={"shutdown": True}), "configure", costs={"integration_services.shutdown": LIVE}),
    Elsewhere(23, "driver", "services are found by their ids, which are the same in all languages"),
    Elsewhere(24, "tool", "missing permissions and a missing module have their own messages"),
    Elsewhere(25, "tool", "names of enumerations, sizes, dates"),
]  # fmt: skip
