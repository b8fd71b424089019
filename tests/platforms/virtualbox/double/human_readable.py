# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The human-readable output of ``showvminfo`` and ``list --long vms``."""

from __future__ import annotations

from .file import is_readable
from .machine_readable import moment, nvram_of, secure_boot_of
from .registry import ON, folder_of

_STATES = {"poweroff": "powered off", "gurumeditation": "guru meditation",
           "teleportingin": "teleporting (incoming)"}  # fmt: skip
_BOOT = {"disk": "HardDisk", "dvd": "DVD", "floppy": "Floppy", "net": "Network", "none": "Not Assigned"}
_MENUS = {"messageandmenu": "message and menu", "menuonly": "menu only"}
_CARDS = {"vboxvga": "VBoxVGA", "vmsvga": "VMSVGA", "vboxsvga": "VBoxSVGA", "null": "Null"}
_PROVIDERS = {"kvm": "KVM", "hyperv": "HyperV"}
_POINTERS = {"ps2mouse": "PS/2 Mouse", "usbmouse": "USB Mouse", "usbtablet": "USB Tablet",
             "usbmultitouch": "USB Multi-Touch"}  # fmt: skip
_KEYBOARDS = {"ps2kbd": "PS/2 Keyboard", "usbkbd": "USB Keyboard"}
_ATTACHED = {
    "nat": "NAT",
    "null": "none",
    "bridged": "Bridged Interface '{bridgeadapter}'",
    "intnet": "Internal Network '{intnet}'",
    "hostonly": "Host-only Interface '{hostonlyadapter}'",
    "natnetwork": "NAT Network '{nat-network}'",
}
# {label: key} in the order of the output; values are "enabled" or "disabled".
_SWITCHES_1 = {"HPET": "hpet", "PAE": "pae", "Long Mode": "longmode", "Triple Fault Reset": "triplefaultreset",
               "APIC": "apic", "X2APIC": "x2apic", "Nested VT-x/AMD-V": "nested-hw-virt"}  # fmt: skip
_SWITCHES_2 = {"Hardware Virtualization": "hwvirtex", "Nested Paging": "nestedpaging", "Large Pages": "largepages",
               "VT-x VPID": "vtxvpid", "VT-x Unrestricted Exec.": "vtxux",
               "AMD-V Virt. Vmsave/Vmload": "virtvmsavevmload"}  # fmt: skip
_ON_SLOTS = {"hot-pluggable": ", hot-pluggable", "nonrotational": ", non-rotational (SSD)",
             "discard": ", discards unused blocks"}  # fmt: skip
_SWITCHES_3 = {"OHCI USB": "usb", "EHCI USB": "ehci", "xHCI USB": "xhci"}


def human_readable(registry, machine, os_type):
    """The lines of one VM; an inaccessible one has only a few."""
    if not is_readable(machine):
        rows = {"Name": "<inaccessible!>", "UUID": machine["uuid"], "Config file": machine["file"]}
        return [*(f"{key + ':':16} {value}" for key, value in rows.items()), "Access error details:", ""]
    is_old, values = registry.version < (7, 0), machine["config"]["values"]
    rows = {**_place(machine, os_type, is_old), **_hardware(values), **_state(machine), **_display(values)}
    lines = [_line(key, value) for key, value in rows.items()]
    lines += (_old_storage if is_old else _storage)(registry, machine["config"])
    for number, nic in machine["config"]["nics"].items():
        lines += _nic(number, nic)
    lines += [_line(key, value) for key, value in _devices(machine, values).items()]
    lines += _folders(machine["config"]["folders"], is_old)
    is_recorded = values["recording_enabled"] == "on"
    if is_old:
        lines += [_line("Capturing", "active" if is_recorded else "not active"), ""]
    else:
        lines += [_line("Recording enabled", "yes" if is_recorded else "no")]
    lines += ["Description:", values["description"]] if values.get("description") else []
    return [*lines, *(_old_end if is_old else _end)(machine)]


def _end(machine):
    snapshots = ["* Snapshots:", *_snapshots(machine, None, 1)] if machine["snapshots"] else []
    return [*snapshots, "* Guest:", _line("Configured memory balloon", "0MB"), ""]


def _old_end(machine):
    snapshots = ["Snapshots:", "", *_snapshots(machine, None, 1)] if machine["snapshots"] else []
    return ["Guest:", "", "Configured memory balloon size: 0MB", "", *snapshots, ""]


def _line(label, value):
    return f"{label + ':':28} {value}"


def _switches(values, labels):
    return {label: "enabled" if values[key] == "on" else "disabled" for label, key in labels.items()}


def _place(machine, os_type, is_old):
    folder, secure = folder_of(machine), secure_boot_of(machine)
    return {
        "Name": machine["name"],
        **({} if is_old else {"Encryption": "disabled"}),
        "Groups": machine["groups"],
        **({} if is_old else {"Platform Architecture": machine["config"]["values"].get("platformArchitecture", "x86")}),
        "Guest OS": os_type["description"],
        "UUID": machine["uuid"],
        "Config file": machine["file"],
        "Snapshot folder": f"{folder}/Snapshots",
        "Log folder": f"{folder}/Logs",
        "Hardware UUID": machine["uuid"],
        **({} if is_old else {"BIOS NVRAM File": str(nvram_of(machine))}),
        **({"UEFI Secure Boot": {"on": "enabled", "off": "disabled"}[secure]} if secure else {}),
    }


def _hardware(values):
    return {
        "Memory size": f"{values['memory']}MB",
        "Page Fusion": "disabled",
        "VRAM size": f"{values['vram']}MB",
        "CPU exec cap": f"{values['cpuexecutioncap']}%",
        "CPUProfile": values["cpu-profile"],
        "Chipset": values["chipset"],
        "Firmware": values["firmware"],
        "Number of CPUs": values["cpus"],
        **_switches(values, _SWITCHES_1),
        "CPUID overrides": "None",
        **_switches(values, _SWITCHES_2),
        "CPUID Portability Level": values["cpuid-portability-level"],
        "Boot menu mode": _MENUS.get(values["bootmenu"], values["bootmenu"]),
        **{f"Boot Device {number}": _BOOT[values[f"boot{number}"]] for number in range(1, 5)},
        **_switches(values, {"ACPI": "acpi", "IOAPIC": "ioapic"}),
        "BIOS APIC mode": values["biosapic"].upper(),
        "Time offset": f"{values['biossystemtimeoffset']}ms",
        "RTC": "UTC" if values["rtcuseutc"] == "on" else "local time",
        "IOMMU": "None",
        "Paravirt. Provider": _provider(values["paravirtprovider"]),
        "Effective Paravirt. Prov.": _provider(values["effparavirtprovider"]),
    }


def _provider(name):
    return _PROVIDERS.get(name, name.capitalize())


def _state(machine):
    state = _STATES.get(machine["state"], machine["state"])
    return {"State": f"{state} (since {moment(machine['since'])})"}


def _display(values):
    return {
        "Graphics Controller": _CARDS[values["graphicscontroller"]],
        "Monitor count": values["monitorcount"],
        **_switches(values, {"3D Acceleration": "accelerate3d", "Teleporter Enabled": "teleporterenabled"}),
        **_switches(values, {"Autostart Enabled": "autostart-enabled"}),
        "Autostart Delay": values["autostart-delay"],
        "Default Frontend": values["defaultfrontend"],
        "VM process priority": values["vmprocpriority"],
    }


def _devices(machine, values):
    audio = values["audio"]
    driver = f"enabled (Driver: {audio.capitalize()}, Controller: AC97, Codec: STAC9700)"
    return {
        "Pointing Device": _POINTERS.get(values["hidpointing"], values["hidpointing"]),
        "Keyboard Device": _KEYBOARDS.get(values["hidkeyboard"], values["hidkeyboard"]),
        "Audio": "disabled" if audio == "none" else driver,
        **_switches(values, {"Audio playback": "audio_out", "Audio capture": "audio_in"}),
        "Clipboard Mode": values["clipboard"],
        **_switches(values, {"Clipboard file transfers": "clipboard_file_transfers"}),
        "Drag and drop Mode": values["draganddrop"],
        **({"Session name": "headless"} if machine["state"] in ON else {}),
        "VRDE": "disabled" if values["vrde"] == "off" else "enabled (Address 0.0.0.0, Ports 3389)",
        **_switches(values, _SWITCHES_3),
    }


def _storage(registry, config):
    lines = ["Storage Controllers:"]
    for number, controller in enumerate(config["controllers"]):
        ports = f"Ports: {controller['portcount']} (max {controller['maxportcount']})"
        bootable = "Bootable" if controller["bootable"] == "on" else "Not bootable"
        name, kind = controller["name"], controller["type"]
        lines.append(f"#{number}: '{name}', Type: {kind}, Instance: {controller['instance']}, {ports}, {bootable}")
        for place, slot in sorted(config["slots"][name].items(), key=lambda item: list(map(int, item[0].split("-")))):
            port, device = place.split("-")
            medium = registry.media.get(slot["medium"])
            more = "".join(words for key, words in _ON_SLOTS.items() if slot.get(key) == "on")
            lines.append(f"  Port {port}, Unit {device}: {'UUID: ' + medium['uuid'] + more if medium else 'Empty'}")
            lines += [f'    Location: "{medium["location"]}"'] if medium else []
    return lines


def _old_storage(registry, config):
    """Storage in the form of 6.1: all controllers, then the attached media."""
    lines = []
    for number, controller in enumerate(config["controllers"]):
        rows = {
            "Name": controller["name"],
            "Type": controller["type"],
            "Instance Number": controller["instance"],
            "Max Port Count": controller["maxportcount"],
            "Port Count": controller["portcount"],
            "Bootable": controller["bootable"],
        }
        lines += [f"{f'Storage Controller {label} ({number}):':39} {value}" for label, value in rows.items()]
    for controller in config["controllers"]:
        slots = config["slots"][controller["name"]].items()
        for place, slot in sorted(slots, key=lambda item: list(map(int, item[0].split("-")))):
            medium = registry.media.get(slot["medium"])
            what = f"{medium['location']} (UUID: {medium['uuid']})" if medium else "Empty"
            lines.append(f"{controller['name']} ({place.replace('-', ', ')}): {what}")
    return lines


def _nic(number, nic):
    if nic["type"] == "none":
        return [_line(f"NIC {number}", "disabled")]
    attached = _ATTACHED.get(nic["type"], "none")
    for key, value in nic["other"].items():
        attached = attached.replace(f"{{{key}}}", value)
    trace = f"Trace: {nic['other'].get('nictrace', 'off')} (file: {nic['other'].get('nictracefile') or 'none'})"
    lines = [
        _line(
            f"NIC {number}",
            f"MAC: {nic['mac']}, Attachment: {attached}, Cable connected: {nic['connected']}, {trace}, "
            f"Type: {nic['model']}, Reported speed: 0 Mbps, Boot priority: 0, Promisc Policy: "
            f"{nic['other'].get('nicpromisc', 'deny')}, Bandwidth group: none",
        )
    ]
    rules = sorted(nic["forwards"].items()) if nic["type"] == "nat" else []
    for index, (name, (protocol, host, host_port, guest, guest_port)) in enumerate(rules):
        lines.append(
            f"NIC {number} Rule({index}):   name = {name}, protocol = {protocol}, host ip = {host}, "
            f"host port = {host_port}, guest ip = {guest}, guest port = {guest_port}"
        )
    return lines


def _folders(folders, is_old):
    if not folders:
        return ["Shared folders:<none>", ""] if is_old else [_line("Shared folders", "<none>")]
    lines = [_line("Shared folders", ""), ""]
    for name, path, read_only, is_transient, mount in sorted(folders, key=lambda folder: folder[3]):
        access, kind = "readonly" if read_only else "writable", "transient" if is_transient else "machine"
        lines.append(f"Name: '{name}', Host path: '{path}' ({kind} mapping), {access}{_mount(mount)}")
    return [*lines, ""]


def _mount(mount):
    point = f", mount-point: '{mount['point']}'" if mount["point"] else ""
    return f"{', auto-mount' if mount['auto'] else ''}{point}"


def _described(indent, text):
    if "\n" in text:
        return [f"{indent}Description:", text]
    return [f"{indent}Description: {text}"] if text else []


def _snapshots(machine, parent, depth):
    lines, indent = [], "   " * depth
    for snapshot in (one for one in machine["snapshots"] if one["parent"] == parent):
        current = " *" if snapshot["uuid"] == machine["current"] else ""
        lines.append(f"{indent}Name: {snapshot['name']} (UUID: {snapshot['uuid']}){current}")
        lines += _described(indent, snapshot["description"])
        lines += _snapshots(machine, snapshot["uuid"], depth + 1)
    return lines
