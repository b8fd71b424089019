# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the options of a task to Hyper-V's terms, and reject values that Hyper-V does not support."""

from __future__ import annotations

from ..._core.errors import Refused
from ..._core.units import MIB, human_size
from ..._tools.windows_files import windows_path
from .mark import MARK_LINE
from .settings.disks import LARGEST, SMALLEST, normalized_slot
from .settings.native import normalized_native
from .settings.networks import normalized_networks
from .settings.table import UEFI_ONLY

_SIZES = ("memory", "minimum_memory", "maximum_memory")
_UNIT = 2 * MIB
#: The minimum_memory of a new VM.
_DEFAULT_MINIMUM = 512 * MIB


def normalized(reader, vm, config):
    """Return the options in Hyper-V's terms. Raises Refused and NotFound."""
    is_bios = _value_after(vm, config, "firmware", "uefi") == "bios"
    if is_bios:
        _check_bios(vm, config)
    _check_description(vm, config)
    config = _with_minimum(vm, config)
    _check_memory(vm, config)
    adjusted = dict(config)
    if "disks" in config:
        adjusted["disks"] = _disks(vm, config["disks"], is_bios)
    if config.get("iso"):
        adjusted["iso"] = windows_path(vm, "iso", config["iso"])
    elif config.get("iso") == "" and vm.config.get("iso") is None:
        del adjusted["iso"]  # Without a drive there is nothing to eject.
    if "networks" in config:
        switches = reader.host.switches if reader and reader.host else None
        adjusted["networks"] = normalized_networks(vm, config["networks"], switches)
    if "native" in config:
        adjusted["native"] = normalized_native(vm, config["native"])
    return adjusted


def _value_after(vm, config, option, default=None):
    """Return the value that an option has after the task."""
    if config.get(option) is not None:
        return config[option]
    current = vm.config.get(option)
    return default if current is None else current


def _check_bios(vm, config):
    for option in UEFI_ONLY:
        if config.get(option):
            raise Refused(
                f"{vm.name}: {option}: not supported with firmware: bios (generation 1).",
                f"Omit {option}, or create the VM with firmware: uefi.",
            )
    for key in config.get("native") or {}:
        if key.startswith("Firmware."):
            raise Refused(
                f"{vm.name}: native.{key}: not supported with firmware: bios (generation 1).",
                f"Omit {key}, or create the VM with firmware: uefi.",
            )


def _check_description(vm, config):
    lines = (config.get("description") or "").splitlines()
    if any(line.startswith(MARK_LINE) for line in lines):
        raise Refused(
            f"{vm.name}: description: lines that begin with '{MARK_LINE.strip()}' are reserved for this collection.",
            "Remove the line.",
        )


def _with_minimum(vm, config):
    """Lower minimum_memory together with memory: Hyper-V rejects a minimum above the startup memory."""
    is_dynamic = _value_after(vm, config, "dynamic_memory", False)
    if not is_dynamic or config.get("minimum_memory") or not {"memory", "dynamic_memory"} & set(config):
        return config
    memory, minimum = _value_after(vm, config, "memory"), vm.config.get("minimum_memory", _DEFAULT_MINIMUM)
    return {**config, "minimum_memory": memory} if memory and minimum > memory else config


def _check_memory(vm, config):
    for option in _SIZES:
        size = config.get(option)
        if size and size % _UNIT:
            raise Refused(f"{vm.name}: {option}: {human_size(size)} is not a multiple of 2M.", "Round it.")
    is_dynamic = _value_after(vm, config, "dynamic_memory", False)
    if _value_after(vm, config, "nested_virtualization", False) and is_dynamic:
        raise Refused(
            f"{vm.name}: nested_virtualization and dynamic_memory cannot be used together.",
            "Set dynamic_memory: false.",
        )
    if not is_dynamic or not {*_SIZES, "dynamic_memory"} & set(config):
        return
    minimum, memory, maximum = (
        _value_after(vm, config, option) for option in ("minimum_memory", "memory", "maximum_memory")
    )
    for low, high, options in (
        (minimum, memory, ("minimum_memory", "memory")),
        (memory, maximum, ("memory", "maximum_memory")),
    ):
        if low and high and low > high:
            raise Refused(
                f"{vm.name}: {options[0]}: {human_size(low)} is more than {options[1]} ({human_size(high)}).",
                f"Set {options[0]} to at most {human_size(high)}, or raise {options[1]}.",
            )


def _disks(vm, disks, is_bios):
    adjusted = {}
    for slot, disk in disks.items():
        slot = normalized_slot(vm, slot, is_bios)
        if slot in adjusted:
            raise Refused(f"{vm.name}: disks: slot {slot} is used twice.", "Use each slot once.")
        if disk and disk.get("source"):
            disk = {**disk, "source": windows_path(vm, f"disks.{slot}.source", disk["source"])}
            if disk.get("size") and slot not in (vm.config.get("disks") or {}):
                raise Refused(
                    f"{vm.name}: disks.{slot}.size: a disk that is attached from a file has the size of the file.",
                    "Omit size, and change it in a later task.",
                )
        _check_size(vm, slot, disk or {})
        adjusted[slot] = disk
    return adjusted


def _check_size(vm, slot, disk):
    present = (vm.config.get("disks") or {}).get(slot) or {}
    kind = (present.get("format") or disk.get("format") or "vhdx").partition("-")[0]
    most = LARGEST.get(kind, LARGEST["vhdx"])
    if disk.get("size") is not None and not SMALLEST <= disk["size"] <= most:
        smallest, largest = human_size(SMALLEST), human_size(most)
        raise Refused(
            f"{vm.name}: disks.{slot}.size: a {kind} cannot have {human_size(disk['size'])}.",
            f"Set a size from {smallest} to {largest}.",
        )
