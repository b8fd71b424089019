# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: a distribution is running or stopped, and can only be stopped by terminating it."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, NEXT_BOOT, POWER_OFF, File
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.distro import Host
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.traits import wsl_traits

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
    Elsewhere(1, "tool", "a host without distributions has an empty list"),
    row(2, "an imported tarball is stopped", absent(), ask(image=TARBALL), "create",
        after={"state": "stopped", "install_location": "C:\\WSL\\web"}),
    row(3, "an imported tarball is not imported again", found(), ask(image=TARBALL)),
    Elsewhere(4, "driver", "names are case-insensitive: a VM is reported with the name of the task"),
    row(5, "an invalid name is rejected before anything else", absent(), ask(name="my distro", image=TARBALL),
        refused=("refused", "Choose another name")),
    Elsewhere(6, "driver", "a missing tarball is reported before anything is registered"),
    row(7, "a distribution of the online list is installed", absent(), ask(image={"source": "Debian"}), "create"),
    Elsewhere(7, "driver", "an old version reports what it needs for the online list, not for a tarball"),
    row(8, "a stopped distribution is cloned", absent(), ask(clone={"source": "Ubuntu"}), "clone",
        source=found(name="Ubuntu")),
    row(9, "a running distribution is cloned, and its restart is reported",
        absent(), ask(clone={"source": "Ubuntu"}), "clone",
        source=found("running", name="Ubuntu"), also="started again"),
    row(10, "a stopped distribution is started", found(), ask("started"), "start", also="15 seconds"),
    row(10, "a distribution with keep_running is started", found(keep_running="true"), ask("started"), "start"),
    row(10, "a running distribution is not started again", found("running"), ask("started")),
    row(11, "a running distribution is terminated",
        found("running"), ask("stopped"), "kill", after={"state": "stopped"}),
    row(11, "a stopped distribution is not terminated again", found(), ask("stopped")),
    row(11, "a graceful stop is not supported", found("running"), ask("stopped", stop_mode="graceful"),
        refused=("unsupported", "stop_mode")),
    row(11, "a restart terminates and starts it", found("running"), ask("restarted"), "kill | start"),
    row(12, "a stopped distribution is unregistered", found(files=DISK), ask("absent"), "delete", files=("ext4.vhdx",)),
    row(12, "a running distribution is terminated and unregistered",
        found("running", files=DISK), ask("absent"), "kill | delete"),
    row(12, "a distribution that does not exist is not unregistered", absent(), ask("absent"), known=("Ubuntu-22.04",)),
    Elsewhere(12, "driver", "only the exact name is read"),
    row(13, "a distribution becomes the default", found("running", default=False), ask(default=True), "configure",
        costs={"default": LIVE}, after={"state": "running"}),
    row(13, "default false needs another default distribution", found(default=True), ask(default=False),
        refused=("refused", "another distribution")),
    row(14, "another default user takes effect at the next start", found("running", default_user="root"),
        ask(default_user="me"), "configure", costs={"default_user": NEXT_BOOT}, restart_required=["default_user"]),
    row(14, "with permission it is restarted for another default user", found("running", default_user="root"),
        ask(default_user="me", allow_restart=True), "kill | configure start", costs={"default_user": NEXT_BOOT}),
    Elsewhere(14, "driver", "whether the user exists, and the uid from the registry"),
    row(15, "version 1 is converted to version 2",
        found(version=1), ask(version=2), "configure", costs={"version": POWER_OFF}, also="free space"),
    row(15, "version 2 is not converted again", found(version=2), ask(version=2)),
    row(15, "a new distribution of version 1 has no virtual disk that could grow",
        absent(), ask(image=TARBALL, version=1, disks=[{"size": "2T"}]), refused=("refused", "disks.disk0.size")),
    row(15, "a new distribution of version 1 has no sparse disk",
        absent(), ask(image=TARBALL, version=1, sparse=False), refused=("refused", "sparse")),
    row(15, "a distribution that becomes one of version 1 has no virtual disk that could grow",
        found(version=2, disks={"disk0": {"size": 8 * G}}), ask(version=1, disks=[{"size": "16G"}]),
        refused=("refused", "disks.disk0.size")),
    row(15, "the disk of version 1 cannot be exported",
        found(version=1, export=None), ask(export="C:\\x.VHDX"), refused=("refused", "export")),
    row(15, "the disk of a distribution that becomes one of version 2 can be exported",
        found(version=1, export=None), ask(version=2, export="C:\\x.vhdx"), "configure",
        costs={"version": POWER_OFF, "export": POWER_OFF}),
    row(16, "a running distribution is restarted for systemd", found("running", systemd=False),
        ask(systemd=True, allow_restart=True), "kill | configure start", costs={"systemd": NEXT_BOOT},
        after={"state": "running"}),
    row(16, "a stopped distribution is not started for systemd",
        found(systemd=False), ask(systemd=True, allow_restart=True),
        "configure", costs={"systemd": NEXT_BOOT}, after={"state": "stopped"}),
    row(16, "without permission systemd takes effect at the next start",
        found("running", systemd=False), ask(systemd=True),
        "configure", costs={"systemd": NEXT_BOOT}, restart_required=["systemd"]),
    row(16, "native keys of wsl.conf are case-insensitive",
        found(native={"boot.command": None}), ask(native={"Boot.Command": "x"}), "configure",
        costs={"native.boot.command": NEXT_BOOT}),
    row(17, "a stopped distribution is exported", found(export=None), ask(export="C:\\x.tar"), "configure",
        costs={"export": POWER_OFF}),
    row(17, "an existing export is not repeated", found(export="c:\\X.tar"), ask(export="C:\\x.tar")),
    row(18, "a running distribution is not moved without permission", found("running", install_location="C:\\a"),
        ask(install_location="D:\\a"), refused=("refused", "allow_restart")),
    row(18, "a running distribution is moved with permission", found("running", install_location="C:\\a"),
        ask(install_location="D:\\a", allow_restart=True), "kill | configure start",
        costs={"install_location": POWER_OFF}, after={"state": "running"}),
    old(18, "an old version cannot move it", found(install_location="C:\\a"), ask(install_location="D:\\a"),
        refused=("refused", "2.4.4")),
    row(18, "the disk of a stopped distribution grows",
        found(disks={"disk0": {"size": 8 * G}}), ask(disks=[{"size": "16G"}]),
        "configure", costs={"disks.disk0.size": POWER_OFF}),
    row(18, "memory is not a setting of a distribution",
        found(), ask(memory="4G"), refused=("unsupported", ".wslconfig")),
    Elsewhere(19, "tool", "nothing is read from localised text"),
    Elsewhere(20, "tool", "errors of the service have their own kinds"),
]  # fmt: skip
