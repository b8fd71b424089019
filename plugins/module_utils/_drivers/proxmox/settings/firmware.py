# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: firmware, Secure Boot and TPM. The EFI disk and the TPM state are volumes of their own."""

from __future__ import annotations

from ...._core.errors import Refused
from ...._core.model import LIVE, NEVER, NEXT_BOOT, POWER_OFF
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values

#: {option: volume of which it is the storage}.
STATE_STORAGES = {"efi_storage": "efidisk0", "tpm_storage": "tpmstate0"}
#: {firmware: value of the option bios}.
_BOARD = {"bios": "seabios", "uefi": "ovmf"}
#: STORAGE:SIZE of a new volume. The request contains 1 GiB; the server creates a smaller volume.
_NEW_VOLUME = "{}:1"
KEYS_REMEDY = (
    "Remove its EFI disk first (qm set ID --delete efidisk0, which also removes its boot entries): the task then"
    " creates a new one."
)


def _write_firmware(update, change):
    update.set("bios", _BOARD[change.new])
    if change.new == "uefi" and not update.value("efidisk0"):
        _add_efi_disk(update, change, bool((change.beside or {}).get("secure_boot")))


def _add_efi_disk(update, change, has_keys):
    keys = f"pre-enrolled-keys={int(has_keys)}"
    update.to_set["efidisk0"] = f"{_new_volume(update, change, 'efi_storage')},efitype=4m,{keys}"


def _new_volume(update, change, option):
    return _NEW_VOLUME.format((change.beside or {}).get(option) or update.storage)


def _write_secure_boot(update, change):
    if update.to_set.get("efidisk0"):
        update.merge("efidisk0", {"pre-enrolled-keys": str(int(change.new))})
    elif update.value("bios") == _BOARD["uefi"] and not update.value("efidisk0"):
        _add_efi_disk(update, change, change.new)


def _write_tpm(update, change):
    has_tpm = "tpmstate0" in update.current
    if change.new and not has_tpm:
        update.to_set["tpmstate0"] = f"{_new_volume(update, change, 'tpm_storage')},version=v2.0"
    elif has_tpm and not change.new:
        update.to_purge.append("tpmstate0")


def has_keys(options):
    """Whether the EFI disk was created with the Secure Boot keys."""
    return values.parse("efidisk0", options.get("efidisk0", "")).get("pre-enrolled-keys") == "1"


def check_secure_boot(vm, config):
    firmware = config.get("firmware") or vm.config.get("firmware") or "bios"
    if config.get("secure_boot") and firmware != "uefi":
        raise Refused(f"{vm.name}: secure_boot needs UEFI, and its firmware is {firmware}.", "Set firmware: uefi.")


def check_keys(label, options, change):
    """Raise Refused if an existing EFI disk does not match the requested secure_boot.

    A VM that is changed to BIOS keeps its EFI disk, with or without the keys.
    """
    requested = change.beside.get("secure_boot")
    if change.new == "uefi" and requested is not None and "efidisk0" in options and requested != has_keys(options):
        with_or_without = "without" if requested else "with"
        raise Refused(
            f"{label}: secure_boot cannot become '{requested}': it has an EFI disk, which was created {with_or_without}"
            " the keys.",
            KEYS_REMEDY,
        )


def _read_firmware(options):
    return "uefi" if options.get("bios") == "ovmf" else "bios"


def _read_secure_boot(options):
    """None if there is UEFI, but no EFI disk: the guest keeps no boot entries, and a task can add the disk."""
    if _read_firmware(options) == "uefi" and "efidisk0" not in options:
        return None
    return _read_firmware(options) == "uefi" and has_keys(options)


def _cost_of_secure_boot(vm, change):
    """The Secure Boot keys are stored in the EFI disk when it is created, so they cannot change later."""
    has_efi_disk = vm.config.get("firmware") == "uefi" and change.old is not None
    return NEVER if has_efi_disk else NEXT_BOOT


def _read_storage(key):
    """A function that reads the storage of a volume from options; None if the VM does not have it."""
    return lambda options: values.parse(key, options[key])["file"].partition(":")[0] if key in options else None


def check_state_storages(vm, config):
    """Raise Refused for the storage of an EFI disk or a TPM that the VM has not, and that the task does not add."""
    firmware = config.get("firmware") or vm.config.get("firmware") or "bios"
    adds_efi_disk = firmware == "uefi" and ("secure_boot" in config or vm.config.get("firmware") != "uefi")
    has_tpm = config.get("tpm", vm.config.get("tpm"))
    if config.get("efi_storage") and not (vm.config.get("efi_storage") or adds_efi_disk):
        raise Refused(
            f"{vm.name}: efi_storage: the VM has no EFI disk.",
            "Set firmware: uefi, and secure_boot: true or false: a missing EFI disk is added.",
        )
    if config.get("tpm_storage") and not has_tpm:
        raise Refused(f"{vm.name}: tpm_storage: the VM has no TPM.", "Set tpm: true, or omit tpm_storage.")


def _cost_of_moving_efi_disk(vm, change):
    """The server moves the disk of the running VM, but not one that is attached at its next start.

    The storage of a new one waits for nothing: what adds the disk does.
    """
    if change.old is None or not vm.on or vm.active is None:
        return LIVE
    has_disk = vm.active.get("firmware") == "uefi" and vm.active.get("secure_boot") is not None
    return LIVE if has_disk else POWER_OFF


def _cost_of_moving_tpm(vm, change):
    """The server does not move the state of a running TPM."""
    return LIVE if change.old is None else POWER_OFF


FIRMWARE = {
    "firmware": Setting(read=_read_firmware, write=_write_firmware, native=("bios",), unset="bios"),
    "secure_boot": Setting(
        cost=_cost_of_secure_boot, instead=KEYS_REMEDY, read=_read_secure_boot, write=_write_secure_boot
    ),
    "tpm": Setting(read=lambda options: "tpmstate0" in options, write=_write_tpm, native=("tpmstate",)),
    # Moves are calls of their own, see moving.py.
    "efi_storage": Setting(cost=_cost_of_moving_efi_disk, read=_read_storage("efidisk0")),
    "tpm_storage": Setting(cost=_cost_of_moving_tpm, read=_read_storage("tpmstate0")),
}
