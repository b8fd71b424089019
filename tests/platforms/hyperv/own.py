# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and errors that only Hyper-V has."""

from __future__ import annotations

from suite.scenarios.refusals import Refused


def settings():
    """Settings that only this platform has, or with values of its own, as in ``scenarios.options``."""
    return {
        "nested_virtualization": ((True, True), (False, False)),
        "boot_order": ((["network", "disk"], ["network", "disk"]), (["disk", "network"], ["disk", "network"])),
        "dynamic_memory": ((False, False), (True, True)),
        "checkpoint_type": (("standard", "Standard"), ("production_only", "ProductionOnly")),
        "automatic_checkpoints": ((True, True), (False, False)),
        "stop_action": (("turn_off", "TurnOff"), ("shut_down", "ShutDown")),
        "integration_services": (({"vss": False}, False), ({"vss": True}, True)),
    }


def refusals(platform, known, new):
    """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
    change, made = {"name": [known]}, {**platform.creation, "name": [new]}
    gone = "C:\\nowhere\\no.vhdx"
    return [
        Refused("shrink", {**change, "disks": [{"size": "8M"}]}, (known, "16M", "8M", "at least 16M")),
        Refused("no image", {**made, "image": {"source": gone}}, (new, gone, "does not exist")),
        Refused("relative image", {**made, "image": {"source": "x.vhdx"}}, ("image", "x.vhdx", "absolute path")),
        Refused("no disk", {**change, "disks": [{"slot": "SCSI 0:1", "source": gone}]}, (known, gone, "path")),
        Refused("no iso", {**change, "iso": "C:\\no.iso"}, (known, "C:\\no.iso", "does not exist")),
        Refused("no folder", {**made, "storage_path": "C:\\nowhere"}, ("storage_path", "C:\\nowhere", "Create it")),
        Refused("no space", {**made, "disks": [{"size": "9T", "format": "vhdx-fixed"}]}, (new, "free space", "C:")),
        Refused("slot", {**change, "disks": [{"slot": "vda", "size": "1G"}]}, (known, "vda", "SCSI 0:1")),
        Refused("IDE", {**change, "disks": [{"slot": "IDE 0:0", "size": "1G"}]}, (known, "IDE 0:0", "SCSI 0:0")),
        Refused("firmware", {**change, "firmware": "bios"}, (known, "firmware", "delete the VM yourself first")),
        Refused("tpm", {**made, "firmware": "bios", "tpm": True}, (new, "tpm", "generation 1")),
        Refused("no switch", {**change, "networks": [{"source": "lna"}]}, (known, "lna", "lan")),
        Refused("no default switch", {**change, "networks": [{"type": "nat"}]}, (known, "default switch", "lan")),
        Refused("memory", {**change, "memory": "65M"}, (known, "memory", "multiple of 2M")),
        Refused("dynamic", {**change, "dynamic_memory": True, "nested_virtualization": True}, (known, "together")),
        Refused("limits", {**change, "dynamic_memory": True, "minimum_memory": "4G"}, (known, "minimum_memory", "4G")),
        Refused("many CPUs", {**change, "cpus": 99}, (known, "cpus", "only 16")),
        Refused("native", {**change, "native": {"VM.Color": 1}}, (known, "VM.Color", "Memory.Priority")),
        Refused("native value", {**change, "native": {"Memory.Priority": "x"}}, (known, "Memory.Priority", "number")),
        Refused("dashes", {**change, "native": {"Memory.Priority": "--5"}}, (known, "Memory.Priority", "number")),
        Refused("digit", {**change, "native": {"Memory.Priority": "²"}}, (known, "Memory.Priority", "number")),
        Refused("digits", {**change, "native": {"Memory.Priority": "9" * 30}}, (known, "Memory.Priority", "number")),
        Refused("weight", {**change, "native": {"Processor.RelativeWeight": 0}}, (known, "1 to 10000")),
        Refused("buffer", {**change, "native": {"Memory.Buffer": 99999}}, (known, "Memory.Buffer", "from 5 to 2000")),
        Refused("boot twice", {**change, "boot_order": ["disk", "disk"]}, ("boot_order", "disk", "twice", "once")),
        Refused("no boot order", {**change, "boot_order": []}, ("boot_order", "empty", "omit")),
        Refused("tiny disk", {**made, "disks": [{"size": "1M"}]}, (new, "SCSI 0:0", "1M", "3M")),
        Refused("large disk", {**made, "disks": [{"size": "100T"}]}, (new, "SCSI 0:0.size", "100T", "64T")),
        Refused("large vhd", {**made, "disks": [{"size": "3T", "format": "vhd"}]}, (new, "SCSI 0:0.size", "2040G")),
        Refused("grown", {**change, "disks": [{"size": "100T"}]}, (known, "SCSI 0:0.size", "100T", "64T")),
        Refused(
            "native firmware",
            {**made, "firmware": "bios", "native": {"Firmware.ConsoleMode": "COM1"}},
            (new, "native.Firmware.ConsoleMode", "generation 1"),
        ),
        Refused("long name", {**made, "name": ["pvc-" + "x" * 100]}, ("100 characters", "another name")),
    ]  # fmt: skip
