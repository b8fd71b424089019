# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which action plugin runs a module: ``plugin_routing`` of meta/runtime.yml."""

from __future__ import annotations

#: {module: the one whose action plugin runs it}; those of platforms follow from their names.
SAME_ACTION = {"image_info": "image", "vm_backup_info": "image", "install_medium": "virsh_vm_info"}
#: Platforms whose modules send calls to a Windows host.
ON_WINDOWS = ("hyperv", "wsl")


def routing_lines(groups, registry):
    """Return the lines of ``plugin_routing``; ``groups`` are {platform, or "all": names of its modules}."""
    managing = {name for one in registry.values() for about, name in one.modules.items() if about != "vm_info"}
    routes = dict(SAME_ACTION)
    for platform in groups.keys() - {"all"}:
        action = "hyperv_vm" if platform in ON_WINDOWS else "virsh_vm"
        # AWX counts the VMs in a result by the name of the action plugin (extensions/audit/event_query.yml).
        routes.update({name: action if name in managing else f"{action}_info" for name in groups[platform]})
    lines = ["plugin_routing:", "  modules:"]
    for name in sorted(name for name, action in routes.items() if name != action):
        lines += [f"    {name}:", f"      action_plugin: polyvirt.core.{routes[name]}"]
    return lines
