# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware, secure boot and TPM, each with a volume of its own."""

from __future__ import annotations

from ...._lifecycle.errors import Refused
from ...._tools import proxmox_values as values

_BOARD = {"bios": "seabios", "uefi": "ovmf"}
#: The size is 1 GiB in the request; the server makes the volume smaller.
_STATE = "{}:1"
NEW_KEYS = "Remove its EFI disk first, or clone the VM's disks into a new one."


def write_firmware(writing, change):
    writing.set("bios", _BOARD[change.new])
    if change.new == "uefi" and not writing.value("efidisk0"):
        keys = int(bool((change.beside or {}).get("secure_boot")))
        writing.put["efidisk0"] = f"{_STATE.format(writing.storage)},efitype=4m,pre-enrolled-keys={keys}"


def write_secure_boot(writing, change):
    if change.new and writing.put.get("efidisk0"):
        writing.merge("efidisk0", {"pre-enrolled-keys": "1"})


def write_tpm(writing, change):
    is_there = "tpmstate0" in writing.now
    if change.new and not is_there:
        writing.put["tpmstate0"] = f"{_STATE.format(writing.storage)},version=v2.0"
    elif is_there and not change.new:
        writing.deleted.append("tpmstate0")


def has_keys(options):
    """Whether a VM's EFI disk was created with the keys of secure boot."""
    return values.parse("efidisk0", options.get("efidisk0", "")).get("pre-enrolled-keys") == "1"


def check_secure_boot(vm, config):
    firmware = config.get("firmware") or vm.config.get("firmware") or "bios"
    if config.get("secure_boot") and firmware != "uefi":
        raise Refused(f"{vm.name}: secure_boot needs UEFI, and its firmware is {firmware}.", "Set firmware: uefi.")


def check_keys(label, options, change):
    """An EFI disk is kept while the VM uses BIOS, and so are its keys."""
    requested = change.beside.get("secure_boot")
    if change.new == "uefi" and requested is not None and "efidisk0" in options and requested != has_keys(options):
        held = "without" if requested else "with"
        raise Refused(
            f"{label}: secure_boot cannot become '{requested}': it has an EFI disk, which was created {held} the keys.",
            NEW_KEYS,
        )


def read_firmware(options):
    return "uefi" if options.get("bios") == "ovmf" else "bios"


def read_secure_boot(options):
    return read_firmware(options) == "uefi" and has_keys(options)


def read_tpm(options):
    return "tpmstate0" in options
