# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role golden_image rejects what it would overwrite or mix up, before it asks libvirt."""

from __future__ import annotations

import ast
import json
import re
import sys

import pytest
import yaml

from collection_path import CHECKOUT

pytestmark = pytest.mark.full

NAME = "shop-base"
MARK = "# Written by role polyvirt.core.golden_image, which replaces this file.\n"
ENTRY = f"distribution: {NAME}\ntitle: Shop\nmedia:\n  - {{type: cloud, file: x.qcow2, manual: Build it., "
ENTRY += "image: {format: qcow2}}\n"
#: The first task that asks libvirt. The runs end after it, because the base image does not exist.
FIRST_READ = "List the VMs of the host"


@pytest.fixture(name="build")
def _build(play, tmp_path):
    def build(hosts=("one",), arguments=(), **more):
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
        return play(dict.fromkeys(hosts, variables), role, arguments=arguments)

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"golden_image_name": "Shop"}, "golden_image_name is 'Shop'; use lower-case letters"),
        ({"golden_image_from": "web1"}, "shop-base: set either golden_image_base or golden_image_from."),
        ({"vm_platform": "vmd"}, "shop-base: golden images are not supported on vmd."),
        ({"golden_image_catalogue": "/nowhere"}, "golden_image_catalogue is '/nowhere', which is not a directory"),
        ({"golden_image_publish_address": "https://x"}, "golden_image_publish_address needs golden_image_publish"),
        ({"golden_image_roles": ["none"]}, "in roles_path or in a collection: none."),
    ],
)
def test_options_that_cannot_be_used_are_rejected(build, options, message):
    code, output = build(**options)
    assert (code, message in output, FIRST_READ in output) == (2, True, False), output


@pytest.mark.parametrize("name", ["debian-13", "arch"])
def test_name_of_the_shipped_catalogue_is_rejected(build, name):
    code, output = build(golden_image_name=name)
    assert (code, "the catalogue has an operating system of this name" in output) == (2, True), output


def test_name_of_another_file_of_the_user_is_rejected(build, tmp_path):
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "mine.yml").write_text(ENTRY, encoding="utf-8")
    code, output = build()
    assert (code, "the catalogue has an operating system of this name" in output) == (2, True), output


@pytest.mark.parametrize("golden", ["null", '{"inputs": "one", "version": 1}'])
def test_name_of_a_downloaded_image_is_rejected(build, tmp_path, golden):
    store, base = tmp_path / "store", tmp_path / "base.qcow2"
    store.mkdir()
    base.write_bytes(b"x")
    image = store / f"{NAME}-1.qcow2"
    image.write_bytes(b"x")
    record = {**dict.fromkeys(("digest", "asked_checksum", "size")), "name": NAME, "architecture": "amd64", "file": "x"}
    record.update(format="qcow2", address="", fetched="2026-11-01", checked="none", file_size=1)
    text = json.dumps({"v": 1, **record})[:-1] + f', "golden": {golden}}}'
    image.with_name(f"{image.name}.json").write_text(text, encoding="utf-8")
    stores = {"golden_image_base": str(base), "polyvirt_image_directory": str(store)}
    _code, output = build(**stores, arguments=["--check"])
    is_rejected = f"{image} has this name, and is not a golden image." in output
    assert is_rejected is (golden == "null"), output


@pytest.mark.parametrize(
    "extra",
    ["vm_name=web1", '{"vm_machines": [{"name": "web1"}]}', "vm_user=anna", "vm_ssh_key_file=/home/anna/.ssh/id_rsa"],
)
def test_variables_that_select_another_vm_or_user_are_rejected(build, extra):
    """A variable that is given with -e replaces what the role passes on: it would have changed the VM web1."""
    code, output = build(arguments=["-e", extra])
    is_rejected = "vm_name, vm_machines, vm_user and vm_ssh_key_file cannot be set with -e" in output
    assert (code, is_rejected, FIRST_READ in output) == (2, True, False), output


def test_variables_of_the_vm_in_the_inventory_are_replaced(build):
    _code, output = build(vm_name="web1", vm_user="anna")
    assert ("cannot be set with -e" in output, FIRST_READ in output) == (False, True), output


def test_script_that_cannot_run_is_rejected_before_the_build(build):
    code, output = build(golden_image_scripts=[{"name": "one", "path": "none.sh"}])
    assert (code, "shop-base: guest_scripts: one must have" in output, FIRST_READ in output) == (2, True, False), output


_PLAN = re.compile(r"golden-[0-9a-f]{32}")


@pytest.fixture(name="plan")
def _plan(build, tmp_path):
    def plan(**more):
        """(exit code, output, plans in it) in check mode, with an image that is not stored yet."""
        base, store = tmp_path / "base.qcow2", tmp_path / "store"
        base.write_bytes(b"x")
        store.mkdir(exist_ok=True)
        stores = {"golden_image_base": str(base), "polyvirt_image_directory": str(store)}
        code, output = build(**{**stores, **more}, arguments=["--check"])
        return code, output, _PLAN.findall(output)

    return plan


def test_only_the_expected_plan_is_carried_out(plan):
    code, output, (digest, *_more) = plan()
    assert (code, f"build {NAME} in the VM {NAME}-build from " in output) == (0, True), output
    code, output, found = plan(golden_image_expect_plan=digest)
    assert (code, digest in found) == (0, True), output
    for other in ("golden-1", "", None):
        code, output, found = plan(golden_image_expect_plan=other)
        assert (code, f"this plan was not approved: {digest}" in output) == (2, True), output


def test_build_is_rejected_in_a_play_that_approves_tasks(plan):
    code, output, _found = plan(polyvirt_approved_plans=[])
    assert (code, "polyvirt_approved_plans cannot permit a build" in output) == (2, True), output


def test_plan_depends_on_the_inputs_and_the_name_of_the_vm(plan):
    found = [
        plan(**more)[2][0] for more in ({}, {"golden_image_vm": "two"}, {"golden_image_variables": ["one"], "one": 1})
    ]
    assert len(set(found)) == 3


_VM = {"name": f"{NAME}-build", "owner": f"golden image {NAME}", "created": "now", "id": "7"}
_OLD = {"name": NAME, "path": "/old", "golden": {"inputs": "inputs-0"}}
_CURRENT = {"name": NAME, "path": "/current", "golden": {"inputs": "inputs-1"}}


@pytest.mark.parametrize(
    ("vms", "images", "lines"),
    [
        ([], [_CURRENT], []),
        ([], [], [f"build {NAME} in the VM {NAME}-build from https://example.com/x.qcow2, inputs-1"]),
        ([_VM], [_CURRENT], [f"delete the VM {NAME}-build (7) of an interrupted build"]),
        ([], [_OLD, _CURRENT, {**_OLD, "name": "other"}], ["delete, unless a VM needs it: /old"]),
    ],
)
def test_plan_has_what_is_built_and_deleted(play, vms, images, lines):
    """The password of an address is in no text."""
    known = {
        "golden_image_name": NAME,
        "golden_image_vm": f"{NAME}-build",
        "golden_image_base": "https://anna:hidden@example.com/x.qcow2",
        "golden_image_inputs": "inputs-1",
        "__golden_image_list": {"vms": vms},
        "__golden_image_store": {"images": images},
    }
    task = {
        "ansible.builtin.debug": {"msg": "PLAN {{ {'plan': __golden_image_plan, 'lines': __golden_image_plan_lines} }}"}
    }
    code, output = play({"localhost": {**_read("vars/main.yml"), **known}}, task)
    said = ast.literal_eval(re.search(r"PLAN ({.*?})", output)[1])
    assert (code, said["lines"], bool(said["plan"])) == (0, lines, bool(lines)), output


_ROLE = CHECKOUT / "roles/golden_image"


def _read(name):
    return yaml.safe_load((_ROLE / name).read_text(encoding="utf-8"))


def _tasks_of_guest():
    return {task["name"]: task for task in _read("tasks/guest.yml")}


def test_records_of_scripts_are_in_the_directory_that_is_removed():
    folder = _read("vars/main.yml")["__golden_image_script_records"]
    passed = _tasks_of_guest()["Run the scripts"]["vars"]["guest_scripts_directory"]
    assert passed == "{{ __golden_image_script_records }}"
    assert f"rm -rf {folder}\n" in (_ROLE / "files/seal.sh").read_text(encoding="utf-8")


@pytest.mark.parametrize(("extra", "is_rejected"), [("x=1", False), ("guest_scripts_directory=/elsewhere", True)])
def test_another_directory_for_records_of_scripts_is_rejected(play, extra, is_rejected):
    task = _tasks_of_guest()["Reject another directory for the records of the scripts"]
    variables = {
        "__golden_image_script_records": _read("vars/main.yml")["__golden_image_script_records"],
        "golden_image_guest": {"name": NAME},
        "guest_scripts_directory": "/of/inventory",
    }
    code, output = play({"localhost": variables}, task, arguments=["-e", extra])
    assert (code, "guest_scripts_directory cannot be changed with -e" in output) == (2 * is_rejected, is_rejected)


def test_guest_is_sealed_as_root():
    assert _tasks_of_guest()["Seal the guest"]["become"] is True
