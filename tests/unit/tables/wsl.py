# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: a distribution is running or stopped, and can only be stopped by terminating it."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.reader import Host
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.traits import wsl_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import LIVE, NEXT_BOOT, POWER_OFF, File

from unit.tables.rows import Elsewhere, G, absent, ask, found, rows_of


class _Reader:
    """A host with one version of WSL."""

    def __init__(self, version):
        self.host, self.options = Host(versions=(version,) if version else ()), {}


TRAITS, OLD = wsl_traits(_Reader("2.6.3")), wsl_traits(_Reader("2.3.26"))
row, old = rows_of(TRAITS), rows_of(OLD)

TARBALL = {"source": "/tars/debian.tar"}
DISK = (File("ext4.vhdx", "disk", ours=True, bound=True),)

ROWS = [
    Elsewhere(1, "tool", "no distribution at all is an empty list"),
    row(2, "a tarball is imported and stays off", absent(), ask(image=TARBALL), "create",
        after={"state": "stopped", "install_location": "C:\\WSL\\web"}),
    row(3, "imported already", found(), ask(image=TARBALL)),
    Elsewhere(4, "driver", "a name in other letters is the same name: a VM is reported as the task names it"),
    row(5, "a bad name is refused before anything", absent(), ask(name="my distro", image=TARBALL),
        refused=("refused", "Choose another name")),
    Elsewhere(6, "driver", "whether the tarball exists is looked at before anything is registered"),
    row(7, "from the list of the store", absent(), ask(image={"source": "Debian"}), "create"),
    Elsewhere(7, "driver", "an old version says what it needs for the list, and not for a tarball"),
    row(8, "a stopped distribution is cloned", absent(), ask(clone={"source": "Ubuntu"}), "clone",
        source=found(name="Ubuntu")),
    row(9, "a running one too, and what that does to it is said", absent(), ask(clone={"source": "Ubuntu"}), "clone",
        source=found("running", name="Ubuntu"), also="started again"),
    row(10, "started", found(), ask("started"), "start", also="15 seconds"),
    row(10, "started, and kept so", found(keep_running="true"), ask("started"), "start"),
    row(10, "started already", found("running"), ask("started")),
    row(11, "has_ended", found("running"), ask("stopped"), "kill", after={"state": "stopped"}),
    row(11, "ended already", found(), ask("stopped")),
    row(11, "it cannot be asked", found("running"), ask("stopped", stop_mode="graceful"),
        refused=("unsupported", "stop_mode")),
    row(11, "restarted: ended and started", found("running"), ask("restarted"), "kill | start"),
    row(12, "unregistered", found(files=DISK), ask("absent"), "delete", files=("ext4.vhdx",)),
    row(12, "unregistered while it runs", found("running", files=DISK), ask("absent"), "kill | delete"),
    row(12, "what is not there is not unregistered", absent(), ask("absent"), known=("Ubuntu-22.04",)),
    Elsewhere(12, "driver", "only the exact name is looked at"),
    row(13, "made the default one", found("running", default=False), ask(default=True), "configure",
        costs={"default": LIVE}, after={"state": "running"}),
    row(13, "another one has to be made the default", found(default=True), ask(default=False),
        refused=("refused", "another distribution")),
    row(14, "another default user waits for the next start", found("running", default_user="root"),
        ask(default_user="me"), "configure", costs={"default_user": NEXT_BOOT}, restart_required=["default_user"]),
    row(14, "another default user, at once", found("running", default_user="root"),
        ask(default_user="me", allow_restart=True), "kill | configure start", costs={"default_user": NEXT_BOOT}),
    Elsewhere(14, "driver", "whether the user exists, and the uid from the registry"),
    row(15, "from version 1 to 2", found(version=1), ask(version=2), "configure", costs={"version": POWER_OFF},
        also="free space"),
    row(15, "version 2 already", found(version=2), ask(version=2)),
    row(16, "systemd, in one that runs: started again", found("running", systemd=False),
        ask(systemd=True, allow_restart=True), "kill | configure start", costs={"systemd": NEXT_BOOT},
        after={"state": "running"}),
    row(16, "systemd, in one that does not: not started", found(systemd=False), ask(systemd=True, allow_restart=True),
        "configure", costs={"systemd": NEXT_BOOT}, after={"state": "stopped"}),
    row(16, "without permission it waits for the next start", found("running", systemd=False), ask(systemd=True),
        "configure", costs={"systemd": NEXT_BOOT}, restart_required=["systemd"]),
    row(16, "keys of wsl.conf", found(native={"boot.command": None}), ask(native={"Boot.Command": "x"}), "configure",
        costs={"native.boot.command": NEXT_BOOT}),
    row(17, "exported while it is off", found(export=None), ask(export="C:\\x.tar"), "configure",
        costs={"export": POWER_OFF}),
    row(17, "exported already", found(export="c:\\X.tar"), ask(export="C:\\x.tar")),
    row(18, "moved only while it is off: needs permission", found("running", install_location="C:\\a"),
        ask(install_location="D:\\a"), refused=("refused", "allow_restart")),
    row(18, "moved with permission", found("running", install_location="C:\\a"),
        ask(install_location="D:\\a", allow_restart=True), "kill | configure start",
        costs={"install_location": POWER_OFF}, after={"state": "running"}),
    old(18, "an old version cannot move it", found(install_location="C:\\a"), ask(install_location="D:\\a"),
        refused=("refused", "2.4.4")),
    row(18, "its disk grows while it is off", found(disks={"disk0": {"size": 8 * G}}), ask(disks=[{"size": "16G"}]),
        "configure", costs={"disks.disk0.size": POWER_OFF}),
    row(18, "memory is none of its own", found(), ask(memory="4G"), refused=("unsupported", ".wslconfig")),
    Elsewhere(19, "tool", "nothing is read from localised text"),
    Elsewhere(20, "tool", "failures of the service have their own kinds"),
]  # fmt: skip
