# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete VMs: first the block in vm.conf, then the files, because vmd rejects a VM if its disks do not exist."""

from __future__ import annotations

from ..._kit.local_files import check_deletable
from ..._ports.locks import is_locked_as_whole


def delete(driver, vm, step):
    paths = step.arguments.get("files", ())
    check_deletable(vm.name, paths, is_locked_as_whole)
    driver.edit.remove(vm.name, paths)
