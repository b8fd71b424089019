# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every option of the shared argument spec and every setting of a platform's own, with values to be made with and
values to be changed to.

An option that a platform lacks is expected as a refusal. ``test_options`` checks that none is forgotten here.
"""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.drives import options_of
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.options import HYPERV
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.options import PROXMOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.options import VAGRANT
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.options import VIRTUALBOX
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.options import LIBVIRT
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.options import VMM
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.wsl.options import WSL

#: {platform: its definition, with the options that its modules do not offer}.
_LACKS = {one.name: one for one in (LIBVIRT, VIRTUALBOX, VAGRANT, PROXMOX, VMM, HYPERV, WSL)}
#: Options that control the task; each is tested by the power table, by expected errors or by tests of ownership.
POLICY = {
    "name", "id", "state", "stop_mode", "stop_timeout", "timeout", "call_timeout", "wait_for", "allow_restart",
    "allow_recreate", "adopt", "delete_disks", "purge", "on_failure", "machines", "prune", "prune_max",
    "prune_expired_for", "prune_stop_mode", "extend", "expired_for", "limits", "controller_time", "boot_key_seconds",
}  # fmt: skip
#: Options of the source of a new VM: {option: example}.
CREATION = {
    "image": {"source": "/nonexistent/image.qcow2"},
    "clone": {"source": "pvc-other"},
    "appliance": {"source": "/nonexistent/shop.ova"},
    "cloud_init": {"user": "admin"},
    # It is about the ISO image: test_boot_prompt.py.
    "skip_boot_prompt": True,
}


def settings(platform):
    """{option: ((value at creation, value that is read), (changed value, value that is read))}."""
    medium, card, kind = platform.medium(), platform.nic, platform.nic["type"]
    (first, second), (drive, other) = platform.slots, platform.drives
    return {
        "cpus": ((1, 1), (2, 2)),
        "memory": (("64M", 64 << 20), ("96M", 96 << 20)),
        "description": (("first <&> ü", "first <&> ü"), ("second", "second")),
        "tags": ((["b", "a"], ["a", "b"]), (["c"], ["c"])),
        "fleet": (("web", "web"), ("db", "db")),
        "owner": (("anna", "anna"), ("ben", "ben")),
        "expires": (("2037-01-31", "2037-02-01T00:00:00Z"), ("2037-03-01T12:00:00+01:00", "2037-03-01T11:00:00Z")),
        "autostart": ((True, True), (False, False)),
        "disks": (([{"size": platform.disk_size}], [first]), ([{}, {"size": platform.disk_size}], [first, second])),
        "networks": (([card], [kind]), ([{}, card], [kind, kind])),
        "iso": (("", ""), (medium, medium)),
        "cdroms": (([], [drive]), ([{"slot": other, "source": medium}], sorted([drive, other]))),
        # Another one is another VM: tests/unit/module_utils/_drivers/virsh/settings/test_architecture.py.
        "architecture": (("amd64", "amd64"), ("amd64", "amd64")),
        "firmware": (("bios", "bios"), ("uefi", "uefi")),
        "secure_boot": ((False, False), (True, True)),
        "tpm": ((True, True), (False, False)),
        "nested_virtualization": ((True, None), (False, None)),
        "rtc": (("localtime", "localtime"), ("utc", "utc")),
        "os_type": (("linux", None), ("windows", None)),
        "display": (
            ({"type": "vnc", "video_memory": "16M"}, ("vnc", 16 << 20)),
            ({"type": "spice", "video_memory": "32M"}, ("spice", 32 << 20)),
        ),
        "port_forwards": (([{"name": "ssh", "guest_port": 22}], None), ([], None)),
        "shared_folders": (
            ([{"name": "src", "host_path": "/srv"}], {"src": "/srv"}),
            ([{"name": "src", "host_path": "/opt"}], {"src": "/opt"}),
        ),
        **platform.own_settings(),
        # After a migration: a running VM with a device cannot be moved to another node.
        "devices": platform.device_values,
        # Last, because native keys are read only if a task sets them, so later tasks do not report pending ones.
        "native": platform.native_values,
    }


def rejection(traits, options):
    """The message for a task with an option that no version of the platform has, or None."""
    error = _LACKS[traits.platform].rejected(options, {})
    return error and str(error)


def has(traits, option):
    """Whether a platform supports an option."""
    return option in options_of(traits.fields)
