# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files for Windows Setup in a stand-in for it. No real one has ever read them here."""

from __future__ import annotations

import pytest

from unit.roles.unattended_install import reading
from unit.roles.unattended_install.rendering import KEY, STATIC, rendered, values
from unit.roles.unattended_install.samples import samples
from windows_guests import setup

CASES = dict(samples("windows"))
DISTRIBUTIONS = ("windows-server-2022", "windows-server-2025", "windows-11")


def files_of(name="more", **changes):
    given, used = CASES[name]
    return rendered({**given, **changes}, **used)


def installed(files, **more):
    """Windows after Setup: the CD of the vendor has the letter D, and the one with the answers another one."""
    found = setup.Windows(files["autounattend.xml"], {"D": {"setup.exe": ""}, "F": files}, **more)
    found.first_logins()
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_settings_are_known_in_their_passes(name, distribution):
    given, used = CASES[name]
    user = given["user"] if distribution != "windows-11" else "ann"
    files = rendered({**given, "user": user}, distribution, **used)
    assert setup.problems_of(files["autounattend.xml"]) == []
    assert files["unattend.xml"].rstrip("\n") == files["autounattend.xml"].rstrip("\n")


def test_stand_in_rejects_what_setup_rejects():
    text = files_of()["autounattend.xml"]
    assert setup.problems_of(text.replace("AcceptEula", "AcceptEulas")) != []
    assert setup.problems_of(text.replace('pass="specialize"', 'pass="generalize"')) != []


class TestSettings:
    def test_language_is_that_of_the_medium_and_formats_are_those_of_the_user(self):
        root = reading.unattend(files_of("plain", locale="de_DE.UTF-8", windows_language="fr-FR")["autounattend.xml"])
        # Of the language page, of WinPE, and of the first start.
        assert reading.texts_of(root, "UILanguage") == ["fr-FR"] * 3
        for name in ("InputLocale", "SystemLocale", "UserLocale"):
            assert reading.texts_of(root, name) == ["de-DE", "de-DE"]

    def test_the_page_for_a_product_key_is_not_shown(self):
        for name, keys in (("plain", []), ("more", ["AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"])):
            root = reading.unattend(files_of(name)["autounattend.xml"])
            (element,) = root.iter(f"{setup.NAMESPACE}ProductKey")
            shown = [(one.tag.removeprefix(setup.NAMESPACE), one.text) for one in element]
            assert shown == [*(("Key", key) for key in keys), ("WillShowUI", "OnError")]

    def test_a_client_gets_a_local_account_and_no_administrator(self):
        root = reading.unattend(rendered(values("windows", user="ann"), "windows-11")["autounattend.xml"])
        assert list(root.iter(f"{setup.NAMESPACE}AdministratorPassword")) == []
        assert list(root.iter(f"{setup.NAMESPACE}HideLocalAccountScreen")) == []
        assert reading.texts_of(root, "Name") == ["ann"]

    def test_files_have_no_password_in_plain_text(self):
        files = files_of(password="Very-Secret-1")
        assert [name for name, text in files.items() if "Very-Secret-1" in text] == []
        assert "Password" not in files["polyvirt.ps1"].replace("DefaultPassword", "")


class TestFirstLogin:
    def test_one_short_command_runs_all_steps_once(self):
        (command,) = reading.texts_of(reading.unattend(files_of()["autounattend.xml"]), "CommandLine")
        assert len(command) < 260
        windows = installed(files_of(late_commands=["dir", 'echo "late & <more>"'], ssh_keys=[KEY]))
        assert windows.ran == ["dir", 'echo "late & <more>"']
        names = ["autologon", "winrm", "ssh", "command 1", "command 2", "recovery"]
        assert windows.serial == [*(f"polyvirt-step: {name}" for name in names), "polyvirt-installed"]
        assert windows.firewall == ["5985, 5986", "22"]
        assert (windows.skipped, windows.logins, windows.is_on) == ([], 1, False)
        # Otherwise the next start would log in at the console again.
        assert windows.auto_logons == 0
        assert windows.files == {r"C:\ProgramData\polyvirt\setup.log", r"C:\ProgramData\polyvirt-installed"}

    def test_two_logins_run_the_script_once(self):
        files = files_of()
        files["polyvirt.ps1"] = files["polyvirt.ps1"].replace("AutoLogonCount 0", "AutoLogonCount 1")
        windows = installed(files, exit_codes={'echo "late & <more>"': 1})
        assert (windows.logins, windows.ran) == (2, ['echo "late & <more>"'])

    def test_a_failed_command_is_reported_and_leaves_neither_marker_nor_password(self):
        windows = installed(files_of(late_commands=["first", "second", "third"]), exit_codes={"second": 5})
        assert windows.ran == ["first", "second"]
        assert windows.serial[-1] == "polyvirt-failed: command 2: exit code 5: second"
        assert (windows.is_on, windows.files) == (True, {r"C:\ProgramData\polyvirt\setup.log"})

    def test_a_required_restart_is_no_error(self):
        assert not installed(files_of(late_commands=["setup"]), exit_codes={"setup": 3010}).is_on

    @pytest.mark.parametrize("line", ["echo it's", "echo \u2018a\u2019 \u201b''", 'echo %d $x `n ""', "echo \u20ac"])
    def test_commands_are_read_as_they_were_written(self, line):
        assert installed(files_of(late_commands=[line])).ran == [line]

    def test_static_address_is_that_of_the_nic_with_the_address(self):
        network = {**STATIC, "interface": "52:54:00:ab:cd:ef"}
        script = rendered(values("windows", network=network))["polyvirt.ps1"]
        step = script.partition("Step 'network'")[2].partition("\n  Step ")[0]
        wanted = ["52-54-00-AB-CD-EF", "192.0.2.10", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
        assert setup.unquoted(step.replace('"', "")) == wanted
        assert "-PrefixLength 26 " in step
        assert "Step 'network'" not in files_of()["polyvirt.ps1"]


class TestSearch:
    """Which answer file is found, whatever the letters of the drives are."""

    def setup_method(self):
        self.files = {name: text.encode() for name, text in files_of().items()}
        self.vendor = ("sata", False, {"setup.exe": b"", "autorun.inf": b""})

    @pytest.mark.parametrize("wanted", ["windowsPE", "specialize", "oobeSystem"])
    def test_exactly_one_is_found(self, wanted):
        found = setup.answer_files([self.vendor, ("sata", False, self.files), ("sata", False, {})], wanted)
        assert found == {self.files["autounattend.xml"]}

    def test_none_is_found_on_virtio_scsi(self):
        assert setup.answer_files([self.vendor, ("scsi", False, self.files)], "windowsPE") == {None}

    def test_two_media_depend_on_letters(self):
        other = {"Autounattend.xml": self.files["autounattend.xml"].replace(b"web1", b"web2")}
        assert len(setup.answer_files([("sata", False, self.files), ("ide", False, other)], "windowsPE")) == 2
