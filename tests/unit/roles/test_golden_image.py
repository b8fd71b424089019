# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role golden_image rejects what it would overwrite or mix up, before it asks libvirt."""

from __future__ import annotations

import sys

import pytest

pytestmark = pytest.mark.full

NAME = "shop-base"
MARK = "# Written by role polyvirt.core.golden_image, which replaces this file.\n"
ENTRY = f"distribution: {NAME}\ntitle: Shop\nmedia:\n  - {{type: cloud, file: x.qcow2, manual: Build it., "
ENTRY += "image: {format: qcow2}}\n"
#: The first task that asks libvirt. The runs end after it, because the base image does not exist.
FIRST_READ = "List the VMs of the host"


@pytest.fixture(name="build")
def _build(play, tmp_path):
    def build(hosts=("one",), **more):
        """(exit code, output) of the first part of the role on these hosts of the inventory."""
        catalogue = tmp_path / "catalogue"
        catalogue.mkdir(exist_ok=True)
        variables = {
            "ansible_python_interpreter": sys.executable,
            "golden_image_name": NAME,
            "golden_image_base": "/nowhere.qcow2",
            "golden_image_catalogue": str(catalogue),
            "polyvirt_catalogue_directories": [str(catalogue)],
            "vm_module_options": {"executable": "/nowhere/virsh"},
            **more,
        }
        role = {"ansible.builtin.include_role": {"name": "polyvirt.core.golden_image"}}
        return play(dict.fromkeys(hosts, variables), role)

    return build


def test_hosts_with_the_same_vm_name_are_rejected(build):
    code, output = build(("one", "two"))
    assert (code, "golden_image_vm is shop-base-build on one and two." in output) == (2, True), output
    assert FIRST_READ not in output


def test_hosts_with_different_vm_names_are_not_rejected(build):
    _code, output = build(("one", "two"), golden_image_vm="build-{{ inventory_hostname }}")
    assert ("golden_image_vm is" in output, FIRST_READ in output) == (False, True), output


def test_entry_of_the_user_is_not_overwritten(build, tmp_path):
    path = tmp_path / "catalogue" / f"{NAME}.yml"
    path.parent.mkdir()
    path.write_text(ENTRY, encoding="utf-8")
    code, output = build()
    assert (code, f"{path} exists, and this role did not write it." in output) == (2, True), output
    assert (FIRST_READ in output, path.read_text(encoding="utf-8")) == (False, ENTRY)


def test_entry_of_this_role_is_replaced(build, tmp_path):
    path = tmp_path / "catalogue" / f"{NAME}.yml"
    path.parent.mkdir()
    path.write_text(MARK + ENTRY, encoding="utf-8")
    _code, output = build()
    assert ("this name" in output, FIRST_READ in output) == (False, True), output


@pytest.mark.parametrize("name", ["debian-13", "arch"])
def test_name_of_the_shipped_catalogue_is_rejected(build, name):
    code, output = build(golden_image_name=name)
    assert (code, "the catalogue has an operating system of this name" in output) == (2, True), output


def test_name_of_another_file_of_the_user_is_rejected(build, tmp_path):
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "mine.yml").write_text(ENTRY, encoding="utf-8")
    code, output = build()
    assert (code, "the catalogue has an operating system of this name" in output) == (2, True), output
