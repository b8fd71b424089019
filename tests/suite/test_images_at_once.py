# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several tasks at the same moment need the same image, which one of them downloads."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from suite.answer import Task
from suite.carry import carry_one
from suite.limits import scaled
from suite.media_server import vendor_of
from suite.shim import Shim


@pytest.mark.deep("test_several_vms_of_a_task_fetch_once; a test of the image store with a task that waits")
def test_ten_vms_in_three_tasks_at_once_fetch_once(qemu, tmp_path):
    qemu.clean()
    vendor, store = vendor_of(qemu, ["debian-13"], tmp_path), qemu.storage / "pvg-images"
    path = f"/latest/{vendor.file}"
    vendor.server.pauses[path] = (100, lambda: time.sleep(scaled(3)))
    names = [f"{qemu.prefix}{number}" for number in range(10)]
    made = {key: value for key, value in qemu.creation.items() if key not in ("disks", "image", "iso")}
    made |= {"image": vendor.image(), "image_directory": str(store)}
    try:
        _three_tasks_at_once(qemu, tmp_path, made, names)
        assert (vendor.downloads(), len(qemu.stored_images(store))) == (1, 1)
        assert set(names) <= set(qemu.ids())
    finally:
        vendor.close()
        shutil.rmtree(store, ignore_errors=True)


@pytest.mark.full
@pytest.mark.parametrize("platform_name", ["proxmox"], indirect=True, scope="session")
def test_ten_vms_on_a_node_need_one_download(platform, vendor, made, carry):
    names = [f"{platform.prefix}{number}" for number in range(10)]
    answer = carry(platform, [Task("make", {**made, "name": names})])["make"]
    assert not answer.failed, answer.msg
    assert (vendor.downloads(), len(platform.stored_images(None)), set(platform.ids())) == (1, 1, set(names))


@pytest.mark.full
@pytest.mark.parametrize("platform_name", ["proxmox"], indirect=True, scope="session")
def test_three_tasks_at_once_leave_one_file_on_a_node(platform, vendor, made, tmp_path):
    """Each may let the node download it: none of them fails, and the node keeps one file."""
    names = [f"{platform.prefix}{number}" for number in range(6)]
    _three_tasks_at_once(platform, tmp_path, made, names)
    assert 1 <= vendor.downloads() <= 3
    assert (len(platform.stored_images(None)), set(platform.ids())) == (1, set(names))


def _three_tasks_at_once(platform, folder, made, names):
    tasks = [{**made, "name": names[first::3]} for first in (0, 1, 2)]
    with ThreadPoolExecutor(len(tasks)) as pool:
        runs = [pool.submit(_at_once, platform, folder / str(number), task) for number, task in enumerate(tasks)]
        answers = [run.result() for run in runs]
    assert [answer.msg for answer in answers if answer.failed] == []


def _at_once(platform, folder, options):
    folder.mkdir()
    return carry_one(platform, Shim(folder / "shim", platform.commands), folder, options)
