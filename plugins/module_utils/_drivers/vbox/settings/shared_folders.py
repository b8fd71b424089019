# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: shared folders: directories of the host that the guest mounts with the Guest Additions."""

from __future__ import annotations

import re

from ...._core.errors import Refused
from ...._core.model import POWER_OFF
from ...._kit.settings import Setting
from .media import plain_path


def _normalized(vm, shares, known):
    for name in shares:
        if re.search(r"\s", name):
            raise Refused(f"{vm.name}: shared_folders: '{name}' is not a valid name.", "Use a name without spaces.")
    return {name: _with_plain_path(share) for name, share in shares.items()}


def _with_plain_path(share):
    return {**share, "host_path": plain_path(share["host_path"])} if (share or {}).get("host_path") else share


def shares_of(vbox_vm):
    """{name: shared folder}."""
    return {one.name: _share(one) for one in vbox_vm.machine.shared_folders if not one.transient}


def _share(share):
    reported = {"host_path": share.path, "read_only": bool(share.read_only)}
    return {**reported, **({"guest_path": share.mount_point} if share.mount_point else {})}


def write_shares(driver, vbox_vm, present, changes):
    """Change shared folders by removing and adding them again, because older versions cannot change them.

    Whether the guest mounts it is no option, and kept.
    """
    wanted, before = {}, {one.name: one for one in vbox_vm.machine.shared_folders if not one.transient}
    for change in changes:
        share = wanted.setdefault(change.key, dict(present.get(change.key) or {}))
        if change.attribute is not None:
            share[change.attribute] = change.new
        elif change.new is None:
            wanted[change.key] = None
        else:
            share.update(change.new)
    for name, share in wanted.items():
        if name in present:
            driver.run(vbox_vm.uuid, "sharedfolder", "remove", vbox_vm.uuid, "--name", name)
        if share is not None:
            driver.run(vbox_vm.uuid, "sharedfolder", "add", vbox_vm.uuid, *_words(name, share, before.get(name)))


def _words(name, share, before):
    path = share.get("guest_path")
    is_mounted = before is None or before.auto_mount or path not in (None, before.mount_point)
    words = ["--name", name, "--hostpath", share["host_path"], *(["--automount"] if is_mounted else [])]
    words += ["--readonly"] if share.get("read_only") else []
    return [*words, *(["--auto-mount-point", path] if path else [])]


_ATTRIBUTES = ("add", "remove", "host_path", "guest_path", "read_only")
SHARES = {
    "shared_folders": Setting(read=shares_of, normalize=_normalized),
    **{f"shared_folders.{attribute}": Setting(cost=POWER_OFF) for attribute in _ATTRIBUTES},
}
