# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored image is used only if its file is the one that was stored; only a file that looks different is read."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files

from unit.module_utils._media.host import Images
from unit.module_utils._media.server import checksum
from unit.module_utils._media.test_images import QCOW2


@pytest.fixture(name="hashed")
def _hashed(monkeypatch):
    """The files of which the store has computed a checksum."""
    found, real = [], files.digest

    def digest(path, kind="sha256"):
        found.append(path)
        return real(path, kind)

    monkeypatch.setattr(files, "digest", digest)
    return found


def test_stored_image_that_was_changed_on_the_disk_is_rejected(tasks, hashed):
    path = tasks.run()["source"]
    del hashed[:]
    assert (tasks.resolved()["source"], hashed) == (path, [])
    with open(path, "r+b") as file:
        file.seek(-4, 2)
        file.write(b"evil")
    assert f"image: debian-13: {path} was changed since it was stored. Delete this file" in tasks.error()
    assert f"{path} was changed since it was stored" in tasks.error(refresh=True)
    # The remedy works.
    for ending in ("", ".json"):
        os.remove(f"{path}{ending}")
    assert tasks.run()["source"] == path


def test_image_that_another_task_stores_after_this_one_has_looked_is_used(tasks):
    images = Images(str(tasks.folder))
    look = images.store.stored_as

    def before_the_other(wanted):
        found, images.store.stored_as = look(wanted), look
        tasks.run()
        return found

    images.store.stored_as = before_the_other
    found = tasks.resolved(images=images)
    assert (found["fetch"], found["source"]) == (None, tasks.resolved()["source"])


def test_stored_image_with_another_time_or_inode_is_read_again(tasks, hashed):
    path = tasks.run()["source"]
    for number, change in enumerate((lambda: os.utime(path, (1, 1)), lambda: _replaced_by_a_copy(path)), 1):
        change()
        assert tasks.resolved()["source"] == path
        assert hashed.count(path) == number


def _replaced_by_a_copy(path):
    shutil.copyfile(path, f"{path}.copy")
    os.replace(f"{path}.copy", path)


def test_record_of_an_earlier_version_has_no_checksum_of_the_file(tasks, hashed):
    path = tasks.run()["source"]
    with open(f"{path}.json", encoding="utf-8") as file:
        record = json.load(file)
    assert (record.pop("content"), record.pop("seen")[0]) == (checksum(QCOW2), len(QCOW2))
    with open(f"{path}.json", "w", encoding="utf-8") as file:
        json.dump(record, file)
    del hashed[:]
    os.utime(path, (1, 1))
    assert (tasks.resolved()["source"], hashed) == (path, [])
