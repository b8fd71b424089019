# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The box for each value of os_type."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.settings.box import (
    SYSTEMS,
    box_of,
    end_of_life_warning,
    unchecked_url,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vagrantfile_provider import PROVIDERS

VM = Vm(name="web")


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
def test_box_depends_on_os_type_and_provider(name, provider, box):
    assert box_of(VM, name, provider) == box


def test_every_os_type_has_a_box_for_virtualbox_and_libvirt():
    for name, system in SYSTEMS.items():
        assert {"virtualbox", "libvirt"} <= set(system.boxes) <= set(PROVIDERS), name


def test_error_about_unknown_os_type_lists_known_ones():
    with pytest.raises(Refused, match=r"web: os_type: ubuntu-18.04 is not known.*centos-7.*debian-13.*ubuntu-24.04"):
        box_of(VM, "ubuntu-18.04", "libvirt")


def test_error_about_missing_box_lists_providers_with_one():
    with pytest.raises(Refused, match=r"no box of debian-13.*hyperv \(known for: libvirt, virtualbox\)"):
        box_of(VM, "debian-13", "hyperv")


def test_os_boxes_of_the_task_take_precedence():
    os_boxes = {"debian-13": {"hyperv": "me/debian"}, "alpine": {"libvirt": "generic/alpine319"}}
    assert box_of(VM, "alpine", "libvirt", os_boxes) == "generic/alpine319"
    assert box_of(VM, "debian-13", "hyperv", os_boxes) == "me/debian"
    assert box_of(VM, "debian-13", "libvirt", os_boxes) == "debian/trixie64"
    with pytest.raises(Refused, match="Set one of almalinux-10, almalinux-8, almalinux-9, alpine"):
        box_of(VM, "nosuch", "libvirt", os_boxes)


def test_os_type_without_security_updates_causes_a_warning():
    assert end_of_life_warning("centos-7", date(2024, 6, 30)) is None
    warning = end_of_life_warning("centos-7", date(2024, 7, 1))
    assert warning.startswith("os_type: centos-7 has had no security updates since 2024-06-30")
    assert end_of_life_warning("my own", date(2099, 1, 1)) is None


@pytest.mark.parametrize("boxes", ["generic/gentoo", None, ["generic/gentoo"], {"libvirt": ["generic/gentoo"]}])
def test_malformed_os_boxes_are_rejected(boxes):
    with pytest.raises(Refused, match=r"web: os_boxes: gentoo is not a mapping"):
        box_of(VM, "gentoo", "libvirt", {"gentoo": boxes})


@pytest.mark.parametrize(
    ("config", "verb", "found"),
    [
        ({"box_url": "https://example.com/x.box"}, "create", ["https://example.com/x.box"]),
        ({"box_url": "file:///boxes/x.box"}, "create", ["/boxes/x.box"]),
        ({"box_url": "boxes/x.box"}, "create", ["/project/boxes/x.box"]),
        ({"box_url": "https://example.com/x.box", "box_checksum": "4f1c"}, "create", []),
        ({"box_url": "https://example.com/x.box"}, "start", []),
        ({"box": "mine"}, "create", []),
        ({"box": "added", "box_url": "https://example.com/x.box"}, "create", []),
    ],
)
def test_box_from_an_address_without_a_checksum_cannot_be_approved(tmp_path, config, verb, found):
    (tmp_path / "boxes" / "added" / "1.0").mkdir(parents=True)
    driver = SimpleNamespace(project=SimpleNamespace(home=str(tmp_path), folder="/project"))
    vm = VM.having(config={"box": "mine", **config})
    assert unchecked_url(driver, Plan(vm, vm, ((Step(verb),),))) == found
