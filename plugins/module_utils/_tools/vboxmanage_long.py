# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading ``list --long vms``: all machines of a registry at once. Pure: text in, values out.

It is written for people, yet it takes no lock, which ``showvminfo`` does of every machine that is off, and it costs one
process for any number of machines. So it is told here in the words of ``showvminfo --machinereadable``. It lacks
``natnetN`` and the empty places of controllers; it has what that lacks: the policies of cards, the ways of shared
folders. Nothing is escaped in it: a description may hold what looks like the rest of its machine, and like other
machines. Where it ends, only the machine's settings file tells.

7.0 tells controllers, snapshots and what concerns the guest in another form than 6.1; both are read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .vboxmanage_machine import Controller, Forward, Machine, Nic, SharedFolder, Slot, Snapshot

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# The column is narrower for a machine whose settings cannot be read. A name may break lines, or look like the begin of
# a machine: only the last such begin before the next line of a head counts.
_HEAD = re.compile(
    r"^Name: {24}(?P<name>(?:(?!^Name: {24}).)*?)\n(?P<more>(?:Encryption: [^\n]*\n)?Groups: [^\n]*\n"
    rf"(?:(?!UUID: )[^\n]*\n)*?)UUID: +(?P<uuid>{_UUID})\nConfig file: +(?P<file>[^\n]*)\n"
    rf"|^Name: {{12}}<inaccessible!>\nUUID: +(?P<lost>{_UUID})\nConfig file: +(?P<lost_file>[^\n]*)\n",
    re.DOTALL | re.MULTILINE,
)
# Early releases of 6.1 left out one colon.
_LINE = re.compile(r"^(Memory size(?= )|[A-Z0-9x][^:\n]*?(?=:)):? *(.*)$", re.MULTILINE)
_STATE = re.compile(r"(.+?)(?: \(since ([^)]*)\))?\Z")
_DESCRIPTION = re.compile(r"^Description:\n(.*?)(?=^\* Snapshots:\n|\Z)", re.DOTALL | re.MULTILINE)
_DESCRIBED = "Description:\n"
# Snapshots stand before what concerns the guest; in 6.1, behind it.
_SNAPSHOTS = re.compile(r"^(?:\* Snapshots:\n|Snapshots:\n\n)(?=   Name: )", re.MULTILINE)
_GUEST = re.compile(r"^(?:\* Guest:\n|Guest:\n\n)(?=Configured memory balloon)", re.MULTILINE)
_CONTROLLER = re.compile(
    r"^#\d+: '(?P<name>.*)', Type: (?P<type>\S+), Instance: (?P<instance>\d+), "
    r"Ports: (?P<portcount>\d+) \(max (?P<maxportcount>\d+)\), (?P<bootable>.*)$\n"
    r"(?P<slots>(?:^  .*\n)*)",
    re.MULTILINE,
)
_SLOT = re.compile(
    r"^  Port (?P<port>\d+), Unit (?P<device>\d+): "
    rf'(?:UUID: (?P<uuid>{_UUID})(?P<more>[^\n]*)\n    Location: "(?P<path>.*)"|Empty)',
    re.MULTILINE,
)
_OLD_CONTROLLER = re.compile(
    r"^Storage Controller Name \((\d+)\): {12}(?P<name>.*)\nStorage Controller Type \(\1\): +(?P<type>\S+)\n"
    r"Storage Controller Instance Number \(\1\): +(?P<instance>\d+)\n"
    r"Storage Controller Max Port Count \(\1\): +(?P<maxportcount>\d+)\n"
    r"Storage Controller Port Count \(\1\): +(?P<portcount>\d+)\n"
    r"Storage Controller Bootable \(\1\): +(?P<bootable>on|off)$",
    re.MULTILINE,
)
_NIC = re.compile(
    r"^NIC (?P<number>\d+): +(?:disabled|MAC: (?P<macaddress>\w+), Attachment: (?P<attachment>.*), Cable connected: "
    r"(?P<cableconnected>on|off), Trace: .*, Type: (?P<nictype>\w+), Reported speed: \d+ Mbps, "
    r"Boot priority: (?P<nicbootprio>\d+), Promisc Policy: (?P<nicpromisc>[\w-]+), Bandwidth group: .*)$",
    re.MULTILINE,
)
_RULE = re.compile(
    r"^NIC (\d+) Rule\(\d+\): +name = (.*), protocol = (\w+), host ip = (.*), host port = (\d+), "
    r"guest ip = (.*), guest port = (\d+)$",
    re.MULTILINE,
)
_FOLDER = re.compile(
    r"^Name: '(?P<name>.*)', Host path: '(?P<path>.*)' \((?P<kind>\w+) mapping\), (?P<access>writable|readonly)"
    r"(?P<auto>, auto-mount)?(?:, symlink-policy: \S+?)?(?:, mount-point: '(?P<point>.*)')?$",
    re.MULTILINE,
)
_SNAPSHOT = re.compile(
    rf"^(?P<indent>(?:   )+)Name: (?P<name>.*?) \(UUID: (?P<uuid>{_UUID})\)(?P<current> \*)?\n"
    # One of several lines begins on a line of its own.
    r"(?P<described> +Description:[\n ])?",
    re.DOTALL | re.MULTILINE,
)

# The words of machinereadable: the label there, the key here.
_KEYS = {
    "Groups": "groups", "Guest OS": "ostype", "Snapshot folder": "SnapFldr", "Log folder": "LogFldr",
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
    "Autostart Enabled": "autostart-enabled", "Autostart Delay": "autostart-delay",
    "Default Frontend": "defaultfrontend", "VM process priority": "vmprocpriority", "Pointing Device": "hidpointing",
    "Keyboard Device": "hidkeyboard", "Audio": "audio", "Audio playback": "audio_out", "Audio capture": "audio_in",
    "Clipboard Mode": "clipboard", "Clipboard file transfers": "clipboard_file_transfers",
    "Drag and drop Mode": "draganddrop", "VRDE": "vrde", "OHCI USB": "usb", "EHCI USB": "ehci", "xHCI USB": "xhci",
    "Recording enabled": "recording_enabled", "Capturing": "recording_enabled", "Session name": "SessionName",
}  # fmt: skip
_AS_TOLD = {"groups", "ostype", "SnapFldr", "LogFldr", "NvramFile", "firmware", "cpu-profile", "defaultfrontend",
            "SessionName"}  # fmt: skip
_MODES = {"clipboard", "draganddrop", "bootmenu"}
_WORDS = {
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
# Of a slot only what is on is told.
_AUDIO_DRIVERS = {"PulseAudio": "pulse"}
_ON_SLOTS = {
    "hot-pluggable": ", hot-pluggable",
    "nonrotational": ", non-rotational",
    "discard": ", discards unused blocks",
}
_STATES = {
    "powered off": "poweroff",
    "offline snapshotting": "snapshotting",
    "teleporting (incoming)": "teleportingin",
}
_BACKENDS = {
    "Bridged Interface": ("bridged", "bridgeadapter"),
    "Internal Network": ("intnet", "intnet"),
    "Host-only Interface": ("hostonly", "hostonlyadapter"),
    "Host Only Network": ("hostonlynetwork", "hostonly-network"),
    "NAT Network": ("natnetwork", "nat-network"),
    "Generic": ("Generic", "generic"),
}


@dataclass(frozen=True)
class Listed:
    """One machine of the registry; name and machine are None where its settings cannot be read."""

    uuid: str
    file: str
    name: str | None
    machine: Machine | None


def split(text):
    """What stands before the machines, where several lists were asked for at once and they come last; and they."""
    first = _HEAD.search(text)
    return (text, "") if first is None else (text[: first.start()], text[first.start() :])


def machines(text, texts_of=None):
    """All machines of ``list --long vms``, in its order.

    ``texts_of(uuid, file)`` has a machine's description and those of its snapshots as its settings file tells them, or
    None where that cannot be read. It is asked only where there is a description at all.
    """
    found, head = [], _HEAD.search(text)
    while head:
        following = _HEAD.search(text, head.end())
        texts = ()
        if texts_of and _DESCRIBED in text[head.end() : following.start() if following else len(text)]:
            texts = texts_of(head["uuid"] or head["lost"], head["file"] or head["lost_file"]) or ()
            following = _HEAD.search(text, _after_texts(text, head.end(), texts))
        listed = _listed(head, text[head.end() : following.start() if following else len(text)], texts[:1])
        if listed is not None:
            found.append(listed)
        head = following
    return found


def _after_texts(text, place, texts):
    """Behind the last of the descriptions that belong to the machine which begins at ``place``."""
    for said in texts:
        begin = text.find(f"{_DESCRIBED}{said}\n", place)
        following = _HEAD.search(text, place)
        if 0 <= begin < (following.start() if following else len(text)):
            place = begin + len(_DESCRIBED) + len(said)
    return place


def _listed(head, text, description):
    if head["lost"]:
        return Listed(head["lost"], head["lost_file"], None, None)
    machine = _machine(head["more"] + text, description)
    if "VMState" not in machine.values:
        return None  # No machine, but what a description holds that changed while it was read.
    machine.values.update(name=head["name"], UUID=head["uuid"], CfgFile=head["file"])
    return Listed(head["uuid"], head["file"], head["name"], machine)


def _machine(text, known):
    """``known`` has the description, where it is known."""
    settings, description, rest = _parts(text, known)
    values = _values(settings)
    if description is not None:
        values["description"] = description
    slots, controllers = _storage(settings)
    folders = tuple(map(_folder, _FOLDER.finditer(settings)))
    return Machine(values, controllers, slots, _nics(settings), folders, _snapshots(_snapshots_in(rest)))


def _parts(text, known):
    """The settings, the description (or None), and what comes after both."""
    settings, reported, rest = text.partition(f"\n{_DESCRIBED}{known[0]}\n") if any(known) else (text, "", "")
    if reported:
        return f"{settings}\n", known[0], rest
    guest = _last(_GUEST, text, len(text))
    described = None if known == ("",) else _DESCRIPTION.search(text, 0, guest)
    if described:
        return text[: described.start()], described[1].removesuffix("\n"), text[described.end() :]
    first_snapshot = _SNAPSHOTS.search(text, 0, guest)
    end = first_snapshot.start() if first_snapshot else guest
    return text[:end], None, text[end:]


def _last(pattern, text, otherwise):
    places = [found.start() for found in pattern.finditer(text)]
    return places[-1] if places else otherwise


def _snapshots_in(text):
    begin = _SNAPSHOTS.search(text)
    reported = text[begin.end() :] if begin else ""
    # Where nothing comes after them, an empty line ends them.
    return reported[: _last(_GUEST, reported, len(reported) - 1)]


def _values(text):
    values = {}
    for label, said in _LINE.findall(text):
        if label == "State":
            state, since = _STATE.match(said).groups()
            values["VMState"] = _STATES.get(state, state.replace(" ", ""))
            values["VMStateChangeTime"] = since or ""
        elif label in _KEYS:
            values.setdefault(_KEYS[label], _value(_KEYS[label], said))
    return values


def _value(key, said):
    if key in _AS_TOLD:
        return said
    if key == "audio":
        driver = re.search(r"Driver: (\w+)", said)
        return _AUDIO_DRIVERS.get(driver[1], driver[1].lower()) if driver else "none"
    if key == "vrde":
        return "on" if said.startswith("enabled") else "off"
    word = re.sub(r"[ /]", "", said).lower()
    if key.startswith("hid"):
        return word.replace("-", "").replace("keyboard", "kbd")
    if said in ("enabled", "disabled") and key not in _MODES:
        return "on" if said == "enabled" else "off"
    if re.match(r"-?\d+(?:mb|%|ms)\Z", word):
        return re.match(r"-?\d+", word)[0]
    return _WORDS.get(("boot" if re.match(r"boot\d", key) else key, word), word)


def _storage(text):
    slots, controllers = [], []
    for found in _CONTROLLER.finditer(text):
        controllers.append(_controller(found))
        slots += [_slot(found["name"], slot) for slot in _SLOT.finditer(found["slots"])]
    return (tuple(slots), tuple(controllers)) if controllers else _old_storage(text)


def _old_storage(text):
    """Of 6.1, which tells all controllers, and then what is attached to them."""
    found = list(_OLD_CONTROLLER.finditer(text))
    if not found:
        return (), ()
    names = "|".join(re.escape(one["name"]) for one in found)
    slot = re.compile(
        rf"^(?P<controller>{names}) \((?P<port>\d+), (?P<device>\d+)\): "
        rf"(?:(?P<path>.*) \(UUID: (?P<uuid>{_UUID})\)|Empty)(?: \([a-z ]+\))*$",
        re.MULTILINE,
    )
    slots = tuple(_slot(one["controller"], one) for one in slot.finditer(text, found[-1].end()))
    return slots, tuple(map(_controller, found))


def _controller(found):
    values = {key: found[key] for key in ("name", "type", "instance", "maxportcount", "portcount")}
    return Controller(found["name"], {**values, "bootable": _bootable(found["bootable"])})


def _bootable(said):
    return "on" if said.strip().lower() in ("bootable", "on") else "off"


def _slot(controller, found):
    values = {"ImageUUID": found["uuid"]} if found["uuid"] else {}
    more = found.groupdict().get("more") or ""
    values.update({key: "on" for key, words in _ON_SLOTS.items() if words in more})
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
    kind, quote, name = attachment.partition(" '")
    kind, key = _BACKENDS.get(kind, ({"NAT": "nat", "none": "null"}.get(kind, kind), None))
    values = {key: name.rpartition("'")[0]} if key and quote else {}
    values.update(nic=kind)
    for reported in ("macaddress", "cableconnected", "nictype", "nicbootprio", "nicpromisc"):
        values[reported] = found[reported]
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


def _snapshots(text):
    heads, above, found = list(_SNAPSHOT.finditer(text)), {}, []
    ends = [head.start() for head in heads[1:]] + [len(text)]
    for head, end in zip(heads, ends):
        depth = len(head["indent"])
        above[depth] = head["uuid"]
        description = text[head.end() : end].removesuffix("\n") if head["described"] else ""
        parent = above.get(depth - 3)
        found.append(Snapshot(head["uuid"], head["name"], description, parent, bool(head["current"])))
    return tuple(found)
