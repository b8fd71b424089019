# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator over HTTPS: the bytes on the wire, and the library that modules speak through."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
import sys

import pytest
import requests
from proxmoxer import AuthenticationError, ProxmoxAPI, ResourceException

from simulators.proxmox import behind, worlds
from simulators.proxmox.__main__ import main
from simulators.proxmox.server import Server

TOKEN = {"Authorization": f"PVEAPIToken=root@pam!test={worlds.TOKEN_SECRET}"}
VM1 = "/nodes/pve1/qemu/100"


@pytest.fixture(scope="module")
def server():
    world = worlds.with_cases()
    world.timing.refused = 0
    with Server(world) as running:
        yield running
    assert world.tasks.crashes == []


@pytest.fixture
def world(server):
    server.world.journal.clear()
    return server.world


@pytest.fixture
def connection(server):
    context = ssl.create_default_context(cafile=server.authority)
    opened = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=60)
    yield opened
    opened.close()


def asked(connection, method, path, body=None, headers=None):
    connection.request(method, f"/api2/json{path}", body, TOKEN if headers is None else headers)
    answer = connection.getresponse()
    return answer, answer.read()


def proxmox(server, **settings):
    credentials = {"user": "root@pam", "token_name": "test", "token_value": worlds.TOKEN_SECRET, **settings}
    return ProxmoxAPI("localhost", port=server.port, verify_ssl=str(server.authority), timeout=35, **credentials)


def test_an_error_is_told_by_its_reason_and_closes_the_connection(connection):
    answer, body = asked(connection, "GET", "/nodes/pve1/qemu/199/config")
    text = "Configuration file 'nodes/pve1/qemu-server/199.conf' does not exist"
    assert (answer.status, answer.reason) == (500, text)
    assert answer.getheader("Connection") == "close"
    assert answer.getheader("Server") == "pve-api-daemon/3.0"
    assert answer.getheader("Content-Type") == "application/json;charset=UTF-8"
    assert json.loads(body) == {"message": f"{text}\n", "data": None}


def test_a_success_keeps_the_connection_and_an_error_ends_it(connection, world):
    for path in ("/version", "/nosuch", "/version", "/version"):
        asked(connection, "GET", path)
    numbers = [entry.connection for entry in world.journal.requests]
    assert numbers[0] == numbers[1] < numbers[2] == numbers[3]


def test_a_401_has_no_body(connection):
    answer, body = asked(connection, "GET", "/version", headers={})
    assert (answer.status, answer.reason, body) == (401, "No ticket", b"")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("memory=4096&cores=3", "application/x-www-form-urlencoded"),
        ('{"memory": 4096, "cores": 3}', "application/json"),
    ],
)
def test_both_kinds_of_bodies_are_read(connection, world, body, kind):
    answer, _body = asked(connection, "PUT", "/nodes/pve2/qemu/101/config", body, {**TOKEN, "Content-Type": kind})
    assert answer.status == 200
    assert {"memory: 4096", "cores: 3"} <= set(world.cluster.machines[101].text.split("\n"))


def test_a_semicolon_separates_unless_it_is_encoded(connection, world):
    form = {**TOKEN, "Content-Type": "application/x-www-form-urlencoded"}
    asked(connection, "PUT", "/nodes/pve2/qemu/101/config", "tags=a;b=c", form)
    assert world.journal.requests[-1].params == {"tags": "a", "b": "c"}


def test_a_body_where_none_may_be_is_a_501(connection):
    answer, _body = asked(connection, "DELETE", VM1, "purge=1")
    assert (answer.status, answer.reason) == (501, "Unexpected content for method 'DELETE'")


def test_what_is_no_method_is_a_501(connection):
    assert asked(connection, "GET", "/nosuch")[0].reason == "Method 'GET /nosuch' not implemented"


def test_a_dropped_connection_is_reset(connection, world):
    world.faults.request("reset", path="/version")
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected, ssl.SSLError)):
        asked(connection, "GET", "/version")


@pytest.mark.parametrize("kind", ["truncate", "not_json"])
def test_an_answer_can_be_no_json(connection, world, kind):
    world.faults.request(kind, path="/version")
    with pytest.raises(ValueError):
        json.loads(asked(connection, "GET", "/version")[1])


def test_without_the_authority_the_certificate_is_refused(server):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{server.url}/api2/json/version", timeout=60)


def test_the_librarys_errors_are_those_that_the_real_server_makes(server):
    api = proxmox(server)
    with pytest.raises(ResourceException) as missing:
        api.nodes("pve1").qemu(199).config.get()
    assert str(missing.value).startswith("500 Internal Server Error: Configuration file 'nodes/pve1/qemu-server/199")
    with pytest.raises(ResourceException) as wrong:
        api.nodes("pve1").qemu(100).config.put(onboot=True)
    assert wrong.value.errors == {"onboot": "type check ('boolean') failed - got 'True'"}
    with pytest.raises(ResourceException) as unauthorized:
        proxmox(server, token_value="wrong").version.get()
    assert str(unauthorized.value).startswith("401 Unauthorized: Authentication failed!")


def test_the_library_logs_in_with_a_password(server):
    address = {"port": server.port, "verify_ssl": str(server.authority), "user": "root@pam"}
    api = ProxmoxAPI("localhost", password=worlds.ROOT_PASSWORD, **address)
    assert api.nodes("pve1").qemu(100).config.put(description="from a session") is None
    with pytest.raises(AuthenticationError, match="Couldn't authenticate user: root@pam"):
        ProxmoxAPI("localhost", password="wrong", **address)


def test_a_name_with_odd_signs_survives_two_encodings(server):
    keys = "ssh-ed25519%20AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl%20a%2Bb%2Fc%3D%0A"
    vm = proxmox(server).nodes("pve2").qemu(101)
    vm.config.put(sshkeys=keys, tags="b;a")
    found = vm.config.get()
    assert (found["sshkeys"], found["tags"]) == (keys, "a;b")


def test_an_iso_is_uploaded(server, world, tmp_path):
    image = tmp_path / "small.iso"
    image.write_bytes(b"x" * 5000)
    with image.open("rb") as file:
        upid = proxmox(server).nodes("pve1").storage("local").upload.post(content="iso", filename=file)
    assert server.gateway.finished(upid).exitstatus == "OK"
    listed = proxmox(server).nodes("pve1").storage("local").content.get(content="iso")
    assert {entry["volid"]: entry["size"] for entry in listed}["local:iso/small.iso"] == 5000


def test_a_node_that_is_gone_is_an_error_with_an_empty_body(server, world):
    behind.node(world, "pve2", online=False)
    with pytest.raises(ResourceException, match="No route to host"):
        proxmox(server).nodes("pve2").qemu(101).config.get()
    behind.node(world, "pve2", online=True)


def test_another_process_can_let_things_happen(server, world):
    def control(action, /, **values):
        answer = requests.post(f"{server.url}/simulator/{action}", json=values, verify=server.authority, timeout=60)
        return answer.status_code, answer.json()

    assert control("edit", vmid=100, name="renamed") == (200, {})
    assert "name: renamed" in control("config", vmid=100)[1]["config"]
    control("request-fault", kind="reply", path="/version", status=500, reason="as told")
    with pytest.raises(ResourceException, match="as told"):
        proxmox(server).version.get()
    assert control("count")[1] == {"requests": 1, "writes": 0}
    assert control("nosuch")[0] == 404
    assert control("power", vmid=4711, on=True)[0] == 400


def test_another_process_can_see_how_all_stand(server, world):
    machines = {one["vmid"]: one for one in _told(server, "machines")}
    assert (machines[100]["power"], machines[101]["node"]) == ("running", "pve2")
    assert machines[101]["current"]["name"] == "web2"
    assert _told(server, "volumes")["local-lvm:vm-101-disk-0"]["node"] == "pve2"


def _told(server, action):
    answer = requests.post(f"https://localhost:{server.port}/simulator/{action}", json={}, verify=str(server.authority))
    return answer.json()


def test_a_port_that_is_taken_is_told(server, capsys):
    assert main(["--port", str(server.port)]) == 1
    error = capsys.readouterr().err
    assert f"cannot serve on 127.0.0.1, port {server.port}" in error
    assert "Use --port 0 for any free port." in error


def test_it_runs_alone_with_its_own_clock(checkout, tmp_path):
    command = [sys.executable, "-m", "simulators.proxmox", "--port", "0", "--machines", "20", "--speed", "200"]
    command += ["--certificates", str(tmp_path)]
    with subprocess.Popen(command, cwd=checkout / "extensions", stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = (process.stdout.readline().removeprefix("export ").strip() for _line in range(6))
            told = dict(line.split("=", 1) for line in lines)
            api = ProxmoxAPI(
                "localhost",
                port=int(told["PROXMOX_PORT"]),
                user=told["PROXMOX_USER"],
                token_name=told["PROXMOX_TOKEN_ID"],
                token_value=told["PROXMOX_TOKEN_SECRET"],
                verify_ssl=told["PROXMOX_CA_PATH"],
                timeout=35,
            )
            assert len(api.cluster.resources.get(type="vm")) == 20
            upid = api.nodes("pve2").qemu(101).status.start.post()
            while api.nodes("pve2").tasks(upid).status.get()["status"] == "running":
                pass
            assert api.nodes("pve2").qemu(101).status.current.get()["status"] == "running"
        finally:
            process.terminate()
