# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that providers give the VMs of a project: two projects can lead to one name."""

from __future__ import annotations

import os
import re

from ..._core.errors import Refused

_NOT_IN_DOMAINS = re.compile(r"[^-a-z0-9_.]", re.IGNORECASE)
_KEYS = {"virtualbox": "name", "hyperv": "vmname"}


def provider_name(project, name, provider, native):
    """The name of a VM at its provider, as far as it follows from its description; None if Vagrant invents it."""
    if provider == "libvirt":
        prefix = native.get("default_prefix")
        prefix = f"{os.path.basename(project.folder.rstrip('/'))}_" if prefix is None else str(prefix)
        return None if native.get("random_hostname") else _NOT_IN_DOMAINS.sub("", f"{prefix}{name}")
    return native.get(_KEYS[provider]) if provider in _KEYS else None


def check_name_is_free(driver, plan):
    """Reject the first start of a VM if its provider has a VM, or a disk, of its name already."""
    project_vm = driver.project_vm(plan.after.name)
    config = plan.after.config
    if project_vm.created is not None or project_vm.begun or not config.get("provider"):
        return
    native = config.get("native") or {}
    name = provider_name(driver.project, plan.after.name, config["provider"], native)
    provider_tool = driver.tool_of_new(config["provider"], native)
    found = provider_tool.named(name) if name and provider_tool is not None else None
    if found:
        raise Refused(
            f"{plan.after.name}: {config['provider']} has a {found} '{name}' already, which does not belong to this"
            " project, and Vagrant would give the VM this name.",
            "Use another name, or a project_dir whose last part is unique, or delete the other one first.",
        )
