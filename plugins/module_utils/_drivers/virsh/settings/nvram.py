# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: the NVRAM file of a VM with UEFI firmware. Internal snapshots include it if its format is qcow2.

Distributions install raw templates, and libvirt does not convert them. So the file is created here, before the
definition, which then has to name the files of the firmware: libvirt would choose only firmware with a qcow2 template.

libvirt 12.8 does not even start a VM if its definition names a raw template and an existing qcow2 file (run with
Debian testing; libvirt 11.3 and, as users report, 12.0 start it). So the definition calls the template qcow2, and names
none. Up to 11.3, libvirt adds the raw template and the features of the firmware when it stores that; 12.8 does not.
"""

from __future__ import annotations

import os

from ...._core.errors import Refused, Unsupported, remedy_for
from ...._core.model import NEXT_BOOT, POWER_OFF
from ...._kit.settings import Setting
from ...._ports import files, permits
from .architecture import machine_type, row_of
from .firmware import FIRMWARE, nvram_of, read_firmware, read_secure_boot
from .native import versioned_machine

RAW, QCOW2 = "raw", "qcow2"
#: First libvirt version that restores internal snapshots with their NVRAM.
QCOW2_SINCE = (10, 10)


def read_format(definition):
    """The format of the NVRAM file; empty for BIOS, which has none."""
    return "" if read_firmware(definition) == "bios" else definition.native("os/nvram@format") or RAW


def normalize_nvram(vm, config):
    """``config`` with the format for a VM that gets NVRAM or loses it. Raises Refused if BIOS is to have one."""
    firmware, before = config.get("firmware") or vm.config.get("firmware"), vm.config.get("firmware")
    if config.get("nvram_format") and firmware != "uefi":
        raise Refused(f"{vm.name}: nvram_format requires UEFI, and BIOS has no NVRAM.", "Set firmware: uefi.")
    if firmware == before or not firmware:
        return config
    if firmware == "uefi":
        return {"nvram_format": QCOW2, **config}
    return {"nvram_format": "", **config} if before == "uefi" else config


def _cost(vm, change):
    # The guest may write to the file that is converted. A new firmware has a new file.
    return POWER_OFF if change.old else NEXT_BOOT


def _firmware_of(name, arch, machine, secure_boot):
    """The Firmware of this host for a machine type."""
    from ...._tools import qemu_firmware
    from ...._tools.virsh_remedies import REMEDIES

    places = qemu_firmware.FOLDERS
    paths = {file: os.path.join(folder, file) for folder in places for file in files.entries(folder)}
    texts = (files.read(path) for file, path in sorted(paths.items()) if file.endswith(".json"))
    found = qemu_firmware.choose(texts, arch, versioned_machine(machine), bool(secure_boot))
    if found is None:
        option, what = ("secure_boot", " with Secure Boot") if secure_boot else ("firmware", "")
        install = remedy_for(REMEDIES, "Unable to find any firmware")
        raise Unsupported(
            f"{name}: {option}: no UEFI firmware{what} for the machine type {machine} is described below"
            f" {' or '.join(places)}.",
            f"{install} If libvirt has firmware of its own, set nvram_format: raw.",
        )
    return found


def place_nvram(definition, storage, name, wanted_format=None):
    """Set the NVRAM file in the definition and return its path; None for BIOS, which has no NVRAM.

    ``wanted_format`` None: that of the definition.
    """
    if read_firmware(definition) == "bios":
        return None
    wanted_format = wanted_format or read_format(definition)
    path = storage.nvram_path(name, read_secure_boot(definition), wanted_format)
    nvram = definition.set("os/nvram", path)
    # A cloned definition may contain the source's file in a child element (libvirt 8.5 and later).
    nvram.attrib.pop("type", None)
    for child in list(nvram):
        nvram.remove(child)
    if wanted_format == QCOW2 and definition.native("os/loader"):
        _omit_template(definition, nvram)
    elif wanted_format == QCOW2 or nvram.get("format"):
        nvram.set("format", wanted_format)
        nvram.attrib.pop("templateFormat", None)
    return path


def _omit_template(definition, nvram):
    """Without a template, there can be no requested features: libvirt compares both with the firmware that it knows."""
    nvram.attrib.update({"format": QCOW2, "templateFormat": QCOW2})
    nvram.attrib.pop("template", None)
    system = definition.root.find("os")
    system.attrib.pop("firmware", None)
    for features in system.findall("firmware"):
        system.remove(features)


def create_nvram(definition, storage, name, wanted_format):
    """Set the NVRAM of a new VM in its definition. Returns (path, whether the file is new).

    A raw file is created by libvirt at the first start.
    """
    if wanted_format != QCOW2:
        return place_nvram(definition, storage, name), False
    image = _template(definition, name)
    path = place_nvram(definition, storage, name, QCOW2)
    return path, storage.create_disk(path, {"format": QCOW2}, image)


def place_new_nvram(driver, vm, definition, changes, previous):
    """Set the NVRAM file after a change of the firmware or of the format. Returns its path, or None for BIOS.

    ``previous`` are path and format before. A file in the new format has the content of the previous one, unless the
    firmware is another one.
    """
    requested = {change.field: change.new for change in changes}
    driver.storage.create_default_folder()
    wanted_format = requested.get("nvram_format") or previous[1]
    keeps_content = not FIRMWARE.keys() & requested.keys() and previous[0] and files.exists(previous[0])
    image = {"source": previous[0], "format": previous[1]} if keeps_content else None
    if wanted_format == QCOW2:
        template = _template(definition, vm.name)
        image = image or template
    path = place_nvram(definition, driver.storage, vm.name, wanted_format)
    if path is not None and image is not None:
        _fill(driver.storage, path, wanted_format, image, is_own=vm.owned and path in vm.mark.get("nvram", ()))
    return path


def _fill(storage, path, image_format, image, is_own):
    if is_own and files.exists(path):
        # A new file would lack the snapshots that an earlier one contains.
        with permits.also([path]):  # The record of the VM names it.
            storage.qemu_img.overwrite(image["source"], image["format"], path, image_format)
    else:
        storage.create_disk(path, {"format": image_format}, image)


def _template(definition, name):
    """Set the firmware's files in the definition, and return its template as an ``image`` of Storage.create_disk."""
    if read_firmware(definition) == "bios":
        return None
    firmware = _firmware_in(definition, name)
    _set_loader(definition, firmware)
    return _image_of(firmware)


def _firmware_in(definition, name):
    system = (definition.native("os/type@arch"), definition.native("os/type@machine"))
    return _firmware_of(name, *system, read_secure_boot(definition))


def _image_of(firmware):
    return {"source": firmware.template, "format": firmware.template_format}


def _set_loader(definition, firmware):
    loader = definition.set("os/loader", firmware.loader)
    values = {"readonly": "yes", "type": "pflash", "format": firmware.loader_format}
    for name, value in {**values, **({"secure": "yes"} if firmware.secure else {})}.items():
        loader.set(name, value)


def check_nvram(driver, plan, one):
    """Raise if the NVRAM of a new VM cannot be created: no firmware, or other data in a file of its name."""
    name, config = plan.after.name, one.step.arguments["config"]
    if config.get("nvram_format") != QCOW2:
        return
    firmware = _firmware_of(name, row_of(config).arch, machine_type(config), config.get("secure_boot"))
    path = driver.storage.nvram_path(name, config.get("secure_boot"), QCOW2)
    if files.exists(path) and not driver.storage.has_content_of(path, {"format": QCOW2}, _image_of(firmware)):
        raise Refused(f"{name}: {path} already exists and has different content.", "Move it to another directory.")


def reset_qcow2(driver, definition, name):
    """Write the template into a qcow2 NVRAM file of a stopped VM, and return whether that was necessary.

    libvirt does not convert the template, and a new file would lack the VM's snapshots.
    """
    template = definition.native("os/nvram@template")
    if read_format(definition) != QCOW2 or (template and definition.native("os/nvram@templateFormat") == QCOW2):
        return False
    image = {"source": template, "format": RAW} if template else _image_of(_firmware_in(definition, name))
    with permits.also([nvram_of(definition)]):  # The task resets it.
        driver.storage.qemu_img.overwrite(image["source"], image["format"], nvram_of(definition), QCOW2)
    return True


NVRAM = {
    "nvram_format": Setting(
        cost=_cost,
        read=read_format,
        since=QCOW2_SINCE,
        native=(r"os/nvram@(format|templateFormat)$",),
        choices=(RAW, QCOW2),
        instead="It requires libvirt 10.10 or later.",
    )
}
