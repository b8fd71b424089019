# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vmm_host on the double of an OpenBSD host: from a bare host to a running vmd."""

from __future__ import annotations

import sys

import pytest

from platforms.vmm.role_play import RoleHost

pytestmark = pytest.mark.full

FIRMWARE = "/etc/firmware/vmm-bios"
SETTINGS = {"vmm_host_staggered_parallel": 2, "vmm_host_socket_owner": "alice:vmusers"}
VM = 'vm "db" {\n\tmemory 512M\n\tcdrom "/etc/pf.conf"\n}\n'
ENABLE = "polyvirt.core.vmm_host : Enable vmd"
START = "polyvirt.core.vmm_host : Start the service"
DOWNLOAD = "polyvirt.core.vmm_host : Download the firmware"
WRITE = "polyvirt.core.vmm_host : Write the settings of vmd"


BEFORE = pytest.param("before", marks=pytest.mark.deep("killed after each write"))


@pytest.fixture(name="host")
def _host(tmp_path, ansible_playbook):
    host = RoleHost(tmp_path, ansible_playbook)
    host.file(FIRMWARE).unlink()
    return host


def test_life_of_a_host(host):
    """Check mode predicts the run, the second run changes nothing, and vmd is back after a reboot."""
    before, writes = host.look(), host.writes()
    predicted = host.play("vmm_host", "--check", **SETTINGS)
    assert predicted.code == 0, predicted.output
    assert (host.look(), host.writes()) == (before, writes)
    done = host.play("vmm_host", **SETTINGS)
    assert done.code == 0, done.output
    assert done.changed == predicted.changed == [DOWNLOAD, WRITE, ENABLE, START]
    assert host.file(FIRMWARE).exists()
    text, mode = host.files()["vm.conf"]
    assert "staggered start parallel 2 delay 30\nsocket owner alice:vmusers\n" in text
    assert mode == "0o600"
    again = host.play("vmm_host", **SETTINGS)
    assert (again.code, again.changed) == (0, []), again.output
    assert "openbsd: vmd" in again.output
    host.reboot()
    assert host.look()["vmd"]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        ({"cpu": "none"}, "The kernel has not attached vmm0: enable VMX or SVM in the firmware of the host"),
        ({"release": "7.3"}, "vmd needs OpenBSD 7.4 or later on amd64, and this host runs OpenBSD 7.3 amd64."),
    ],
    ids=["cpu", "release"],
)
def test_host_that_cannot_run_vms_is_not_changed(host, known, message):
    host.change(**known)
    before, writes = host.look(), host.writes()
    done = host.play("vmm_host")
    assert done.code != 0
    assert message in done.output
    assert "Nothing was changed." in done.output
    assert (host.look(), host.writes()) == (before, writes)


def test_firmware_that_cannot_be_downloaded_is_reported_with_the_reason(host):
    host.change(network=False)
    done = host.play("vmm_host")
    assert done.code != 0
    assert "fw_update did not install the firmware for VMs" in done.output
    assert "Cannot fetch http://firmware.openbsd.org/firmware/7.8/SHA256.sig" in done.output
    assert not host.look()["vmd"]
    done = host.play("vmm_host", vmm_host_firmware_folder="/root/firmware")
    assert done.code == 0, done.output
    assert ["fw_update", "-p", "/root/firmware", "vmm"] in host.calls()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vm {\n", "vmd cannot start, because vm.conf is invalid: vmd: "),
        ('switch "uplink" { interface bridge7 }\n', "the interface of switch uplink in vm.conf does not exist."),
    ],
    ids=["syntax", "switch"],
)
def test_vm_conf_that_would_end_vmd_is_found_before_it_starts(host, text, message):
    host.write("/etc/vm.conf", text)
    before, writes = host.look(), host.writes()
    done = host.play("vmm_host")
    assert done.code != 0
    assert message in done.output
    assert (host.look(), host.writes()) == (before, writes)


def test_stopped_vm_is_not_started_for_new_settings(host):
    host.play("vmm_host")
    host.write("/etc/vm.conf", VM)
    host.call("vmctl", "reload")
    host.call("vmctl", "stop", "-f", "-w", "db")
    done = host.play("vmm_host", **SETTINGS)
    assert (done.code, done.changed) == (0, [WRITE]), done.output
    assert "the role did not do that, because vmd would also start db." in done.output.lower()
    assert "stopped db" in host.call("vmctl", "status").stdout
    assert host.play("vmm_host", **SETTINGS).changed == []
    # While db runs, vmd would start no other VM.
    host.call("vmctl", "start", "db")
    done = host.play("vmm_host", **SETTINGS)
    assert (done.code, done.changed) == (0, [WRITE]), done.output
    assert "not in force" not in host.files()["vm.conf"][0]
    assert host.play("vmm_host", **SETTINGS).changed == []


@pytest.mark.parametrize("when", [BEFORE, "after"])
def test_killed_at_each_write(host, tmp_path, ansible_playbook, when):
    """Runs that are killed, and the complete run after them, have the same result as one undisturbed run."""
    other = tmp_path / "undisturbed"
    other.mkdir()
    undisturbed = RoleHost(other, ansible_playbook)
    undisturbed.file(FIRMWARE).unlink()
    assert undisturbed.play("vmm_host", **SETTINGS).code == 0
    done = host.play_killed("vmm_host", when, **SETTINGS)
    assert done.code == 0, done.output
    assert host.look() == undisturbed.look()
    assert host.play("vmm_host", **SETTINGS).changed == []


def test_python_is_installed_first(host, tmp_path):
    """On a host without Python, the one that ``pkg_add`` installs is used from then on."""
    packages = tmp_path / "packages"
    packages.mkdir()
    host.extra_path = str(packages)
    program = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    install = packages / "pkg_add"
    install.write_text(
        f"#!/bin/sh\necho \"$@\" >{packages}/added\ncat >{packages}/python-of-test <<'EOF'\n{program}EOF\n"
        f"chmod 755 {packages}/python-of-test\n",
        encoding="utf-8",
    )
    install.chmod(0o755)
    without = {"ansible_python_interpreter": "auto", "__vmm_host_pythons": ["python-of-test"]}
    done = host.play("vmm_host", vmm_host_bootstrap_python=False, **without)
    assert done.code != 0
    assert "the host has no Python 3, and vmm_host_bootstrap_python is false." in done.output
    predicted = host.play("vmm_host", "--check", **without)
    assert predicted.code == 0, predicted.output
    assert "Python would be installed first." in predicted.output
    assert not (packages / "added").exists()
    done = host.play("vmm_host", **without)
    assert done.code == 0, done.output
    assert (packages / "added").read_text(encoding="utf-8") == "-I python%3\n"
    assert host.look()["vmd"]
    assert host.play("vmm_host", **without).changed == []
