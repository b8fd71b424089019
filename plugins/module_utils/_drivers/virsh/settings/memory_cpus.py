# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and CPUs, each up to a maximum, and CPUs that can run VMs themselves.

Up to its maximum a running VM changes immediately, beyond it at its next start. A maximum is reported only if it is
larger than the value. Otherwise it changes together with the value.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ...._lifecycle.errors import Refused
from ...._lifecycle.model import LIVE, NEXT_BOOT, Field
from ...._lifecycle.units import GIB, KIB, MIB, human_size
from ...._ports import files

#: A value, and the option for its maximum.
_MAXIMUM_OF = {"cpus": "max_cpus", "memory": "max_memory"}
_VALUE_OF = {most: value for value, most in _MAXIMUM_OF.items()}
#: Defaults of a new VM.
MEMORY_CPUS_DEFAULTS = {"cpus": 2, "memory": 2 * GIB}


# Asking -------------------------------------------------------------------------------------------------------------


def normalize_maxima(vm, config):
    """``config`` with sizes in libvirt's unit, and each maximum as it is read back: None if it equals the value."""
    normalized = {name: _counted(name, value) for name, value in config.items()}
    for name, most in _MAXIMUM_OF.items():
        value = normalized.get(name) or vm.config.get(name) or MEMORY_CPUS_DEFAULTS[name]
        requested, present = normalized.get(most), vm.config.get(most)
        if requested is not None and requested < value:
            raise _too_low(vm, name, requested, value)
        if requested == value or (requested is None and present is not None and value >= present):
            normalized[most] = None
    return normalized


def _counted(name, value):
    return -(-value // KIB) * KIB if name in ("memory", "max_memory") else value


def _too_low(vm, name, requested, value):
    show = human_size if name == "memory" else str
    return Refused(
        f"{vm.name}: {_MAXIMUM_OF[name]}: {show(requested)} is less than {name}, which is {show(value)}.",
        f"Set {_MAXIMUM_OF[name]} to at least {show(value)}, or reduce {name}.",
    )


# Costs --------------------------------------------------------------------------------------------------------------


def _cost_of_value(vm, change):
    """CPUs cannot be removed from a running VM; its memory can be changed with the balloon in both directions."""
    name, most = change.field, _MAXIMUM_OF[change.field]
    running = (vm.active or {}).get(name)
    if running is None or change.new > _runs_up_to(vm, name) or (name == "cpus" and change.new < running):
        return NEXT_BOOT
    # Without a larger maximum, the maximum changes too, which is not possible in a running VM.
    maximum = change.beside.get(most, vm.config.get(most)) or change.new
    stays = maximum == (vm.config.get(most) or vm.config.get(name))
    return LIVE if stays or maximum > change.new else NEXT_BOOT


def _cost_of_maximum(vm, change):
    """Live only if nothing needs to be done: the running VM already has this maximum."""
    name = _VALUE_OF[change.field]
    maximum, runs_up_to = change.new or change.beside.get(name, vm.config.get(name)), _runs_up_to(vm, name)
    has_none = change.new is None and vm.active is not None and vm.active.get(name) == runs_up_to
    return LIVE if maximum == runs_up_to or has_none else NEXT_BOOT


def _runs_up_to(vm, name):
    running = vm.active or {}
    return running.get(_MAXIMUM_OF[name]) or running.get(name)


MEMORY_CPUS_FIELDS = {
    "cpus": Field(cost=_cost_of_value, minimum=1),
    "memory": Field(cost=_cost_of_value, minimum=MIB),
    "max_cpus": Field(cost=_cost_of_maximum),
    "max_memory": Field(cost=_cost_of_maximum),
}


# Reading ------------------------------------------------------------------------------------------------------------


def read_max_cpus(definition):
    return _room(_most_cpus(definition), definition.cpus)


def read_max_memory(definition):
    return _room(definition.max_memory, definition.memory)


def _room(most, value):
    return most if most is not None and most > value else None


def _most_cpus(definition):
    return int(definition.get("vcpu"))


def align_maxima(config, active, stored, running):
    """Report equal maxima as equal, and ignore the present size of the balloon, which the guest controls.

    ``config`` and ``active`` are what was read from the definitions ``stored`` and ``running``.
    """
    if _most_cpus(stored) == _most_cpus(running):
        active["max_cpus"] = config["max_cpus"]
    most = running.max_memory
    if stored.max_memory == most or (config["max_memory"] and config["memory"] <= most):
        active.update({"memory": config["memory"], "max_memory": _room(most, config["memory"])})


# Changing -----------------------------------------------------------------------------------------------------------


def check_processors(definition, change):
    """Reject more CPUs than a fixed CPU topology allows; ``change`` is of cpus or max_cpus."""
    room = _most_cpus(definition)
    if definition.root.find("cpu/topology") is None:
        return
    wanted = change.new or definition.cpus
    if wanted > room or (change.field == "max_cpus" and wanted != room):
        raise Refused(
            f"{definition.name}: its CPU topology allows {room} CPUs, not {wanted}.",
            "Change the topology through native first (cpu/topology@sockets ...).",
        )


def write_cpus(definition, change):
    check_processors(definition, change)
    fixed = definition.root.find("cpu/topology") is not None or read_max_cpus(definition) is not None
    _set_cpus(definition, change.new, max(_most_cpus(definition), change.new) if fixed else change.new)


def write_max_cpus(definition, change):
    check_processors(definition, change)
    _set_cpus(definition, definition.cpus, change.new or definition.cpus)


def _set_cpus(definition, count, most):
    vcpu, individual = definition.root.find("vcpu"), definition.root.find("vcpus")
    vcpu.attrib.pop("current", None)
    if most > count:
        vcpu.set("current", str(count))
    vcpu.text = str(most)
    if individual is not None:
        # It lists each CPU, and would conflict.
        definition.root.remove(individual)


def write_memory(definition, change):
    has_room = read_max_memory(definition) is not None
    _set_memory(definition, change.new, max(definition.max_memory, change.new) if has_room else change.new)


def write_max_memory(definition, change):
    _set_memory(definition, definition.memory, change.new or definition.memory)


def _set_memory(definition, size, most):
    for path, value in (("memory", most), ("currentMemory", size)):
        definition.set(path, str(value // KIB)).set("unit", "KiB")


# What runs ----------------------------------------------------------------------------------------------------------


def plug_cpus(driver, vm, running, change):
    driver.virsh.run("setvcpus", vm.id, str(change.new), "--live")


def plug_memory(driver, vm, running, change):
    """Only a request: the guest releases memory when it can, so the result is not checked."""
    driver.virsh.run("setmem", vm.id, f"{change.new // KIB}KiB", "--live")


#: The CPU feature by kernel module.
_FEATURES = {"kvm_amd": "svm", "kvm_intel": "vmx"}
_MODULES = "/sys/module"
_GIVEN = ("require", "force")


def read_nested(definition):
    """None if the definition does not contain it: then it depends on the CPU and the host."""
    features = definition.root.findall("cpu/feature")
    policies = [one.get("policy", "require") for one in features if one.get("name") in _FEATURES.values()]
    answered = [policy for policy in policies if policy != "optional"]
    return any(policy in _GIVEN for policy in answered) if answered else None


def write_nested(definition, change):
    processor = definition.root.find("cpu")
    if processor is None:
        processor = ET.SubElement(definition.root, "cpu")
    if processor.find("model") is None and processor.get("mode", "custom") == "custom":
        # Features need a CPU model; this one has all features, like that of new VMs.
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
    """Reject what the VM or the host's kernel does not support."""
    if virt_type != "kvm":
        raise Refused(
            f"{name}: nested_virtualization requires KVM, and this VM is emulated (virt_type: {virt_type}).",
            "Create the VM with virt_type: kvm, or omit the option.",
        )
    module = _module()
    if module is None:
        raise Refused(
            f"{name}: nested_virtualization: neither of the kernel modules kvm_intel and kvm_amd is loaded on this"
            " host.",
            "Omit the option.",
        )
    if wanted and files.read(f"{_MODULES}/{module}/parameters/nested").strip() not in (b"1", b"Y"):
        raise Refused(
            f"{name}: nested_virtualization is disabled in the kernel module {module} of this host.",
            f"Write 'options {module} nested=1' to a file in /etc/modprobe.d, and reload the module.",
        )
