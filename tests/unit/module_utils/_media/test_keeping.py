# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that an interrupted task has left decides which stored image its VM gets. Who may write to the store."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request
from ansible_collections.polyvirt.core.plugins.module_utils._media.on_host import KeepsImages
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._media.host import Images
from unit.module_utils._media.server import checksum
from unit.module_utils._media.test_images import QCOW2


class _Host(KeepsImages):
    """A host on which ``disk`` is the content of the first disk of the VM, or None."""

    default_image_directory = "/nowhere"

    def __init__(self, tasks, disk):
        self.options, self._disk = {"image_directory": str(tasks.folder)}, disk

    def images_in(self, directory):
        images = Images(directory)
        images.has_begun = lambda _request: self._holds if self._disk else None
        return images

    def _holds(self, stored):
        with open(stored.path, "rb") as file:
            return file.read() == self._disk


def _resolved(tasks, disk, **asked):
    request = tasks.request(**asked)
    return _Host(tasks, disk).resolve_image(request).creation["image"]


@pytest.mark.parametrize(
    ("disk", "refresh", "expected"),
    [("old", True, "old"), ("old", False, "old"), (None, True, "new"), ("other", True, "new")],
)
def test_vm_gets_the_image_that_its_disk_was_created_from(tasks, server, disk, refresh, expected):
    """The vendor has a newer image meanwhile, which another task has fetched."""
    contents = {"old": QCOW2, "new": QCOW2 + b"new", "other": b"other"}
    tasks.run()
    tasks.publish(contents["new"])
    tasks.run(refresh=True)
    server.requests.clear()
    image = _resolved(tasks, contents.get(disk), refresh=refresh)
    assert (image["digest"], image["fetch"]) == (f"sha256:{checksum(contents[expected])}", None)
    assert (server.requests == []) is (disk == "old")


def test_image_with_another_checksum_in_the_task_is_another_one(tasks):
    address = f"{tasks.server.url}/latest/{tasks.medium()['file']}"
    tasks.run(source=address, checksum=f"sha256:{checksum(QCOW2)}")
    newer = QCOW2 + b"new"
    tasks.publish(newer)
    asked = {"source": address, "checksum": f"sha256:{checksum(newer)}"}
    assert _resolved(tasks, QCOW2, **asked)["digest"] == f"sha256:{checksum(newer)}"


def test_platform_without_such_disks_asks_no_store(tasks):
    assert Images(str(tasks.folder)).has_begun(Request(name="web1")) is None


def test_directory_that_the_user_may_not_write_to(tasks, monkeypatch):
    above = str(tasks.folder.parent)
    monkeypatch.setattr(files, "is_writable", lambda folder: folder != above)
    error = tasks.error()
    assert f"image: debian-13: the user of the task may not write to {above}." in error
    assert "(become: true), or set image_directory to another directory" in error
