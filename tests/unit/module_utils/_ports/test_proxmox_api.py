# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API over HTTPS: certificates, lost connections and tickets."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import ApiError, NotFound, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, proxmox_api, proxmox_failures
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_api import (
    Account,
    ConnectionLost,
    ProxmoxApi,
)
from ansible_collections.polyvirt.core.plugins.module_utils._ports.proxmox_upload import Form
from requests import sessions

from simulators.proxmox import worlds
from simulators.proxmox.server import Server

OTHERS = "/etc/ssl/certs/ca-certificates.crt"


@pytest.fixture(name="world")
def _world():
    world = worlds.with_cases()
    world.timing.refused = 0
    return world


@pytest.fixture(name="server")
def _server(world):
    with Server(world) as server:
        yield server


def _api(server, **more):
    token = {"token_id": "test", "token_secret": worlds.TOKEN_SECRET}
    own = {"host": "localhost", "port": server.port, "user": "root@pam", "verify": str(server.authority), **token}
    return ProxmoxApi(Account(**{**own, **more}))


def _with_password(server):
    return _api(server, token_id=None, token_secret=None, password=worlds.ROOT_PASSWORD)


def test_token_needs_no_ticket(server, world):
    assert _api(server).call("GET", "/version").data["release"] == "9.2"
    assert [entry.path for entry in world.journal.requests] == ["/version"]


def test_header_that_cannot_be_sent_is_not_shown(server):
    with pytest.raises(ApiError, match="localhost") as error:
        _api(server, token_secret="hidden\n").call("GET", "/version")
    assert "hidden" not in str(error.value)


def test_rejected_call_returns_an_answer(server):
    answer = _api(server).call("GET", "/nodes/pve1/qemu/999/config")
    assert (answer.status, answer.data) == (500, None)
    assert answer.reason == "Configuration file 'nodes/pve1/qemu-server/999.conf' does not exist"
    answer = _api(server).call("PUT", "/nodes/pve1/qemu/100/config", {"cores": "many"})
    assert (answer.status, answer.errors) == (400, {"cores": "type check ('integer') failed - got 'many'"})
    assert answer.reason == "Parameter verification failed."


def test_password_login_requests_one_ticket(server, world):
    api = _with_password(server)
    for _time in range(3):
        assert api.call("GET", "/version").status == 200
    assert api.call("POST", "/nodes/pve2/qemu/101/status/start").status == 200
    assert world.journal.count("POST", "/access/ticket") == 1


def test_expired_ticket_is_renewed(server, world):
    api = _with_password(server)
    api.call("GET", "/version")
    world.engine.advance(3 * 3600)
    assert api.call("PUT", "/nodes/pve1/qemu/100/config", {"onboot": 1}).status == 200
    assert world.journal.count("POST", "/access/ticket") == 2


def test_error_about_a_wrong_password_does_not_contain_it(server):
    api = _api(server, token_id=None, token_secret=None, password="s3cret-and-wrong")
    with pytest.raises(ApiError) as caught:
        api.call("GET", "/version")
    assert "root@pam" in str(caught.value)
    assert "api_password" in str(caught.value)
    assert "s3cret" not in str(caught.value) + repr(api.account)


def test_cluster_error_is_not_reported_as_a_wrong_password(server, world):
    world.faults.request("reply", path="/access/ticket", status=500, reason="cluster not ready - no quorum?")
    with pytest.raises(ApiError, match="HTTP 500") as caught:
        _with_password(server).call("GET", "/version")
    assert "does not accept" not in str(caught.value)


def test_required_second_factor_is_reported(server, world):
    world.access.accounts["root@pam"].otp = "123456"
    with pytest.raises(ApiError, match="second factor") as caught:
        _with_password(server).call("GET", "/version")
    assert "API token" in str(caught.value)


def test_wrong_token_is_reported_by_the_server(server):
    answer = _api(server, token_secret="wrong").call("GET", "/version")
    assert (answer.status, answer.reason) == (401, "Authentication failed!")


@pytest.mark.parametrize("verify", [True, OTHERS])
def test_unknown_certificate_is_not_trusted(server, verify):
    with pytest.raises(Unavailable, match="not trusted") as caught:
        _api(server, verify=verify).call("GET", "/version")
    assert "ca_path" in str(caught.value)


def test_certificate_with_another_name_is_not_trusted(server, monkeypatch):
    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: found("localhost", *more, **named))
    with pytest.raises(Unavailable, match="not trusted"):
        _api(server, host="pve.example.com").call("GET", "/version")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("verify", [False, "the authority"])
def test_ca_path_takes_precedence_over_the_environment(server, monkeypatch, verify):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", OTHERS)
    chosen = str(server.authority) if verify else False
    assert _api(server, verify=chosen).call("GET", "/version").status == 200


def test_ca_file_of_the_environment_is_used(server, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.authority))
    assert _api(server, verify=True).call("GET", "/version").status == 200


def test_proxy_of_the_environment_is_used(server, world, monkeypatch):
    """A token needs no login: the request itself goes to the proxy, which does not exist."""
    _set_proxy(monkeypatch)
    with pytest.raises(Unavailable, match="localhost"):
        _api(server).call("GET", "/version")
    assert world.journal.requests == []


def test_server_in_no_proxy_is_called_directly(server, monkeypatch):
    _set_proxy(monkeypatch)
    monkeypatch.setenv("NO_PROXY", "example.com,localhost")
    assert _api(server).call("GET", "/version").status == 200


def _set_proxy(monkeypatch):
    for name in ("https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")


@pytest.mark.parametrize("login", [_api, _with_password])
def test_netrc_does_not_replace_the_credentials_of_the_task(server, monkeypatch, tmp_path, login):
    netrc, image = tmp_path / "netrc", tmp_path / "small.iso"
    netrc.write_text("machine localhost login other password of-netrc\n")
    netrc.chmod(0o600)
    image.write_bytes(b"content")
    monkeypatch.setenv("NETRC", str(netrc))
    api = login(server)
    assert api.call("GET", "/version").status == 200
    assert api.upload("/nodes/pve1/storage/local/upload", {"content": "iso"}, str(image)).status == 200


def test_environment_is_resolved_once(server, monkeypatch):
    resolved, resolve = [], sessions.get_environ_proxies
    monkeypatch.setattr(
        sessions, "get_environ_proxies", lambda url, **more: resolved.append(url) or resolve(url, **more)
    )
    api = _api(server)
    assert [api.call("GET", "/version").status for _time in range(5)] == [200] * 5
    assert resolved == [f"https://localhost:{server.port}/"]


def test_library_without_such_a_session_can_be_used(server, monkeypatch):
    login = proxmox_api.proxmoxer.ProxmoxAPI
    monkeypatch.setattr(proxmox_api.proxmoxer, "ProxmoxAPI", lambda *names, **more: partial(login(*names, **more)))
    assert _api(server).call("GET", "/version").status == 200


def test_missing_ca_file(server):
    with pytest.raises(Unavailable, match="ca_path '/nonexistent'"):
        _api(server, verify="/nonexistent").call("GET", "/version")


@pytest.mark.parametrize(("option", "value"), [("port", 1), ("host", "nosuch.invalid")])
def test_server_that_does_not_exist(server, option, value):
    with pytest.raises(Unavailable) as caught:
        _api(server, **{option: value}).call("POST", "/nodes/pve1/qemu/100/status/start")
    assert str(value) in str(caught.value)
    assert "api_host" in str(caught.value)
    assert "object at" not in str(caught.value)


def test_reads_are_retried(server, world):
    world.faults.request("reset", path="/version", times=2)
    assert _api(server).call("GET", "/version").status == 200


def test_writes_are_not_retried(server, world):
    world.faults.request("reset_after", path=".*/status/start")
    with pytest.raises(ConnectionLost):
        _api(server).call("POST", "/nodes/pve2/qemu/101/status/start")
    assert world.journal.count("POST", "/status/start") == 1


@pytest.mark.parametrize("kind", ["truncate", "not_json"])
def test_truncated_answer_is_a_lost_connection(server, world, kind):
    world.faults.request(kind, path="/version", times=9)
    with pytest.raises(ConnectionLost, match="cut off"):
        _api(server).call("GET", "/version")


def test_at_most_eight_connections(server, world):
    api = _api(server)
    with ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(lambda _number: api.call("GET", "/version").status, range(200)))
    assert set(statuses) == {200}
    assert len({entry.connection for entry in world.journal.requests}) <= proxmox_api.CONNECTIONS


def test_file_is_uploaded(server, world, tmp_path):
    image = tmp_path / "small.iso"
    image.write_bytes(b"\0" * 2048)
    answer = _api(server).upload("/nodes/pve1/storage/local/upload", {"content": "iso"}, str(image))
    assert answer.data.startswith("UPID:pve1:")
    world.engine.advance(5)
    assert world.storages.volume("local:iso/small.iso", "pve1").size == 2048
    with pytest.raises(NotFound, match="cannot be read"):
        _api(server).upload("/nodes/pve1/storage/local/upload", {"content": "iso"}, str(tmp_path / "none.iso"))


def test_whole_file_is_uploaded_again_after_a_new_ticket(server, world, tmp_path):
    image = tmp_path / "small.iso"
    image.write_bytes(b"\0" * 2048)
    api = _with_password(server)
    api.call("GET", "/version")
    world.engine.advance(3 * 3600)
    assert api.upload("/nodes/pve1/storage/local/upload", {"content": "iso"}, str(image)).status == 200
    world.engine.advance(5)
    assert world.storages.volume("local:iso/small.iso", "pve1").size == 2048


def test_uploaded_file_is_never_whole_in_memory(tmp_path):
    image = tmp_path / "large.iso"
    image.write_bytes(b"content" * 100_000)
    with image.open("rb") as file:
        form = Form({"content": "iso"}, file)
        length, blocks = len(form), list(form)
    assert (max(map(len, blocks)), len(blocks) > 10) == (1 << 16, True)
    assert (length, b"content" * 100_000 in b"".join(blocks)) == (sum(map(len, blocks)), True)


def test_length_of_a_file_of_more_than_2_gib_is_known_before_it_is_read(tmp_path):
    image = tmp_path / "large.iso"
    with image.open("wb") as file:
        file.truncate(3 << 30)
    with image.open("rb") as file:
        assert len(Form({}, file)) > 3 << 30
        assert file.tell() == 0


def test_upload_that_is_rejected_has_the_reason_and_errors_of_the_server(server, tmp_path):
    image = tmp_path / "small.txt"
    image.write_bytes(b"text")
    answer = _api(server).upload("/nodes/pve1/storage/local/upload", {"content": "iso"}, str(image))
    assert (answer.status, answer.errors) == (400, {"filename": "wrong file extension"})
    assert answer.reason == "Parameter verification failed."


def test_upload_whose_answer_is_lost_may_have_changed_something(server, world, tmp_path):
    image = tmp_path / "small.iso"
    image.write_bytes(b"text")
    world.faults.request("reset_after", skip=0)
    before = change_counter.count()
    with pytest.raises(ConnectionLost):
        _api(server).upload("/nodes/pve1/storage/local/upload", {"content": "iso"}, str(image))
    assert change_counter.count() == (before[0], before[1] + 1)


def test_address_of_a_host_with_ipv6_is_in_brackets():
    addresses = {host: Account(host, 8006, "root@pam").address for host in ("pve1", "fd00::1", "[fd00::1]")}
    assert addresses == {"pve1": "pve1:8006", "fd00::1": "[fd00::1]:8006", "[fd00::1]": "[fd00::1]:8006"}


@pytest.mark.parametrize("version", ["1.3.1", "2.0.1"])
def test_library_that_does_not_verify_certificates_is_rejected(server, world, monkeypatch, version):
    monkeypatch.setattr(proxmox_api.proxmoxer, "__version__", version)
    with pytest.raises(Unavailable, match=f"proxmoxer is {version}") as caught:
        _api(server).call("GET", "/version")
    assert (caught.value.why, world.journal.requests) == ("too_old", [])


@pytest.mark.parametrize(("module", "library"), [(proxmox_api, "proxmoxer"), (proxmox_failures, "exceptions")])
def test_missing_library_is_reported(server, monkeypatch, module, library):
    """``exceptions`` is from the library requests; without it, proxmoxer would end the process."""
    monkeypatch.setattr(module, library, None)
    with pytest.raises(Unavailable, match="proxmoxer") as caught:
        _api(server).call("GET", "/version")
    assert caught.value.why == "missing"
