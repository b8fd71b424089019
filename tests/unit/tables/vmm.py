# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD's vmd: a block in vm.conf, which vmd reads again for all VMs of the host."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, File
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.traits import vmm_traits

from unit.tables.rows import Elsewhere, G, absent, ask, ask_snapshot, found, rows_of

#: A host on which someone has stopped the VM mail, which is enabled in vm.conf.
READER = SimpleNamespace(options={}, found=SimpleNamespace(others_started=lambda names: ["mail"]))
TRAITS = vmm_traits(READER)
RELOAD = "mail: vmd starts it when it reads vm.conf again; it is stopped immediately"
row = rows_of(TRAITS)

NEW = {"memory": "1G", "disks": [{"size": "10G", "format": "qcow2"}], "networks": [{"type": "nat"}], "autostart": False}
CREATED = {
    "cpus": 1,
    "memory": G,
    "disks": {"disk0": {"size": 10 * G, "format": "qcow2"}},
    "networks": {"0": {"type": "nat"}},
    "autostart": False,
    "tags": (),
}
OURS = (File("/var/vmm/web.qcow2", "disk", ours=True), File("/iso/install.iso", "medium"))

ROWS = [
    Elsewhere(1, "tool", "an exit code of 1 with a header only is an empty list"),
    Elsewhere(2, "tool", "the error message says that vmd does not run"),
    Elsewhere(3, "driver", "what the host can do is read from its parts"),
    row(4, "a new VM gets a disk and a block in vm.conf, and is stopped", absent(), ask(**NEW), "create", also=RELOAD,
        after={"state": "stopped", "cpus": 1, "memory": G, "disks.disk0.size": 10 * G}),
    row(5, "a second run changes nothing", found(**CREATED), ask(**NEW)),
    row(6, "more memory for a stopped VM", found(**CREATED), ask(**{**NEW, "memory": "2G"}), "configure",
        costs={"memory": NEXT_BOOT}, also=RELOAD),
    row(7, "a stopped VM is started", found(**CREATED), ask("started"), "start", after={"state": "running"}),
    row(7, "a running VM is not started again", found("running", **CREATED), ask("started")),
    row(8, "memory of a running VM takes effect at its next start",
        found("running", **CREATED), ask(memory="2G"), "configure",
        costs={"memory": NEXT_BOOT}, restart_required=["memory"], after={"state": "running"}),
    row(8, "tags are changed without a reload of vmd",
        found(**CREATED), ask(tags=["a"]), "configure", costs={"tags": LIVE}),
    row(9, "with permission it is power-cycled", found("running", **CREATED), ask(memory="2G", allow_restart=True),
        "stop | configure start", costs={"memory": NEXT_BOOT}, restart_required=[], after={"state": "running"}),
    row(10, "a guest is shut down", found("running"), ask("stopped"), "stop"),
    row(10, "a stopped guest is not shut down again", found(), ask("stopped")),
    row(11, "force is used only after the timeout", found("running"),
        ask("stopped", stop_mode="graceful_then_force"), "stop"),
    row(11, "a guest that hangs while stopping is stopped by force", found("running", busy="stopping"),
        ask("stopped", stop_mode="force"), "kill", after={"state": "stopped"}),
    row(12, "the task waits for a guest that is stopping", found("running", busy="stopping"), ask("stopped"),
        busy="stopping"),
    Elsewhere(12, "runner", "the timeout"),
    row(13, "a guest without the vmmci driver is stopped like any other", found("running"), ask("stopped"), "stop"),
    Elsewhere(13, "driver", "how a guest without vmmci is stopped gracefully"),
    row(14, "a running VM is paused", found("running"), ask("paused"), "pause"),
    row(14, "a paused VM is not paused again", found("paused"), ask("paused")),
    row(14, "a paused VM is resumed", found("paused"), ask("started"), "resume"),
    row(14, "suspending to disk is not supported",
        found("running"), ask("suspended"), refused=("unsupported", "paused")),
    row(14, "snapshots are not supported", found("running"), ask_snapshot("s1"), refused=("unsupported", "clone")),
    row(15, "with delete_disks none, the block is removed and the disk is kept",
        found(files=OURS), ask("absent", delete_disks="none"), "delete", files=(),
        kept=("/var/vmm/web.qcow2", "/iso/install.iso"), also=RELOAD),
    row(16, "a running VM is stopped and deleted with its own disk",
        found("running", files=OURS), ask("absent"), "stop | delete",
        files=("/var/vmm/web.qcow2",), kept=("/iso/install.iso",)),
    row(17, "a VM that does not exist is not deleted", absent(), ask("absent")),
    row(18, "a smaller disk is rejected", found(**CREATED), ask(disks=[{"size": "5G"}]),
        refused=("refused", "shrunk")),
    Elsewhere(18, "driver", "an existing file is never overwritten"),
    row(19, "a disk is created as an overlay of a base image",
        absent(), ask(image={"source": "/var/vmm/base.qcow2", "linked": True}), "create",
        arguments={"creation": {"image": {"source": "/var/vmm/base.qcow2", "linked": True}}}),
    row(20, "a running VM is not cloned", absent(), ask(clone={"source": "db"}),
        source=found("running", name="db"),
        refused=("refused", "Stop it first")),
    row(20, "a stopped VM is cloned", absent(), ask(clone={"source": "db"}), "clone", source=found(name="db")),
    row(20, "a VM that does not exist is not cloned", absent(), ask(clone={"source": "db"}), source=absent(name="db"),
        known=("mail",),
        refused=("not_found", "mail")),
    Elsewhere(21, "role", "the role that prepares the host installs the firmware"),
    Elsewhere(22, "driver", "a switch that does not exist is rejected before any change"),
    Elsewhere(23, "tool", "the message for a missing tap device"),
    Elsewhere(24, "role", "routing and pf of the host"),
    Elsewhere(25, "role", "the administrator's pf.conf"),
]  # fmt: skip
