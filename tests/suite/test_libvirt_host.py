# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""virsh_host_settings on a host on which libvirt is installed: what it adds is recorded, and removed again."""

from __future__ import annotations

import grp
import json
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import host_record
from ansible_collections.polyvirt.core.plugins.module_utils._tools import kvm_nesting

from suite.answer import Task
from suite.by_ansible import ansible_playbook

USER = "games"
NETWORK, POOL = "pvg-lab", "pvg-pool"
OPTIONS = {"users": [USER], "nested": True, "networks": [NETWORK, "default"], "pools": [POOL]}
KEYS = {"users", "nested", "networks", "pools"}
DEFINITION = "<network><name>{0}</name><ip address='10.241.7.1' netmask='255.255.255.0'/></network>"


def _task(label, check=False, **options):
    return Task(label, options, check, "host_settings")


def _look():
    """What the module can change on this host, read without it."""
    files = [Path(path) for path in (host_record.PATH, kvm_nesting.PATH)]
    return USER in grp.getgrnam("libvirt").gr_mem, [one.exists() for one in files]


@pytest.fixture(name="host")
def _host(qemu, carry):
    # VMs of other tests would prevent a removal.
    qemu.clean()
    yield qemu
    carry(qemu, [_task("end", state="absent")])
    for path in (host_record.PATH, kvm_nesting.PATH):
        Path(path).unlink(missing_ok=True)


def test_settings_are_recorded_and_removed(host, carry):
    before = _look()
    tasks = [_task("check", True, **OPTIONS), _task("do", **OPTIONS), _task("again", **OPTIONS)]
    answers = carry(host, tasks)
    for answer in answers.values():
        assert not answer.failed, answer.msg
    assert [answer.changed for answer in answers.values()] == [True, True, False]
    diff = answers["do"].result["diff"]
    assert answers["check"].result["diff"] == diff
    assert set(diff["after"]) == KEYS
    # The network of the packages exists already, so it is not one of the role.
    assert (diff["after"]["networks"], diff["after"]["pools"]) == ([NETWORK], [POOL])
    assert answers["do"].result["host"]["users"] == [USER]
    assert _look() == (True, [True, True])
    assert oct(Path(host_record.PATH).stat().st_mode)[-3:] == "600"
    removal = {"state": "absent"}
    answers = carry(host, [_task("check", True, **removal), _task("do", **removal), _task("again", **removal)])
    assert [answer.changed for answer in answers.values()] == [True, True, False]
    assert answers["check"].result["diff"] == answers["do"].result["diff"]
    assert (_look(), before) == ((False, [False, False]),) * 2


def test_recorded_network_is_deleted_and_no_other(host, carry):
    carry(host, [_task("do", networks=[NETWORK])])
    others = set(host.virsh("net-list", "--all", "--name").split())
    host.virsh("net-define", "/dev/stdin", stdin=DEFINITION.format(NETWORK))
    host.virsh("net-start", NETWORK)
    (answer,) = carry(host, [_task("remove", state="absent")]).values()
    assert not answer.failed, answer.msg
    assert set(host.virsh("net-list", "--all", "--name").split()) == others


def test_removal_is_rejected_while_the_host_has_a_vm(host, carry):
    name = f"{host.prefix}kept"
    carry(host, [_task("do", users=[USER])])
    carry(host, [Task("create", {"name": [name], "state": "stopped", **host.creation})], [name])
    before = _look()
    answers = carry(host, [_task("check", True, state="absent"), _task("do", state="absent")])
    for answer in answers.values():
        assert f"This host has VMs ({name}), which would be lost to libvirt." in answer.msg
    assert _look() == before
    host.clean()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"users": ["nobody-here"]}, "users: this host has no user nobody-here."),
        ({"users": ["a b"]}, "users: 'a b' is not a name."),
        ({"packages": ["--allow-unauthenticated"]}, "packages: '--allow-unauthenticated' is not a name."),
        ({"package_folder": "packages"}, "package_folder: packages is not an absolute path."),
    ],
)
def test_wrong_options_are_rejected(host, carry, options, message):
    before = _look()
    (answer,) = carry(host, [_task("do", **options)]).values()
    assert message in answer.msg
    assert _look() == before


def _play(folder, name, check=False, **variables):
    """Run the role on this host; returns how many tasks changed something, and its result."""
    result = {"ansible.builtin.copy": {"dest": str(folder / name), "content": "{{ libvirt_host_result | to_json }}"}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.include_role": {"name": "polyvirt.core.libvirt_host"}, "vars": variables},
            {**result, "check_mode": False, "changed_when": False},
        ],
    }
    output = ansible_playbook(folder, play, ["-i", "localhost,", *(["--check"] if check else [])])
    changed = int(output.rpartition("changed=")[2].split()[0])
    return changed, json.loads((folder / name).read_text(encoding="utf-8")), output


@pytest.mark.full
def test_role_prepares_a_host_and_removes_what_it_added(host, tmp_path):
    before = _look()
    pool = {"name": POOL, "type": "dir", "path": str(host.storage)}
    wanted = {
        "libvirt_host_users": [USER],
        "libvirt_host_nested": True,
        "libvirt_host_networks": [{"name": NETWORK, "mode": "isolated", "addresses": ["10.241.7.1/24"]}],
        "libvirt_host_pools": [pool],
    }
    predicted, result, _output = _play(tmp_path, "check", True, **wanted)
    assert (predicted, _look(), result["users"]) == (3, before, [])
    changed, result, output = _play(tmp_path, "do", **wanted)
    assert (changed, result["users"], result["installed"], result["running"]) == (3, [USER], True, True)
    assert NETWORK in host.virsh("net-list", "--name").split()
    assert POOL in host.virsh("pool-list", "--name").split()
    assert ("KVM does not work: " in output) == (result["kvm"] is False)
    changed, again, _output = _play(tmp_path, "again", **wanted)
    assert (changed, again) == (0, result)
    absent = {"libvirt_host_state": "absent"}
    assert [_play(tmp_path, "end", is_check, **absent)[0] for is_check in (True, False, False)] == [1, 1, 0]
    assert _look() == before
    assert NETWORK not in host.virsh("net-list", "--all", "--name").split()
    assert POOL not in host.virsh("pool-list", "--all", "--name").split()
