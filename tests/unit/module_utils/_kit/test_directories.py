# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``disks[].directory`` is that of a new disk; a present one is compared by its file, and never moved."""

from __future__ import annotations

import ntpath
import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._kit.settings import check_directories


def _vm(**disks):
    return Vm("web", id="1", power=STOPPED, config={"disks": disks})


POSIX = os.path.dirname, os.path.realpath
PRESENT = _vm(vda={"source": "/data/web-vda.qcow2"}, vdb={"size": None})
CLONE = Vm.absent("web").having(config={"disks": {"vda": {"size": 1}}})


@pytest.mark.parametrize(
    ("vm", "slot", "disk", "text"),
    [
        (
            PRESENT,
            "vda",
            {"directory": "/other"},
            "the disk is /data/web-vda.qcow2, not in /other, and an existing disk",
        ),
        (PRESENT, "vda", {"directory": "/data/web-vda.qcow2"}, "and an existing disk is never moved"),
        (PRESENT, "vdb", {"directory": "/data"}, "disks.vdb.directory: the disk is not a file, not in /data"),
        (PRESENT, "vdc", {"directory": "/data", "source": "/data/a"}, "source and directory are both set"),
        (PRESENT, "vda", {"directory": "/data", "source": "/data/web-vda.qcow2"}, "source and directory are both set"),
        (CLONE, "vda", {"directory": "/data"}, "the clone creates this disk in the same directory as its other disks"),
    ],
)
def test_directory_is_rejected(vm, slot, disk, text):
    with pytest.raises(Refused, match=text) as caught:
        check_directories(vm, {slot: disk}, *POSIX)
    assert caught.value.remedy


def test_directory_of_new_and_of_present_disks(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    found = _vm(vda={"source": f"{tmp_path}/real/web-vda.qcow2"})
    for spelling in ("real", "real/", "link", "real/../real"):
        check_directories(
            found, {"vda": {"directory": f"{tmp_path}/{spelling}"}, "vdb": None, "vdc": {"size": 1}}, *POSIX
        )
    check_directories(found, {"vdc": {"directory": "/not/compared"}}, *POSIX)
    check_directories(CLONE, {"vdb": {"directory": "/data"}}, *POSIX)
    windows = _vm(**{"SCSI 0:0": {"source": "C:\\VMs\\web.vhdx"}})
    check_directories(windows, {"SCSI 0:0": {"directory": "c:\\vms"}}, ntpath.dirname, str.lower)
