# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secure Boot: it is part of the variables of the UEFI firmware, which are in a file (NVRAM) of the VM.

VirtualBox creates that file at the first start, without keys, so without Secure Boot. The file itself is read: what
VirtualBox lists is from when it opened the VM, until its daemon ends. VERIFIED with 7.2.22.
"""

from __future__ import annotations

from functools import partial

from ...._core.errors import PolyvirtError, Refused
from ...._core.model import POWER_OFF
from ...._kit.settings import Setting
from ...._ports import files

_SINCE = (7, 0)
_LONGEST = 4 << 20
_OPTION = "secure_boot"


def _read(vbox_vm):
    """None: the firmware is BIOS, or the file does not exist yet or cannot be read."""
    path = vbox_vm.values.get("NvramFile")
    if vbox_vm.values.get("firmware", "BIOS").upper() == "BIOS" or not path:
        return None
    from ...._tools.uefi_variables import secure_boot_in  # Few VMs have UEFI.

    try:
        return secure_boot_in(files.read_part(path, 0, _LONGEST))
    except PolyvirtError:
        return None


SECURE_BOOT = {_OPTION: Setting(cost=POWER_OFF, read=_read, since=_SINCE)}


def check_secure_boot(vm, config):
    """Return the requested ``config`` without what BIOS never has; raises Refused if it would need it."""
    firmware = config.get("firmware", vm.config.get("firmware", "bios"))
    if firmware == "uefi" or _OPTION not in config:
        return config
    if config[_OPTION]:
        raise Refused(f"{vm.name}: secure_boot requires UEFI, but the firmware is BIOS.", "Set firmware: uefi.")
    return {name: value for name, value in config.items() if name != _OPTION}


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
    elif not is_new and _read(vbox_vm) is not False:
        run("secureboot", "--disable")
