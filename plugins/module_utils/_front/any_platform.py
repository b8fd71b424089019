# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for any platform: their options. Their action plugins pass a task on to the platform's module."""

from __future__ import annotations

from .._core.errors import InvalidInput
from .._core.options.option import APPROVAL, CONNECTION, Option
from .declaration import Declaration

#: The names of the platforms. Which modules each has is in plugin_utils/tasks/registry.py.
PLATFORM_NAMES = ("libvirt", "virtualbox", "vagrant", "proxmox", "vmd", "hyperv", "wsl")

OPTIONS = {
    "platform": Option(choices=PLATFORM_NAMES, role=CONNECTION),
    "options": Option("dict", role=CONNECTION, secret=True),
}


def declaration(shared):
    """The Declaration of such a module, with the ``shared`` options."""
    return on_controller({**OPTIONS, **shared})


def changing_declaration(shared):
    """The Declaration of such a module that can change something."""
    return on_controller({**OPTIONS, **shared}, can_change=True)


def on_controller(options, can_change=False):
    """The Declaration of a module with these options that its action plugin carries out. It never runs as a module."""
    approval = APPROVAL if can_change else {}
    return Declaration({**options, **approval}, _answer, can_change=can_change)


def _answer(_params, _check, _approval=None):
    raise InvalidInput("This module runs on the controller only.", "Call it by its full name, as a task of a playbook.")
