# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Firmware, secure boot and TPM, each with a volume of its own."""

from __future__ import annotations

from ...._lifecycle.errors import Refused
from ...._lifecycle.model import NEVER, NEXT_BOOT, POWER_OFF, SUSPENDED, Field
from ...._tools import proxmox_values as values
from .base import unless_suspended

_BOARD = {"bios": "seabios", "uefi": "ovmf"}
#: A volume of one GiB is asked for; the server makes it as small as it has to be.
_STATE = "{}:1"
NEW_KEYS = "Remove its EFI disk first, or clone the VM's disks into a new one."


def _write_firmware(writing, change):
    writing.set("bios", _BOARD[change.new])
    if change.new == "uefi" and not writing.value("efidisk0"):
        keys = int(bool((change.beside or {}).get("secure_boot")))
        writing.put["efidisk0"] = f"{_STATE.format(writing.storage)},efitype=4m,pre-enrolled-keys={keys}"


def _write_secure_boot(writing, change):
    if change.new and writing.put.get("efidisk0"):
        writing.merge("efidisk0", {"pre-enrolled-keys": "1"})


def _write_tpm(writing, change):
    is_there = "tpmstate0" in writing.now
    if change.new and not is_there:
        writing.put["tpmstate0"] = f"{_STATE.format(writing.storage)},version=v2.0"
    elif is_there and not change.new:
        writing.lost.append("tpmstate0")


def has_keys(options):
    """Whether a VM's EFI disk was created with the keys of secure boot."""
    return values.parse("efidisk0", options.get("efidisk0", "")).get("pre-enrolled-keys") == "1"


def _cost_of_secure_boot(vm, change):
    """The keys are in the VM's EFI disk from the beginning: only with a first one they can be chosen."""
    if vm.config.get("firmware") == "uefi":
        return NEVER
    return POWER_OFF if vm.power == SUSPENDED else NEXT_BOOT


def check_secure_boot(vm, config):
    firmware = config.get("firmware") or vm.config.get("firmware") or "bios"
    if config.get("secure_boot") and firmware != "uefi":
        raise Refused(f"{vm.name}: secure_boot needs UEFI, and its firmware is {firmware}.", "Set firmware: uefi.")


def check_keys(label, options, change):
    """An EFI disk stays while its VM has no UEFI, and with it the keys that it was created with."""
    asked = change.beside.get("secure_boot")
    if change.new == "uefi" and asked is not None and "efidisk0" in options and asked != has_keys(options):
        held = "without" if asked else "with"
        raise Refused(
            f"{label}: secure_boot cannot become '{asked}': it has an EFI disk, which was made {held} its keys.",
            NEW_KEYS,
        )


def read(options):
    is_uefi = options.get("bios") == "ovmf"
    return {
        "firmware": "uefi" if is_uefi else "bios",
        "secure_boot": is_uefi and has_keys(options),
        "tpm": "tpmstate0" in options,
    }


FIELDS = {
    "firmware": Field(cost=unless_suspended(NEXT_BOOT)),
    "secure_boot": Field(cost=_cost_of_secure_boot, instead=NEW_KEYS),
    "tpm": Field(cost=unless_suspended(NEXT_BOOT)),
}
WRITES = {"firmware": _write_firmware, "secure_boot": _write_secure_boot, "tpm": _write_tpm}
