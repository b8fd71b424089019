# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests with one subject, such as a driver or a parser: they take turns until their subject changes.

Each of these subjects has hundreds of tests, and most changes concern none or one of them. Its tests all run on the day
of a change: what is not committed, and what the last commit (of a merge: its branch) has changed.
"""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_PRODUCT = "plugins/module_utils/"
_DRIVERS, _TOOLS = f"{_PRODUCT}_drivers/", f"{_PRODUCT}_tools/"
_DOUBLES, _OF_DRIVERS = "tests/platforms/", "tests/unit/module_utils/_drivers/"
_OF_TOOLS = "tests/unit/module_utils/_tools/test_"
_ON_WINDOWS = (f"{_PRODUCT}_windows_calls.psm1", f"{_PRODUCT}_ports/windows", f"{_TOOLS}windows", f"{_DOUBLES}windows/")

#: The number of days for the tests of a subject that has not changed.
DAYS = 3
#: {first letters of the paths of tests: those of the paths that they test}; the tests themselves always count.
SUBJECTS = {
    f"{_OF_DRIVERS}proxmox/": (f"{_DRIVERS}proxmox/", f"{_TOOLS}proxmox", "extensions/simulators/"),
    f"{_OF_DRIVERS}vagrant/": (f"{_DRIVERS}vagrant/", f"{_TOOLS}vagrant", f"{_TOOLS}ruby", f"{_DOUBLES}vagrant/"),
    f"{_OF_DRIVERS}vbox/": (f"{_DRIVERS}vbox/", f"{_TOOLS}vboxmanage", f"{_DOUBLES}virtualbox/"),
    f"{_OF_DRIVERS}virsh/": (f"{_DRIVERS}virsh/", f"{_TOOLS}virsh", f"{_DOUBLES}libvirt/"),
    f"{_OF_DRIVERS}vmm/": (f"{_DRIVERS}vmm/", f"{_TOOLS}vm", f"{_TOOLS}openbsd", f"{_DOUBLES}vmm/"),
    f"{_OF_TOOLS}proxmox": (f"{_TOOLS}proxmox",),
    f"{_OF_TOOLS}ruby": (f"{_TOOLS}ruby",),
    f"{_OF_TOOLS}vagrant": (f"{_TOOLS}vagrant", f"{_TOOLS}ruby"),
    f"{_OF_TOOLS}vboxmanage": (f"{_TOOLS}vboxmanage",),
    f"{_OF_TOOLS}virsh": (f"{_TOOLS}virsh",),
    f"{_OF_TOOLS}vm": (f"{_TOOLS}vm",),
    f"{_DOUBLES}hyperv/": (f"{_DRIVERS}hyperv/", f"{_TOOLS}hyperv", *_ON_WINDOWS),
    f"{_DOUBLES}wsl/": (f"{_DRIVERS}wsl/", f"{_TOOLS}wsl", *_ON_WINDOWS),
    f"{_DOUBLES}windows/": _ON_WINDOWS,
    f"{_DOUBLES}vagrant/": (f"{_DRIVERS}vagrant/", f"{_TOOLS}vagrant", f"{_TOOLS}ruby"),
    f"{_DOUBLES}proxmox/": (f"{_DRIVERS}proxmox/", f"{_TOOLS}proxmox", "extensions/simulators/"),
    "tests/unit/simulators/": ("extensions/simulators/", _DOUBLES),
    "tests/unit/module_utils/_media/": (f"{_PRODUCT}_media/", f"{_PRODUCT}_ports/"),
    "tests/unit/plugin_utils/": ("plugins/plugin_utils/", f"{_PRODUCT}_front/"),
    "tests/unit/inventory/": ("plugins/inventory/", "plugins/plugin_utils/inventory/", f"{_PRODUCT}_front/"),
    "tests/unit/lookup/": ("plugins/lookup/", "plugins/plugin_utils/installs/", "roles/", "templates/"),
    "tests/unit/callback/": ("plugins/callback/", "plugins/plugin_utils/outcomes/", "plugins/plugin_utils/report/"),
    "tests/unit/eda/": ("extensions/eda/",),
    "tests/unit/modules/test_masking_by_ansible": (f"{_PRODUCT}_front/", "plugins/plugin_utils/tasks/"),
    "tests/unit/modules/test_dates_by_ansible": (f"{_PRODUCT}_front/", f"{_PRODUCT}_core/leases"),
    "tests/unit/roles/": ("roles/", "playbooks/", "plugins/lookup/", "plugins/plugin_utils/", "templates/"),
}
#: What the scenarios on the real libvirt test: its driver, and what all drivers share.
LIBVIRT = (
    *(f"{_PRODUCT}{directory}/" for directory in ("_core", "_engine", "_front", "_kit", "_ports", "_media")),
    f"{_DRIVERS}virsh/",
    f"{_TOOLS}virsh",
    f"{_TOOLS}qemu",
    f"{_DOUBLES}libvirt/",
    "tests/suite/scenarios/",
)


def has_changed(*subject):
    """Whether a changed file has a path that begins with one of these."""
    return any(name.startswith(subject) for name in changed_files(_CHECKOUT))


def is_of_changed_libvirt(path):
    """Whether the scenarios of this file on the real libvirt have another subject, or differ themselves."""
    return has_changed(*LIBVIRT, _within(path) or "/")


def _within(path):
    """The path in the checkout; None for a file outside of it."""
    path = Path(path)
    return path.relative_to(_CHECKOUT).as_posix() if path.is_relative_to(_CHECKOUT) else None


@lru_cache
def days_of(path):
    """The number of days in which the tests of this file take turns: 1 if they all run today."""
    path = _within(path) or "/"
    of_path = [(tests, *subject) for tests, subject in SUBJECTS.items() if path.startswith(tests)]
    return DAYS if of_path and not has_changed(*of_path[0]) else 1


@lru_cache
def changed_files(checkout):
    """The files that differ from the parent of the last commit. Without a parent, as in a clone with one commit, those
    that are not committed; without git, none.
    """
    others = _git(checkout, "ls-files", "--others", "--exclude-standard") or []
    for commit in ("HEAD^", "HEAD"):
        changed = _git(checkout, "diff", "--name-only", "--no-renames", commit)
        if changed is not None:
            return (*changed, *others)
    return tuple(others)


def _git(checkout, *words):
    """The lines that git prints, or None if it fails."""
    # The checkout may belong to another user, and it is only read.
    command = ["git", "-C", str(checkout), "-c", "safe.directory=*", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.splitlines() if done.returncode == 0 else None
