# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones: a clone has everything that its source has, except what two VMs cannot share."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vbox.in_process import ENGINE, MIB, SMALL, info, observed, snapshot, task

TWO_DISKS = {**SMALL, "disks": {"#0": {"size": 2 * MIB}, "SATA 1": {"size": 2 * MIB}}}
RULES = {"web": {"host_port": 20002, "guest_port": 80}}
DISK_FULL = "The disk is full"


def clone(vbox, *names, linked=False, snapshot_name=None, config=None, **more):
    source = {"source": "source", "linked": linked, "snapshot": snapshot_name}
    return task(vbox, *(names or ("copy",)), config=config or {}, clone=source, **more)


def chosen_port(vbox, name):
    (rule,) = (value for key, value in vbox.values(name).items() if key.startswith("Forwarding(") and "-ssh" in value)
    return int(rule.split(",")[3])


@pytest.mark.parametrize("linked", [False, True])
def test_clone_has_an_identity_of_its_own(vbox, linked):
    vbox.run("setproperty", "autostartdbpath", vbox.folder)
    config = {**TWO_DISKS, "port_forwards": RULES, "autostart": True, "tags": ("a",), "memory": 20 * MIB}
    source = task(vbox, "source", config=config, cloud_init={"user": "admin"}).succeeded().vm
    snapshot(vbox, "s", "source").succeeded()
    done = clone(vbox, linked=linked, snapshot_name="s", config={"tags": ("b",)}).succeeded()
    found = observed(vbox, name="copy").config
    assert (found["autostart"], found["port_forwards"], found["tags"]) == (False, {}, ("b",))
    assert (found["memory"], found["ssh_forward"]) == (20 * MIB, True)
    assert [slot.partition("=")[2] for slot in vbox.values("copy") if "seed" in slot] == []
    assert chosen_port(vbox, "copy") != chosen_port(vbox, "source")
    mark = observed(vbox, name="copy").mark
    inputs = {"clone": source["id"]}
    expected = {"id": done.vm["id"], "tags": ["b"], "inputs": inputs, "files": [], "v": 2, "created": ""}
    assert {key: value for key, value in mark.items() if key not in ("disks", "host")} == expected
    assert len(mark["disks"]) == 2
    assert not set(mark["disks"]) & set(observed(vbox, name="source").mark["disks"])
    assert clone(vbox, linked=linked, snapshot_name="s", config={"tags": ("b",)}).succeeded().writes == []


def test_clone_writes_to_no_file_of_its_source(vbox):
    """VirtualBox empties the file of a serial port, and that of a recording, at each start."""
    uuid = task(vbox, "source", config={**SMALL, "native": {**ENGINE, "recording": "on"}}).succeeded().vm["id"]
    ports = ("--uart1", "0x3f8", "4", "--uartmode1", "file", vbox.folder / "log", "--uart2", "0x2f8", "3")
    vbox.run("modifyvm", uuid, *ports, "--uartmode2", "server", vbox.folder / "socket", "--recordingfile", "/a.webm")
    vbox.run("modifyvm", uuid, "--nictrace1", "on", "--nictracefile1", vbox.folder / "packets")
    done = clone(vbox).succeeded()
    found = [f"serial port 1 ({vbox.folder}/log)", f"serial port 2 ({vbox.folder}/socket)"]
    text = ", ".join([*found, f"trace of NIC 1 ({vbox.folder}/packets)"])
    assert done.outcome.warnings == [f"copy: the clone does not have what leads out of 'source': {text}."]
    assert "packets" not in (vbox.machines / "copy" / "copy.vbox").read_text()
    assert "packets" in (vbox.machines / "source" / "source.vbox").read_text()
    values = vbox.values("copy")
    assert {values["uartmode1"], values["uartmode2"]} == {"disconnected"}
    assert values["uart1"] != "off"
    assert f"--recordingfile {vbox.machines}/copy/copy.webm" in " ".join(done.writes)
    assert vbox.values("source")["uartmode1"].startswith("file,")


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize(
    ("slot", "words"),
    [
        ("IDE 0", "disks.IDE 0: the slot is used by an optical drive"),
        ("AHCI 1", "disks.AHCI 1: the VM has no controller 'AHCI'; its controller of that type is named 'SATA'"),
        ("SATA 30", "disks.SATA 30: controller 'SATA' has at most 30 ports"),
    ],
)
def test_slot_of_a_new_disk_is_compared_with_the_source_of_the_clone(vbox, linked, slot, words):
    task(vbox, "source", config=SMALL, cloud_init={"user": "admin"}).succeeded()
    snapshot(vbox, "s", "source").succeeded()
    task(vbox, "source", config={"cdroms": {"IDE 0": None}, "disks": {"IDE 1": {"size": MIB}}}).succeeded()
    config = {"disks": {"SATA 0": {}, slot: {"size": MIB}}}
    for check in (True, False):
        clone(vbox, linked=linked, snapshot_name="s", config=config, check=check).refused(f"copy: {words}")
    # The drive of the seed is not in the clone. The source has had its second disk since the snapshot, and no drive.
    config = {"disks": {"SATA 0": {}, "IDE 1": {"size": MIB}, "IDE 1:1": {"size": MIB}}}
    clone(vbox, linked=linked, snapshot_name="s", config=config).succeeded()
    assert sorted(observed(vbox, name="copy").config["disks"]) == ["IDE 1", "IDE 1:1", "SATA 0"]
    clone(vbox, "full", config={"disks": {"SATA 0": {}, "IDE 0": {"size": MIB}}}).succeeded()
    assert sorted(observed(vbox, name="full").config["disks"]) == ["IDE 0", "IDE 1", "SATA 0"]


def test_clone_of_a_foreign_vm(vbox):
    """Images and rules of a source that was not created by the collection are handled, too."""
    vbox.make("source", "obeys")
    vbox.run("modifyvm", "source", "--natpf1", "a,tcp,,2101,,1", "--natpf1", "b,tcp,,2102,,2")
    assert clone(vbox, config={"memory": 24 * MIB}).succeeded().vm["memory_mib"] == 24
    assert observed(vbox, name="copy").config["port_forwards"] == {}
    assert len(observed(vbox, name="source").config["port_forwards"]) == 2
    task(vbox, "copy", state="absent").succeeded()
    assert vbox.registered() == [disk["source"] for disk in observed(vbox, name="source").config["disks"].values()]


def test_disk_grown_since_a_snapshot_is_not_copied(vbox):
    """VirtualBox 7.2 cannot copy it; a linked clone of a later snapshot can use it."""
    task(vbox, "source").succeeded()
    snapshot(vbox, "before", "source").succeeded()
    task(vbox, "source", config={"disks": {"#0": {"size": 4 * MIB}}}).succeeded()
    snapshot(vbox, "after", "source").succeeded()
    texts = ("SATA 0", "was enlarged after a snapshot", "linked clone")
    for snapshot_name in (None, "after"):
        clone(vbox, snapshot_name=snapshot_name).refused("copy", *texts)
    assert clone(vbox, snapshot_name="before").succeeded().vm["disks"][0]["size"] == "2M"
    assert clone(vbox, "link", snapshot_name="after", linked=True).succeeded().vm["disks"][0]["size"] == "4M"


@pytest.mark.parametrize(("state", "snapshot_name", "text"), [
    ("stopped", None, None), ("started", "s", None), ("started", None, "set clone.snapshot"),
    ("suspended", None, "set clone.snapshot"),
])  # fmt: skip
def test_vm_that_is_not_stopped_is_cloned_from_a_snapshot(vbox, state, snapshot_name, text):
    task(vbox, "source", state="started").succeeded()
    snapshot(vbox, "s", "source").succeeded()
    task(vbox, "source", state=state).succeeded()
    done = clone(vbox, snapshot_name=snapshot_name)
    done.refused("copy", text) if text else done.succeeded()


def test_failed_clone_deletes_nothing_of_its_source(vbox):
    """A new clone has its source's mark, which names a detached disk of the source, until it gets its own mark."""
    task(vbox, "source", config={**TWO_DISKS, "port_forwards": RULES}, cloud_init={"user": "admin"}).succeeded()
    task(vbox, "source", config={"disks": {"SATA 1": None}}).succeeded()
    before = vbox.files(), vbox.registered()
    for command in ("clonevm", "modifyvm", "setextradata", "storageattach"):
        clone(vbox, fails={command: DISK_FULL}).failed(DISK_FULL)
        assert (vbox.files(), vbox.registered()) == before
    clone(vbox).succeeded()


@pytest.mark.parametrize("registered", [False, True])
def test_clone_of_a_killed_task_that_has_no_record_yet_is_left_to_the_user(vbox, registered):
    """It looks like a VM of which a user has removed the record, and its disks are not empty."""
    task(vbox, "source").succeeded()
    uuid = "706f6c79-7669-4000-8000-000000000009"
    vbox.run("clonevm", "source", "--name", "copy", "--uuid", uuid, *(["--register"] if registered else []))
    for check in (True, False):
        clone(vbox, check=check).refused("no record of creation" if registered else "copy.vbox already exists")
    if not registered:
        vbox.run("registervm", vbox.machines / "copy" / "copy.vbox")
    task(vbox, "copy", state="absent", delete_disks="all").succeeded()
    clone(vbox).succeeded()
    assert [vm["name"] for vm in info(vbox)["vms"]] == ["source", "copy"]


@pytest.mark.parametrize("linked", [False, True])
def test_clone_during_which_the_daemon_has_ended_is_repeated(vbox, linked):
    """The files of the clone remain; they have the UUID that this task chose, so they are its own."""
    task(vbox, "source").succeeded()
    snapshot(vbox, "s", "source").succeeded()
    before = vbox.files(), vbox.registered()
    vbox.ends_while_cloning(2)
    done = clone(vbox, linked=linked, snapshot_name="s").succeeded()
    assert (done.changed, done.verbs.count("clonevm")) == (True, 5)
    task(vbox, "copy", state="absent").succeeded()
    assert (vbox.files(), vbox.registered()) == before


def test_vm_without_disks_of_a_killed_task_is_replaced_by_a_clone(vbox):
    """VirtualBox had written the settings file, but not registered the VM."""
    task(vbox, "source").succeeded()
    vbox.run("createvm", "--name", "copy", "--uuid", "706f6c79-7669-4000-8000-000000000009")
    clone(vbox).succeeded()
    assert [vm["name"] for vm in info(vbox)["vms"]] == ["source", "copy"]


def test_settings_file_that_others_create_during_the_task_is_not_removed(vbox):
    task(vbox, "source").succeeded()
    clone(vbox, before={"clonevm": lambda: vbox.run("createvm", "--name", "copy")}).failed_late("already exists")
    assert "copy/copy.vbox" in vbox.files()


def test_clone_that_another_task_creates_first_is_left_alone(vbox):
    task(vbox, "source").succeeded()
    done = clone(vbox, before={"clonevm": lambda: clone(vbox).succeeded()})
    done.failed_late("copy: another task created a VM with this name at the same time")
    assert vbox.run("list", "vms").count('"copy"') == 1


def test_partly_created_vm_with_the_same_file_name_is_kept(vbox):
    task(vbox, "source").succeeded()
    vbox.run("createvm", "--name", "a/b", "--uuid", "706f6c79-7669-4000-8000-000000000009", "--register")
    clone(vbox, "a:b").refused("a_b.vbox is used by a/b")
    assert '"a/b"' in vbox.run("list", "vms")


def test_source_is_not_changed_while_it_is_cloned(vbox):
    """Two tasks may read one source at the same time; a task that changes it waits."""
    others = []
    task(vbox, "source").succeeded()

    def run_others():
        others.append(clone(vbox, "second").succeeded())
        others.append(task(vbox, "source", config={"memory": 24 * MIB}, timeout=1))

    clone(vbox, before={"clonevm": run_others}).succeeded()
    others[1].failed("source", "another task is working on this VM")
    assert {vm["name"] for vm in info(vbox)["vms"]} == {"source", "copy", "second"}


def test_clone_keeps_the_ssh_port_of_its_source_if_it_is_free(vbox):
    """The port forward of the source was removed after the snapshot."""
    task(vbox, "source").succeeded()
    snapshot(vbox, "s", "source").succeeded()
    port = chosen_port(vbox, "source")
    task(vbox, "source", config={"ssh_forward": False}).succeeded()
    clone(vbox, snapshot_name="s").succeeded()
    assert chosen_port(vbox, "copy") == port


def test_clone_has_a_seed_of_its_own(vbox):
    task(vbox, "source", cloud_init={"user": "admin"}).succeeded()
    clone(vbox, cloud_init={"user": "other"}).succeeded()
    seed = vbox.machines / "copy" / "copy.polyvirt-seed.iso"
    drives = [value for key, value in vbox.values("copy").items() if key in ("IDE-0-0", "IDE-1-1")]
    assert drives == ["emptydrive", str(seed)]
    assert (b"other" in seed.read_bytes(), b"local-hostname: copy" in seed.read_bytes()) == (True, True)
    task(vbox, "copy", state="absent").succeeded()
    assert "source/source.polyvirt-seed.iso" in vbox.files()
