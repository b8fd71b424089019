# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Approved plans with files of the host: a file that is replaced is another one, and nothing is written."""

from __future__ import annotations

import pytest

from platforms.hyperv.counts import BASE, NEW, host_with
from platforms.hyperv.double.records import GIB
from platforms.hyperv.tasks import done, run

ISO, DISK = "C:\\media\\one.iso", "C:\\Hyper-V\\Disks\\data.vhdx"
#: {what: (file, options of the task)}
USES = {
    "ISO image": (ISO, {"name": ["web"], "iso": ISO.replace("\\", "/")}),
    "ISO image of a new VM": (ISO, {"name": ["new"], **NEW, "iso": ISO}),
    "image": (BASE, {"name": ["new"], **NEW, "image": {"source": BASE}}),
    "image of a linked disk": (BASE, {"name": ["new"], **NEW, "image": {"source": BASE, "linked": True}}),
    "disk": (DISK, {"name": ["web"], "disks": [{"slot": "SCSI 0:1", "source": DISK}]}),
    "disk of a new VM": (DISK, {"name": ["new"], **NEW, "disks": [{"source": DISK}]}),
}


@pytest.fixture(name="host")
def _host():
    host = host_with(["web"])
    _put(host, ISO)
    host.disk(DISK, size=GIB)
    return host


def _put(host, path):
    """Write a file of the same size again."""
    host.files.put(path, host.files.file(path) or b"iso")


@pytest.mark.parametrize("use", USES)
def test_file_that_was_replaced_is_not_used(host, use):
    path, options = USES[use]
    planned = done(host, check=True, **options)
    assert planned["plan"] == done(host, check=True, **options)["plan"] is not None
    assert "Get-Item" in [name for name, _values in host.log]
    _put(host, path)
    first = len(host.log)
    result = run(host, expect_plan=planned["plan"], **options)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "This plan was not approved" in result["msg"]
    assert [name for name, _values in host.log[first:] if not name.startswith(("Get-", "Test-"))] == []
    plan = done(host, check=True, **options)["plan"]
    assert done(host, expect_plan=plan, **options)["changed"]


def test_files_that_the_task_does_not_use_are_not_read(host):
    planned = done(host, check=True, name=["new"], **NEW)
    _put(host, ISO)
    assert planned["plan"] == done(host, check=True, name=["new"], **NEW)["plan"]
    done(host, name=["web"], cpus=2)
    assert "Get-Item" not in [name for name, _values in host.log]
