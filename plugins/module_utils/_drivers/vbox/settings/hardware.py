# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: settings of one option each. ``write`` returns arguments of modifyvm, ``write_live`` of controlvm."""

from __future__ import annotations

from functools import partial

from ...._core.errors import PolyvirtError, Refused
from ...._core.model import LIVE, NEXT_BOOT, PAUSED, POWER_OFF, RUNNING, STOPPED, SUSPENDED
from ...._core.units import GIB, MIB
from ...._kit.settings import Setting
from ...._ports import files
from ..options import VIRTUALBOX

_SWITCH = {True: "on", False: "off"}
_RTC = {"utc": "on", "localtime": "off"}
_LONGEST_NVRAM = 4 << 20
#: Device in boot_order -> VirtualBox's name of it.
BOOT = {"disk": "disk", "cdrom": "dvd", "network": "net", "floppy": "floppy"}
_BOOT_DEVICES = {vbox_name: device for device, vbox_name in BOOT.items()}
#: Short names of operating systems -> VirtualBox's id.
OS_TYPES = {
    "linux": "Linux26_64", "debian": "Debian_64", "ubuntu": "Ubuntu_64", "fedora": "Fedora_64", "rhel": "RedHat_64",
    "redhat": "RedHat_64", "centos": "RedHat_64", "alma": "RedHat_64", "rocky": "RedHat_64", "arch": "ArchLinux_64",
    "archlinux": "ArchLinux_64", "opensuse": "OpenSUSE_64", "gentoo": "Gentoo_64", "oracle": "Oracle_64",
    "openbsd": "OpenBSD_64", "freebsd": "FreeBSD_64", "netbsd": "NetBSD_64", "windows10": "Windows10_64",
    "windows11": "Windows11_64", "windows2016": "Windows2016_64", "windows2019": "Windows2019_64",
    "windows2022": "Windows2022_64", "solaris": "Solaris11_64", "other": "Other_64",
}  # fmt: skip
DEFAULT_OS_TYPE = OS_TYPES["linux"]


def while_on(vm, change):
    """Live with controlvm, except for a suspended VM."""
    return LIVE if vm.power in (STOPPED, RUNNING, PAUSED) else POWER_OFF


def _off_or_saved(vm, change):
    return LIVE if vm.power == SUSPENDED else POWER_OFF


def _next_boot_if_saved(vm, change):
    return NEXT_BOOT if vm.power == SUSPENDED else POWER_OFF


def _cost_of_autostart(vm, change):
    """controlvm enables it, but does not disable it, and reports success in both cases."""
    return LIVE if change.new or vm.power in (STOPPED, SUSPENDED) else POWER_OFF


def _os_type(vm, text, known):
    return OS_TYPES.get(text.lower()) or known.os_type(text)


def _groups(vm, groups, known):
    for group in groups:
        if not group.startswith("/") or "," in group or (group != "/" and group.endswith("/")):
            raise Refused(
                f"{vm.name}: groups: '{group}' is not a valid group.", "Use a path such as /web or /web/test."
            )
    return tuple(groups) or ("/",)


def _row(option, read, text=str, native=(), cost=POWER_OFF, **more):
    """The row of one option of modifyvm; ``text(value)`` is its argument."""
    write = partial(_words, option, text)
    return Setting(cost=cost, read=read, write=write, native=(option, *native), **more)


def _words(option, text, value):
    return [f"--{option}", text(value)]


def _number(name, unit=1):
    return lambda vbox_vm: int(vbox_vm.values[name]) * unit


def _is_on(name):
    return lambda vbox_vm: vbox_vm.values.get(name) == "on"


def _mebibytes(size):
    return str(size // MIB)


def _read_rtc(vbox_vm):
    return "utc" if vbox_vm.values.get("rtcuseutc") == "on" else "localtime"


def _read_groups(vbox_vm):
    return tuple(vbox_vm.values.get("groups", "/").split(","))


def _read_firmware(vbox_vm):
    return "bios" if vbox_vm.values.get("firmware", "BIOS").upper() == "BIOS" else "uefi"


def _read_os_type(vbox_vm):
    return vbox_vm.file.os_type if vbox_vm.file else vbox_vm.values.get("ostype")


def _is_same_os_type(found, requested):
    return (found or "").lower() == requested.lower()


def _read_tpm(vbox_vm):
    return bool(vbox_vm.file and vbox_vm.file.attribute("Hardware/TrustedPlatformModule@type") not in (None, "None"))


def _read_graphics_controller(vbox_vm):
    controller = vbox_vm.values.get("graphicscontroller")
    return "none" if controller in (None, "null") else controller


def _read_boot_order(vbox_vm):
    names = (vbox_vm.values.get(f"boot{number}", "none") for number in range(1, 5))
    return tuple(_BOOT_DEVICES.get(name, name) for name in names if name != "none")


def _boot_order_arguments(order):
    names = [BOOT[device] for device in order]
    all_four = [*names, *["none"] * (4 - len(names))]
    return [word for number, name in enumerate(all_four, 1) for word in (f"--boot{number}", name)]


#: In the order that modifyvm needs: settings that others depend on come first. The limits are from
#: `VBoxManage list systemproperties` of 7.2; VirtualBox rejects higher numbers.
HARDWARE = {
    "description": _row("description", lambda vbox_vm: vbox_vm.values.get("description", ""), cost=_off_or_saved),
    "groups": _row("groups", _read_groups, ",".join, cost=_off_or_saved, normalize=_groups, unset=("/",)),
    "os_type": _row(
        "ostype", _read_os_type, native=("os-type",), same=_is_same_os_type, normalize=_os_type, default=DEFAULT_OS_TYPE
    ),
    "firmware": _row("firmware", _read_firmware, {"bios": "bios", "uefi": "efi"}.get, unset="bios"),
    "memory": _row(
        "memory", _number("memory", MIB), _mebibytes, minimum=4 * MIB, maximum=2048 * GIB, whole=MIB, default=2 * GIB
    ),
    "cpus": _row("cpus", _number("cpus"), maximum=64, default=2),
    "graphics_controller": _row("graphicscontroller", _read_graphics_controller, default="vmsvga"),
    "display.video_memory": _row(
        "vram", _number("vram", MIB), _mebibytes, minimum=MIB, maximum=256 * MIB, whole=MIB, default=16 * MIB
    ),
    "display.type": Setting(
        cost=while_on,
        choices=("none",),
        unset="none",
        instead=VIRTUALBOX.lacks["display.type=vnc"],
        read=lambda vbox_vm: "none" if vbox_vm.values.get("vrde", "off") == "off" else "rdp",
        write=lambda value: ["--vrde", "off"],
        write_live=lambda value: ["vrde", "off"],
    ),
    "nested_virtualization": _row("nested-hw-virt", _is_on("nested-hw-virt"), _SWITCH.get),
    "rtc": _row("rtcuseutc", _read_rtc, _RTC.get, ("rtc-use-utc",), _next_boot_if_saved, default="utc", unset="utc"),
    "tpm": _row("tpm-type", _read_tpm, {True: "2.0", False: "none"}.get, since=(7, 0)),
    "boot_order": Setting(cost=POWER_OFF, read=_read_boot_order, write=_boot_order_arguments, native=("boot",)),
    "autostart": _row(
        "autostart-enabled",
        _is_on("autostart-enabled"),
        _SWITCH.get,
        cost=_cost_of_autostart,
        write_live=lambda value: ["autostart-enabled", "on"],
    ),
}


# Secure Boot is part of the variables of the UEFI firmware, which are in a file (NVRAM) of the VM. VirtualBox creates
# that file at the first start, without keys, so without Secure Boot. The file itself is read: what VirtualBox lists is
# from when it opened the VM, until its daemon ends. VERIFIED with 7.2.22.


def _read_secure_boot(vbox_vm):
    """None: the firmware is BIOS, or the file does not exist yet or cannot be read."""
    path = vbox_vm.values.get("NvramFile")
    if _read_firmware(vbox_vm) == "bios" or not path:
        return None
    from ...._tools.uefi_variables import secure_boot_in  # Few VMs have UEFI.

    try:
        return secure_boot_in(files.read_part(path, 0, _LONGEST_NVRAM))
    except PolyvirtError:
        return None


SECURE_BOOT = {"secure_boot": Setting(cost=POWER_OFF, read=_read_secure_boot, since=(7, 0))}


def check_secure_boot(vm, config):
    """Return the requested ``config`` without what BIOS never has; raises Refused if it would need it."""
    firmware = config.get("firmware", vm.config.get("firmware", "bios"))
    if firmware == "uefi" or "secure_boot" not in config:
        return config
    if config["secure_boot"]:
        raise Refused(f"{vm.name}: secure_boot requires UEFI, but the firmware is BIOS.", "Set firmware: uefi.")
    return {name: value for name, value in config.items() if name != "secure_boot"}


def write_secure_boot(driver, uuid, wanted):
    """Switch Secure Boot, after the firmware was set; an existing file keeps its other variables."""
    run = partial(driver.run, uuid, "modifynvram", uuid)
    vbox_vm = driver.vbox_vm(uuid)
    is_new = not files.exists(vbox_vm.values["NvramFile"])
    if is_new:
        run("inituefivarstore")
    if wanted:
        run("enrollmssignatures")
        run("enrollorclpk")
        run("secureboot", "--enable")
    elif not is_new and _read_secure_boot(vbox_vm) is not False:
        run("secureboot", "--disable")
