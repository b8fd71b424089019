# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: VMs are defined in a Vagrantfile, and run as soon as they are created."""

from __future__ import annotations

from functools import partial

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.table import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.traits import vagrant_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import NEXT_BOOT, RUNNING, Snapshot

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
    row(1, "what the Vagrantfile describes is made and runs at once", IN_FILE, ask("started"), "create",
        after={"state": "running"}),
    row(1, "a second run finds it running", driven("running"), ask("started")),
    managed(1, "what is only described is started by Vagrant, which makes it", DESCRIBED, ask("started"), "start",
            after={"state": "running"}),
    managed(1, "a box is enough to make one, and nothing is started unasked", absent(), ask(box=BOX), "create",
            after={"state": "stopped", "box": BOX, "provider": "virtualbox"}),
    managed(3, "what is only described is stopped", DESCRIBED, ask("stopped")),
    managed(5, "and goes without Vagrant", DESCRIBED, ask("absent"), "delete"),
    managed(1, "memory waits for a start", vm("running"), ask(memory="1G"), "configure",
            costs={"memory": NEXT_BOOT}, restart_required=["memory"]),
    managed(1, "which takes consent", vm("running"), ask(memory="1G", allow_restart=True),
            "stop | configure start", costs={"memory": NEXT_BOOT}, restart_required=[]),
    managed(1, "another box takes another machine", vm(), ask(box=OTHER_BOX),
            refused=("refused", "create it again")),
    managed(1, "with consent", vm(), ask(box=OTHER_BOX, allow_recreate=True), "delete | create"),
    managed(1, "but not while it is only described", DESCRIBED, ask(box=OTHER_BOX), "configure",
            costs={"box": NEXT_BOOT}),
    Elsewhere(2, "driver", "states are read from files, because vagrant status writes"),
    row(3, "a running machine is halted", driven("running"), ask("stopped"), "stop"),
    row(3, "a halted machine is not halted again", driven(), ask("stopped")),
    row(3, "one not made yet is made and halted", IN_FILE, ask("stopped"), "create | stop",
        after={"state": "stopped"}),
    row(3, "one that nobody describes is not", absent(), ask("stopped"), refused=("not_found", "does not exist")),
    row(4, "forced", driven("running"), ask("stopped", stop_mode="force"), "kill"),
    row(5, "a running machine is destroyed", driven("running"), ask("absent"), "stop | delete"),
    row(5, "a machine not made is not destroyed", IN_FILE, ask("absent")),
    row(6, "suspended by the libvirt provider is paused: resumed", driven("paused"), ask("started"), "resume"),
    row(6, "which has nothing that suspends to disk", driven("running"), ask("suspended"),
        refused=("unsupported", "paused")),
    virtualbox(6, "saved by the VirtualBox provider is brought up again", driven("suspended"), ask("started"), "start"),
    Elsewhere(7, "runner", "a lock is waited for by the loop for transient errors"),
    Elsewhere(8, "tool", "the escapes of machine-readable output"),
    Elsewhere(9, "tool", "the error's class is read from error-exit"),
    Elsewhere(10, "tool", "a syntax error comes as plain text"),
    row(11, "one machine of a project is started, its neighbour is not asked", driven("stopped"),
        ask("started"), "start"),
    row(11, "a name the project does not know names those it knows", absent(), ask("started", name="wbe"), known=KNOWN,
        refused=("not_found", "db, web")),
    row(12, "settings in a user's Vagrantfile are not changed", driven(), ask(memory="1G"),
        refused=("unsupported", "the Vagrantfile is your own")),
    Elsewhere(12, "driver", "the Vagrantfile option is a file's name, not a path"),
    Elsewhere(13, "driver", "a failed first up may leave no machine or a running one: it is looked at again"),
    row(14, "a snapshot that exists is not saved again", driven(snapshots=(Snapshot("s1"),)), ask_snapshot("s1")),
    row(14, "one that does not exist is not restored", driven(snapshots=(Snapshot("s1"),)),
        ask_snapshot("s2", "restored"),
        refused=("not_found", "s1")),
    virtualbox(14, "VirtualBox restores only a stopped VM, and leaves it saved",
               driven("running", snapshots=(Snapshot("s1", id="u1", power=RUNNING),)), ask_snapshot("s1", "restored"),
               "kill | restore | start", after={"state": "running"}),
    Elsewhere(14, "tool", "the text for an empty list is no snapshot's name"),
    Elsewhere(15, "driver", "one process, or files only, for all machines"),
]  # fmt: skip
