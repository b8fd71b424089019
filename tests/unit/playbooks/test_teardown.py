# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that provision and teardown reject before any change, and images that teardown keeps."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess

import pytest

#: Plays take seconds each.
pytestmark = pytest.mark.full

# A host that libvirt's test driver reads from a file, with one VM that uses the image. Every connection reads the file
# again: without a UUID here, the VM would have another one each time.
HOST = """<node><domain type='test'>
  <name>keeper</name><uuid>5a1f5c2e-0f43-4b52-9d5e-3f0a1f6f7a11</uuid><memory>8388608</memory><os><type>hvm</type></os>
  <devices><disk type='file' device='disk'><source file='{image}'/><target dev='vda'/></disk></devices>
</domain></node>
"""
_TWO_VMS = """<node>
<domain type='test'>
  <name>tenant</name><uuid>5a1f5c2e-0f43-4b52-9d5e-3f0a1f6f7a12</uuid><memory>8388608</memory><os><type>hvm</type></os>
  <devices><disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{raw}'/>
  <target dev='vda'/></disk></devices>
</domain>
<domain type='test'>
  <name>keeper</name><uuid>5a1f5c2e-0f43-4b52-9d5e-3f0a1f6f7a11</uuid><memory>8388608</memory><os><type>hvm</type></os>
  <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{overlay}'/>
  <target dev='vda'/></disk></devices>
</domain></node>
"""
INVENTORY = "[hypervisors]\none\ntwo\n[all:vars]\nansible_connection=local\nansible_become=false\n"


@pytest.fixture(name="play")
def _play(ansible_playbook, tmp_path):
    for program in ("virsh", "qemu-img"):
        assert shutil.which(program), f"These tests run real {program}: install libvirt-clients and qemu-utils."
    inventory = tmp_path / "hosts"
    inventory.write_text(INVENTORY, encoding="utf-8")

    def play(playbook, *options, **variables):
        """Run a playbook (name or path) with variables from the command line; return (exit code, output)."""
        code, output = ansible_playbook("-i", inventory, playbook, *options, "-e", json.dumps(variables))
        return code, " ".join(output.split())

    return play


@pytest.fixture(name="image")
def _image(tmp_path):
    image = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(image), "1M"], check=True)
    record = {"file_size": image.stat().st_size, "sha256": hashlib.sha256(image.read_bytes()).hexdigest()}
    (tmp_path / "image.qcow2.polyvirt.json").write_text(json.dumps(record), encoding="utf-8")
    return image


@pytest.mark.parametrize(
    ("variables", "guest"),
    [
        ({"vm_name": "one"}, "one"),
        ({"vm_name": "one", "vm_inventory_name": "two"}, "two"),
        ({"vm_name": "one", "vm_inventory_name": ""}, "one"),
        ({}, "no_vm_name_given"),
    ],
)
def test_guest_is_prepared_by_its_inventory_name(play, variables, guest):
    code, output = play("polyvirt.core.provision", "--list-hosts", **variables)
    prepare_play = output.split("Prepare the guest")[1]
    assert (code, f"pattern: ['{guest}']" in prepare_play) == (0, True), output


@pytest.mark.parametrize("playbook", ["provision", "teardown"])
@pytest.mark.parametrize("hypervisor", ["hypervisors", "noe"])
def test_pattern_must_match_exactly_one_hypervisor(play, playbook, hypervisor):
    code, output = play(f"polyvirt.core.{playbook}", vm_name="web", provision_hypervisor=hypervisor)
    assert code != 0
    number = {"hypervisors": 2, "noe": 0}[hypervisor]
    assert f"provision_hypervisor is {hypervisor}, which matches {number} hosts of the inventory." in output
    assert "vm_name" not in output
    assert "Nothing was changed." in output
    assert "Remove the VM" not in output
    assert "changed=1" not in output


def test_vm_is_not_removed_without_a_name(play):
    code, output = play("polyvirt.core.teardown", provision_hypervisor="one")
    assert code != 0
    assert "vm_name is not set" in output


def test_vm_is_removed_whatever_state_its_file_of_variables_requests(play, image, tmp_path):
    """Although variables set with -e have precedence over those of a playbook."""
    host = tmp_path / "host.xml"
    host.write_text(HOST.format(image=image), encoding="utf-8")
    variables = {"vm_name": "keeper", "vm_state": "started", "vm_module_options": {"uri": f"test://{host}"}}
    code, output = play("polyvirt.core.teardown", "--check", provision_hypervisor="one", **variables)
    assert (code, "changed=1" in output) == (0, True), output


def test_removal_of_an_image_needs_its_path(play):
    code, output = play(
        "polyvirt.core.teardown", vm_name="web", provision_hypervisor="one", provision_remove_image=True
    )
    assert code != 0
    assert "guest_image_path is not set" in output


def test_image_used_by_another_vm_is_kept(play, image, tmp_path):
    host = tmp_path / "host.xml"
    host.write_text(HOST.format(image=image), encoding="utf-8")
    code, output = play(
        "polyvirt.core.teardown",
        vm_name="web",
        provision_hypervisor="one",
        provision_remove_image=True,
        guest_image_path=str(image),
        vm_module_options={"uri": f"test://{host}"},
        vm_known_hosts_folder=str(tmp_path / "known_hosts"),
    )
    assert code != 0
    assert f"path: {image} is needed by keeper. Delete these first. Nothing was removed." in output
    assert image.exists()


@pytest.mark.parametrize("needed", [True, False])
def test_image_is_removed_unless_a_disk_file_without_a_vm_needs_it(play, image, tmp_path, needed):
    host, left = tmp_path / "host.xml", tmp_path / "left.qcow2"
    host.write_text(HOST.format(image="/nonexistent"), encoding="utf-8")
    if needed:
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", left], check=True)
    variables = {"guest_image_path": str(image), "vm_module_options": {"uri": f"test://{host}"}, "vm_name": "web"}
    code, output = play("polyvirt.core.teardown", provision_hypervisor="one", provision_remove_image=True, **variables)
    assert (code != 0, f"is needed by {left}" in output) == (needed, needed), output
    assert [path.name for path in sorted(tmp_path.glob("image*"))] == (
        ["image.qcow2", "image.qcow2.polyvirt.json"] if needed else []
    )


@pytest.mark.parametrize("what", ["a directory", "a link", "without a record", "another"])
def test_only_an_image_of_the_role_is_removed(play, image, tmp_path, what):
    host, path = tmp_path / "host.xml", tmp_path / "other"
    host.write_text(HOST.format(image=image), encoding="utf-8")
    if what == "a directory":
        path.mkdir()
    elif what == "a link":
        path.symlink_to(image)
    else:
        path.write_bytes(b"of somebody")
    if what != "without a record":
        (tmp_path / "other.polyvirt.json").write_bytes((tmp_path / "image.qcow2.polyvirt.json").read_bytes())
    problem = f"is {what}, and" if what.startswith("a ") else "has no record of this collection that fits it"
    variables = {"vm_name": "keeper", "vm_module_options": {"uri": f"test://{host}"}, "guest_image_path": str(path)}
    for check in ([], ["--check"]):
        code, output = play(
            "polyvirt.core.teardown", *check, provision_hypervisor="one", provision_remove_image=True, **variables
        )
        assert (code, f"path: {path} {problem}" in output, "changed=1" in output) == (2, True, False), output
    assert (path.exists(), image.exists()) == (True, True)


def test_what_a_guest_wrote_to_its_raw_disk_is_not_followed(play, image, tmp_path):
    """Its first bytes are a qcow2 image whose backing file is on a server. Another VM has an overlay of the image."""
    raw, overlay = tmp_path / "tenant.raw", tmp_path / "overlay.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(image), "-F", "qcow2", str(overlay)], check=True
    )
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0)
    address = f"nbd://127.0.0.1:{listener.getsockname()[1]}"
    options = ["-o", f"backing_file={address},backing_fmt=raw", str(raw), "1M"]
    subprocess.run(["qemu-img", "create", "-q", "-u", "-f", "qcow2", *options], check=True)
    host = tmp_path / "host.xml"
    host.write_text(_TWO_VMS.format(raw=raw, overlay=overlay), encoding="utf-8")
    book = tmp_path / "users.yml"
    find_users = {"include_role": {"name": "polyvirt.core.vm", "tasks_from": "image_users"}}
    show = {"debug": {"msg": "users {{ vm_image_users }}"}}
    book.write_text(json.dumps([{"hosts": "one", "gather_facts": False, "tasks": [find_users, show]}]))
    code, output = play(book, vm_image=str(image), vm_module_options={"uri": f"test://{host}"})
    assert (code, "users ['keeper']" in output) == (0, True), output
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()


@pytest.mark.parametrize(
    "options, reason",
    [({"uri": "test:///nowhere.xml"}, "nowhere.xml"), ({"executable": "/nowhere/virsh"}, "/nowhere/virsh")],
)
def test_unknown_image_users_are_an_error(play, image, tmp_path, options, reason):
    book = tmp_path / "users.yml"
    find_users = {"include_role": {"name": "polyvirt.core.vm", "tasks_from": "image_users"}}
    book.write_text(json.dumps([{"hosts": "one", "gather_facts": False, "tasks": [find_users]}]), encoding="utf-8")
    code, output = play(book, vm_image=str(image), vm_module_options=options)
    assert code != 0
    assert reason in output
    code, output = play(book, vm_image=str(image), vm_platform="vagrant")
    assert code != 0
    assert "vm_platform must be one of: libvirt, virtualbox, got: vagrant" in output
