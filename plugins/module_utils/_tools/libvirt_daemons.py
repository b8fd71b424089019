# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons of libvirt: with systemd, and without it, as in a container.

Without systemd, ``virtlogd -d`` and ``libvirtd -d`` return when the daemons run; libvirt 9.0 and 11.3 need no other
configuration.
"""

from __future__ import annotations

#: Exists if systemd is the init process (sd_booted(3)).
SYSTEMD = "/run/systemd/system"
RUN_FOLDER = "/run/libvirt"
#: {daemon: its pid file}, in the order in which they are started.
DAEMONS = {"virtlogd": "/run/virtlogd.pid", "libvirtd": "/run/libvirtd.pid"}


def states_argv(units):
    """Return the command that prints for each unit whether it is enabled and active (``states``)."""
    return ["systemctl", "show", "--property=Id,UnitFileState,ActiveState", *units]


def states(text):
    """Return {unit: whether it is enabled and active} from ``systemctl show``."""
    found = {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            enabled = values.get("UnitFileState") in ("enabled", "static", "alias", "indirect")
            found[values["Id"]] = enabled and values.get("ActiveState") in ("active", "activating", "reloading")
    return found


def start_argvs(units, has_systemd):
    """Return the commands that start the daemons, now and at boot."""
    if has_systemd:
        return [["systemctl", "enable", "--now", *units]]
    return [[daemon, "-d"] for daemon in DAEMONS]


def is_daemon(argv):
    """Whether a process is one of the daemons that ``start_argvs`` starts."""
    return bool(argv) and argv[0].rsplit("/", 1)[-1] in DAEMONS
