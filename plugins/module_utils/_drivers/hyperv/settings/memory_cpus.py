# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: memory and CPUs."""

from __future__ import annotations

from functools import partial

from ...._core.errors import Refused
from ...._core.model import LIVE, POWER_OFF, RUNNING, STOPPED
from ...._core.units import GIB, MIB, human_size
from .values import value

#: Windows 10 and Windows Server 2016.
_LIVE_MEMORY_SINCE = 14393
#: The limits of the dynamic memory of a new VM.
_DEFAULT_MINIMUM, _DEFAULT_MAXIMUM = 512 * MIB, 1024 * GIB
#: {option: property of a VM}
_SIZES = {"minimum_memory": "MemoryMinimum", "memory": "MemoryStartup", "maximum_memory": "MemoryMaximum"}


def value_after(vm, config, option, default=None):
    """Return the value that an option has after the task."""
    found = vm.config.get(option) if config.get(option) is None else config[option]
    return default if found is None else found


def _cost_of_memory(observer, vm, change):
    is_dynamic = vm.config.get("dynamic_memory") or change.beside.get("dynamic_memory")
    build = observer.host.build if observer and observer.host else None
    can_change_live = (build is None or build >= _LIVE_MEMORY_SINCE) and _changes_alone(vm, change)
    is_live = vm.power == STOPPED or (vm.power == RUNNING and can_change_live)
    return LIVE if is_live and not is_dynamic else POWER_OFF


def _changes_alone(vm, change):
    """Whether the task changes no ``native`` setting of the memory: one call with both fails while a VM runs."""
    found, wanted = vm.config.get("native") or {}, change.beside.get("native") or {}
    return all(found.get(key) == value for key, value in wanted.items() if key.startswith("Memory."))


def _cost_of_limit(sign, vm, change):
    """Return the cost of a limit of dynamic memory: while a VM runs, the range can become wider, but not narrower.

    ``sign`` is 1 for the maximum and -1 for the minimum.
    """
    is_wider = change.old is not None and (change.new - change.old) * sign >= 0
    return LIVE if vm.power == STOPPED or (vm.power == RUNNING and is_wider) else POWER_OFF


def with_minimum(vm, config):
    """Lower minimum_memory together with memory: Hyper-V rejects a minimum above the startup memory."""
    is_dynamic = value_after(vm, config, "dynamic_memory", False)
    if not is_dynamic or config.get("minimum_memory") or not {"memory", "dynamic_memory"} & set(config):
        return config
    memory, minimum = value_after(vm, config, "memory"), vm.config.get("minimum_memory", _DEFAULT_MINIMUM)
    return {**config, "minimum_memory": memory} if memory and minimum > memory else config


def check_memory(vm, config):
    is_dynamic = value_after(vm, config, "dynamic_memory", False)
    if is_dynamic and value_after(vm, config, "nested_virtualization", False):
        raise Refused(
            f"{vm.name}: nested_virtualization and dynamic_memory cannot be used together.",
            "Set dynamic_memory: false.",
        )
    if not is_dynamic or not {*_SIZES, "dynamic_memory"} & set(config):
        return
    sizes = [(option, value_after(vm, config, option)) for option in _SIZES]
    for (option, low), (larger_option, high) in zip(sizes, sizes[1:]):
        if low and high and low > high:
            raise Refused(
                f"{vm.name}: {option}: {human_size(low)} is more than {larger_option} ({human_size(high)}).",
                f"Set {option} to at most {human_size(high)}, or raise {larger_option}.",
            )


def with_current_sizes(raw, values):
    """Add the current sizes of dynamic memory: Hyper-V compares them, so one call has to set all of them."""
    if not values.get("dynamic_memory", raw.get("DynamicMemoryEnabled")) or not set(_SIZES) & set(values):
        return values
    return {**{name: raw[property_] for name, property_ in _SIZES.items() if raw.get(property_)}, **values}


def _size(parameter, option, **more):
    return value("Set-VMMemory", parameter, "VM", _SIZES[option], minimum=32 * MIB, whole=2 * MIB, **more)


_NESTED = "ExposeVirtualizationExtensions"
MEMORY_CPUS = {
    "memory": _size("StartupBytes", "memory", cost_with=_cost_of_memory, default=2 * GIB),
    "dynamic_memory": value("Set-VMMemory", "DynamicMemoryEnabled", cost=POWER_OFF),
    "minimum_memory": _size("MinimumBytes", "minimum_memory", cost=partial(_cost_of_limit, -1), unset=_DEFAULT_MINIMUM),
    "maximum_memory": _size("MaximumBytes", "maximum_memory", cost=partial(_cost_of_limit, 1), unset=_DEFAULT_MAXIMUM),
    "cpus": value("Set-VMProcessor", "Count", "VM", "ProcessorCount", cost=POWER_OFF, default=2),
    "nested_virtualization": value("Set-VMProcessor", _NESTED, "Processor", cost=POWER_OFF),
}
