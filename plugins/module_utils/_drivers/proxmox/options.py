# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: options that no other platform has, and shared options that it does not support, with alternatives."""

from __future__ import annotations

from ..._core.errors import InvalidInput
from ..._core.frozen import replace
from ..._core.options import option as options
from ..._core.options.option import SETTING, Connection, Consent, Filled, Option, Policy, with_suboption
from ..._core.options.platform import Platform
from ..._core.texts import decimal_id
from ..._core.units import file_or_address

_BRIDGE = "Use a bridge without a port: type: bridged, with its name as source."
_RESTORE = "Restore the snapshot into a clone, and compare its disks there."

_PROMPT = (
    "Press a key in the console of the VM at its first start, or use an ISO image that was created with"
    " efisys_noprompt.bin."
)
PROXMOX = Platform(
    "proxmox",
    per_driver=(
        "native",
        "state",
        "allow_restart",
        "stop_timeout",
        "on_failure",
        "tags",
        "cloud_init",
        "clone",
        "unused_disks",
        "allow_rename",
        "appliance",
    ),
    canonical_id=decimal_id,
    lacks={
        "image.linked=true": "Create a template with the image, and clone that with clone.linked: true.",
        "rtc": "Use native: {localtime: true} or {localtime: false}.",
        **dict.fromkeys(("skip_boot_prompt", "boot_key_seconds"), _PROMPT),
        "port_forwards": "Guests are reached by their own addresses, or by a rule on the node.",
        "shared_folders": "Map a directory of the node in the datacenter, and name it: native: {virtiofs0: NAME}.",
        "disks.directory": "Use disks[].storage.",
        "networks.type=hostonly": _BRIDGE,
        "networks.type=internal": _BRIDGE,
        "networks.address": "Use cloud_init.ip_config.",
        **dict.fromkeys(options.NO_GUARDS, "Use the firewall of the VM, with its options macfilter, dhcp and radv."),
        "compare.content": _RESTORE,
        "compare.text": _RESTORE,
    },
)

CONNECTION = {
    "api_host": Connection(),
    "api_port": Connection("int"),
    "api_user": Connection(),
    "api_password": Connection(secret=True),
    "api_token_id": Connection(secret=False),
    "api_token_secret": Connection(secret=True),
    "verify_ssl": Connection("bool", aliases=("validate_certs",)),
    "ca_path": Connection("path"),
    "api_timeout": Connection("int"),
}
#: What proxmox_backup lacks.
BACKUP_LACKS = dict.fromkeys(("directory", "allow_shared_directory", "allow_host_access"), "Set storage.")
_OF_NEW = dict.fromkeys(("disk_storage", "pool"), Connection())
BACKUP = {**CONNECTION, "storage": Policy(filled=True, required=True), **_OF_NEW}


def _on_host_of_task(text, option):
    """Return the path or address of an appliance; raises InvalidInput."""
    if ":" in text and "://" not in text and not text.startswith("/"):
        raise InvalidInput(
            f"{option}: {text} is a volume of a storage, which the host of the task cannot read.",
            "Copy the appliance to the host of the task, and set its path, or set its address (https://...).",
        )
    return file_or_address(text, option)


VM = {
    **CONNECTION,
    "id": replace(options.ID, aliases=("vmid",)),
    # Proxmox VE stores it with the VM and reports it, so it is compared as other settings are.
    "cloud_init": replace(options.VM["cloud_init"], role=SETTING),
    # A volume of a storage is allowed, not only an absolute path.
    "disks": with_suboption(options.VM["disks"], "source", absolute=False),
    "iso": replace(options.VM["iso"], absolute=False),
    "appliance": with_suboption(options.VM["appliance"], "source", normalize=_on_host_of_task),
    "allow_rename": Consent(role="connection"),
    "unused_disks": Option(choices=("keep", "delete_owned", "delete_all")),
    "cdroms": with_suboption(options.VM["cdroms"], "source", absolute=False),
    "node": Option(),
    "pool": Option(),
    "storage": Connection(),
    "efi_storage": Filled(),
    "tpm_storage": Filled(),
    "image_storage": Connection(),
    "bridge": Connection(default="vmbr0"),
    "template": Option("bool"),
    "protection": Option("bool"),
    "iso_checksum": Connection(secret=False),
}
