# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs in VMs with KVM: the parameter ``nested`` of its kernel modules, and the file of modprobe that sets it."""

from __future__ import annotations

import re

PATH = "/etc/modprobe.d/polyvirt-kvm.conf"
PARAMETERS = ("/sys/module/kvm_intel/parameters/nested", "/sys/module/kvm_amd/parameters/nested")
#: Values of PARAMETERS while nesting is enabled.
ENABLED = ("Y", "1")
_OPTION = re.compile(r"^options kvm_\w+ nested=([01])$", re.M)


def text(is_enabled):
    """Return the content of the file; the module that the host does not have is ignored."""
    lines = [f"options {module} nested={is_enabled:d}" for module in ("kvm_intel", "kvm_amd")]
    return "\n".join(["# Written by the role polyvirt.core.libvirt_host.", *lines, ""])


def parse(content):
    """Return whether the file enables nesting; None without a file, or without such an option in it."""
    found = _OPTION.search(content or "")
    return None if found is None else found.group(1) == "1"
