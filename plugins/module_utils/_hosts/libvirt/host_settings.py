# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module virsh_host_settings: its options, their validation, and the host that it changes."""

from __future__ import annotations

import os
import re

from ..._core.errors import InvalidInput
from ..._core.options.option import Consent, Option, Texts
from ..._ports.command import Commands
from ..._tools.virsh import SYSTEM_URI, Virsh
from .host_changes import Changes
from .host_plan import missing_packages, needs_restart, plan_host
from .host_reading import Reader

OPTIONS = {
    "state": Option(choices=("present", "absent"), default="present"),
    "packages": Texts(default=[]),
    "package_folder": Option("path"),
    "users": Texts(default=[]),
    "nested": Option("bool"),
    "require_kvm": Consent(),
    "networks": Texts(default=[]),
    "pools": Texts(default=[]),
}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9+._-]*")


def make_host(params):
    """Return the host for the parameters of the module. Raises InvalidInput before anything is read."""
    for option in ("packages", "users"):
        for name in params[option]:
            if not _NAME.fullmatch(name):
                raise InvalidInput(f"{option}: '{name}' is not a name.", "Use letters, digits, and the characters +._-")
    folder = params["package_folder"]
    if folder is not None and not os.path.isabs(folder):
        raise InvalidInput(f"package_folder: {folder} is not an absolute path.")
    return Host(params)


class Host:
    """The packages, daemons and settings of this host. ``requested`` are the options of the task."""

    #: The module runs on the host itself, so no connection can be lost.
    transient = ()

    def __init__(self, requested):
        commands = Commands()
        virsh = Virsh(commands, "virsh", SYSTEM_URI)
        self._requested = requested
        self._reader = Reader(commands, virsh)
        self._changes = Changes(commands, virsh, self._reader)

    def read(self):
        return self._reader.read(self._requested)

    def plan(self, state):
        return plan_host(self._requested, state)

    def apply(self, steps):
        """Carry out the steps in order. Raises the error of the first step that fails."""
        for step in steps:
            self._changes.make(step, self._requested)

    def reconnect(self):
        """Nothing to do: see ``transient``."""

    def facts(self, state, steps):
        return {
            "reboot_required": needs_restart(self._requested, state),
            "kept": list(state.kept),
            "host": {
                "package_manager": state.manager,
                "installed": not missing_packages(state),
                "running": state.answers,
                "kvm": None if state.kvm is None else not state.kvm,
                "kvm_problem": state.kvm or None,
                "nested": state.nested,
                "users": sorted(state.members),
            },
        }
