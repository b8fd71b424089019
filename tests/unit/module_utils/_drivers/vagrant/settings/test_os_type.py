# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which box a system's name means."""

from __future__ import annotations

from datetime import date

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.os_type import (
    SYSTEMS,
    box_of,
    warning,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle import errors
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import PROVIDERS


@pytest.mark.parametrize(
    ("name", "provider", "box"),
    [
        ("ubuntu-22.04", "virtualbox", "ubuntu/jammy64"),
        ("ubuntu-22.04", "libvirt", "generic/ubuntu2204"),
        ("debian-12", "hyperv", "generic/debian12"),
        ("almalinux-9", "hyperv", "almalinux/9"),
        ("rocky-9", "vmware_desktop", "rockylinux/9"),
    ],
)
def test_boxes(name, provider, box):
    assert box_of(name, provider) == box


def test_every_system_has_a_box_for_the_providers_that_are_tested_most():
    for name, system in SYSTEMS.items():
        assert {"virtualbox", "libvirt"} <= set(system.boxes) <= set(PROVIDERS), name


def test_an_unknown_system_names_those_that_are_known():
    with pytest.raises(errors.InvalidInput, match=r"ubuntu-18.04 is not known.*centos-7.*debian-13.*ubuntu-24.04"):
        box_of("ubuntu-18.04", "libvirt")


def test_a_provider_without_a_box_names_those_that_have_one():
    with pytest.raises(errors.Unsupported, match=r"No box of debian-13.*hyperv \(for: libvirt, virtualbox\)"):
        box_of("debian-13", "hyperv")


def test_a_tasks_own_table_comes_first():
    more = {"debian-13": {"hyperv": "me/debian"}, "alpine": {"libvirt": "generic/alpine319"}}
    assert box_of("alpine", "libvirt", more) == "generic/alpine319"
    assert box_of("debian-13", "hyperv", more) == "me/debian"
    assert box_of("debian-13", "libvirt", more) == "debian/trixie64"
    with pytest.raises(errors.InvalidInput, match="Known are almalinux-10, almalinux-8, almalinux-9, alpine"):
        box_of("nosuch", "libvirt", more)


def test_a_system_that_is_past_its_end_is_warned_about():
    assert warning("centos-7", date(2024, 6, 30)) is None
    assert warning("centos-7", date(2024, 7, 1)).startswith("centos-7 gets no security updates since 2024-06-30")
    assert warning("my own", date(2099, 1, 1)) is None


@pytest.mark.parametrize("boxes", ["generic/gentoo", None, ["generic/gentoo"], {"libvirt": ["generic/gentoo"]}])
def test_a_table_that_is_none_is_refused(boxes):
    with pytest.raises(errors.InvalidInput, match=r"os_boxes: .* gentoo"):
        box_of("gentoo", "libvirt", {"gentoo": boxes})
