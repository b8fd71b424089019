# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users of the simulator give it: a cluster from a file, changes that no request makes; and what it assumes."""

from __future__ import annotations

import io
import json

import pytest

from simulators.proxmox import behind, control, fixture
from simulators.proxmox.__main__ import main
from simulators.proxmox.access import User
from simulators.proxmox.errors import Unauthorized
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.server import Server
from unit.simulators.proxmox import covered

CLUSTER = {
    "nodes": {"a1": {"cpus": 2}, "a2": {}},
    "storages": {
        "local": {"type": "dir", "content": "iso,images"},
        "thin": {"type": "lvmthin", "content": "images"},
        "off": {"type": "dir", "content": "iso", "disable": 1},
    },
    "volumes": {"local:iso/x.iso": {"size": 5000}, "thin:vm-100-disk-0": {"size": 1 << 30, "vmid": 100}},
    "bridges": ["br0"],
    "roles": {"Look": ["VM.Audit"]},
    "users": {"eve@pve": {"password": "e", "disabled": True}, "bob@pve": {"password": "b"}},
    "tokens": {
        "bob": {"user": "bob@pve", "token": "t", "secret": "s"},
        "old": {"user": "bob@pve", "token": "o", "expired": 1},
    },
    "acl": [["/vms", "bob@pve", "Look"]],
    "guests": "they never react",
    "vms": [{"vmid": 100, "options": {"name": "one", "scsi0": "thin:vm-100-disk-0,size=1G"}, "running": True}],
}
VM = "/nodes/a1/qemu/100"


@pytest.fixture(name="world")
def _world(tmp_path):
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(CLUSTER))
    return fixture.read(path)


@pytest.fixture(name="gateway")
def _gateway(world):
    return Gateway(world)


def test_cluster_of_a_file(world, gateway):
    assert gateway.call("GET", "/version").data["release"] == "9.2"
    assert [node["node"] for node in gateway.call("GET", "/nodes").data] == ["a1", "a2"]
    assert gateway.call("GET", "/nodes/a1/storage/off/content").reason == "storage 'off' is disabled"
    assert [bridge["iface"] for bridge in gateway.call("GET", "/nodes/a1/network").data] == ["br0"]
    assert gateway.call("GET", f"{VM}/config", user=User("bob@pve", "t")).data["name"] == "one"
    assert gateway.call("PUT", f"{VM}/config", {"memory": 64}, user=User("bob@pve", "t")).status == 403
    upid = gateway.call("POST", f"{VM}/status/shutdown", {"timeout": 1}).data
    assert gateway.finished(upid).exitstatus == "VM quit/powerdown failed - got timeout"


@pytest.mark.parametrize(
    ("header", "is_known"), [("bob@pve!t=s", True), ("bob@pve!t=x", False), ("bob@pve!o=s", False)]
)
def test_tokens_of_a_file(world, header, is_known):
    def who():
        return world.access.user_of("GET", {"authorization": f"PVEAPIToken={header}"}, {})

    if is_known:
        assert who().userid == "bob@pve"
    else:
        with pytest.raises(Unauthorized):
            who()


def test_disabled_user_cannot_log_in(gateway):
    for user, status in (("bob@pve", 200), ("eve@pve", 401)):
        assert gateway.call("POST", "/access/ticket", {"username": user, "password": user[0]}).status == status


@pytest.mark.parametrize(
    ("change", "call", "status"),
    [
        ({"do": "delete-volume", "volid": "thin:vm-100-disk-0"}, ("PUT", f"{VM}/unlink", {"idlist": "scsi0"}), 200),
        ({"do": "remove-config", "vmid": 100}, ("GET", f"{VM}/config", {}), 500),
        ({"do": "remove-config during the next request", "vmid": 7}, ("GET", "/nodes/a1/qemu", {}), 500),
        ({"do": "lock", "vmid": 100, "lock": "backup"}, ("PUT", f"{VM}/config", {"memory": 64}), 500),
        ({"do": "daemon behind the proxy: stop"}, ("GET", "/nodes/a1/qemu", {}), 595),
        ({"do": "daemon behind the proxy: freeze"}, ("PUT", f"{VM}/config", {"memory": 64}), 596),
    ],
)
def test_change_that_no_request_makes(world, gateway, change, call, status):
    behind.asked(world, change)
    assert gateway.call(*call).status == status
    if "daemon" in change["do"]:
        assert gateway.call("GET", "/version").status == 200
        behind.asked(world, {"do": "daemon behind the proxy: start"})
        assert gateway.call(*call).status == 200


def test_unknown_change_is_rejected(world):
    with pytest.raises(ValueError, match="delete-volume"):
        behind.asked(world, {"do": "explode"})


@pytest.mark.parametrize(("change", "code"), [({"do": "remove-config", "vmid": 100}, 0), ({"do": "explode"}, 1)])
def test_command_passes_a_change_to_a_running_simulator(world, monkeypatch, capsys, change, code):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(change)))
    with Server(world) as server:
        assert main(["--behind", "--port", str(server.port)]) == code
    assert (100 in world.cluster.machines) == bool(code)
    assert ("explode" in str(change)) == ("delete-volume" in capsys.readouterr().err)


def test_simulator_knows_what_the_recordings_cover():
    assert json.loads(covered.FILE.read_text(encoding="utf-8")) == covered.covered(), covered.__doc__


def test_it_lists_what_it_assumes(world, gateway, capsys):
    assert main(["--assumptions"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "  GET /cluster/tasks" in shown
    assert not any(line.startswith("  GET /version") for line in shown)
    assert "citype, ciupgrade" in next(line for line in shown if "POST /nodes/{node}/qemu:" in line)
    assert any("ASSUMED" in line and "api_files.py" in line for line in shown)
    gateway.call("GET", "/version")
    gateway.call("PUT", f"{VM}/config", {"scsi7": "thin:1", "freeze": 1})
    gateway.call("GET", "/cluster/tasks")
    assert control.ACTIONS["assumptions"](world) == [
        {"method": "PUT", "path": f"{VM}/config", "parameters": ["freeze"]},
        {"method": "GET", "path": "/cluster/tasks", "parameters": []},
    ]
