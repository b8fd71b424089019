# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that their host could never fill."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import GIB

from unit.module_utils._core.sharing.test_file_checks import checked, configure, create


@pytest.mark.parametrize(
    ("size", "free", "warned"),
    [(900 * 1024, 79, True), (20 * 1024, 79, True), (20 * 1024, 3000, False), (20 * 1024, None, False), (2, 0, False)],
)
def test_disk_far_beyond_the_free_space_is_a_warning(size, free, warned):
    """Sizes in GiB. A disk of usual size may be larger than the free space: it grows as its guest writes."""
    step = create(disks={"sda": {"size": size * GIB}})
    (*warnings,) = checked(step, free_bytes=None if free is None else free * GIB)
    assert bool(warnings) == warned
    assert not warnings or "times the free space of /vms, 79G. Disks are never shrunk" in warnings[0]


def test_disk_that_grows_far_beyond_the_free_space_is_a_warning():
    step = configure(Change("disks", GIB, 900 * 1024 * GIB, key="vda", attribute="size"))
    config = {"disks": {"vda": {"source": "/vms/d", "size": GIB}}}
    assert checked(step, config=config, free_bytes=GIB, bytes_of=lambda item: 0)
