# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a new VM, and the command modifyvm."""

from __future__ import annotations

import re
from copy import deepcopy

from .failures import Failure, Misuse, invalid, wrong_state

# In the order of showvminfo. Blank lines separate SECTIONS, between which showvminfo prints other data.
DEFAULTS = """\
memory=1024 pagefusion=off vram=8 cpuexecutioncap=100 cpu-profile=host chipset=piix3 firmware=BIOS cpus=1 hpet=off
pae=off longmode=on triplefaultreset=off apic=on x2apic=on nested-hw-virt=off hwvirtex=on nestedpaging=on
largepages=off vtxvpid=on vtxux=on virtvmsavevmload=on cpuid-portability-level=0 bootmenu=messageandmenu
boot1=floppy boot2=dvd boot3=disk boot4=none acpi=on ioapic=on biosapic=apic biossystemtimeoffset=0 NvramFile=
rtcuseutc=on iommu=none paravirtprovider=default effparavirtprovider=kvm

graphicscontroller=vboxvga monitorcount=1 accelerate3d=off teleporterenabled=off teleporterport=0
teleporteraddress= teleporterpassword= tracing-enabled=off tracing-allow-vm-access=off tracing-config=
autostart-enabled=off autostart-delay=0 defaultfrontend= vmprocpriority=default

hidpointing=ps2mouse hidkeyboard=ps2kbd uart1=off uart2=off uart3=off uart4=off lpt1=off lpt2=off audio=default
audio_out=off audio_in=off clipboard=disabled clipboard_file_transfers=off draganddrop=disabled

vrde=off usb=off ehci=off xhci=off

recording_started=off recording_enabled=off recording_screens=1 rec_screen0= rec_screen_enabled=on rec_screen_id=0
rec_screen_video_enabled=on rec_screen_audio_enabled=off rec_screen_dest=File rec_screen_dest_filename=
rec_screen_opts=ac_profile=med rec_screen_video_res_xy=1024x768 rec_screen_video_rate_kbps=512
rec_screen_video_fps=25
"""
SECTIONS = [dict(item.split("=", 1) for item in part.split()) for part in DEFAULTS.split("\n\n")]
NUMBERS = {
    "memory", "vram", "cpuexecutioncap", "cpus", "cpuid-portability-level", "biossystemtimeoffset", "monitorcount",
    "teleporterport", "autostart-delay", "recording_screens", "rec_screen_id", "rec_screen_video_rate_kbps",
    "rec_screen_video_fps",
}  # fmt: skip
NICS = 8

_SWITCHES = {
    "hpet", "pae", "longmode", "hwvirtex", "nestedpaging", "largepages", "vtxvpid", "vtxux", "nested-hw-virt", "acpi",
    "ioapic", "x2apic", "rtcuseutc", "accelerate3d", "autostart-enabled", "vrde", "usb", "usbehci", "usbxhci",
    "triplefaultreset", "recording", "teleporter",
}  # fmt: skip
_CHOICES = {
    "firmware": ("bios", "efi", "efi32", "efi64", "efidual"),
    "graphicscontroller": ("none", "vboxvga", "vmsvga", "vboxsvga", "qemuramfb"),
    "chipset": ("piix3", "ich9"),
    "paravirtprovider": ("none", "default", "legacy", "minimal", "hyperv", "kvm"),
    "clipboard-mode": ("disabled", "hosttoguest", "guesttohost", "bidirectional"),
    "draganddrop": ("disabled", "hosttoguest", "guesttohost", "bidirectional"),
    "audio-driver": ("none", "default", "null", "alsa", "pulse", "oss"),
}
_RANGES = {
    "memory": (4, 2097152, "Invalid RAM size: {} MB (must be in range [4, 2097152] MB)"),
    "cpus": (1, 64, "Invalid virtual CPU count: {} (must be in range [1, 64])"),
    "vram": (1, 256, "Invalid VRAM size: {} MB (must be in range [1, 256] MB)"),
    "cpuexecutioncap": (1, 100, "Invalid CPU execution cap value: {} (must be in range [1, 100])"),
    "monitorcount": (1, 64, "Invalid monitor count: {} (must be in range [1, 64])"),
    "autostart-delay": (0, 2**32, "Invalid delay: {}"),
}
#: Options that 6.1 does not have, in addition to the spellings of _OLD_NAME.
_SINCE_7_0 = {"audio-driver", "tpm-type", "natlocalhostreachable"}
#: Options stored unchanged, even if showvminfo does not report them.
_TEXTS = {"ostype", "defaultfrontend", "vm-execution-engine", "tpm-type", "autostop-type", "biosbootmenu", "mouse",
          "keyboard", "vrdeport", "vm-process-priority", "description"}  # fmt: skip
_KEY_OF = {
    "clipboard-mode": "clipboard", "audio-driver": "audio", "usbehci": "ehci", "usbxhci": "xhci",
    "recording": "recording_enabled", "biosbootmenu": "bootmenu", "mouse": "hidpointing", "keyboard": "hidkeyboard",
    "vm-process-priority": "vmprocpriority", "teleporter": "teleporterenabled",
}  # fmt: skip
#: Spellings with dashes, introduced with 7.0: {spelling: older name}.
_OLD_NAME = {
    "nic-type": "nictype", "mac-address": "macaddress", "cable-connected": "cableconnected", "nat-pf": "natpf",
    "nat-net": "natnet", "bridge-adapter": "bridgeadapter", "host-only-adapter": "hostonlyadapter",
    "os-type": "ostype", "cpu-execution-cap": "cpuexecutioncap", "rtc-use-utc": "rtcuseutc",
    "default-frontend": "defaultfrontend", "accelerate-3d": "accelerate3d", "monitor-count": "monitorcount",
    "drag-and-drop": "draganddrop", "usb-ehci": "usbehci", "usb-xhci": "usbxhci", "usb-ohci": "usb",
    "paravirt-provider": "paravirtprovider", "nested-paging": "nestedpaging", "large-pages": "largepages",
    "nat-localhostreachable": "natlocalhostreachable",
}  # fmt: skip
_OF_NIC = re.compile(
    r"(nic|nictype|macaddress|cableconnected|natpf|natnet|bridgeadapter|intnet|hostonlyadapter|nat-network|nicpromisc"
    r"|natlocalhostreachable|nictrace|nictracefile)(\d+)\Z"
)
#: Options with two values: a port is an address and an interrupt, and these modes are followed by a path.
_UART_WITH_TWO_WORDS = re.compile(r"uart\d=(?!off$).*|uartmode\d=(server|client|file)")
#: {type of a NIC: option that names its network or interface}.
BACKENDS = {"bridged": "bridgeadapter", "intnet": "intnet", "hostonly": "hostonlyadapter", "natnetwork": "nat-network"}
_WHILE_SAVED = {
    "name", "description", "groups", "rtcuseutc", "vrde", "vrdeport", "autostart-delay", "autostart-enabled",
    "defaultfrontend", "audio-driver", "recording", "vm-process-priority", "nic", "cableconnected", "natpf", "natnet",
    "nicpromisc", "bridgeadapter", "intnet", "hostonlyadapter", "nat-network", "natlocalhostreachable",
}  # fmt: skip


def is_arm(os_type):
    """The type of the operating system decides, whatever --platform-architecture is (recorded with 7.2.22)."""
    return os_type["id"].endswith("_arm64")


def new_config(os_type, mac):
    """The settings of a new VM; some depend on the operating system."""
    values = {key: value for section in SECTIONS for key, value in section.items()}
    is_linux = os_type["family"] == "Linux"
    values.update(
        ostype=os_type["id"],
        pae="on" if os_type["family"] == "Other" else "off",
        x2apic="on" if is_linux else "off",
        rtcuseutc="on" if is_linux else "off",
        effparavirtprovider="kvm" if is_linux else "none",
    )
    if is_arm(os_type):
        values.update(platformArchitecture="ARM", chipset="armv8virtual", firmware="EFI", pae="off", x2apic="off")
    nic = "Am79C973" if os_type["family"] == "Other" else "82540EM"
    nics = {str(number): new_nic(nic) for number in range(1, NICS + 1)}
    nics["1"].update(type="nat", mac=mac)
    return {"values": values, "nics": nics, "controllers": [], "slots": {}, "folders": []}


def new_nic(nic):
    return {"type": "none", "mac": None, "model": nic, "connected": "on", "natnet": "nat", "forwards": {}, "other": {}}


class Change:
    """One call of modifyvm: options in order, all or none, apart from errors after which VBoxManage continues."""

    def __init__(self, registry, machine, new_mac):
        self.registry, self.new_mac = registry, new_mac
        self.state = machine["state"]
        self.config = deepcopy(machine["config"])
        self.moved = {}

    def apply(self, words):
        words = list(words)
        while words:
            word = words.pop(0)
            name, equals, value = word[2:].partition("=")
            number = re.search(r"\d+\Z", name)
            stem = name[: number.start()] if number else name
            is_new = stem in _SINCE_7_0 or stem in _OLD_NAME
            name = _OLD_NAME.get(stem, stem) + (number[0] if number else "") if stem in _OLD_NAME else name
            if not word.startswith("--") or not self._is_known(name) or (is_new and self.registry.version < (7, 0)):
                raise Misuse(f"Unknown option: {word}", rc=1, gap=False, close=True)
            value = value if equals else words.pop(0)
            if name.startswith("natpf") and value == "delete":
                value = ("delete", words.pop(0))
            if _UART_WITH_TWO_WORDS.fullmatch(f"{name}={value}"):
                value = (value, words.pop(0))
            self._set(name, value)

    def _is_known(self, name):
        known = (
            _SWITCHES
            | set(_CHOICES)
            | set(_RANGES)
            | _TEXTS
            | {"name", "groups", "audio", "snapshotfolder", "recordingfile"}
        )
        return name in known or bool(_OF_NIC.match(name) or re.match(r"boot\d\Z|uart(mode)?[1-4]\Z", name))

    def _set(self, name, value):
        nic = _OF_NIC.match(name)
        if nic and int(nic[2]) > NICS:
            self.registry.print_error(Failure(f"Invalid NIC number {nic[2]}"))
            return
        if self.state in ("saved", "aborted-saved") and not self._may_while_saved(name, nic):
            return
        if nic:
            self._set_nic(nic[1], self.config["nics"][nic[2]], value, nic[2])
        elif name == "recordingfile":
            self.config["recording_file"] = value
        elif name in ("name", "groups"):
            self._set_place(name, value)
        else:
            self._set_value(name, value)

    def _may_while_saved(self, name, nic):
        refused = wrong_state("The machine is not mutable (state is Saved)")
        if nic and nic[1] == "nic" and self.config["nics"][nic[2]]["type"] == "none":
            self.registry.print_error(refused)
            return False
        if (nic[1] if nic else name) not in _WHILE_SAVED:
            raise refused
        return True

    def _set_place(self, name, value):
        if name == "groups" and not all(group.startswith("/") for group in value.split(",")):
            raise invalid(f"Invalid machine group '{value}'", "VirtualBoxWrap")
        self.moved[name] = value

    def _set_value(self, name, value):
        values, key = self.config["values"], _KEY_OF.get(name, name)
        if name.startswith("uart"):
            values[key] = uart_shown(name, value)
            return
        if name in _SWITCHES and value not in ("on", "off"):
            raise Misuse(f"Unknown option: {value}", rc=1, gap=False, close=True)
        if name in _CHOICES and value not in _CHOICES[name]:
            raise Misuse(f"Invalid --{name} argument '{value}'", plain=True)
        if name in _RANGES:
            lowest, highest, text = _RANGES[name]
            if not value.isdigit():
                raise Misuse(f"Invalid {name} argument '{value}'", plain=True)
            if not lowest <= int(value) <= highest:
                raise invalid(text.format(value))
        if name.startswith("boot") and value not in ("none", "floppy", "dvd", "disk", "net"):
            raise Misuse(f"Invalid boot device '{value}'", plain=True)
        values[key] = _read_back(name, value)

    def _set_nic(self, what, nic, value, number):
        if what == "nic":
            nic["type"] = {"generic": "Generic"}.get(value, value)
            nic["mac"] = nic["mac"] or self.new_mac()
        elif what == "macaddress":
            if value != "auto" and not re.fullmatch(r"[0-9A-Fa-f]{12}", value):
                raise invalid("Invalid MAC address format", "NetworkAdapterWrap")
            nic["mac"] = self.new_mac() if value == "auto" else value.upper()
        elif what == "natpf":
            set_forward(nic, value, number)
        elif what == "natlocalhostreachable" and value not in ("on", "off"):
            raise Misuse(f"Unknown option: {value}", rc=1, gap=False, close=True)
        else:
            key = {"nictype": "model", "cableconnected": "connected", "natnet": "natnet"}.get(what)
            place = nic if key else nic["other"]
            place[key or what] = "nat" if (what, value) == ("natnet", "default") else value


def uart_shown(name, value):
    """A serial port in the form of showvminfo: ``0x03f8,4`` or ``file,PATH``."""
    if isinstance(value, str):
        return value
    first, second = value
    return f"{first},{second}" if name.startswith("uartmode") else f"{int(first, 0):#06x},{second}"


def set_forward(nic, value, number):
    """Add ``name,protocol,host,port,guest,port``, or delete one."""
    forwards = nic["forwards"]
    if isinstance(value, tuple):
        if value[1] not in forwards:
            raise Failure(
                "Code NS_ERROR_INVALID_ARG (0x80070057) - Invalid argument value (extended info not available)"
            )
        del forwards[value[1]]
        return
    name, protocol, host, host_port, guest, guest_port = value.rsplit(",", 5)
    if protocol.lower() not in ("tcp", "udp"):
        raise Misuse(f"Invalid proto '{protocol}' specfied for NIC {number}", plain=True)
    name = name or f"{protocol}_{host_port}_{guest_port}"
    rule = [protocol.lower(), host, int(host_port), guest, int(guest_port)]
    if name in forwards:
        raise invalid("A NAT rule of this name already exists", "NATEngineWrap")
    if rule[:3] in [other[:3] for other in forwards.values()]:
        raise invalid("A NAT rule for this host port and this host IP already exists", "NATEngineWrap")
    forwards[name] = rule


def _read_back(name, value):
    """The value that showvminfo reports, which differs from the option's value for some settings."""
    if name == "firmware":
        return value.upper()
    words = {
        ("graphicscontroller", "none"): "null",
        ("defaultfrontend", "default"): "",
        ("audio-driver", "none"): "null",
        ("mouse", "ps2"): "ps2mouse",
        ("mouse", "usb"): "usbmouse",
        ("keyboard", "ps2"): "ps2kbd",
        ("keyboard", "usb"): "usbkbd",
    }
    return words.get((name, value), value)
