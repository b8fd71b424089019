# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines within machines: a feature of the virtual processor, named by the vendor of the host's."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..._lifecycle.errors import Refused
from ..._ports import files

#: The feature by the module of the kernel that has it.
_FEATURES = {"kvm_amd": "svm", "kvm_intel": "vmx"}
_MODULES = "/sys/module"
_GIVEN = ("require", "force")


def read_nested(definition):
    """None where the definition does not say: it depends on the processor and on the host then."""
    features = definition.root.findall("cpu/feature")
    policies = [one.get("policy", "require") for one in features if one.get("name") in _FEATURES.values()]
    said = [policy for policy in policies if policy != "optional"]
    return any(policy in _GIVEN for policy in said) if said else None


def write_nested(definition, change):
    processor = definition.root.find("cpu")
    if processor is None:
        processor = ET.SubElement(definition.root, "cpu")
    if processor.find("model") is None and processor.get("mode", "custom") == "custom":
        # Features belong to a model; this one has them all, as new machines do.
        processor.attrib.clear()
        processor.set("mode", "host-passthrough")
    for feature in processor.findall("feature"):
        if feature.get("name") in _FEATURES.values():
            processor.remove(feature)
    policy = "require" if change.new else "disable"
    ET.SubElement(processor, "feature", {"policy": policy, "name": _FEATURES[_module()]})


def _module():
    return next((module for module in _FEATURES if files.exists(f"{_MODULES}/{module}")), None)


def check_nested(name, virt_type, wanted):
    """Refuse what neither the machine nor the host's kernel can give."""
    if virt_type != "kvm":
        raise Refused(
            f"{name}: nested_virtualization is a matter of KVM, and this machine is run by emulation ({virt_type}).",
            "Make it with virt_type: kvm, or leave the option out.",
        )
    module = _module()
    if module is None:
        raise Refused(
            f"{name}: nested_virtualization: this host has neither of the kernel modules kvm_intel and kvm_amd.",
            "Leave the option out.",
        )
    if wanted and files.read(f"{_MODULES}/{module}/parameters/nested").strip() not in (b"1", b"Y"):
        raise Refused(
            f"{name}: nested_virtualization is switched off in this host's module {module}.",
            f"Write 'options {module} nested=1' to a file in /etc/modprobe.d, and load the module anew.",
        )
