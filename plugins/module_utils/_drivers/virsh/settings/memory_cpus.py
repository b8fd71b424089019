# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: memory and CPUs with their maxima, and nested virtualization.

A running VM can be changed up to its maximum immediately, beyond it only at the next start. A maximum is reported only
if it is larger than the value; otherwise it is changed together with the value.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ...._core.errors import Refused
from ...._core.model import LIVE, NEXT_BOOT
from ...._core.units import GIB, KIB, MIB, human_size
from ...._kit.settings import Setting
from ...._ports import files
from .architecture import row_of

#: {option: option for its maximum}, and the reverse.
_MAXIMUM_OF = {"cpus": "max_cpus", "memory": "max_memory"}
_VALUE_OF = {maximum: value for value, maximum in _MAXIMUM_OF.items()}

# Normalizing --------------------------------------------------------------------------------------------------------


def _in_kib(vm, size):
    """Memory in bytes, rounded up to KiB, as libvirt stores it."""
    return -(-size // KIB) * KIB


def normalize_maxima(vm, config):
    """``config`` with each maximum None if it equals the value."""
    normalized = dict(config)
    for name, maximum in _MAXIMUM_OF.items():
        value = normalized.get(name) or vm.config.get(name) or MEMORY_CPUS[name].default
        requested, present = normalized.get(maximum), vm.config.get(maximum)
        if requested is not None and requested < value:
            raise _maximum_too_low(vm, name, requested, value)
        if requested == value or (requested is None and present is not None and value >= present):
            normalized[maximum] = None
    return normalized


def _maximum_too_low(vm, name, requested, value):
    show = human_size if name == "memory" else str
    return Refused(
        f"{vm.name}: {_MAXIMUM_OF[name]}: {show(requested)} is less than {name}, which is {show(value)}.",
        f"Set {_MAXIMUM_OF[name]} to at least {show(value)}, or reduce {name}.",
    )


# Costs --------------------------------------------------------------------------------------------------------------


def _cost_of_value(vm, change):
    """The cost of changing CPUs or memory.

    CPUs cannot be removed from a running VM; the balloon can increase and reduce its memory.
    """
    name, maximum_name = change.field, _MAXIMUM_OF[change.field]
    running = (vm.active or {}).get(name)
    if running is None or change.new > _running_maximum(vm, name):
        return NEXT_BOOT
    if name == "cpus" and (change.new < running or not row_of(vm.config).plugs_cpus):
        return NEXT_BOOT
    # The maximum of a running VM cannot change. Without a larger maximum, it would have to change with the value.
    maximum = change.beside.get(maximum_name, vm.config.get(maximum_name)) or change.new
    is_unchanged = maximum == (vm.config.get(maximum_name) or vm.config.get(name))
    return LIVE if is_unchanged or maximum > change.new else NEXT_BOOT


def _cost_of_maximum(vm, change):
    """The cost of changing a maximum: live only if the running VM already has it, so that nothing is to be done."""
    name = _VALUE_OF[change.field]
    maximum, running_maximum = change.new or change.beside.get(name, vm.config.get(name)), _running_maximum(vm, name)
    has_none = change.new is None and vm.active is not None and vm.active.get(name) == running_maximum
    return LIVE if maximum == running_maximum or has_none else NEXT_BOOT


def _running_maximum(vm, name):
    """The maximum with which the VM runs, or None if it does not run."""
    running = vm.active or {}
    return running.get(_MAXIMUM_OF[name]) or running.get(name)


# Reading ------------------------------------------------------------------------------------------------------------


def read_max_cpus(definition):
    return _if_larger(_max_cpus(definition), definition.cpus)


def read_max_memory(definition):
    return _if_larger(definition.max_memory, definition.memory)


def _if_larger(maximum, value):
    """A maximum as it is reported: None if it is not larger than the value."""
    return maximum if maximum is not None and maximum > value else None


def _max_cpus(definition):
    return int(definition.get("vcpu"))


def has_added_cpus(root):
    """Whether a running VM has CPUs that were not there when it started; ``root`` is its domain element."""
    return any(cpu.get("enabled") == cpu.get("hotpluggable") == "yes" for cpu in root.iterfind("vcpus/vcpu"))


def align_maxima(config, active, stored, running):
    """Remove differences from ``active`` that are no changes waiting for the next start.

    Equal maxima are reported as equal. The running VM's memory is reported without the balloon: the guest controls its
    size.
    ``config`` and ``active`` were read from the definitions ``stored`` and ``running``.
    """
    if _max_cpus(stored) == _max_cpus(running):
        active["max_cpus"] = config["max_cpus"]
    maximum = running.max_memory
    if stored.max_memory == maximum or (config["max_memory"] and config["memory"] <= maximum):
        active.update({"memory": config["memory"], "max_memory": _if_larger(maximum, config["memory"])})


# Changing -----------------------------------------------------------------------------------------------------------


def check_fixed_maximum(definition, change):
    """Reject a value that a CPU topology or NUMA cells rule out: libvirt would reject it, or store another one.

    ``change`` is of a value or a maximum.
    """
    name = _VALUE_OF.get(change.field, change.field)
    if not _has_fixed_maximum(definition, name):
        return
    allowed, value = _maximum_and_value(definition, name)
    requested = change.new or change.beside.get(name) or value
    if requested <= allowed and (change.field == name or requested == allowed):
        return
    if name == "cpus":
        raise Refused(
            f"{definition.name}: its CPU topology allows {allowed} CPUs, not {requested}.",
            "Change the topology through native first (cpu/topology@sockets ...).",
        )
    raise Refused(
        f"{definition.name}: {change.field}: its NUMA cells and memory devices have {human_size(allowed)}, not"
        f" {human_size(requested)}.",
        "Change the cells through native first (cpu/numa/cell[@id='0']@memory ...).",
    )


def _has_fixed_maximum(definition, name):
    return definition.root.find({"cpus": "cpu/topology", "memory": "cpu/numa/cell"}[name]) is not None


def _maximum_and_value(definition, name):
    if name == "cpus":
        return _max_cpus(definition), definition.cpus
    return definition.max_memory, definition.memory


def write_cpus(definition, change):
    _set_cpus(definition, change.new, _new_maximum(definition, change))


def write_max_cpus(definition, change):
    check_fixed_maximum(definition, change)
    _set_cpus(definition, definition.cpus, change.new or definition.cpus)


def _set_cpus(definition, count, maximum):
    vcpu, cpu_list = definition.root.find("vcpu"), definition.root.find("vcpus")
    vcpu.attrib.pop("current", None)
    if maximum > count:
        vcpu.set("current", str(count))
    vcpu.text = str(maximum)
    if cpu_list is not None:
        # It lists each CPU with its state, which would contradict the new number.
        definition.root.remove(cpu_list)


def write_memory(definition, change):
    _set_memory(definition, change.new, _new_maximum(definition, change))


def _new_maximum(definition, change):
    """The maximum beside a new value: it changes together with the value, unless it is larger or fixed."""
    check_fixed_maximum(definition, change)
    maximum, value = _maximum_and_value(definition, change.field)
    keeps_maximum = _has_fixed_maximum(definition, change.field) or _if_larger(maximum, value) is not None
    return max(maximum, change.new) if keeps_maximum else change.new


def write_max_memory(definition, change):
    check_fixed_maximum(definition, change)
    _set_memory(definition, definition.memory, change.new or definition.memory)


def _set_memory(definition, size, maximum):
    for path, value in (("memory", maximum + definition.persistent_memory), ("currentMemory", size)):
        definition.set(path, str(value // KIB)).set("unit", "KiB")


# Changing a running VM ----------------------------------------------------------------------------------------------


def write_live_memory(driver, vm, running, change):
    """Set the size of the balloon. The result is not checked, because the guest releases memory when it can."""
    driver.virsh.run("setmem", vm.id, f"{change.new // KIB}KiB", "--live")


#: A maximum comes after the value that it limits.
MEMORY_CPUS = {
    "cpus": Setting(
        cost=_cost_of_value,
        minimum=1,
        default=2,
        read=lambda definition: definition.cpus,
        write=write_cpus,
        write_live=lambda driver, vm, running, change: driver.virsh.run("setvcpus", vm.id, str(change.new), "--live"),
        native=(r"vcpu(?![\w])", r"vcpus($|/vcpu(@enabled)?$)"),
    ),
    "memory": Setting(
        cost=_cost_of_value,
        minimum=MIB,
        default=2 * GIB,
        read=lambda definition: definition.memory,
        normalize=_in_kib,
        write=write_memory,
        write_live=write_live_memory,
        native=(r"(memory|currentMemory)(?![\w])",),
    ),
    "max_cpus": Setting(cost=_cost_of_maximum, read=read_max_cpus, write=write_max_cpus),
    "max_memory": Setting(cost=_cost_of_maximum, read=read_max_memory, normalize=_in_kib, write=write_max_memory),
}


# Nested virtualization ------------------------------------------------------------------------------------------------

#: The CPU feature for virtualization, by kernel module of KVM.
_FEATURES = {"kvm_amd": "svm", "kvm_intel": "vmx"}
_MODULES = "/sys/module"
#: Policies of a CPU feature with which the guest has it.
_ENABLING_POLICIES = ("require", "force")


def read_nested(definition):
    """Whether nested virtualization is on; None if the definition leaves it to the CPU model and the host."""
    features = definition.root.findall("cpu/feature")
    policies = [one.get("policy", "require") for one in features if one.get("name") in _FEATURES.values()]
    definite = [policy for policy in policies if policy != "optional"]
    return any(policy in _ENABLING_POLICIES for policy in definite) if definite else None


def write_nested(definition, change):
    cpu_element = definition.root.find("cpu")
    if cpu_element is None:
        cpu_element = ET.SubElement(definition.root, "cpu")
    if cpu_element.find("model") is None and cpu_element.get("mode", "custom") == "custom":
        # Features need a CPU model; host-passthrough has all features of the host, like that of new VMs.
        cpu_element.attrib.clear()
        cpu_element.set("mode", "host-passthrough")
    for feature in cpu_element.findall("feature"):
        if feature.get("name") in _FEATURES.values():
            cpu_element.remove(feature)
    policy = "require" if change.new else "disable"
    ET.SubElement(cpu_element, "feature", {"policy": policy, "name": _FEATURES[_module()]})


def _module():
    """The loaded kernel module of KVM, or None."""
    return next((module for module in _FEATURES if files.exists(f"{_MODULES}/{module}")), None)


def check_nested(name, virt_type, requested):
    """Reject nested virtualization if the VM's type or the host's kernel does not support it."""
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
    if requested and files.read(f"{_MODULES}/{module}/parameters/nested").strip() not in (b"1", b"Y"):
        raise Refused(
            f"{name}: nested_virtualization is disabled in the kernel module {module} of this host.",
            f"Write 'options {module} nested=1' to a file in /etc/modprobe.d, and reload the module.",
        )


NESTED = {
    "nested_virtualization": Setting(
        read=read_nested, write=write_nested, native=(r"cpu/feature\[@name=.(svm|vmx).\]",)
    )
}
