# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses ``VBoxManage list --long vms``: all VMs of a registry at once. Pure: text in, values out.

The list is human-readable, but one process returns any number of VMs, and it takes no lock; ``showvminfo`` locks every
stopped VM. The result has the keys and values of ``showvminfo --machinereadable``, without ``natnetN`` and the empty
slots of controllers. In addition, it has the promiscuous policy and boot priority of NICs, and the mount options of
shared folders.

The list escapes nothing: a description can contain text that looks like other settings of its VM, or like another VM.
Only the settings file of the VM says where its description ends.

The sections of controllers, snapshots and the guest have another format in 6.1 than since 7.0; both are parsed.
"""

from __future__ import annotations

import re

from .._core.frozen import Frozen
from .._core.pattern import Pattern
from .vboxmanage_machine import Controller, Forward, Machine, Nic, SharedFolder, Slot, Snapshot

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# The first lines of a VM. The column is narrower for an inaccessible VM. A name can contain line breaks, and a line
# that looks like the first line of a VM: the last such line before the other lines of the head counts.
_HEAD = Pattern(
    r"^Name: {24}(?P<name>(?:(?!^Name: {24}).)*?)\n(?P<more>(?:Encryption: [^\n]*\n)?Groups: [^\n]*\n"
    rf"(?:(?!UUID: )[^\n]*\n)*?)UUID: +(?P<uuid>{_UUID})\nConfig file: +(?P<file>[^\n]*)\n"
    rf"|^Name: {{12}}<inaccessible!>\nUUID: +(?P<inaccessible>{_UUID})\n"
    r"Config file: +(?P<inaccessible_file>[^\n]*)\n",
    re.DOTALL | re.MULTILINE,
)
# Early releases of 6.1 print no colon after "Memory size".
_LINE = Pattern(r"^(Memory size(?= )|[A-Z0-9x][^:\n]*?(?=:)):? *(.*)$", re.MULTILINE)
_STATE = Pattern(r"(.+?)(?: \(since ([^)]*)\))?\Z")
_DESCRIPTION = Pattern(r"^Description:\n(.*?)(?=^\* Snapshots:\n|\Z)", re.DOTALL | re.MULTILINE)
_DESCRIPTION_LABEL = "Description:\n"
# The snapshots come before the guest section; in 6.1, after it.
_SNAPSHOTS = Pattern(r"^(?:\* Snapshots:\n|Snapshots:\n\n)(?=   Name: )", re.MULTILINE)
_GUEST = Pattern(r"^(?:\* Guest:\n|Guest:\n\n)(?=Configured memory balloon)", re.MULTILINE)
_CONTROLLER = Pattern(
    r"^#\d+: '(?P<name>.*)', Type: (?P<type>\S+), Instance: (?P<instance>\d+), "
    r"Ports: (?P<portcount>\d+) \(max (?P<maxportcount>\d+)\), (?P<bootable>.*)$\n"
    r"(?P<slots>(?:^  .*\n)*)",
    re.MULTILINE,
)
_SLOT = Pattern(
    r"^  Port (?P<port>\d+), Unit (?P<device>\d+): "
    rf'(?:UUID: (?P<uuid>{_UUID})(?P<more>[^\n]*)\n    Location: "(?P<path>.*)"|Empty)',
    re.MULTILINE,
)
_OLD_CONTROLLER = Pattern(
    r"^Storage Controller Name \((\d+)\): {12}(?P<name>.*)\nStorage Controller Type \(\1\): +(?P<type>\S+)\n"
    r"Storage Controller Instance Number \(\1\): +(?P<instance>\d+)\n"
    r"Storage Controller Max Port Count \(\1\): +(?P<maxportcount>\d+)\n"
    r"Storage Controller Port Count \(\1\): +(?P<portcount>\d+)\n"
    r"Storage Controller Bootable \(\1\): +(?P<bootable>on|off)$",
    re.MULTILINE,
)
_NIC = Pattern(
    r"^NIC (?P<number>\d+): +(?:disabled|MAC: (?P<macaddress>\w+), Attachment: (?P<attachment>.*), Cable connected: "
    r"(?P<cableconnected>on|off), Trace: .*, Type: (?P<nictype>\w+), Reported speed: \d+ Mbps, "
    r"Boot priority: (?P<nicbootprio>\d+), Promisc Policy: (?P<nicpromisc>[\w-]+), Bandwidth group: .*)$",
    re.MULTILINE,
)
_RULE = Pattern(
    r"^NIC (\d+) Rule\(\d+\): +name = (.*), protocol = (\w+), host ip = (.*), host port = (\d+), "
    r"guest ip = (.*), guest port = (\d+)$",
    re.MULTILINE,
)
_FOLDER = Pattern(
    r"^Name: '(?P<name>.*)', Host path: '(?P<path>.*)' \((?P<kind>\w+) mapping\), (?P<access>writable|readonly)"
    r"(?P<auto>, auto-mount)?(?:, symlink-policy: \S+?)?(?:, mount-point: '(?P<point>.*)')?$",
    re.MULTILINE,
)
_SNAPSHOT = Pattern(
    rf"^(?P<indent>(?:   )+)Name: (?P<name>.*?) \(UUID: (?P<uuid>{_UUID})\)(?P<current> \*)?\n"
    # A description of several lines starts on the next line.
    r"(?P<has_description> +Description:[\n ])?",
    re.DOTALL | re.MULTILINE,
)

#: Label in the list -> key of --machinereadable.
_KEYS = {
    "Groups": "groups", "Platform Architecture": "platformArchitecture", "Guest OS": "ostype",
    "Snapshot folder": "SnapFldr", "Log folder": "LogFldr",
    "Hardware UUID": "hardwareuuid", "Memory size": "memory", "Page Fusion": "pagefusion", "VRAM size": "vram",
    "CPU exec cap": "cpuexecutioncap", "CPUProfile": "cpu-profile", "Chipset": "chipset", "Firmware": "firmware",
    "Number of CPUs": "cpus", "HPET": "hpet", "PAE": "pae", "Long Mode": "longmode",
    "Triple Fault Reset": "triplefaultreset", "APIC": "apic", "X2APIC": "x2apic",
    "Nested VT-x/AMD-V": "nested-hw-virt", "Hardware Virtualization": "hwvirtex", "Nested Paging": "nestedpaging",
    "Large Pages": "largepages", "VT-x VPID": "vtxvpid", "VT-x Unrestricted Exec.": "vtxux",
    "AMD-V Virt. Vmsave/Vmload": "virtvmsavevmload", "CPUID Portability Level": "cpuid-portability-level",
    "Boot menu mode": "bootmenu", "Boot Device 1": "boot1", "Boot Device 2": "boot2", "Boot Device 3": "boot3",
    "Boot Device 4": "boot4", "ACPI": "acpi", "IOAPIC": "ioapic", "BIOS APIC mode": "biosapic",
    "Time offset": "biossystemtimeoffset", "BIOS NVRAM File": "NvramFile", "RTC": "rtcuseutc", "IOMMU": "iommu",
    "Paravirt. Provider": "paravirtprovider", "Effective Paravirt. Prov.": "effparavirtprovider",
    "Graphics Controller": "graphicscontroller", "Monitor count": "monitorcount", "3D Acceleration": "accelerate3d",
    "Teleporter Enabled": "teleporterenabled",
    "Autostart Enabled": "autostart-enabled", "Autostart Delay": "autostart-delay",
    "Default Frontend": "defaultfrontend", "VM process priority": "vmprocpriority", "Pointing Device": "hidpointing",
    "Keyboard Device": "hidkeyboard", "Audio": "audio", "Audio playback": "audio_out", "Audio capture": "audio_in",
    "Clipboard Mode": "clipboard", "Clipboard file transfers": "clipboard_file_transfers",
    "Drag and drop Mode": "draganddrop", "VRDE": "vrde", "OHCI USB": "usb", "EHCI USB": "ehci", "xHCI USB": "xhci",
    "Recording enabled": "recording_enabled", "Capturing": "recording_enabled", "Session name": "SessionName",
}  # fmt: skip
#: Keys with the same values in both formats.
_UNCHANGED = {"groups", "ostype", "SnapFldr", "LogFldr", "NvramFile", "firmware", "cpu-profile", "defaultfrontend",
              "SessionName"}  # fmt: skip
#: Settings with several modes. One of the modes is named "disabled"; it is not the "off" of a switch.
_MODES = {"clipboard", "draganddrop", "bootmenu"}
#: (key, value in the list) -> value of --machinereadable.
_VALUES = {
    ("boot", "harddisk"): "disk",
    ("boot", "network"): "net",
    ("boot", "notassigned"): "none",
    ("rtcuseutc", "utc"): "on",
    ("rtcuseutc", "localtime"): "off",
    ("recording_enabled", "yes"): "on",
    ("recording_enabled", "no"): "off",
    ("recording_enabled", "active"): "on",
    ("recording_enabled", "notactive"): "off",
}
_AUDIO_DRIVERS = {"PulseAudio": "pulse"}
#: Flags of a slot -> their text in the list, which omits flags that are off.
_SLOT_FLAGS = {
    "hot-pluggable": ", hot-pluggable",
    "nonrotational": ", non-rotational",
    "discard": ", discards unused blocks",
}
_STATES = {
    "powered off": "poweroff",
    "offline snapshotting": "snapshotting",
    "teleporting (incoming)": "teleportingin",
}
#: What a NIC is attached to -> (its type, the key of the name of the interface or network).
_ATTACHMENTS = {
    "Bridged Interface": ("bridged", "bridgeadapter"),
    "Internal Network": ("intnet", "intnet"),
    "Host-only Interface": ("hostonly", "hostonlyadapter"),
    "Host Only Network": ("hostonlynetwork", "hostonly-network"),
    "NAT Network": ("natnetwork", "nat-network"),
    "Generic": ("Generic", "generic"),
}


#: What follows the name of the driver of a generic NIC.
_DRIVER_PROPERTIES = Pattern(r"^(Generic '.*?') \{ .*\}$")


class ListedVm(Frozen):
    """One VM of the registry; ``name`` and ``machine`` are None for an inaccessible VM. ``file``: its settings file."""

    uuid: str
    file: str
    name: str | None
    machine: Machine | None


def split_before_vms(text):
    """(the other lists, the list of VMs) of the output of ``list --multiple``, in which the VMs come last."""
    first = _HEAD.search(text)
    return (text, "") if first is None else (text[: first.start()], text[first.start() :])


def vms(text, descriptions_of=None):
    """[ListedVm] of ``list --long vms``, in its order.

    ``descriptions_of(uuid, file)`` returns the descriptions of a VM and of its snapshots (those with several lines)
    from its settings file, or None if that cannot be read. It is called only for VMs with a description in
    their section.
    """
    found, head = [], _HEAD.search(text)
    while head:
        following = _HEAD.search(text, head.end())
        descriptions = ()
        if descriptions_of and _DESCRIPTION_LABEL in text[head.end() : following.start() if following else len(text)]:
            uuid, file = head["uuid"] or head["inaccessible"], head["file"] or head["inaccessible_file"]
            descriptions = descriptions_of(uuid, file) or ()
            following = _HEAD.search(text, _end_of_descriptions(text, head.end(), descriptions))
        listed = _listed(head, text[head.end() : following.start() if following else len(text)], descriptions)
        if listed is not None:
            found.append(listed)
        head = following
    return found


def _end_of_descriptions(text, position, descriptions):
    """The end of the last one of ``descriptions`` in the section of the VM that contains ``position``."""
    for description in descriptions:
        begin = text.find(f"{_DESCRIPTION_LABEL}{description}\n", position)
        following = _HEAD.search(text, position)
        if 0 <= begin < (following.start() if following else len(text)):
            position = begin + len(_DESCRIPTION_LABEL) + len(description)
    return position


def _listed(head, text, descriptions):
    if head["inaccessible"]:
        return ListedVm(head["inaccessible"], head["inaccessible_file"], None, None)
    machine = _machine(head["more"] + text, descriptions)
    if "VMState" not in machine.values:
        return None  # Not a VM, but a part of a description that changed while it was read.
    machine.values.update(name=head["name"], UUID=head["uuid"], CfgFile=head["file"])
    return ListedVm(head["uuid"], head["file"], head["name"], machine)


def _machine(text, descriptions):
    """The Machine of one section. ``descriptions`` of the VM and its snapshots are from its settings file, or ()."""
    settings, description, rest = _parts(text, descriptions[:1])
    values = _values(settings)
    if description is not None:
        values["description"] = description
    slots, controllers = _storage(settings)
    folders = tuple(map(_folder, _FOLDER.finditer(settings)))
    return Machine(
        values, controllers, slots, _nics(settings), folders, _snapshots(_snapshot_section(rest), descriptions[1:])
    )


def _parts(text, known_description):
    """(settings, description or None, the text after both) of a VM's section."""
    if any(known_description):
        label_and_description = f"\n{_DESCRIPTION_LABEL}{known_description[0]}\n"
        settings, found, rest = text.partition(label_and_description)
        if found:
            return f"{settings}\n", known_description[0], rest
    guest = _last(_GUEST, text, len(text))
    match = None if known_description == ("",) else _DESCRIPTION.search(text, 0, guest)
    if match:
        return text[: match.start()], match[1].removesuffix("\n"), text[match.end() :]
    first_snapshot = _SNAPSHOTS.search(text, 0, guest)
    end = first_snapshot.start() if first_snapshot else guest
    return text[:end], None, text[end:]


def _last(pattern, text, default):
    """Where the last match of ``pattern`` starts; ``default`` if there is none."""
    starts = [match.start() for match in pattern.finditer(text)]
    return starts[-1] if starts else default


def _snapshot_section(text):
    heading = _SNAPSHOTS.search(text)
    section = text[heading.end() :] if heading else ""
    # Without a guest section after it, it ends with an empty line.
    return section[: _last(_GUEST, section, len(section) - 1)]


def _values(text):
    values = {}
    for label, value in _LINE.findall(text):
        if label == "State":
            state, since = _STATE.match(value).groups()
            values["VMState"] = _STATES.get(state, state.replace(" ", ""))
            values["VMStateChangeTime"] = since or ""
        elif label in _KEYS:
            values.setdefault(_KEYS[label], _value(_KEYS[label], value))
    return values


def _value(key, value):
    """The value of ``key`` as --machinereadable prints it."""
    if key in _UNCHANGED:
        return value
    if key == "audio":
        driver = re.search(r"Driver: (\w+)", value)
        return _AUDIO_DRIVERS.get(driver[1], driver[1].lower()) if driver else "none"
    if key == "vrde":
        return "on" if value.startswith("enabled") else "off"
    compact = re.sub(r"[ /]", "", value).lower()
    if key.startswith("hid"):
        return compact.replace("-", "").replace("keyboard", "kbd")
    if value in ("enabled", "disabled") and key not in _MODES:
        return "on" if value == "enabled" else "off"
    if re.match(r"-?\d+(?:mb|%|ms)\Z", compact):
        return re.match(r"-?\d+", compact)[0]
    return _VALUES.get(("boot" if re.match(r"boot\d", key) else key, compact), compact)


def _storage(text):
    slots, controllers = [], []
    for found in _CONTROLLER.finditer(text):
        controllers.append(_controller(found))
        slots += [_slot(found["name"], slot) for slot in _SLOT.finditer(found["slots"])]
    return (tuple(slots), tuple(controllers)) if controllers else _old_storage(text)


def _old_storage(text):
    """(slots, controllers) in the format of 6.1: first all controllers, then all used slots."""
    found = list(_OLD_CONTROLLER.finditer(text))
    if not found:
        return (), ()
    names = "|".join(re.escape(one["name"]) for one in found)
    slot = Pattern(
        rf"^(?P<controller>{names}) \((?P<port>\d+), (?P<device>\d+)\): "
        rf"(?:(?P<path>.*) \(UUID: (?P<uuid>{_UUID})\)|Empty)(?: \([a-z ]+\))*$",
        re.MULTILINE,
    )
    slots = tuple(_slot(one["controller"], one) for one in slot.finditer(text, found[-1].end()))
    return slots, tuple(map(_controller, found))


def _controller(found):
    values = {key: found[key] for key in ("name", "type", "instance", "maxportcount", "portcount")}
    return Controller(found["name"], {**values, "bootable": _bootable(found["bootable"])})


def _bootable(value):
    return "on" if value.strip().lower() in ("bootable", "on") else "off"


def _slot(controller, found):
    values = {"ImageUUID": found["uuid"]} if found["uuid"] else {}
    more = found.groupdict().get("more") or ""
    values.update({flag: "on" for flag, shown in _SLOT_FLAGS.items() if shown in more})
    return Slot(controller, int(found["port"]), int(found["device"]), found["path"] or "emptydrive", values)


def _nics(text):
    rules = {}
    for number, name, protocol, host, host_port, guest, guest_port in _RULE.findall(text):
        rule = Forward(name, protocol.lower(), host, int(host_port), guest, int(guest_port))
        rules.setdefault(int(number), []).append(rule)
    return tuple(_nic(found, tuple(rules.get(int(found["number"]), ()))) for found in _NIC.finditer(text))


def _nic(found, rules):
    number, attachment = int(found["number"]), found["attachment"]
    if attachment is None:
        return Nic(number, "none", {"nic": "none"}, ())
    kind, quote, name = _DRIVER_PROPERTIES.sub(r"\1", attachment).partition(" '")
    kind, name_key = _ATTACHMENTS.get(kind, ({"NAT": "nat", "none": "null"}.get(kind, kind), None))
    values = {name_key: name.rpartition("'")[0]} if name_key and quote else {}
    values.update(nic=kind)
    for key in ("macaddress", "cableconnected", "nictype", "nicbootprio", "nicpromisc"):
        values[key] = found[key]
    return Nic(number, kind, values, rules)


def _folder(found):
    return SharedFolder(
        found["name"],
        found["path"],
        found["kind"] == "transient",
        found["access"] == "readonly",
        found["auto"] is not None,
        found["point"] or "",
    )


def _heads(text, descriptions):
    """Matches of the first lines of each snapshot; a line in one of ``descriptions`` is not one."""
    head = _SNAPSHOT.search(text)
    while head:
        yield head
        own = [one for one in descriptions if head["has_description"] and text.startswith(f"{one}\n", head.end())]
        head = _SNAPSHOT.search(text, head.end() + max(map(len, own), default=0))


def _snapshots(text, descriptions):
    """The snapshots of the section; each level of the tree is indented by three more spaces."""
    heads, last_at, found = list(_heads(text, descriptions)), {}, []
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends):
        indent = len(head["indent"])
        last_at[indent] = head["uuid"]
        description = text[head.end() : end].removesuffix("\n") if head["has_description"] else ""
        parent = last_at.get(indent - 3)
        found.append(Snapshot(head["uuid"], head["name"], description, parent, bool(head["current"])))
    return tuple(found)
