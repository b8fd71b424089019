# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own installer: three installations that fail, one that succeeds, and a second run that changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_NAME = "polyvirt-test-install"
_NETBOOT = os.environ.get("POLYVIRT_DEBIAN_NETBOOT")
_MIRROR = os.environ.get("POLYVIRT_DEBIAN_MIRROR")
#: QEMU's user must be able to read it.
_MEDIA = Path("/var/lib/libvirt/images/polyvirt-test-install")
_CONSOLE = Path(f"/var/log/libvirt/qemu/{_NAME}-console.log")
_PORT = 9100
#: Answers with which the installer has less to do in an emulated VM: a small system in one go.
_FAST = [
    "ipv6.disable=1",
    "mitigations=off",
    "panic=10",
    "debian-installer/language=C",
    "debian-installer/country=US",
    "base-installer/debootstrap_variant=minbase",
    "base-installer/includes=systemd-sysv,udev,ifupdown,dhcpcd-base,iproute2,netbase,procps,kmod,openssh-server,"
    "python3-minimal,sudo,zstd,busybox,initramfs-tools,dbus,debconf-i18n,apt-utils,adduser,tzdata",
    "base-installer/install-recommends=false",
    "base-installer/kernel/image=linux-image-cloud-amd64",
    "base-installer/initramfs-tools/driver-policy=dep",
]
#: QEMU 7.2 emulates this instruction wrongly: Debian 13's kernel crashes.
_CPU = {"cpu@mode": "maximum", "cpu/feature@name": "cx16", "cpu/feature@policy": "disable"}
_LAYOUT = [{"mount": "/", "size": "1000M", "grow": True}]
#: title of the installer's error: what causes it
_FAILING = {
    "Failed to run preseeded command": {"unattended_install_early_commands": ["exit 3"]},
    "Bad archive mirror": {"unattended_install_mirror": "http://127.0.0.1:9/debian"},
    # As large as the disk: the table of partitions has no room.
    "Failed to partition the selected disk": {
        "unattended_install_disk_layout": [{"mount": "/", "size": "4G", "grow": True}]
    },
}


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("install")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    yield folder
    _virsh("destroy", _NAME)
    _virsh("undefine", _NAME)
    # Not every host has a storage pool for this directory, by which virsh would delete it.
    for disk in _MEDIA.parent.glob(f"{_NAME}-*.qcow2"):
        disk.unlink()
    shutil.rmtree(_MEDIA, ignore_errors=True)
    _CONSOLE.unlink(missing_ok=True)


def _virsh(*words):
    command = ["virsh", "-q", "-c", "qemu:///system", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.fixture(name="provision", scope="module")
def _provision(folder, ansible_environment):
    """Runs the playbook; returns its exit code and its output. The output is shown while it runs."""

    def provision(**variables):
        command = ["ansible-playbook", "polyvirt.core.provision", "-e", json.dumps({**_variables(folder), **variables})]
        lines = []
        with subprocess.Popen(
            command, cwd=folder, env=ansible_environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout:
                lines.append(line)
                os.write(1, line.encode())
        return process.returncode, "".join(lines)

    return provision


def _variables(folder):
    medium = {"kernel": f"{_NETBOOT}/linux", "initrd": f"{_NETBOOT}/initrd.gz"}
    return {
        "vm_name": _NAME,
        # QEMU without KVM can crash if it emulates several CPUs (scripts/demo/variables.yml).
        "vm_cpus": 1,
        "vm_memory": "1536M",
        "vm_disk_size": "4G",
        "vm_network_type": "network",
        "vm_network_source": os.environ["POLYVIRT_TEST_NETWORK"],
        "vm_ssh_key_file": str(folder / "key"),
        "vm_known_hosts_folder": str(folder / "known_hosts"),
        "vm_module_options": {
            "virt_type": "qemu",
            "display": {"type": "none"},
            "native": {**_CPU, "devices/disk[@device='disk']/driver@cache": "unsafe"},
        },
        "unattended_install_distribution": "debian-13",
        "unattended_install_domain": "example.test",
        "unattended_install_locale": "C",
        "unattended_install_disk_layout": _LAYOUT,
        "unattended_install_kernel_arguments": _FAST,
        "unattended_install_media_directory": str(_MEDIA),
        "unattended_install_console_log": str(_CONSOLE),
        **({"unattended_install_mirror": _MIRROR} if _MIRROR else {}),
        **({"unattended_install_medium": medium} if _NETBOOT else {}),
        "guest_scripts": [{"name": "once", "script": "test -e /etc/polyvirt-installed"}],
        "agent_profile": "prometheus_node_exporter",
    }


@pytest.mark.parametrize("title", _FAILING)
def test_failing_installation_reports_the_title_of_the_installer(provision, title):
    code, output = provision(**_FAILING[title])
    assert code
    assert f"{_NAME}: the installation failed: {title}" in output
    assert _virsh("domstate", _NAME).strip() == "shut off"
    assert title in _CONSOLE.read_text(encoding="utf-8", errors="replace")


def test_debian_is_installed_until_the_agent_answers(provision):
    code, output = provision()
    assert code == 0
    assert "Log in: ssh" in output
    definition = _virsh("dumpxml", _NAME)
    assert "<kernel>" not in definition
    assert list(_MEDIA.glob(f"{_NAME}*")) == []


def test_second_run_changes_nothing(provision):
    code, output = provision()
    assert code == 0
    assert "changed=0" in output
    assert "changed=1" not in output
