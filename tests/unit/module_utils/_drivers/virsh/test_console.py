# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs of serial ports of libvirt VMs."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.observe import VirshObserver

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, failed

PTY = "<serial type='pty'/>"
LOGGED = "<serial type='pty'><log file='{}' append='off'/></serial>"
FILE = "<serial type='file'><source path='{}'/></serial>"
AS_CONSOLE = "<console type='file'><source path='{}'/><target type='virtio'/></console>"


def console(answer, uri="qemu:///system"):
    virsh = FakeVirsh({("dumpxml", UUID): answer})
    virsh.uri = uri
    (log,) = VirshObserver(virsh, None, {}).consoles([Vm("web", id=UUID)])
    return log


def with_ports(*ports):
    return f"<domain type='kvm'><devices>{''.join(ports)}</devices></domain>"


@pytest.mark.parametrize("port", [LOGGED, FILE, AS_CONSOLE])
def test_end_of_the_log_is_read(tmp_path, port):
    path = tmp_path / "web.log"
    path.write_bytes(b"booting\n")
    log = console(with_ports(PTY, port.format(path)))
    assert (log.file, log.data) == (str(path), b"booting\n")


def test_first_port_with_a_log_is_read(tmp_path):
    (tmp_path / "second").write_bytes(b"2")
    log = console(with_ports(LOGGED.format(tmp_path / "none"), FILE.format(tmp_path / "second")))
    assert (log.file, log.data) == (str(tmp_path / "second"), b"2")


def test_log_that_does_not_exist_yet(tmp_path):
    log = console(with_ports(LOGGED.format(tmp_path / "none")))
    assert (log.data, log.how) == (None, f"{tmp_path}/none does not exist. It is created when the VM is started.")


def test_log_on_another_host(tmp_path):
    (tmp_path / "log").write_bytes(b"of this host")
    log = console(with_ports(FILE.format(tmp_path / "log")), "qemu+ssh://hv1/system")
    assert log.data is None
    assert log.how == f"{tmp_path}/log is on the host of qemu+ssh://hv1/system. Run the task there."


def test_vm_without_a_log():
    assert console(with_ports(PTY)).data is None
    assert console(failed("Domain not found")).how == "Domain not found"
