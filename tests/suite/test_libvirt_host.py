# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role libvirt_host on a host on which libvirt is installed: what it adds is recorded, and removed again."""

from __future__ import annotations

import grp
import json
from pathlib import Path

import pytest

from suite.by_ansible import run_ansible

pytestmark = pytest.mark.full

USER = "games"
NETWORK, POOL = "pvg-lab", "pvg-pool"
RECORD, NESTED = Path("/var/lib/polyvirt/libvirt_host.json"), Path("/etc/modprobe.d/polyvirt-kvm.conf")
DEFINITION = "<network><name>{0}</name><ip address='10.241.7.1' netmask='255.255.255.0'/></network>"
ABSENT = {"libvirt_host_state": "absent"}


def _look():
    """What the role can change on this host, read without it."""
    return USER in grp.getgrnam("libvirt").gr_mem, [one.exists() for one in (RECORD, NESTED)]


@pytest.fixture(name="role")
def _role(tmp_path):
    def role(*words, **variables):
        """Run the role on this host: (exit code, number of tasks that changed something, output)."""
        shown = {"ansible.builtin.copy": {"dest": str(tmp_path / "result"), "content": "{{ libvirt_host_result }}"}}
        tasks = [
            {"ansible.builtin.include_role": {"name": "polyvirt.core.libvirt_host"}, "vars": variables},
            {**shown, "check_mode": False, "changed_when": False},
        ]
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        (tmp_path / "play.json").write_text(json.dumps([play]), encoding="utf-8")
        done = run_ansible(tmp_path, "ansible-playbook", ["-i", "localhost,", tmp_path / "play.json", *words])
        output = done.stdout + done.stderr
        return done.returncode, int(output.rpartition("changed=")[2].split()[0]), output

    return role


@pytest.fixture(name="host")
def _host(qemu, role, ground):
    # VMs of others would prevent a removal.
    qemu.clean()
    with ground.sentinels.away():
        yield qemu
        assert role(**ABSENT)[0] == 0
    for path in (RECORD, NESTED):
        path.unlink(missing_ok=True)


def test_role_prepares_a_host_and_removes_what_it_added(host, role, tmp_path):
    before, pool = _look(), {"name": POOL, "type": "dir", "path": str(host.storage)}
    wanted = {
        "libvirt_host_users": [USER],
        "libvirt_host_nested": True,
        "libvirt_host_networks": [{"name": NETWORK, "mode": "isolated", "addresses": ["10.241.7.1/24"]}],
        "libvirt_host_pools": [pool],
    }
    code, predicted, output = role("--check", **wanted)
    assert (code, _look()) == (0, before), output
    code, changed, output = role("--diff", **wanted)
    assert (code, changed, _look()) == (0, predicted, (True, [True, True])), output
    result = json.loads((tmp_path / "result").read_text(encoding="utf-8"))
    assert (result["users"], result["installed"], result["running"]) == ([USER], True, True)
    assert ("KVM does not work: " in output) == (result["kvm"] is False)
    assert oct(RECORD.stat().st_mode)[-3:] == "600"
    # The network of the packages exists already, so it is not one of the role.
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    assert (recorded["networks"], recorded["pools"], recorded["packages"]) == ([NETWORK], [POOL], [])
    assert NETWORK in host.virsh("net-list", "--name").split()
    assert POOL in host.virsh("pool-list", "--name").split()
    assert role(**wanted)[:2] == (0, 0)
    again = json.loads((tmp_path / "result").read_text(encoding="utf-8"))
    # Whether KVM works is tried each time, and a KVM that nests answers in time or not.
    tried = {key: again[key] for key in ("kvm", "kvm_problem")}
    assert again == {**result, **tried}
    others = set(host.virsh("net-list", "--all", "--name").split()) - {NETWORK}
    predicted = role("--check", **ABSENT)[1]
    code, changed, output = role(**ABSENT)
    assert (code, changed, _look()) == (0, predicted, before), output
    assert role(**ABSENT)[:2] == (0, 0)
    assert set(host.virsh("net-list", "--all", "--name").split()) == others
    assert POOL not in host.virsh("pool-list", "--all", "--name").split()


def test_existing_network_never_becomes_one_of_the_role(host, role):
    host.virsh("net-define", "/dev/stdin", stdin=DEFINITION.format(NETWORK))
    network = {"name": NETWORK, "mode": "isolated", "addresses": ["10.241.7.1/24"]}
    assert role(libvirt_host_users=[USER], libvirt_host_networks=[network])[0] == 0
    assert role(**ABSENT)[0] == 0
    assert NETWORK in host.virsh("net-list", "--all", "--name").split()
    host.virsh("net-destroy", NETWORK)
    host.virsh("net-undefine", NETWORK)


def test_removal_is_rejected_while_the_host_has_a_vm(host, role):
    name = f"{host.prefix}kept"
    assert role(libvirt_host_users=[USER])[0] == 0
    host.bring({name: "stopped"})
    before = _look()
    for words in (["--check"], []):
        code, changed, output = role(*words, **ABSENT)
        assert (code, changed) == (2, 0), output
        assert f"This host has VMs ({name}), which would be lost to libvirt." in output
    assert _look() == before
    host.clean()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"libvirt_host_users": ["nobody-here"]}, "libvirt_host_users: this host has no user nobody-here."),
        ({"libvirt_host_users": ["a b"]}, "libvirt_host_users: 'a b' is not a name."),
        ({"libvirt_host_packages": ["--allow-unauthenticated"]}, "'--allow-unauthenticated' is not a name."),
        ({"libvirt_host_package_folder": "packages"}, "packages is not an absolute path."),
        (
            {"libvirt_host_package_folder": "/var/empty", "libvirt_host_packages": ["no-such-package"]},
            "/var/empty has no package files, and no-such-package must be installed.",
        ),
    ],
)
def test_wrong_options_are_rejected(host, role, variables, message):
    before = _look()
    code, changed, output = role(**variables)
    assert (code, changed, _look()) == (2, 0, before), output
    assert message in output
