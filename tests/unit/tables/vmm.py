# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD's vmd: a block in vm.conf, which vmd reads again for all VMs of the host."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.traits import vmm_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import LIVE, NEXT_BOOT, File

from unit.tables.rows import Elsewhere, G, absent, ask, ask_snapshot, found, rows_of

#: A host on which someone has stopped the VM mail, which is enabled in vm.conf.
READER = SimpleNamespace(options={}, found=SimpleNamespace(others_started=lambda names: ["mail"]))
TRAITS = vmm_traits(READER)
RELOAD = "mail: vmd starts it when it reads vm.conf again; it is stopped at once"
row = rows_of(TRAITS)

NEW = {
    "memory": "1G",
    "disks": [{"size": "10G", "format": "qcow2"}],
    "networks": [{"type": "nat"}],
    "autostart": False,
}
MADE = {
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
    Elsewhere(2, "tool", "vmd that does not run is named"),
    Elsewhere(3, "driver", "what the host can do is read from its parts"),
    row(4, "disk and block are made, it stays off", absent(), ask(**NEW), "create", also=RELOAD,
        after={"state": "stopped", "cpus": 1, "memory": G, "disks.disk0.size": 10 * G}),
    row(5, "nothing is left to do", found(**MADE), ask(**NEW)),
    row(6, "more memory for a stopped machine", found(**MADE), ask(**{**NEW, "memory": "2G"}), "configure",
        costs={"memory": NEXT_BOOT}, also=RELOAD),
    row(7, "started", found(**MADE), ask("started"), "start", after={"state": "running"}),
    row(7, "started already", found("running", **MADE), ask("started")),
    row(8, "a running machine gets it at its next start", found("running", **MADE), ask(memory="2G"), "configure",
        costs={"memory": NEXT_BOOT}, restart_required=["memory"], after={"state": "running"}),
    row(8, "tags need no reading by vmd", found(**MADE), ask(tags=["a"]), "configure", costs={"tags": LIVE}),
    row(9, "with consent it is power-cycled", found("running", **MADE), ask(memory="2G", allow_restart=True),
        "stop | configure start", costs={"memory": NEXT_BOOT}, restart_required=[], after={"state": "running"}),
    row(10, "a guest is asked to stop", found("running"), ask("stopped"), "stop"),
    row(10, "and not asked again once it has", found(), ask("stopped")),
    row(11, "the cut comes only after the time-out", found("running"),
        ask("stopped", stop_mode="graceful_then_force"), "stop"),
    row(11, "a guest that hangs while stopping is cut by force", found("running", busy="stopping"),
        ask("stopped", stop_mode="force"), "kill", after={"state": "stopped"}),
    row(12, "a guest that hangs while stopping is waited for", found("running", busy="stopping"), ask("stopped"),
        busy="stopping"),
    Elsewhere(12, "runner", "the time-out"),
    row(13, "a guest without the driver is stopped like any other", found("running"), ask("stopped"), "stop"),
    Elsewhere(13, "driver", "what a graceful stop is for a guest that does not know vmmci"),
    row(14, "paused", found("running"), ask("paused"), "pause"),
    row(14, "paused already", found("paused"), ask("paused")),
    row(14, "resumed", found("paused"), ask("started"), "resume"),
    row(14, "there is no suspending to disk", found("running"), ask("suspended"), refused=("unsupported", "paused")),
    row(14, "nor are there snapshots", found("running"), ask_snapshot("s1"), refused=("unsupported", "clone")),
    row(15, "the block goes, the disk stays", found(files=OURS), ask("absent", delete_disks="none"), "delete", files=(),
        kept=("/var/vmm/web.qcow2", "/iso/install.iso"), also=RELOAD),
    row(16, "stopped, taken out, its disk removed", found("running", files=OURS), ask("absent"), "stop | delete",
        files=("/var/vmm/web.qcow2",), kept=("/iso/install.iso",)),
    row(17, "what is not there is not removed", absent(), ask("absent")),
    row(18, "a disk of another size is a difference like any other", found(**MADE), ask(disks=[{"size": "5G"}]),
        refused=("refused", "shrunk")),
    Elsewhere(18, "driver", "a file that lies there already is never overwritten"),
    row(19, "an overlay of a base image", absent(), ask(image={"source": "/var/vmm/base.qcow2", "linked": True}),
        "create",
        arguments={"creation": {"image": {"source": "/var/vmm/base.qcow2", "linked": True}}}),
    row(20, "a running machine is not cloned", absent(), ask(clone={"source": "db"}),
        source=found("running", name="db"),
        refused=("refused", "Stop it first")),
    row(20, "a stopped one is", absent(), ask(clone={"source": "db"}), "clone", source=found(name="db")),
    row(20, "one that does not exist is not", absent(), ask(clone={"source": "db"}), source=absent(name="db"),
        known=("mail",),
        refused=("not_found", "mail")),
    Elsewhere(21, "role", "firmware is installed by the role that prepares the host"),
    Elsewhere(22, "driver", "a switch that the host does not have is rejected before anything"),
    Elsewhere(23, "tool", "the message for a missing tap device"),
    Elsewhere(24, "role", "routing and pf of the host"),
    Elsewhere(25, "role", "the administrator's pf.conf"),
]  # fmt: skip
