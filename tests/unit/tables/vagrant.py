# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: VMs are defined in a Vagrantfile, and run as soon as they are created."""

from __future__ import annotations

from functools import partial

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import NEXT_BOOT, RUNNING, Snapshot
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.table import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.traits import vagrant_traits

from unit.tables.rows import Elsewhere, absent, ask, ask_snapshot, found, rows_of

#: A Vagrantfile of this collection: a VM is first defined, and created at its first start.
MANAGED = vagrant_traits({"libvirt"})
managed = rows_of(MANAGED)
#: A Vagrantfile of the user: it is not changed; its VMs are only started, stopped and so on.
row = rows_of(vagrant_traits({"libvirt"}, managed=False))
virtualbox = rows_of(vagrant_traits({"virtualbox"}, managed=False))
BOX, OTHER_BOX = "debian/bookworm64", "debian/trixie64"
CONFIG = config_of({"name": "web", "provider": "libvirt", "box": BOX, "memory": 512})
#: A VM of the managed file, one that was never started, and one of a user's file (its settings are not read).
vm = partial(found, **CONFIG)
DESCRIBED = found(id=None, mark=None, **CONFIG)
driven = partial(found, mark=None, active=None)
IN_FILE = absent(recipe="/project/Vagrantfile")
KNOWN = ("db", "web")

ROWS = [
    row(1, "a VM of the Vagrantfile is created running", IN_FILE, ask("started"), "create",
        after={"state": "running"}),
    row(1, "a running VM is not changed", driven("running"), ask("started")),
    managed(1, "a defined VM is created by its first start", DESCRIBED, ask("started"), "start",
            after={"state": "running"}),
    managed(1, "a box is enough to create a VM; it is not started", absent(), ask(box=BOX), "create",
            after={"state": "stopped", "box": BOX, "provider": "virtualbox"}),
    managed(3, "a VM that is only defined counts as stopped", DESCRIBED, ask("stopped")),
    managed(5, "a VM that is only defined is deleted without a stop", DESCRIBED, ask("absent"), "delete"),
    managed(1, "memory takes effect at the next start", vm("running"), ask(memory="1G"), "configure",
            costs={"memory": NEXT_BOOT}, restart_required=["memory"]),
    managed(1, "with permission the VM is power-cycled", vm("running"), ask(memory="1G", allow_restart=True),
            "stop | configure start", costs={"memory": NEXT_BOOT}, restart_required=[]),
    managed(1, "another box needs permission to create the VM again", vm(), ask(box=OTHER_BOX),
            refused=("refused", "create it again")),
    managed(1, "with permission it is created again", vm(), ask(box=OTHER_BOX, allow_recreate=True), "delete | create"),
    managed(1, "the box of a VM that is only defined is changed", DESCRIBED, ask(box=OTHER_BOX), "configure",
            costs={"box": NEXT_BOOT}),
    Elsewhere(2, "driver", "states are read from files, because vagrant status writes"),
    row(3, "a running VM is halted", driven("running"), ask("stopped"), "stop"),
    row(3, "a halted VM is not halted again", driven(), ask("stopped")),
    row(3, "a VM that is not created yet is created and halted", IN_FILE, ask("stopped"), "create | stop",
        after={"state": "stopped"}),
    row(3, "a VM that is in no Vagrantfile is not created",
        absent(), ask("stopped"), refused=("not_found", "does not exist")),
    row(4, "a running VM is stopped by force", driven("running"), ask("stopped", stop_mode="force"), "kill"),
    row(5, "a running VM is destroyed", driven("running"), ask("absent"), "stop | delete"),
    row(5, "a VM that is not created is not destroyed", IN_FILE, ask("absent")),
    row(6, "a VM suspended by the libvirt provider is paused and is resumed",
        driven("paused"), ask("started"), "resume"),
    row(6, "the libvirt provider cannot suspend to disk", driven("running"), ask("suspended"),
        refused=("unsupported", "paused")),
    virtualbox(6, "a VM saved by the VirtualBox provider is started", driven("suspended"), ask("started"), "start"),
    Elsewhere(7, "runner", "the retry for transient errors waits for a lock"),
    Elsewhere(8, "tool", "the escapes of machine-readable output"),
    Elsewhere(9, "tool", "the error's class is read from error-exit"),
    Elsewhere(10, "tool", "a syntax error is printed as plain text"),
    row(11, "one VM of a project is started without reading the others", driven("stopped"),
        ask("started"), "start"),
    row(11, "a VM that the project lacks is rejected with the existing names",
        absent(), ask("started", name="wbe"), known=KNOWN, refused=("not_found", "db, web")),
    row(12, "settings in a user's Vagrantfile are not changed", driven(), ask(memory="1G"),
        refused=("unsupported", "the Vagrantfile is your own")),
    Elsewhere(12, "driver", "the Vagrantfile option is a file's name, not a path"),
    Elsewhere(13, "driver", "a failed first up may leave no VM or a running one: it is observed again"),
    row(14, "an existing snapshot is not saved again", driven(snapshots=(Snapshot("s1"),)), ask_snapshot("s1")),
    row(14, "a snapshot that does not exist is not restored", driven(snapshots=(Snapshot("s1"),)),
        ask_snapshot("s2", "restored"),
        refused=("not_found", "s1")),
    virtualbox(14, "VirtualBox restores only a stopped VM, and leaves it saved",
               driven("running", snapshots=(Snapshot("s1", id="u1", power=RUNNING),)), ask_snapshot("s1", "restored"),
               "kill | restore | start", after={"state": "running"}),
    Elsewhere(14, "tool", "the text for an empty list is not the name of a snapshot"),
    Elsewhere(15, "driver", "one process, or only files, for all VMs"),
]  # fmt: skip
