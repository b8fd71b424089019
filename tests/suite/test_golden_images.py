# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role golden_image with the real libvirt: a guest is built, sealed and stored, and two VMs are created from it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from platforms.libvirt.base import IMAGES
from suite.by_ansible import has_changed
from suite.limits import scaled
from suite.provisioning import variables_of_guest
from suite.ssh import Key

pytestmark = pytest.mark.full

NAME = "pvg-shop"
#: Text of a script, and of files that it removes. Each second file remains, so clusters of the disk are partly used.
_SECRET, _REMOVED = "pvg-hidden-4711", "pvg-removed-0815"
_TWO = f"""# {_SECRET}
for one in 1 2 3 4 5 6 7 8; do echo kept >/kept-$one; sync; echo "{_REMOVED}-file" | cat >/removed-$one; sync; done
rm -f /removed-*
echo two >>/root/shop
"""
_CALLBACKS = Path(__file__).resolve().parent / "callback_plugins"
_ROLE, _STORE = "polyvirt.core.golden_image", "Store its disk"
#: The guest's SSH server creates its host keys, which its processes show.
_NO_NEW_KEYS = "mount -t tmpfs none /proc\n"


_FOREIGN = f"""<domain type='qemu'><name>{NAME}-build</name><memory unit='MiB'>64</memory>
<os><type>hvm</type></os></domain>"""


def _part(hosts, entry):
    role = {"ansible.builtin.include_role": {"name": _ROLE, "tasks_from": entry}}
    return {"hosts": hosts, "gather_facts": False, "tasks": [role]}


class Build:
    """The three plays of the role, with a fast guest. ``variables`` replace those of the role."""

    def __init__(self, platform, folder, ansible_playbook):
        self.platform, self.folder, self._ansible_playbook = platform, folder, ansible_playbook
        self.key = Key(folder)
        self.store = Path(platform.storage) / "pvg-golden"
        self.catalogue = folder / "catalogue"
        self.catalogue.mkdir()
        role = folder / "roles" / "shop"
        (role / "tasks").mkdir(parents=True)
        self.task = role / "tasks" / "main.yml"
        self.task.write_text('[{"ansible.builtin.raw": "echo one >/root/shop"}]\n', encoding="utf-8")
        self.hosts = folder / "hosts"
        self.hosts.write_text("localhost ansible_connection=local\n", encoding="utf-8")
        self.play = folder / "golden.yml"
        self.play.write_text(
            json.dumps([_part("localhost", "main"), _part("golden_image", "guest"), _part("localhost", "store")]),
            encoding="utf-8",
        )

    def variables(self):
        known = variables_of_guest(self.platform, self.folder / "key")
        return {
            **{key: one for key, one in known.items() if key not in ("vm_user", "vm_ssh_key_file", "vm_image")},
            "golden_image_name": NAME,
            "golden_image_base": known["vm_image"],
            "golden_image_user": "root",
            "golden_image_roles": ["shop"],
            "golden_image_scripts": [{"name": "two", "script": _TWO}],
            "golden_image_catalogue": str(self.catalogue),
            "polyvirt_image_directory": str(self.store),
            "polyvirt_catalogue_directories": [str(self.catalogue)],
        }

    def run(self, *words, kill_after=0, kill_task="", **variables):
        """(exit code, output, names of the tasks that had a result)."""
        names = self.folder / "names"
        for path in (names, names.with_suffix(".changed")):
            path.unlink(missing_ok=True)
        environment = {
            "HOME": str(self.folder),
            # A socket has a path of 107 characters at most.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": "/tmp/ssh",
            # An emulated guest needs seconds for sudo.
            "ANSIBLE_TIMEOUT": str(round(scaled(60))),
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "kill_after",
            "POLYVIRT_KILL_AFTER": str(kill_after),
            "POLYVIRT_KILL_TASK": kill_task,
            "POLYVIRT_KILL_NAMES": str(names),
        }
        words = ["-i", self.hosts, self.play, "-e", json.dumps({**self.variables(), **variables}), *words]
        code, output = self._ansible_playbook(*words, environment=environment, folder=self.folder)
        return code, output, names.read_text(encoding="utf-8").splitlines()

    def images(self):
        return sorted(path.name for path in self.store.glob("*.qcow2"))

    def records(self):
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(self.store.glob("*.json"))]

    def vms(self):
        return self.platform.all_names()

    def forget(self):
        self.platform.clean()
        self.platform.start_network()
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.rmtree(self.catalogue)
        self.catalogue.mkdir()

    def fetch(self, **variables):
        """Fetch the image by its name: (exit code, output)."""
        task = {"polyvirt.core.image": {"platform": "libvirt", "name": NAME, **self.platform.options("image")}}
        return self._play({"tasks": [task]}, {**self.variables(), **variables})

    def stop(self, name):
        """Shut a VM down, so that its file system is complete."""
        task = {"polyvirt.core.vm": {"platform": "libvirt", "name": name, "state": "stopped"}}
        task["polyvirt.core.vm"]["options"] = self.platform.options("image")
        code, output = self._play({"tasks": [task]}, {})
        assert code == 0, output

    def _play(self, play, variables):
        path = self.folder / "use.yml"
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, **play}]), encoding="utf-8")
        words = ["-i", self.hosts, path, "-e", json.dumps(variables), "-v"]
        return self._ansible_playbook(*words, folder=self.folder)

    def create(self, names, **variables):
        """Create VMs from the image by its name; returns the output."""
        known = variables_of_guest(self.platform, self.folder / "key")
        machines = [{"name": name} for name in names]
        own = {**self.variables(), **known, "vm_image": NAME, "vm_machines": machines, **variables}
        code, output = self._play({"roles": ["polyvirt.core.vm"]}, own)
        assert code == 0, output
        return output


@pytest.fixture
def build(qemu, tmp_path, ansible_playbook):
    qemu.clean()
    qemu.start_network()
    found = Build(qemu, tmp_path, ansible_playbook)
    yield found
    qemu.clean()
    shutil.rmtree(found.store, ignore_errors=True)


def test_image_is_built_once_and_used_by_its_name(build):
    """The first run is killed when the disk was stored, and the next one completes it."""
    code, killed, done = build.run("-v", kill_task=f"{_ROLE} : {_STORE}")
    assert (code < 0, done[-1].endswith(_STORE)) == (True, True), killed
    code, output, _names = build.run("-v")
    assert code == 0, output
    output = killed + output
    (record,) = build.records()
    assert (record["name"], record["golden"]["version"], build.vms()) == (NAME, 1, []), output
    assert record["golden"]["users"] == ["root (password: false)"]
    assert record["golden"]["ssh_keys"] == []
    _assert_hidden(build, output)
    code, output, _names = build.run()
    assert (code, has_changed(output), len(build.images())) == (0, False, 1), output
    assert (build.catalogue / f"{NAME}.yml").is_file()
    output = build.create(["pvg-one", "pvg-two"])
    found = set(re.findall(r"root@([0-9.]+)", output))
    assert len(found) == 2, output
    assert {build.key.say(one, "cat /root/shop") for one in found} == {"one\ntwo\n"}
    assert len({build.key.say(one, "dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key") for one in found}) == 2


def _assert_hidden(build, output):
    """The text of a script, and files that it has removed, are in no file of the image, and not in the output."""
    files = [path for folder in (build.store, build.catalogue) for path in folder.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    assert [word for word in (_SECRET, _REMOVED) if word.encode() in content] == []
    assert (b"kept\n" in content, _SECRET in output) == (True, False), output


def test_new_inputs_make_a_version_and_the_old_one_is_removed_when_no_vm_needs_it(build):
    """Also published: another host, with a store of its own, fetches the image; before, it names the host."""
    code, output, _names = build.run()
    assert code == 0, output
    first = build.images()
    elsewhere = {"polyvirt_image_directory": str(build.store / "elsewhere")}
    code, output = build.fetch(**elsewhere)
    assert (code, "It is in the image store of localhost only." in output) == (2, True), output
    build.create(["pvg-one"], vm_image_linked=True)
    build.task.write_text('[{"ansible.builtin.raw": "echo other >/root/shop"}]\n', encoding="utf-8")
    code, output, _names = build.run("--check")
    assert (code, has_changed(output), build.images()) == (0, True, first), output
    published = build.store / "published"
    published.mkdir()
    code, output, _names = build.run(golden_image_publish=str(published))
    assert (code, len(build.images())) == (0, 2), output
    assert {one["golden"]["version"] for one in build.records()} == {1, 2}
    build.platform.virsh("destroy", "pvg-one")
    build.platform.virsh("undefine", "pvg-one")
    # Its disk needs the image also without a VM.
    code, output, _names = build.run(golden_image_publish=str(published))
    assert (code, "older versions are kept" in output, len(build.images())) == (0, True, 2), output
    Path(build.platform.disk_of("pvg-one")).unlink()
    code, output, _names = build.run(golden_image_publish=str(published))
    assert (code, has_changed(output), len(build.images())) == (0, True, 1), output
    assert [one["golden"]["version"] for one in build.records()] == [2]
    code, output = build.fetch(**elsewhere)
    assert code == 0, output
    assert [path.name for path in (build.store / "elsewhere").glob("*.qcow2")] == build.images()


_IDENTITY = "cat /etc/machine-id /etc/ssh/ssh_host_ed25519_key.pub /var/lib/cloud/data/instance-id"


@pytest.mark.deep("test_image_is_built_once_and_used_by_its_name")
def test_debian_is_sealed(build):
    """Two VMs have machine IDs, host keys and states of cloud-init of their own, and no user of the build."""
    script = {"name": "before", "script": f"{_IDENTITY} >/identity\nchmod 644 /identity\n"}
    own = {
        "golden_image_base": str(IMAGES / "polyvirt-tests/debian/image"),
        "golden_image_user": "golden-build",
        "golden_image_roles": [],
        "golden_image_scripts": [script],
        "vm_memory": "512M",
        "vm_timeout": 900,
        "vm_module_options": build.platform.options("vm"),
        "ansible_become": True,
    }
    code, output, _names = build.run(**own)
    assert code == 0, output
    (record,) = build.records()
    assert record["golden"]["ssh_keys"] == []
    output = build.create(["pvg-one", "pvg-two"], **{**own, "vm_user": "admin", "ansible_become": False})
    found = sorted(set(re.findall(r"admin@([0-9.]+)", output)))
    told = [build.key.say(one, f"{_IDENTITY} /identity", "admin").splitlines() for one in found]
    assert len(told) == 2, output
    (one, two) = told
    for place in range(3):
        assert len({one[place], two[place], one[place + 3]}) == 3, told
    assert one[3:] == two[3:]
    for address in found:
        users = build.key.say(address, "cut -d: -f1 /etc/passwd; sudo grep -r . /etc/sudoers.d", "admin")
        assert ("golden-build" in users, "admin" in users) == (False, True), users


def test_existing_vm_is_rejected_and_not_changed(build):
    """Neither a VM of the user nor one that this collection created for something else is used for the build."""
    build.platform.virsh("define", "/dev/stdin", stdin=_FOREIGN)
    before = build.platform.virsh("dumpxml", "--inactive", f"{NAME}-build")
    for words in (("--check",), ()):
        code, output, _names = build.run(*words)
        assert (code, "was not created to build pvg-shop. It was not changed." in " ".join(output.split())) == (2, True)
        assert build.platform.virsh("dumpxml", "--inactive", f"{NAME}-build") == before
    build.platform.virsh("undefine", f"{NAME}-build")
    assert build.images() == []


def test_vm_that_this_collection_created_for_something_else_is_rejected(build):
    build.create([f"{NAME}-build"], vm_image=build.variables()["golden_image_base"], vm_state="stopped")
    before = build.platform.virsh("dumpxml", "--inactive", f"{NAME}-build")
    code, output, _names = build.run()
    assert (code, "was not created to build pvg-shop" in " ".join(output.split())) == (2, True), output
    assert build.platform.virsh("dumpxml", "--inactive", f"{NAME}-build") == before


def test_guest_that_would_have_no_host_keys_is_not_sealed(build):
    script = {"name": "keys", "script": _NO_NEW_KEYS}
    code, output, _names = build.run(golden_image_scripts=[script])
    assert (code, "nothing in this guest creates new SSH host keys" in output, build.images()) == (2, True, []), output


@pytest.mark.deep("test_image_is_built_once_and_used_by_its_name; a running source is rejected: test_clones.py")
def test_full_clone_of_a_vm_is_built_and_the_vm_is_not_changed(build):
    base = build.variables()["golden_image_base"]
    build.create(["pvg-source"], vm_image=base, vm_state="started")
    own = {"golden_image_base": "", "golden_image_from": "pvg-source"}
    own["golden_image_ssh_key_file"] = str(build.folder / "key")
    code, output, _names = build.run("--check", **own)
    assert (code, "pvg-source is running. Stop it first." in output) == (2, True), output
    build.stop("pvg-source")
    # As in a VM of the user: nothing is discarded.
    foreign = build.platform.virsh("dumpxml", "--inactive", "pvg-source").replace(" discard='unmap'", "")
    build.platform.virsh("define", "/dev/stdin", stdin=foreign)
    before = build.platform.virsh("dumpxml", "--inactive", "pvg-source")
    code, output, _names = build.run(**own)
    assert code == 0, output
    _assert_hidden(build, output)
    assert build.platform.virsh("dumpxml", "--inactive", "pvg-source") == before
    (record,) = build.records()
    assert (record["golden"]["origin"], len(record["golden"]["ssh_keys"])) == ("pvg-source", 1)


@pytest.mark.deep("test_image_is_built_once_and_used_by_its_name, killed when the disk was stored")
def test_run_that_was_killed_after_any_task_is_completed(build):
    """After any task that changes something: the others leave what was there before."""
    code, output, _names = build.run()
    assert code == 0, output
    places = [int(line) for line in (build.folder / "names.changed").read_text(encoding="utf-8").split()]
    for place in places:
        build.forget()
        code, output, done = build.run(kill_after=place)
        assert (code < 0, len(done)) == (True, place), output
        _assert_completed(build, done[-1])


def _assert_completed(build, task):
    code, output, _names = build.run()
    assert code == 0, f"killed after {task}: {output}"
    assert (len(build.images()), len(build.records()), build.vms()) == (1, 1, []), f"killed after {task}"
    assert (build.catalogue / f"{NAME}.yml").is_file(), f"killed after {task}"
    code, output, _names = build.run()
    assert (code, has_changed(output)) == (0, False), f"killed after {task}: {output}"
