# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Hyper-V of Windows Server 2016 and Windows 10 1607 (build 14393) lacks.

The parameters were read in a list of commands of a machine of build 14393. The recorded signatures are of 2020; that
later releases have the same, and that only this one lacks the properties below, is assumed: no list of them was found.
"""

from __future__ import annotations

from dataclasses import replace

SERVER_2016, SERVER_2022, WINDOWS_11 = 14393, 20348, 22631
#: {command: parameters that were added between build 14393 and 2020}
ADDED = {
    "Add-VMAssignableDevice": ("VirtualFunction",),
    "Add-VMHostAssignableDevice": ("Force",),
    "Add-VMNetworkAdapter": ("NumaAwarePlacement",),
    "Convert-VHD": ("AddressAbstractionType",),
    "New-VHD": ("AddressAbstractionType", "DataAlignmentBytes"),
    "New-VMSwitch": ("Id",),
    "Restart-VM": ("Type",),
    "Set-VM": ("AutomaticCheckpointsEnabled", "BatteryPassthroughEnabled", "EnhancedSessionTransportType"),
    "Set-VMNetworkAdapter": (
        "InterruptModeration", "MediaType", "NumaAwarePlacement", "VrssExcludePrimaryProcessor",
        "VrssIndependentHostSpreading", "VrssMaxQueuePairs", "VrssMinQueuePairs", "VrssQueueSchedulingMode",
        "VrssVmbusChannelAffinityPolicy",
    ),
    "Set-VMNetworkAdapterTeamMapping": ("DisableOnFailover",),
    "Set-VMProcessor": ("AllowACountMCount", "EnableLegacyApicMode", "Perfmon"),
    "Set-VMSecurityPolicy": ("BindToHostTpm",),
    "Set-VMSwitch": (
        "DefaultQueueVrssExcludePrimaryProcessor", "DefaultQueueVrssMaxQueuePairs", "DefaultQueueVrssMinQueuePairs",
        "DefaultQueueVrssQueueSchedulingMode", "EnableSoftwareRsc",
    ),
}  # fmt: skip
#: Properties of VMs and checkpoints that build 14393 lacks (assumed from the parameters and from WMI).
PROPERTIES = {*ADDED["Set-VM"], "IsAutomaticCheckpoint"}
#: The template of Secure Boot that came with Windows Server 1709 (that its name is unknown before is assumed).
NEW_TEMPLATE = "OpenSourceShieldedVM"


def as_of(command, build):
    """The command as a release of Windows has it."""
    added = ADDED.get(command.name, ()) if build <= SERVER_2016 else ()
    if not added:
        return command
    left = {name: one for name, one in command.signature["parameters"].items() if name not in added}
    return replace(command, signature={**command.signature, "parameters": left})
