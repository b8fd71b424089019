# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power states of VirtualBox, and a disk whose image is unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.settings.table import config_of
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vboxmanage_output import state as power_of

from unit.module_utils._drivers.vbox.recorded_registry import driver_on, recorded_vm


def test_disk_with_unknown_image_is_reported_without_its_size(tmp_path):
    """VirtualBox does not list an image if it cannot read the file; the settings file shows that it is a disk."""
    driver, _commands = driver_on(tmp_path)
    vbox_vm = driver.vbox_vms()[recorded_vm(driver, "run").id]
    disks = config_of(replace(vbox_vm, media={}))["disks"]
    assert disks == {"SATA 0": {"source": f"{tmp_path}/machines/run/run-SATA-0.vdi", "size": None, "format": None}}


@pytest.mark.parametrize(
    ("state", "power", "busy"),
    [
        ("poweroff", STOPPED, None),
        ("aborted", STOPPED, None),
        ("saved", SUSPENDED, None),
        ("aborted-saved", SUSPENDED, None),
        ("paused", PAUSED, None),
        ("gurumeditation", FAILED, None),
        ("stopping", RUNNING, "stopping"),
        ("restoringsnapshot", STOPPED, "restoringsnapshot"),
        ("deletingsnapshotlivepaused", PAUSED, "deletingsnapshotlivepaused"),
        ("whatever", UNKNOWN, None),
    ],
)
def test_state_of_virtualbox_is_mapped_to_power_state(state, power, busy):
    assert power_of(state)[:2] == (power, busy)
