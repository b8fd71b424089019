# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest agents on both platforms: limits, errors, and the state after them."""

from __future__ import annotations

import stat
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Refused, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._tools import guest_agent_proxmox
from ansible_collections.polyvirt.core.plugins.plugin_utils.guests.guest_agents import agent_of

from suite.limits import scaled
from unit.connection.kinds import KINDS

BYTES = bytes(range(256))


@pytest.fixture(params=KINDS)
def kind(request):
    """Each platform with a guest agent."""
    return request.param


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """``with opened(kind) as (agent, platform)``: the agent of web1, before it is connected."""

    @contextmanager
    def open_agent(kind, vm="web1", timeout=None, uri="qemu:///system", **settings):
        timeout = int(scaled(3)) if timeout is None else timeout
        with KINDS[kind](tmp_path, **settings) as platform:
            for name, value in platform.environment.items():
                monkeypatch.setenv(name, value)
            given = {name.removeprefix("ansible_guest_agent_"): value for name, value in platform.variables.items()}
            options = {"platform": "libvirt", "vm": vm, "timeout": timeout, "uri": uri, **given}
            agent = agent_of(options.get)
            try:
                yield agent, platform
            finally:
                agent.close()

    return open_agent


def _mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_empty_environment_variables_are_not_set(opened, kind, monkeypatch):
    """AWX injects an empty optional field of a credential as an empty variable."""
    for name in ("LIBVIRT_DEFAULT_URI", "PROXMOX_PASSWORD", "PROXMOX_VERIFY_SSL", "PROXMOX_VALIDATE_CERTS"):
        monkeypatch.setenv(name, "")
    with opened(kind, uri=None) as (agent, platform):
        agent.connect()
        assert agent.run("echo done", b"").stdout == b"done\n"
        assert ("-c qemu:///system" in platform.shown()) is (kind == "libvirt")


def test_file_of_any_size_is_written_and_read(opened, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(guest_agent_proxmox, "_AT_ONCE", 3)
    monkeypatch.setattr(guest_agent_proxmox, "_READ", 100_000)
    with opened(kind) as (agent, _platform):
        agent.connect()
        for size in (0, 1, 45_000, 45_001, 400_000):
            content, file = (BYTES * (size // 256 + 1))[:size], tmp_path / f"it's {size}"
            agent.put([content[: size // 2], content[size // 2 :]], str(file))
            assert file.read_bytes() == content
            assert b"".join(agent.fetch(str(file))) == content
            assert _mode(file) == 0o600
    assert list(tmp_path.glob("it's*.*")) == []


def test_existing_file_keeps_its_mode(opened, kind, tmp_path):
    file = tmp_path / "existing"
    file.write_text("a longer text than the new one", encoding="utf-8")
    file.chmod(0o640)
    with opened(kind) as (agent, _platform):
        agent.connect()
        agent.put([b"new"], str(file))
    assert (file.read_bytes(), _mode(file)) == (b"new", 0o640)


@pytest.mark.parametrize(
    "stdin", [b"short", BYTES, b"x" * 70_000, BYTES * 3_000], ids=["text", "bytes", "large text", "large bytes"]
)
def test_input_of_any_size_and_content_reaches_a_command(opened, kind, stdin, tmp_path):
    with opened(kind) as (agent, _platform):
        agent.connect()
        has_ended = agent.run(f"cat >{tmp_path}/input; printf '\\377'; exit 4", stdin)
    assert ((tmp_path / "input").read_bytes(), has_ended.rc, has_ended.stdout) == (stdin, 4, b"\xff")


def test_file_that_cannot_be_written_or_read_is_an_error(opened, kind, tmp_path):
    with opened(kind) as (agent, _platform):
        agent.connect()
        with pytest.raises(PolyvirtError, match=r"web1: .*/none/file cannot be written: .*(No such file|nonexistent)"):
            agent.put([b"content"], f"{tmp_path}/none/file")
        for path in (f"{tmp_path}/none", str(tmp_path)):
            with pytest.raises(PolyvirtError, match=r"web1: .*(No such file|Is a directory)"):
                list(agent.fetch(path))


def test_truncated_or_lost_output_is_an_error(opened, kind):
    size, words = {"libvirt": (4, "larger than 3 MB"), "proxmox": (17, "cut off")}[kind]
    with opened(kind) as (agent, _platform):
        agent.connect()
        with pytest.raises(PolyvirtError, match=words):
            agent.run(f"head -c {size}000000 /dev/zero")


def test_first_request_waits_for_an_agent_that_starts(opened):
    with opened("libvirt", trouble="starting") as (agent, _platform):
        agent.connect()
        assert agent.run("echo ready").stdout == b"ready\n"


@pytest.mark.parametrize("trouble", ["not connected", "hangs"])
def test_agent_that_does_not_answer_is_an_error_after_the_timeout(opened, trouble):
    with (
        opened("libvirt", timeout=0, trouble=trouble) as (agent, _platform),
        pytest.raises(Unavailable, match=r"does not answer.*Check that the VM runs"),
    ):
        agent.connect()


def test_agent_that_permits_no_commands_is_an_error_with_a_remedy(opened, kind):
    with (
        opened(kind, disabled=["guest-exec", "guest-file-open"]) as (agent, _platform),
        pytest.raises(Unavailable, match=r"does not permit guest-exec, guest-file-open.*/etc/sysconfig/qemu-ga"),
    ):
        agent.connect()


def test_vm_that_does_not_exist_is_an_error(opened, kind):
    with (
        opened(kind, vm="web2", timeout=0) as (agent, _platform),
        pytest.raises(Unavailable, match=r"web2: .*(failed to get domain 'web2'|no VM with this name)"),
    ):
        agent.connect()


def test_vm_of_proxmox_is_found_by_its_id(opened):
    with opened("proxmox", vm="300") as (agent, _platform):
        agent.connect()
        assert agent.run("echo ready").stdout == b"ready\n"


def test_name_of_several_vms_is_rejected():
    class Tool:
        def get(self, path, **parameters):
            return [{"type": "qemu", "vmid": number, "name": "web1"} for number in (101, 100)]

    with pytest.raises(Refused, match=r"several VMs.*100, 101"):
        guest_agent_proxmox.path_of(Tool(), "web1")
