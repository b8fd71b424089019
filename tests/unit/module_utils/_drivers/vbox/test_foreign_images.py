# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that names other files is neither copied nor attached."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox.in_process import SMALL, rejected
from unit.module_utils._media.test_foreign_image import differencing_vdi, overlay, text_vmdk, with_data_file


@pytest.fixture(name="secret")
def _secret(vbox):
    path = vbox.folder / "secret"
    path.write_bytes(b"secret".ljust(4096, b"."))
    return path


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (text_vmdk, "names other files as its data"),
        (differencing_vdi, "contains only the differences from a parent image"),
        (overlay, "names a backing file"),
        (with_data_file, "names another file as its data"),
    ],
)
def test_image_that_names_another_file_is_rejected(vbox, secret, build, words):
    path = str(build(vbox.folder, secret))
    image = {"source": path, "linked": False}
    rejected(vbox, "web: image.source", path, words, config={**SMALL, "disks": {"#0": {}}}, image=image)


def test_attached_disk_that_names_other_files_is_rejected(vbox, secret):
    path = str(text_vmdk(vbox.folder, secret))
    config = {**SMALL, "disks": {"#0": {"source": path}}}
    rejected(vbox, "web: disks.SATA 0.source", path, "names other files", config=config)


def test_disk_with_a_parent_can_be_attached(tmp_path):
    """VirtualBox finds the parent among its media, by a UUID that the disk contains."""
    from ansible_collections.polyvirt.core.plugins.module_utils._media import foreign_image

    child = str(differencing_vdi(tmp_path, None))
    assert foreign_image.fault_of(child, "vdi") is not None
    assert foreign_image.fault_of(child, "vdi", (foreign_image.PARENT,)) is None
