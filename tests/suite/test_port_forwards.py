# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``port_forwards`` on real libvirt: the guest answers on a port of the host. Older releases reject the option."""

from __future__ import annotations

import socket
import subprocess

import pytest

from suite.carry import carry_one
from suite.limits import wait_until

#: Ports of the host, which in a world only its tests use, and the port of the guest's SSH server.
FIRST, SECOND, SSH = 2222, 2223, 22
NIC = {"type": "user", "model": "virtio"}
#: Like any host that is connected to others: passt gives the guest the address of the interface with the default route.
_UPLINK = (
    ("link", "add", "pvg-uplink", "type", "bridge"),
    ("address", "add", "10.109.0.2/24", "dev", "pvg-uplink"),
    ("link", "set", "pvg-uplink", "up"),
    ("route", "add", "default", "via", "10.109.0.1"),
)


@pytest.fixture(name="uplink")
def _uplink():
    for words in _UPLINK:
        subprocess.run(("ip", *words), check=True)
    yield
    subprocess.run(("ip", "link", "delete", "pvg-uplink"), check=True)


@pytest.fixture(name="run")
def _run(qemu, uplink, shim, tmp_path):
    qemu.clean()
    name = f"{qemu.prefix}forwards"

    def run(check=False, **options):
        return carry_one(qemu, shim, tmp_path, {"name": [name], **options}, check=check).result

    yield run
    qemu.clean()


def _forward(port, **more):
    return {"name": "ssh", "host_address": "127.0.0.1", "host_port": port, "guest_port": SSH, **more}


def _banner(port):
    """What the server of the guest says first; None if nothing answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) or None
    except OSError:
        return None


def _is_supported(qemu):
    return tuple(int(part) for part in qemu.traits().version.split(".")[:2]) >= (9, 2)


@pytest.mark.guest
def test_guest_answers_on_a_port_of_the_host(qemu, run):
    new = {**qemu.guest, "networks": [NIC], "port_forwards": [_forward(FIRST)], "state": "started"}
    check, real = run(check=True, **new), run(**new)
    if not _is_supported(qemu):
        assert (check["failed"], real["failed"]) == (True, True)
        assert "9.2" in real["msg"]
        return
    assert not real.get("failed"), real["msg"]
    assert (check["changed"], check["diff"]) == (True, real["diff"])
    wait_until(lambda: _banner(FIRST) == b"SSH-", "an answer of the guest")
    assert not run(**new)["changed"]
    moved = {"port_forwards": [_forward(SECOND)], "allow_restart": True}
    check, real = run(check=True, **moved), run(**moved)
    assert (real["changed"], real["diff"]) == (True, check["diff"]), real
    wait_until(lambda: _banner(SECOND) == b"SSH-", "an answer on the other port")
    assert _banner(FIRST) is None
    assert not run(**moved)["changed"]
    removed = run(port_forwards=[], purge=["port_forwards"], allow_restart=True)
    assert removed["vms"][0]["settings"]["port_forwards"] == [], removed
    assert _banner(SECOND) is None
