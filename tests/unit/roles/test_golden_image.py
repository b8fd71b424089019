# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role golden_image rejects what it would overwrite or mix up, before it asks libvirt."""

from __future__ import annotations

import ast
import json
import re
import struct
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
        ({"vm_preset": "libvirt-debian"}, "shop-base: vm_preset is libvirt-debian, which cannot be used for a build."),
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
    [
        *("vm_name=web1", '{"vm_machines": [{"name": "web1"}]}', "vm_user=anna", "vm_state=stopped", "vm_clone=web1"),
        *("vm_ssh_key_file=/home/anna/.ssh/id_rsa", "vm_image=debian-12"),
    ],
)
def test_variables_that_select_another_vm_or_user_are_rejected(build, extra):
    """A variable that is given with -e replaces what the role passes on: it would have changed the VM web1."""
    code, output = build(arguments=["-e", extra])
    is_rejected = "vm_name, vm_machines, vm_user, vm_ssh_key_file, vm_state, vm_image and vm_clone cannot be" in output
    assert (code, is_rejected, FIRST_READ in output) == (2, True, False), output


def test_variables_of_the_vm_in_the_inventory_are_replaced(build):
    _code, output = build(vm_name="web1", vm_user="anna", vm_state="stopped", vm_clone="web1", guest_scripts=[1])
    assert ("cannot be set" in output, FIRST_READ in output) == (False, True), output


@pytest.mark.parametrize(
    ("extra", "is_rejected"),
    [
        ('{"guest_scripts": [{"name": "two", "script": "ls"}]}', True),
        ("guest_scripts_folder=/elsewhere", True),
        ("guest_scripts_directory=/elsewhere", True),
        ("x=1", False),
    ],
)
def test_variables_that_replace_the_scripts_are_rejected(build, extra, is_rejected):
    """The digest has the scripts of the role, and only their directory of records is removed from the image."""
    scripts = [{"name": "one", "script": "id"}]
    _code, output = build(arguments=["-e", extra], golden_image_scripts=scripts)
    assert ("guest_scripts, guest_scripts_folder and guest_scripts_directory" in output) is is_rejected, output
    assert (FIRST_READ in output) is not is_rejected


def test_scripts_of_roles_of_the_guest_are_not_rejected(build):
    _code, output = build(arguments=["-e", '{"guest_scripts": [{"name": "two", "script": "ls"}]}'])
    assert ("cannot be set" in output, FIRST_READ in output) == (False, True), output


def test_script_that_cannot_run_is_rejected_before_the_build(build):
    code, output = build(golden_image_scripts=[{"name": "one", "path": "none.sh"}])
    assert (code, "shop-base: guest_scripts: one must have" in output, FIRST_READ in output) == (2, True, False), output


_PLAN = re.compile(r"golden-[0-9a-f]{32}")
#: The driver of libvirt for tests needs no daemon, and has no hypervisor.
_REAL_VIRSH = {"uri": "test:///default"}
_QCOW2 = struct.pack(">4sIQIIQ", b"QFI\xfb", 3, 0, 0, 16, 1 << 20) + bytes(480)


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


def test_plan_depends_on_all_that_the_build_consumes(plan):
    """An approval of one build permits no other one."""
    executable = {"executable": "/nowhere/virsh"}
    options = (
        {},
        {"vm_memory": "64G"},
        {"vm_user_data": {"password": "$(touch /evil)"}},
        {"vm_module_options": {**executable, "native": {"devices/filesystem/source@dir": "/"}}},
        {"vm_module_options": {**executable, "prune": True}},
        {"golden_image_user": "anna"},
        {"golden_image_login_user": "anna"},
        {"golden_image_publish": "/srv"},
        {"polyvirt_image_directory": "/elsewhere"},
    )
    found = [plan(**more)[2][:1] for more in options]
    assert len({str(one) for one in found if one}) == len(options), found


def test_plan_has_no_passwords(plan):
    found = [plan(vm_user_data={"password": one})[2][0] for one in ("one", "two")]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"vm_memory": "64Q"}, "memory: '64Q' is not a size."), ({"vm_memory": "1G"}, "Plan of a run without check mode")],
)
def test_wrong_option_of_the_vm_is_rejected_in_check_mode(plan, options, message):
    code, output, found = plan(**options, vm_module_options=_REAL_VIRSH)
    assert (code == 0, found != [], message in output) == (message.startswith("Plan"), message.startswith("Plan"), True)


def test_base_image_of_an_address_is_compared_by_its_content(build, play, tmp_path):
    """Before its download, the plan has the address only. A plan that was not approved downloads nothing."""
    base, store = tmp_path / "web.qcow2", tmp_path / "store"
    store.mkdir()
    options = {"golden_image_base": f"file://{base}", "polyvirt_image_directory": str(store)}
    options["vm_module_options"] = _REAL_VIRSH
    base.write_bytes(_QCOW2)
    _code, output = build(**options, golden_image_expect_plan="golden-1")
    assert "(only its address is compared," in output, output
    assert ("this plan was not approved:" in output, list(store.iterdir())) == (True, [])
    found = []
    for content in (_QCOW2, _QCOW2 + bytes(512)):
        base.write_bytes(content)
        fetch = {
            "platform": "libvirt",
            "name": f"file://{base}",
            "image_directory": str(store),
            "refresh": True,
            **_REAL_VIRSH,
        }
        variables = {"ansible_python_interpreter": sys.executable}
        code, output = play({"localhost": variables}, {"polyvirt.core.image": fetch})
        assert code == 0, output
        code, output = build(**options, arguments=["--check"])
        assert (code, "only its address" in output) == (0, False), output
        found += _PLAN.findall(output)[:1]
        for path in store.iterdir():
            path.unlink()
    assert len(set(found)) == 2


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
        "golden_image_base": "https://anna:hid@den@example.com/x.qcow2?X-Amz-Signature=hidden#part",
        "golden_image_inputs": "inputs-1",
        "__golden_image_base_image": {"images": [{"digest": "sha256:1"}]},
        "vm_machine": {"arguments": {}, "of_task": {}},
        "__golden_image_list": {"vms": vms},
        "__golden_image_store": {"images": images},
    }
    task = {
        "ansible.builtin.debug": {"msg": "PLAN {{ {'plan': __golden_image_plan, 'lines': __golden_image_plan_lines} }}"}
    }
    code, output = play({"localhost": {**_read("defaults/main.yml"), **_read("vars/main.yml"), **known}}, task)
    assert "PLAN {" in output, output
    said = ast.literal_eval(re.search(r"PLAN ({.*?})", output)[1])
    assert (code, said["lines"], bool(said["plan"])) == (0, lines, bool(lines)), output


_ROLE = CHECKOUT / "roles/golden_image"


def _read(name):
    return yaml.safe_load((_ROLE / name).read_text(encoding="utf-8"))


def _tasks_of_guest():
    return {task["name"]: task for task in _read("tasks/guest.yml")}


def test_time_for_sealing_is_limited():
    assert _tasks_of_guest()["Seal the guest"]["timeout"] >= 24 * 3600


def test_records_of_scripts_are_in_the_directory_that_is_removed():
    folder = _read("vars/main.yml")["__golden_image_script_records"]
    passed = _tasks_of_guest()["Run the scripts"]["vars"]["guest_scripts_directory"]
    assert passed == "{{ __golden_image_script_records }}"
    assert f"rm -rf {folder}\n" in (_ROLE / "files/seal.sh").read_text(encoding="utf-8")


def test_guest_is_sealed_as_root():
    assert _tasks_of_guest()["Seal the guest"]["become"] is True
