# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: options that no other platform has, and the shared options that it does not support."""

from __future__ import annotations

from functools import partial

from ..._core.options import option as options
from ..._core.options.image_names import REGISTRY, normalized_source
from ..._core.options.option import Connection, Entries, Option, Texts, with_suboption
from ..._core.options.platform import Platform
from ..._core.texts import bare_uuid

_NATIVE = "Set it through native, by the provider's own key."
_DEVICE = "Set it through native, by the provider's own key, such as usb and pci of the provider libvirt."
_ONE_DISK = "A box brings its disk, and only its size can be set. Add others with native, as vm.disk or storage."

VAGRANT = Platform(
    "vagrant",
    per_driver=("native", "provider", "os_type", "state", "stop_mode", "stop_timeout", "on_failure", "delete_disks"),
    canonical_id=bare_uuid,
    lacks={
        "appliance": "A box is an appliance already. Use image with a box.",
        **options.NO_AGENT,
        "image.linked=true": "Set linked_clone.",
        "image.slot": "The box has its disk already. Omit it.",
        "image.refresh": "Run vagrant box update, and create the VM again.",
        "image.headers": "Download the box, and set its path in box_url.",
        "image.require_signature": "Download the box and verify it, then set its path in box_url.",
        "clone": "Package the VM as a box (vagrant package), and use that as box.",
        "iso": _NATIVE,
        "skip_boot_prompt": _NATIVE,
        "boot_key_seconds": "Press a key in the console of the VM.",
        "cdroms": _NATIVE,
        "cloud_init": "Use provisioners; the provider virtualbox also has native: {vm.cloud_init: ...}.",
        "firmware": _NATIVE,
        "secure_boot": _NATIVE,
        "tpm": _NATIVE,
        "nested_virtualization": _NATIVE,
        "rtc": _NATIVE,
        "display": "Use gui, or native with the provider's own key.",
        "autostart": "Vagrant starts no VM with the host; let a service of the host run this task.",
        "disks.format": _ONE_DISK,
        "disks.storage": _ONE_DISK,
        "disks.directory": _ONE_DISK,
        **dict.fromkeys(("disks.serial", "disks.iops_limit", "disks.bandwidth_limit"), _NATIVE),
        "disks.source": _ONE_DISK,
        "disks.state=absent": "Vagrant never removes a disk.",
        "networks.type=internal": "Set it through native, as vm.network.",
        "networks.type=network": "Set it through native, as vm.network.",
        "networks.type=user": "Set it through native, as vm.network.",
        "devices": _DEVICE,
        "networks.model": _NATIVE,
        "networks.vlan": "Tag an interface of the host, and bridge to that.",
        "networks.trunk": "Bridge to an interface of the host, which passes all VLANs. Tag them in the guest.",
        **dict.fromkeys(options.NO_GUARDS, _NATIVE),
        "compare.content": "Compare the disks with the tools of the provider.",
        "compare.text": "Compare the disks with the tools of the provider.",
    },
)

PROVISIONER = {
    "name": Option(),
    "inline": Option(),
    "path": Option("path"),
    "args": Texts(),
    "env": Option("dict", secret=True),
    "privileged": Option("bool"),
    "run": Option(choices=("once", "always", "never")),
}
_ONE_SCRIPT = {"mutually_exclusive": [["inline", "path"]], "required_one_of": [["inline", "path"]]}
_source = partial(normalized_source, forms=(REGISTRY,))
CONNECTION = {
    "project_dir": Connection("path", required=True),
    "vagrantfile": Connection(),
    "managed": Connection("bool", default=True),
    "executable": Connection(default="vagrant"),
}
VM = {
    **CONNECTION,
    "image": with_suboption(options.VM["image"], "source", normalize=_source),
    # Paths may be relative to the project.
    "shared_folders": with_suboption(options.VM["shared_folders"], "host_path", absolute=False),
    "provider": Option(),
    "box": Option(),
    "box_version": Option(),
    "box_url": Option(),
    "box_checksum": Option(),
    "os_boxes": Connection("dict"),
    "hostname": Option(),
    "gui": Option("bool"),
    "linked_clone": Option("bool"),
    "provisioners": Entries(options=PROVISIONER, rules=_ONE_SCRIPT),
    "environment": Option("dict", secret=True),
}
