# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file on a read-only file system is named before any step that writes to it, in check mode too."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.file_checks import check_files
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.needed_files import Image
from ansible_collections.polyvirt.core.plugins.module_utils._kit.space import ReservedSpace

from unit.module_utils._core.sharing.test_file_checks import HOST, Host


class ReadOnly(Host):
    """``read_only``: files on a read-only file system."""

    read_only = ()

    def is_read_only(self, path):
        return path in self.read_only


@pytest.mark.parametrize(
    ("step", "path", "done"),
    [
        (Step("snapshot"), "/vms/d", "changed"),
        (Step("drop_snapshot"), "/vms/frozen", "changed"),
        (Step("restore"), "/vms/vda", "changed"),
        (Step("delete", arguments={"files": ("/vms/vda",)}), "/vms/vda", "deleted"),
        (Step("configure", changes=(Change("disks", 1, 2, key="vda", attribute="size"),)), "/vms/vda", "enlarged"),
    ],
)
def test_file_on_a_read_only_file_system_is_not_written_to(step, path, done):
    vm = Vm("web", config={"disks": {"vda": {"source": "/vms/vda", "size": 1}}})
    host = ReadOnly(Plan(vm, vm, ((step,),)), {**HOST, "/vms/vda": Image("qcow2", 1)}, read_only=[path])
    with pytest.raises(Refused, match=rf"{path} is on a read-only file system, so it cannot be {done}"):
        check_files(host, ReservedSpace())
