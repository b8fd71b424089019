# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create data for role vm: the names of the platforms, and the connection options of each."""

from __future__ import annotations


def choices(platforms):
    """Return the choices of ``vm_platform`` in the role's argument specs; other entry points refer to the anchor."""
    return ["        choices: &platforms", *(f"          - {name}" for name in platforms)]


def connection_options(platforms, import_module, shared):
    """Return {platform: names of connection options} as lines: options that the vm and the info module both have."""
    lines = ["__vm_connection_options:"]
    for platform, registered in platforms.items():
        vm, info = (import_module(f"modules.{name}").MODULE.options for name in (registered.vm, registered.vm_info))
        both = [name for name in set(vm) & set(info) - set(shared) if not vm[name].hidden]
        names = sorted(word for name in both for word in (name, *vm[name].aliases))
        lines += [f"  {platform}:", *(f"    - {name}" for name in names)] if names else [f"  {platform}: []"]
    return lines


def options_of_task(options):
    """Return the options of a task as a whole that users set, as a line; entries of ``machines`` cannot set them."""
    names = sorted(name for name in options.OF_TASK if name != "machines" and not options.VM[name].hidden)
    return [f"__vm_of_task: [{', '.join(names)}]"]
