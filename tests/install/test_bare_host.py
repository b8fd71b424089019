# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bare Debian becomes a host of libvirt with a network and three VMs, and is the same as before in the end.

Runs in a world with the files of a Debian without libvirt: scripts/test.sh run --root bare-debian13 THIS_FILE.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from suite.limits import scaled
from suite.ssh import Key

NETWORK, DOMAIN, FOLDER = "lab", "lab.example.net", "/var/lib/libvirt/images"
#: name of a VM: its fixed address
ADDRESSES = {"web1": "10.61.0.11", "web2": "10.61.0.12", "db1": "10.61.0.13"}
#: The package of the role that a dependency on Debian 13 needs: libvirt-daemon-driver-network.
NEEDED = {"dnsmasq-base"}
#: What remains after the removal of Debian's packages: accounts, empty directories of systemd, and those of libvirt.
ACCOUNTS = {"dnsmasq", "rdma"}
LEFT_FOLDERS = {"/var/lib/machines", "/var/lib/portables"}
_OF_LIBVIRT = re.compile(r"(.* )?(/etc|/var/lib|/run)/libvirt(/.*)?( .*)?")
#: Tables of the firewall and their own chains, which remain without rules.
_EMPTY = re.compile(r"[*#]|COMMIT|:[A-Z]+ ACCEPT")
#: What apt and dpkg record, logs, the home directory with Ansible's files, and the images of the tests.
_NOT_COMPARED = ("/tmp", "/root", "/srv", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log")
#: Tables of accounts, which contain those that remain.
_TABLES = ("passwd", "group", "shadow", "gshadow")
_SETTINGS = ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "bridge/bridge-nf-call-iptables")

pytestmark = pytest.mark.skipif("POLYVIRT_PACKAGES" not in os.environ, reason="needs --root bare-debian13")


def _lines(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def _host():
    """The host as its own tools report it: {part: set of lines}."""
    pruned = [word for folder in _NOT_COMPARED for word in ("-path", folder, "-prune", "-o")]
    paths = _lines("find", "/", "-xdev", *pruned, "-printf", "%y %m %u:%g %p %l\\n")
    contents = [path for path in Path("/etc").rglob("*") if path.is_file() and path.name.rstrip("-") not in _TABLES]
    settings = [Path("/proc/sys/net", name) for name in _SETTINGS]
    rules = _lines("iptables-save") + _lines("ip6tables-save")
    return {
        "packages": set(_lines("dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Abbrev}\\n")),
        "files": set(paths),
        "contents": {f"{path} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in contents},
        "accounts": {line for name in ("passwd", "group") for line in Path("/etc", name).read_text().splitlines()},
        "firewall": {re.sub(r"\[\d+:\d+\]", "", line) for line in rules if not _EMPTY.match(line)},
        "settings": {f"{path} {path.read_text().strip()}" for path in settings if path.exists()},
        "interfaces": set(os.listdir("/sys/class/net")),
        "processes": {Path("/proc", one, "comm").read_text() for one in os.listdir("/proc") if one.isdigit()},
    }


def _remains(line):
    """Whether the documentation of the role names what the line shows."""
    is_folder = line.split(" ")[3:4] in [[folder] for folder in LEFT_FOLDERS]
    return line.split(":")[0] in ACCOUNTS or is_folder or _OF_LIBVIRT.fullmatch(line) is not None


def _names(host):
    return {line.split()[0] for line in host["packages"]}


def _role(state, **packages):
    ranges = [{"start": "10.61.0.100", "end": "10.61.0.200"}]
    network = {"name": NETWORK, "mode": "nat", "addresses": ["10.61.0.1/24"], "ranges": ranges}
    network.update(domain=DOMAIN, domain_local=True)
    options = {"libvirt_host_users": ["games"], "libvirt_host_nested": True, "libvirt_host_networks": [network]}
    variables = packages or {"libvirt_host_package_folder": os.environ["POLYVIRT_PACKAGES"]}
    variables.update(options if state == "present" else {}, libvirt_host_state=state)
    return {"ansible.builtin.include_role": {"name": "polyvirt.core.libvirt_host"}, "vars": variables}


def _vms(state, key):
    """One task with all VMs."""
    if state == "absent":
        options = {"name": list(ADDRESSES), "stop_mode": "force"}
    else:
        images = Path(os.environ["POLYVIRT_TEST_IMAGES"])
        options = {
            "machines": [
                {"name": name, "networks": [{"type": "network", "source": NETWORK, "address": address}]}
                for name, address in ADDRESSES.items()
            ],
            "virt_type": "qemu",
            "cpus": 1,
            "memory": "128M",
            "image": {"source": str(images / "fast-base.qcow2"), "linked": True},
            "native": {
                "os/kernel": str(images / "vmlinuz"),
                "os/initrd": str(images / "initrd.img"),
                "os/cmdline": "console=ttyS0 net.ifnames=0 quiet tsc=reliable no_timer_check mitigations=off",
            },
            **key.seed,
            "wait_for": "ssh",
            "timeout": int(scaled(300)),
        }
    return {"polyvirt.core.virsh_vm": {**options, "state": state}}


@pytest.fixture(name="play")
def _play(tmp_path, ansible_playbook):
    """Run tasks on this host, with the Python of the host; returns how many changed something, and the output."""

    def play(*tasks, words=()):
        playbook = tmp_path / "play.json"
        variables = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
        plays = [{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": list(tasks)}]
        playbook.write_text(json.dumps(plays))
        code, output = ansible_playbook("-i", "localhost,", playbook, *words)
        assert code == 0, output
        return int(re.findall(r"changed=(\d+)", output)[-1]), " ".join(output.split())

    return play


def _assert_removed(play, before, role):
    """The role removes its own packages by name, and names those that stay with the command that removes them."""
    present, recorded = _host(), json.loads(Path("/var/lib/polyvirt/libvirt_host.json").read_bytes())["packages"]
    message = r"removed packages: (.*?)\. Packages that stay: (.*?)\. To remove .*?, run: (.*?)[\"} ]*(?:TASK|PLAY)"
    foreseen = re.findall(message, play(role, words=("--check",))[1])
    assert _host()["packages"] == present["packages"]
    assert re.findall(message, play(role)[1]) == foreseen
    assert play(role)[0] == 0
    ((removed, stays, command),) = foreseen
    kept = set(re.sub(r" \(needed by .*?\)", "", stays).split(", "))
    assert set(removed.split(", ")) == _names(present) - _names(_host()) == {*recorded} - NEEDED
    assert {*NEEDED, "libvirt-daemon"} <= kept <= _names(_host()) - _names(before)
    assert command == "apt autoremove dnsmasq-base"
    subprocess.run([*command.split(), "--purge", "-y"], check=True)
    # Installed packages suggest the rest, so apt keeps them.
    rest = _names(_host()) - _names(before)
    assert not rest & kept
    subprocess.run(["dpkg", "--purge", *rest], check=True)
    after = _host()
    assert {part: sorted(before[part] - after[part]) for part in before} == {part: [] for part in before}
    added = {part: sorted(line for line in after[part] - before[part] if not _remains(line)) for part in after}
    assert added == {part: [] for part in after}


def test_bare_host_gets_network_and_vms_and_is_the_same_after_removal(play, tmp_path):
    before, key = _host(), Key(tmp_path)
    assert not Path("/usr/bin/virsh").exists()
    assert play(_role("present"), _vms("started", key))[0] > 0
    assert play(_role("present"), _vms("started", key))[0] == 0
    for name, address in ADDRESSES.items():
        assert key.say(address, "hostname").strip() == name
        for other in ADDRESSES:
            for known_as in (other, f"{other}.{DOMAIN}"):
                answer = key.say(address, f"ping -c 1 -W 20 {known_as}")
                assert f"({ADDRESSES[other]})" in answer, (name, known_as)
    # The role rejects a removal while the host has VMs.
    assert play(_vms("absent", key))[0] == 1
    _assert_removed(play, before, _role("absent"))


def test_packages_of_a_repository_are_removed_like_those_of_a_folder(play):
    source = Path(os.environ["POLYVIRT_PACKAGES"]).with_name("source")
    Path("/etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{source} ./\n", encoding="utf-8")
    before = _host()
    assert play(_role("present", libvirt_host_packages=[]))[0] > 0
    _assert_removed(play, before, _role("absent", libvirt_host_packages=[]))
