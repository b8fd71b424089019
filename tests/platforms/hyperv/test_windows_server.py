# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook windows_server on a simulated Hyper-V host: Windows Setup itself does not run, its VM is powered off."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Knobs
from platforms.windows.winrm_server import WinRMServer, through
from suite.by_ansible import has_changed
from unit.playbooks.test_windows_guide import GUIDE, inventory
from windows_guests.socks_proxy import SocksProxy
from windows_guests.vendor_iso import iso, windows_files
from windows_guests.winrm_guest import WinRMGuest

pytestmark = pytest.mark.full

_AT_ONCE = dict.fromkeys(Knobs().seconds, 0.0)
_ISO, _PASSWORD, _GUEST = "C:\\iso\\server.iso", "Very-Secret-1", "127.0.0.77"
_UNATTEND = "{urn:schemas-microsoft-com:unattend}"


class _Guest(BaseHTTPRequestHandler):
    """WinRM (401) and the page of a web server (200)."""

    def do_GET(self):
        self.send_response(401 if self.path == "/wsman" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self):
        self.do_GET()

    def log_message(self, *_words):
        pass


@contextmanager
def _guest_answers():
    servers = [ThreadingHTTPServer((_GUEST, port), _Guest) for port in (80, 5985)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def _guest_is_reached(folder, monkeypatch, user="ansible", password=_PASSWORD):
    """(stand-in for WinRM of the guest, proxy): the controller logs in as this user, through the proxy only."""
    (folder / "users").write_text(f":{user}:{password}\n", encoding="utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(folder / "users"))
    with (
        _guest_answers(),
        WinRMGuest(folder, lambda _line, _stdin: (0, b"this is web1", b"")) as guest,
        SocksProxy({(_GUEST, 5986): guest.port}) as proxy,
    ):
        yield guest, proxy


class _Playbook:
    def __init__(self, host, folder, ansible_playbook):
        self.host, self._folder, self._ansible_playbook = host, folder, ansible_playbook

    def run(self, *words, playbook="windows_server", **variables):
        """(exit code, whether anything was changed, output)."""
        given = {"vm_name": "web1", "provision_hypervisor": "hv1", **variables}
        is_file = "/" in str(playbook)
        prefix = "windows_server" if is_file else playbook
        given = {f"{prefix}_iso": _ISO, f"{prefix}_password": _PASSWORD, **given}
        with WinRMServer(through(self.host.windows)) as server:
            hosts = {"all": {"hosts": {"hv1": server.variables}}}
            for name, content in (("hosts.json", hosts), ("variables.json", given)):
                (self._folder / name).write_text(json.dumps(content), encoding="utf-8")
            code, output = self._ansible_playbook(
                "-i", self._folder / "hosts.json", playbook if is_file else f"polyvirt.core.{playbook}",
                "-e", f"@{self._folder / 'variables.json'}", "-v", "--diff", *words,
            )  # fmt: skip
        assert _PASSWORD not in output
        return code, has_changed(output), " ".join(output.split())


@pytest.fixture(name="playbook")
def _playbook(tmp_path, ansible_playbook):
    host = HyperV(knobs=Knobs(merge_delay=0.0, merge_seconds=0.0, seconds=_AT_ONCE), client=True)
    host.guest_template.addresses = (_GUEST,)
    host.files.put(_ISO, iso(windows_files()))
    return _Playbook(host, tmp_path, ansible_playbook)


def _answers(host, folder):
    """The answer file on the second CD of the VM."""
    (path,) = [
        one.path for one in host.vm("web1").hardware.drives if one.kind == "dvd" and one.path != _ISO and one.path
    ]
    (folder / "seed.iso").write_bytes(host.files.file(path))
    take = [
        "xorriso",
        "-osirrox",
        "on",
        "-indev",
        folder / "seed.iso",
        *("-extract", "/autounattend.xml", folder / "a.xml", "-extract", "/polyvirt.ps1", folder / "a.ps1"),
    ]
    subprocess.run(take, check=True, capture_output=True)
    return ElementTree.parse(folder / "a.xml").getroot(), (folder / "a.ps1").read_text(encoding="utf-8")


def test_windows_is_installed_once(playbook, tmp_path, monkeypatch):
    host = playbook.host
    code, changed, output = playbook.run("--check")
    assert (code, changed, host.vms) == (0, True, []), output

    # The installation does not end within this time, so the run fails, and the next one waits again.
    for is_new in (True, False):
        code, changed, output = playbook.run(windows_server_timeout=0)
        assert (code != 0, changed, "it has not ended within 0 s" in output) == (True, is_new, True), output
    vm = host.vm("web1")
    assert vm.state == "Running"
    root, script = _answers(host, tmp_path)
    assert root.find(f".//{_UNATTEND}ComputerName").text == "web1"
    needed = ("Enable-PSRemoting", "Install-WindowsFeature Web-Server", "5985, 5986", "fDenyTSConnections 0")
    assert [word for word in needed if word not in script] == []

    host.guest("web1", values={"polyvirt": "polyvirt-installed"})
    with _guest_is_reached(tmp_path, monkeypatch) as (guest, proxy):
        code, changed, output = playbook.run(windows_socks=proxy.url)
        assert (code, changed, vm.state) == (0, True, "Running"), output
        assert f"http://{_GUEST}/ is IIS" in output
        code, changed, output = playbook.run(windows_socks=proxy.url)
        assert (code, changed) == (0, False), output
        assert guest.actions.count("Create") == 2
        code, changed, output = playbook.run("--check", windows_socks=proxy.url)
        assert (code, changed) == (0, False), output
    assert [drive.path for drive in vm.hardware.drives if drive.kind == "dvd" and drive.path] == []


@pytest.mark.deep("test_windows_is_installed_once; states after Setup: tests/unit/plugin_utils/test_install_wait.py")
def test_vm_that_is_off_is_not_installed_by_that(playbook):
    """It was never started, or was switched off during Setup: it is started again, and keeps its media."""
    host = playbook.host
    playbook.run(windows_server_timeout=0)
    vm = host.vm("web1")
    media = [drive.path for drive in vm.hardware.drives if drive.kind == "dvd"]
    host.reach(vm, "Off")
    with _guest_answers():  # So that a run that takes it for installed ends at once.
        code, changed, output = playbook.run(windows_server_timeout=0)
    assert (code != 0, changed, "it has not ended within 0 s" in output, vm.state) == (True, True, True, "Running")
    host.guest("web1", values={"polyvirt": "polyvirt-failed: command 1: exit code 5"})
    for _run in range(2):
        code, _changed, output = playbook.run()
        assert (code != 0, "the installation failed: command 1: exit code 5" in output) == (True, True), output
        assert (vm.state, [drive.path for drive in vm.hardware.drives if drive.kind == "dvd"]) == ("Off", media)


def test_vm_of_others_keeps_its_media(playbook):
    vm = playbook.host.add("web1", generation=1)
    next(drive for drive in vm.hardware.drives if drive.kind == "dvd").path = _ISO
    with _guest_answers():
        code, changed, output = playbook.run(windows_server_timeout=0)
    assert (code != 0, changed, "has no record of creation by this collection" in output) == (True, False, True), output
    assert (vm.state, [drive.path for drive in vm.hardware.drives if drive.kind == "dvd"]) == ("Off", [_ISO])


def _end_installation(host):
    """Leave the VM as an installation leaves it: off, without media."""
    host.reach(host.vm("web1"), "Off")
    for drive in host.vm("web1").hardware.drives:
        if drive.kind == "dvd":
            drive.path = ""


def test_windows_behind_nat_is_reached_through_the_proxy(playbook, tmp_path, monkeypatch):
    later = {"hosts": "windows", "gather_facts": False, "tasks": [{"ansible.builtin.raw": "hostname"}]}
    # The stand-in has no runspaces of PSRP, so the task fails after its first request.
    psrp = {**later, "vars": {"ansible_connection": "psrp"}, "ignore_errors": True, "ignore_unreachable": True}
    plays = [{"ansible.builtin.import_playbook": "polyvirt.core.windows_server"}, later, psrp]
    (tmp_path / "plays.json").write_text(json.dumps(plays), encoding="utf-8")
    playbook.run(windows_server_timeout=0)
    _end_installation(playbook.host)
    with _guest_is_reached(tmp_path, monkeypatch) as (guest, proxy):
        # The address of the guest has no such port here, so nothing reaches it without the proxy.
        code, _changed, output = playbook.run(playbook=tmp_path / "plays.json", windows_socks=proxy.url)
    assert (code, "this is web1" in output) == (0, True), output
    assert ({*proxy.requested}, guest.actions.count("Create")) == ({(_GUEST, 5986)}, 3), output


@pytest.mark.parametrize(
    ("user", "password", "message", "tries"),
    [
        ("Administrateur", _PASSWORD, "Windows rejects the login of ansible", 1),
        ("ansible", "another", "Windows rejects the login of ansible", 1),
        ("ansible", "", "the controller does not reach", 3),
    ],
)
def test_login_ends_the_wait(playbook, tmp_path, monkeypatch, user, password, message, tries):
    """A port that answers is no login. A password that is rejected is not tried again, because that locks the user."""
    playbook.run(windows_server_timeout=0)
    _end_installation(playbook.host)
    with _guest_is_reached(tmp_path, monkeypatch, user, password) as (guest, proxy):
        if not password:
            proxy.targets.clear()
        code, _changed, output = playbook.run(windows_socks=proxy.url, __unattended_install_login_pause=0)
    assert (code != 0, message in output, guest.actions) == (True, True, []), output
    assert output.count("unattended_install : Log in to Windows]") == tries


@pytest.mark.deep("test_windows_is_installed_once; the images for UEFI: tests/suite/test_windows_boot.py")
def test_setup_starts_under_uefi_without_a_key_press(playbook, tmp_path, monkeypatch):
    host, preset = playbook.host, {"playbook": "windows", "windows_preset": "hyperv-windows-server-2025"}
    code, changed, output = playbook.run("--check", **preset)
    assert (code, changed, host.vms) == (0, True, []), output
    code, changed, output = playbook.run(**preset, windows_timeout=0)
    assert (code != 0, changed, "it has not ended within 0 s" in output) == (True, True, True), output
    vm = host.vm("web1")
    media = [drive.path for drive in vm.hardware.drives if drive.kind == "dvd"]
    assert (vm.state, vm.hardware.generation, any("server.no-prompt-" in path for path in media)) == (
        "Running",
        2,
        True,
    )
    host.guest("web1", values={"polyvirt": "polyvirt-installed"})
    with _guest_is_reached(tmp_path, monkeypatch) as (_guest, proxy):
        code, changed, output = playbook.run(**preset, windows_socks=proxy.url)
        assert (code, changed, vm.state) == (0, True, "Running"), output
        code, changed, output = playbook.run(**preset, windows_socks=proxy.url)
        assert (code, changed) == (0, False), output
    assert [drive.path for drive in vm.hardware.drives if drive.kind == "dvd" and drive.path] == []


def test_steps_of_the_guide(playbook, tmp_path, monkeypatch, ansible_playbook):
    """docs/windows.md as written, on Hyper-V: the installation, and a login by the inventory for tomorrow.

    The module of ansible.windows is replaced: the stand-in has no PowerShell.
    """
    host, ask = playbook.host, "--ask-vault-pass"
    host.files.put("C:\\iso\\server2025.iso", iso(windows_files()))
    host.guest_template.values = {"polyvirt": "polyvirt-installed"}
    command = re.search(r"ansible-playbook (.*\n.*hyperv-windows-server-2025.*)", GUIDE)[1].replace("\\\n", " ")
    words = [one for one in shlex.split(command.replace("\\", "\\\\")) if one != ask]
    (tmp_path / "passwords.yml").write_text(f"windows_password: {_PASSWORD}\n", encoding="utf-8")
    tomorrow = inventory()
    tomorrow["windows"]["hosts"]["web1"]["ansible_host"] = _GUEST
    files = {"@passwords.yml": f"@{tmp_path / 'passwords.yml'}", "hosts.yml": str(tmp_path / "hosts.yml")}
    with (
        _guest_is_reached(tmp_path, monkeypatch) as (guest, proxy),
        WinRMServer(through(host.windows)) as server,
    ):
        hosts = {"all": {"hosts": {"hv1": {**server.variables, "windows_socks": proxy.url}}}}
        (tmp_path / "hosts.yml").write_text(json.dumps(hosts), encoding="utf-8")
        given = [files.get(word, word) for word in words]
        code, output = ansible_playbook(*given, "-e", f"windows_socks={proxy.url}")
        assert code == 0, output[-3000:]
        tomorrow["windows"]["vars"]["ansible_winrm_proxy"] = proxy.url
        (tmp_path / "windows.yml").write_text(json.dumps(tomorrow), encoding="utf-8")
        play = [{"hosts": "web1", "gather_facts": False, "tasks": [{"ansible.builtin.raw": "hostname"}]}]
        (tmp_path / "ping.json").write_text(json.dumps(play), encoding="utf-8")
        code, output = ansible_playbook(
            "-i", tmp_path / "windows.yml", "-e", files["@passwords.yml"], tmp_path / "ping.json", "-v"
        )
        assert (code, "this is web1" in output, guest.actions.count("Create")) == (0, True, 2), output[-3000:]


def test_language_that_the_iso_image_lacks_is_rejected(playbook):
    code, changed, output = playbook.run(unattended_install_windows_language="de-DE")
    assert (code != 0, changed, playbook.host.vms) == (True, False, []), output
    assert "the ISO image has no language de-DE, only en-US" in output


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"vm_name": ""}, "vm_name is not set."),
        ({"provision_hypervisor": "hv2"}, "provision_hypervisor is 'hv2'."),
        ({"windows_server_password": ""}, "windows_password is not set."),
        ({"windows_server_connection": "telnet"}, "windows_connection is 'telnet'. Set winrm, psrp or ssh."),
        ({"windows_server_preset": "libvirt-debian"}, "windows_preset is for debian-13."),
        ({"vm_name": "much-too-long-for-windows"}, "15 characters at most"),
    ],
)
def test_wrong_options_are_rejected_before_the_first_change(playbook, variables, message):
    code, changed, output = playbook.run(**variables)
    assert (code != 0, changed, playbook.host.vms) == (True, False, []), output
    assert message in output
