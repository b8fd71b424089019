# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is part of the digest of a plan and what is not: each row of the table in docs/approvals.md."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import fields, replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    STOPPED,
    Address,
    Change,
    Counters,
    Plan,
    Policy,
    Request,
    Secret,
    Snapshot,
    Step,
    Vm,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import simulate
from ansible_collections.polyvirt.core.plugins.module_utils._core.results import plan_content
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.plan_content import (
    canonical,
    content_of,
    digest,
    lines_of,
    obstacle_of,
    used_files,
)
from hypothesis import given
from hypothesis import strategies as st

from collection_path import CHECKOUT

VM = Vm("web", "u-web", STOPPED, config={"cpus": 2, "memory": 2048, "description": "mine"})
CHANGE = Change("cpus", 2, 4)
CONFIGURE = Step("configure", (CHANGE,))
TAKEN = Snapshot("clean", "s1", created=1000.0)
SEED = {"user": "admin", "password": Secret("long-and-secret"), "user_data": {"packages": ["nginx"]}}
IMAGE = {"source": "/store/debian-13-4f1c.qcow2", "name": "debian-13", "digest": "sha256:4f1c", "linked": False}


def plan(*steps, vm=VM):
    return Plan(vm, simulate(vm, steps), (tuple(steps),))


def create(**creation):
    arguments = {"creation": {"image": IMAGE, "cloud_init": SEED, **creation}, "power": STOPPED, "config": {"cpus": 2}}
    return plan(Step("create", arguments=arguments), vm=Vm.absent("web"))


def of(planned, policy=None, asked=None, **more):
    return digest(content_of(planned, Request(policy=policy or Policy(), config=asked or {}), **more))


def restore(**taken):
    vm = VM.having(snapshots=(replace(TAKEN, **taken), Snapshot("other", "s2", created=5.0)))
    step = Step("restore", arguments={"name": "clean", "id": vm.snapshots[0].id, "power": STOPPED})
    return plan(step, vm=vm)


def delete(*files, vm=VM):
    return plan(Step("delete", arguments={"files": files, "kept": {"/iso": "an ISO image is never deleted"}}), vm=vm)


def born(birth):
    """A VM on a platform where ids are used again; one from before that has none."""
    return VM.having(birth=birth) if "birth" in fields(Vm) else VM


def with_disk(path, size=1):
    return VM.having(config={**VM.config, "disks": {"vda": {"source": path, "size": size}}})


def taken_at(time):
    return VM.having(snapshots=(replace(TAKEN, created=time),))


def clone(source, snapshot=None):
    creation = {"clone": {"source": source.name, "snapshot": snapshot}}
    arguments = {"creation": creation, "power": STOPPED, "source": source, "config": {"cpus": 2}}
    return plan(Step("clone", arguments=arguments), vm=Vm.absent("web"))


BASE = of(plan(CONFIGURE))
CREATED = of(create())
#: {row of the table: [pairs of digests that have to differ]}
PART = {
    "name, ID and power state of the VM": [
        (BASE, of(plan(CONFIGURE, vm=VM.having(id="u-2")))),
        (BASE, of(plan(CONFIGURE, vm=VM.having(power="running")))),
        (BASE, of(plan(CONFIGURE, vm=VM.having(name="db")))),
        (of(plan(CONFIGURE, vm=VM.having(name="caf\u00e9"))), of(plan(CONFIGURE, vm=VM.having(name="cafe\u0301")))),
    ],
    "birth of the VM, where another VM can get its ID": [
        (of(plan(CONFIGURE, vm=born("100:1"))), of(plan(CONFIGURE, vm=born("100:2"))))
    ],
    "all snapshots and disks of a VM that is deleted": [
        (of(delete()), of(delete(vm=VM.having(snapshots=(TAKEN,))))),
        (of(delete(vm=with_disk("/a"))), of(delete(vm=with_disk("/b")))),
        (of(delete(vm=VM.having(generation="a"))), of(delete(vm=VM.having(generation="b")))),
    ],
    "disks that the VM is started with, by slot, file and size": [
        (of(plan(Step("start"), vm=with_disk("/a"))), of(plan(Step("start"), vm=with_disk("/b")))),
        (of(plan(Step("start"), vm=with_disk("/a"))), of(plan(Step("start"), vm=with_disk("/a", size=2)))),
    ],
    "the source of a clone, with all its settings, its disks and its snapshot": [
        (of(clone(VM.having(revision="a"))), of(clone(VM.having(revision="b")))),
        (of(clone(VM)), of(clone(VM.having(id="u-2")))),
        (of(clone(with_disk("/a"))), of(clone(with_disk("/b")))),
        (of(clone(taken_at(1000.0), "clean")), of(clone(taken_at(2000.0), "clean"))),
    ],
    "host of the inventory, how it is reached, revision of AWX's project": [
        (of(plan(CONFIGURE), where="pve1:8006"), of(plan(CONFIGURE), where="pve2:8006"))
    ],
    "all steps, with the values that they replace": [
        (BASE, of(plan(Step("configure", (replace(CHANGE, old=1),))))),
        (BASE, of(plan(Step("configure", (replace(CHANGE, new=8),))))),
        (BASE, of(plan(CONFIGURE, Step("start")))),
        (BASE, of(plan(Step("configure", (replace(CHANGE, cost="power_off"),))))),
    ],
    "files that are deleted, also by another program with its call": [
        (of(delete("/a")), of(delete("/a", "/b"))),
        (of(delete("/a")), of(delete("/a"), deleted=["/nvram"])),
    ],
    "snapshots that are restored or deleted, by their ID and their time": [
        (of(restore()), of(restore(created=2000.0))),
        (of(restore()), of(restore(id="s9"))),
    ],
    "the digest of an image": [(CREATED, of(create(image={**IMAGE, "digest": "sha256:9999"})))],
    "the values of cloud_init for a new VM, without the secrets in them": [
        (CREATED, of(create(cloud_init={**SEED, "user_data": {"packages": ["apache2"]}}))),
        (CREATED, of(create(cloud_init={**SEED, "user": "root"}))),
        # Proxmox VE shows no documents in its plans.
        (
            of(create(), asked={"cloud_init": {"user_data": "a"}}),
            of(create(), asked={"cloud_init": {"user_data": "b"}}),
        ),
    ],
    "that a secret is set or changed": [
        (CREATED, of(create(cloud_init={**SEED, "password": None}))),
        (
            BASE,
            of(plan(Step("configure", (CHANGE, Change("display", Secret("a"), Secret("b"), attribute="password"))))),
        ),
    ],
    "size and time of the used files": [
        (of(plan(CONFIGURE), versions={"/x.iso": [1, 2, 3]}), of(plan(CONFIGURE), versions={"/x.iso": [1, 9, 3]}))
    ],
    "how VMs are stopped, and which disks are deleted": [
        (BASE, of(plan(CONFIGURE), Policy(stop_mode="force"))),
        (BASE, of(plan(CONFIGURE), Policy(delete_disks="all"))),
    ],
}
#: {row of the table: [pairs of digests that have to be the same]}
NO_PART = {
    "addresses, uptime and usage": [
        (
            BASE,
            of(plan(CONFIGURE, vm=VM.having(addresses=(Address("10.0.0.5", "lease"),), counters=Counters(uptime=9)))),
        )
    ],
    "settings and snapshots that the task does not use": [
        (BASE, of(plan(CONFIGURE, vm=VM.having(config={**VM.config, "memory": 1, "description": "x"})))),
        (BASE, of(plan(CONFIGURE, vm=VM.having(snapshots=(TAKEN,))))),
    ],
    "that an image has to be downloaded first": [
        (CREATED, of(replace(create(), segments=((Step("fetch", arguments={"image": IMAGE}), *create().steps),))))
    ],
    "the value of a secret": [
        (CREATED, of(create(cloud_init={**SEED, "password": Secret("another")}))),
        (CREATED, of(create(cloud_init={**SEED, "user_data": {"packages": ["nginx"]}}))),
        (BASE, of(plan(CONFIGURE), asked={"cloud_init": {"user_data": "only new VMs get it"}})),
    ],
    "the content of disks that a guest writes": [
        (of(plan(Step("start")), versions={"/a": ["inode"]}), of(plan(Step("start")), versions={"/a": ["inode"]}))
    ],
    "texts about steps": [(BASE, of(plan(replace(CONFIGURE, note="n", also=("the network is restarted",)))))],
    "how long the task waits, and for what": [(BASE, of(plan(CONFIGURE), Policy(timeout=9, wait_for="ssh")))],
}


@pytest.mark.parametrize("row", PART)
def test_part_of_the_digest(row):
    for one, other in PART[row]:
        assert one != other


@pytest.mark.parametrize("row", NO_PART)
def test_no_part_of_the_digest(row):
    for one, other in NO_PART[row]:
        assert one == other


def test_guide_has_these_rows_and_those_of_the_task():
    guide = (CHECKOUT / "docs/approvals.md").read_text(encoding="utf-8")
    lines = [line for line in guide.splitlines() if line.startswith("| ") and "---" not in line]
    cells = [cell.strip() for line in lines for cell in line.strip("|").split("|")]
    assert set(PART) | set(NO_PART) <= set(cells)


def test_digest_is_spelled_in_groups_of_letters_that_no_word_has():
    frame, *groups = BASE.split("-")
    assert (frame, {len(one) for one in groups}, len(groups)) == ("plan", {4}, 8)
    assert not set("".join(groups)) & set("aeiou0123456789")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1.0, 1),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1: "x"}, {"1": "x"}),
        ((1, 2), [1, 2]),
        ({"b", "a"}, ["a", "b"]),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=timezone.utc), "2026-01-02T00:00:00+00:00"),
        (Secret("a"), Secret("b")),
        (Vm("web", "1", power="running"), Vm("web", "1")),
    ],
)
def test_same_meaning_is_the_same_data(one, other):
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("e\u0301", "\u00e9"), (1, "1"), (True, 1), ([1, 2], [2, 1]), (None, ""), (1.5, 1), ({"a": 1}, {"a": 2})],
)
def test_another_meaning_is_other_data(one, other):
    assert digest([one, "end"]) != digest([other, "end"])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_plain_data_is_stable(value):
    assert canonical(canonical(value)) == canonical(value)
    assert digest(value) == digest(canonical(value))


def test_address_without_a_checksum_cannot_be_approved():
    address = {"source": "https://example.com/a.qcow2", "digest": None}
    assert "checksum" in obstacle_of(create(image=address))
    assert obstacle_of(create(image={**address, "digest": "sha256:1"})) == ""
    assert obstacle_of(create()) == ""


def test_file_that_nobody_can_compare_cannot_be_approved():
    assert "checksum" in obstacle_of(plan(CONFIGURE), {"https://example.com/x.iso": None})
    assert "/x.iso: it cannot be seen" in obstacle_of(plan(CONFIGURE), {"/a.iso": [1, 2], "/x.iso": None})
    assert obstacle_of(plan(CONFIGURE), {"/a.iso": [1, 2], "name/of-a-box": []}) == ""


def test_used_files_are_those_whose_content_counts():
    disks = {"vdb": {"source": "/d.qcow2"}, "vda": {"size": 1}}
    arguments = {
        "creation": {"image": {"source": "/i.qcow2"}},
        "power": STOPPED,
        "config": {"iso": "/x.iso", "disks": disks},
    }
    planned = plan(Step("create", arguments=arguments), vm=Vm.absent("web"))
    assert used_files(planned) == ["/d.qcow2", "/i.qcow2", "/x.iso"]
    changes = (Change("iso", "", "/y.iso"), Change("disks", None, {"source": "/e.qcow2"}, key="vdc"))
    assert used_files(plan(Step("configure", changes))) == ["/e.qcow2", "/y.iso"]
    assert used_files(create()) == []


def test_lines_show_steps_changes_and_deleted_files_without_secrets():
    assert lines_of(plan(CONFIGURE)) == ["web: configure", "  cpus: 2 -> 4"]
    assert lines_of(delete("/a.qcow2")) == ["web: delete", '  state: "stopped" -> "absent"', "  deletes /a.qcow2"]
    secret = plan(Step("configure", (Change("native", Secret("old-secret"), Secret("new-secret"), key="x"),)))
    assert "secret" not in "".join(lines_of(secret)).replace("VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "")


def test_lines_of_a_new_vm_leave_out_the_defaults_of_the_platform():
    config = {"cpus": 4, "firmware": "bios", "networks": {"0": {"type": "nat"}}}
    step = Step("create", arguments={"creation": {"image": IMAGE}, "power": STOPPED, "config": config})
    defaults = {"cpus": 1, "firmware": "bios", "networks": {"0": {"type": "nat"}}, "disk_size": 1}
    assert lines_of(plan(step, vm=Vm.absent("web")), defaults) == [
        "web: create",
        "  cpus: - -> 4",
        '  state: "absent" -> "stopped"',
        "  image: debian-13  sha256:4f1c",
    ]
    changed = plan(Step("configure", (Change("firmware", "uefi", "bios"),)), vm=VM.having(config={"firmware": "uefi"}))
    assert '  firmware: "uefi" -> "bios"' in lines_of(changed, defaults)


def test_lines_of_a_clone_and_of_a_deletion_name_what_they_use_and_destroy():
    source = VM.having(name="tmpl", id="100", snapshots=(TAKEN,))
    arguments = {"creation": {"clone": {"source": "tmpl", "snapshot": "clean"}}, "power": STOPPED, "source": source}
    step = Step("clone", arguments={**arguments, "config": {**source.config, "cpus": 8}})
    lines = lines_of(plan(step, vm=Vm.absent("web")))
    assert lines == [
        "web: clone",
        "  cpus: - -> 8",
        '  state: "absent" -> "stopped"',
        "  clone of tmpl (100), snapshot clean",
    ]
    gone = plan(Step("delete", arguments={"files": ("/a",), "kept": {}}), vm=VM.having(snapshots=(TAKEN,)))
    assert lines_of(gone)[2:] == ["  deletes /a", "  deletes the snapshot clean"]


def test_deletion_of_a_vm_whose_birth_is_unknown_cannot_be_approved():
    step = Step("delete", arguments={"files": (), "kept": {}})
    assert "web: nothing identifies this VM" in obstacle_of(plan(step, vm=VM.having(birth="")))
    assert [obstacle_of(plan(step, vm=VM.having(birth=one))) for one in (None, "100:1")] == ["", ""]
    assert obstacle_of(plan(CONFIGURE, vm=VM.having(birth=""))) == ""


@pytest.mark.parametrize(
    ("name", "one", "other", "is_same"),
    [
        ("RESTIC_PASSWORD", "one", "other", True),
        ("RESTIC_PASSWORD_COMMAND", "one", "other", False),
        ("RESTIC_PASSWORD", "one", "$(other)", False),
        ("PATH", "/usr/bin", "/tmp", False),
    ],
)
def test_variable_of_a_script_is_a_secret_only_if_its_name_says_so(name, one, other, is_same):
    """All of them are masked in results."""
    found = [digest([{"env": {name: Secret(value)}}]) for value in (one, other)]
    assert (found[0] == found[1]) is is_same


def test_files_that_native_names_count_where_a_vm_starts_with_them():
    vm = VM.having(config={"native": {"os/kernel": "/boot/linux", "vcpu": "2", "os/boot@dev": "hd"}})
    assert plan_content.native_files(plan(Step("start"), vm=vm)) == ["/boot/linux"]
    assert plan_content.native_files(plan(CONFIGURE, vm=vm)) == []
    change = Step("configure", (Change("native", None, "/boot/linux", key="os/kernel"),))
    assert plan_content.native_files(plan(change, vm=vm)) == ["/boot/linux"]
