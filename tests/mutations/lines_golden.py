# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mutations of golden images."""

from __future__ import annotations

from mutations.mutation import Mutation

_FILE, _UNIT = "_media/golden.py", ["tests/unit/module_utils/_media/test_golden.py"]
_MAIN = "roles/golden_image/vars/main.yml"
_ROLE = ["tests/suite/test_golden_images.py"]

MUTATIONS = (
    Mutation("golden-image-of-a-foreign-vm", _FILE, "not found[0].created", "False", _UNIT),
    Mutation("golden-image-of-a-running-vm", _FILE, "found[0].power != STOPPED", "False", _UNIT),
    Mutation("golden-image-with-one-of-two-disks", _FILE, "len(disks) != 1", "False", _UNIT),
    Mutation("golden-image-is-stored-again", _FILE, 'one.golden["inputs"] == asked["inputs"]', "False", _UNIT),
    Mutation("used-version-is-removed", _FILE, "not users.of(one.path)", "True", _UNIT),
    Mutation("open-version-is-removed", _FILE, "not locks.is_locked_by_qemu(one.path)", "True", _UNIT),
    Mutation("golden-image-replaces-a-download", _FILE, "not one.golden", "False", _UNIT),
    Mutation("golden-image-is-stored-in-check-mode", _FILE, "source and not check", "source", _UNIT),
)
