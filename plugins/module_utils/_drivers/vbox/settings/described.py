# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: what a VM has besides the settings of options and native, to describe it.

The settings file has no default values, so all that is in it and not known here is named.
"""

from __future__ import annotations

import re

from .port_forwards import undescribed_forwards

#: What options and native set, what VirtualBox chooses for each VM, and what it writes for a new one.
_KNOWN = re.compile(
    "|".join(
        (
            r"@(OSType|currentSnapshot|executionEngine|lastStateChange|name|snapshotFolder|uuid|stateFile|aborted"
            r"|currentStateModified|directoryIncludesUUID|processPriority)=.*",
            r"(Groups/Group@|Autostart\b|Groups@).*",
            r"Hardware(/\w+)?",
            r"Hardware/(GuestProperties|SharedFolders|Boot|Paravirt|RemoteDisplay@(enabled|authType=Null))\b.*",
            r"Hardware/(AudioAdapter@(driver|enabled|enabledIn|enabledOut|useDefault)|HID@\w+)=.*",
            r"Hardware/(BIOS|Firmware)(@type|/(ACPI|APIC|BootMenu|IOAPIC|NVRAM|SmbiosUuidLittleEndian|TimeOffset)@\w+"
            r"|/AutoSerialNumGen@\w+|/NVRAM@path)=.*",
            r"(Hardware|Platform/x86)/CPU(@(count|executionCap|CPUIDPortabilityLevel|CpuProfile)|/(PAE|LongMode|X2APIC"
            r"|HardwareVirtEx\w*|NestedHWVirt)@enabled)=.*",
            r"Hardware/(Clipboard|DragAndDrop|Chipset|IOMMU|HPET)@(mode|type|enabled)=.*",
            r"Hardware/Display@(VRAMSize|controller|monitorCount|accelerate3D)=.*",
            r"Hardware/Memory@RAMSize=.*",
            r"Hardware/Network/Adapter@(MACAddress|cable|enabled|promiscuousModePolicy|bootPriority|slot|type)=.*",
            r"Hardware/Network/Adapter/(DisabledModes|NAT/Forwarding|NAT@localhost-reachable=true)\b.*",
            r"Hardware/Network/Adapter/(BridgedInterface|InternalNetwork|HostOnlyInterface|NATNetwork)@name=.*",
            r"Hardware/Network/Adapter/NAT",
            r"(Hardware/)?StorageControllers/StorageController@(\w+EmulationPort|Bootable|PortCount|name|type"
            r"|useHostIOCache)=.*",
            r"(Hardware/)?StorageControllers/StorageController/AttachedDevice(/Image@uuid=.*|@(device|port|type)=.*"
            r"|@(hotpluggable|passthrough|nonrotational|tempeject)=false)?",
            r"Hardware/TrustedPlatformModule@(location=|type=(v2_0|None))",
            r"Hardware/UART/Port(@(slot=0|enabled=true|IO(Address|Base)=0x0?3f8|IRQ=4|hostMode=RawFile|path=.*))?",
            r"Hardware/USB/Controllers/Controller@(name|type)=.*",
            r"Platform(@architecture=.*|/(Chipset|IOMMU)@type=.*|/RTC@localOrUTC=.*|/CPU|/x86/HPET@enabled=.*|/x86)?",
            r"Hardware/(RTC|CPU/RTC)@localOrUTC=.*",
        )
    ),
    re.S,
)
#: What is described elsewhere, or belongs to other times.
_OTHERS = ("Snapshot", "MediaRegistry", "ExtraData", "Description")


def not_modelled(vbox_vm):
    """{path in the settings file, or what VBoxManage calls it: reason} of what no option sets."""
    found = {} if vbox_vm.file is None else dict.fromkeys(_unknown(vbox_vm.file.machine), _REASON)
    return {**found, **undescribed_forwards(vbox_vm)}


_REASON = "Neither an option nor native sets it."


def _unknown(element, path=""):
    """The paths of what is not known of an element; its own path if nothing of it is known."""
    found, is_known = [], False
    for name, value in element.attrib.items():
        if _is_known(f"{path}@{name}={value}"):
            is_known = True
        else:
            found.append(f"{path}@{name}")
    for below, child in _children(element, path):
        unknown = _unknown(child, below)
        is_known = is_known or unknown != [below]
        found += unknown
    is_empty = not (element.attrib or len(element)) and not _is_known(path)
    return [path] if is_empty or (found and path and not is_known) else found


def _is_known(part):
    return bool(_KNOWN.fullmatch(re.sub(_NUMBER, "", part)))


def _children(element, path):
    """Yield (path, child); children of one name have numbers."""
    names = [child.tag.rpartition("}")[2] for child in element]
    for number, (name, child) in enumerate(zip(names, element)):
        if name not in _OTHERS:
            place = f"[{names[: number + 1].count(name)}]" if names.count(name) > 1 else ""
            yield (f"{path}/{name}{place}" if path else f"{name}{place}"), child


_NUMBER = r"\[\d+\]"
