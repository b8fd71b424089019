# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files for Windows Setup in a stand-in for it. No real one has ever read them here."""

from __future__ import annotations

import pytest

from collection_path import CHECKOUT
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

    @pytest.mark.parametrize(
        ("locale", "user_locale", "system_locale"),
        [
            ("no_NO.UTF-8", "nb-NO", "nb-NO"), ("sr_RS", "sr-Cyrl-RS", "sr-Cyrl-RS"), ("C.UTF-8", "en-US", "en-US"),
            # Without an ANSI code page.
            ("hi_IN.UTF-8", "hi-IN", "en-US"), ("ka_GE", "ka-GE", "en-US"), ("en_DE", "en-DE", "en-US"),
        ],
    )  # fmt: skip
    def test_locales_are_those_of_windows(self, locale, user_locale, system_locale):
        root = reading.unattend(files_of("plain", locale=locale)["autounattend.xml"])
        assert reading.texts_of(root, "UserLocale") == reading.texts_of(root, "InputLocale") == [user_locale] * 2
        assert reading.texts_of(root, "SystemLocale") == [system_locale] * 2

    @pytest.mark.parametrize(
        ("zone", "name"),
        [
            ("Europe/Berlin", "W. Europe Standard Time"), ("W. Europe Standard Time", "W. Europe Standard Time"),
            ("UTC", "UTC"), ("Etc/GMT+1", "Cape Verde Standard Time"), ("Asia/Kolkata", "India Standard Time"),
            ("America/Argentina/Salta", "Argentina Standard Time"), ("Alberta Standard Time", "Alberta Standard Time"),
        ],
    )  # fmt: skip
    def test_zones_are_those_of_windows(self, zone, name):
        root = reading.unattend(files_of("plain", timezone=zone)["autounattend.xml"])
        assert reading.texts_of(root, "TimeZone") == [name]

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
        script = files["polyvirt.ps1"].replace("DefaultPassword", "").replace("PasswordNeverExpires", "")
        assert "Password" not in script


class TestFirstLogin:
    def test_one_short_command_runs_all_steps_once(self):
        (command,) = reading.texts_of(reading.unattend(files_of()["autounattend.xml"]), "CommandLine")
        assert len(command) < 260
        windows = installed(files_of(late_commands=["dir", 'echo "late & <more>"'], ssh_keys=[KEY]))
        assert windows.ran == ["dir", 'echo "late & <more>"']
        names = ["start task", "autologon", "password", "winrm", "ssh", "command 1", "command 2", "recovery"]
        assert windows.serial == [*(f"polyvirt-step: {name}" for name in names), "polyvirt-installed"]
        assert windows.firewall == ["5985, 5986", "22"]
        assert (windows.skipped, windows.logins, windows.is_on) == ([], 1, False)
        # Otherwise the next start would log in at the console again.
        assert windows.auto_logons == 0
        logs = {rf"C:\ProgramData\polyvirt\{name}.log" for name in ("setup", "command-1", "command-2")}
        assert windows.files == {*logs, r"C:\ProgramData\polyvirt-installed"}
        assert (windows.is_log_private, windows.start_task) == (True, None)

    def test_a_program_that_a_command_leaves_running_is_not_waited_for(self):
        windows = installed(files_of(late_commands=["agent", "next"]), lasting=["agent"])
        assert (windows.hangs, windows.ran, windows.state) == (False, ["agent", "next"], "installed")
        script = files_of(late_commands=["agent"])
        script["polyvirt.ps1"] = script["polyvirt.ps1"].replace(
            "-NoNewWindow -PassThru", "-NoNewWindow -PassThru -Wait"
        )
        assert installed(script, lasting=["agent"]).hangs

    def test_the_password_of_the_user_does_not_expire_unless_it_shall(self):
        assert installed(files_of()).lasting_passwords
        assert not installed(files_of(windows_password_expires=True)).lasting_passwords

    @pytest.mark.parametrize("name", ["start task", "autologon", "password", "network", "winrm", "ssh", "recovery"])
    def test_a_step_of_our_own_that_fails_is_reported_at_once(self, name):
        network = {**STATIC, "interface": "52:54:00:ab:cd:ef"}
        windows = installed(files_of(network=network, ssh_keys=[KEY]), broken={name: "access denied"})
        assert windows.serial[-2:] == [f"polyvirt-step: {name}", f"polyvirt-failed: {name}: access denied"]
        assert (windows.start_task, windows.is_on) == (None, True)

    def test_two_logins_run_the_script_once(self):
        files = files_of()
        files["polyvirt.ps1"] = files["polyvirt.ps1"].replace("AutoLogonCount 0", "AutoLogonCount 1")
        windows = installed(files, exit_codes={'echo "late & <more>"': 1})
        assert (windows.logins, windows.ran) == (2, ['echo "late & <more>"'])

    def test_a_failed_command_is_reported_and_leaves_neither_marker_nor_password(self):
        windows = installed(files_of(late_commands=["first", "second", "third"]), exit_codes={"second": 5})
        assert windows.ran == ["first", "second"]
        # The command can have a password, and other users of the guest read no log of it.
        assert windows.serial[-1] == "polyvirt-failed: command 2: exit code 5"
        assert windows.is_log_private
        logs = {rf"C:\ProgramData\polyvirt\{name}.log" for name in ("setup", "command-1", "command-2")}
        assert (windows.is_on, windows.files, windows.start_task) == (True, logs, None)

    def test_on_hyperv_windows_reports_its_end_while_it_runs(self):
        windows = installed(files_of(is_on_hyperv=True))
        assert (windows.serial[-1], windows.is_on) == ("polyvirt-installed", True)

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


def rows_of_the_guide():
    """[(state, event, next state, last line)] of the table in docs/windows.md."""
    text = (CHECKOUT / "docs" / "windows.md").read_text(encoding="utf-8")
    lines = text.partition("| state | event | next state |")[2].partition("\n\n")[0].splitlines()[2:]
    return [tuple(cell.strip().replace("`", "") for cell in line.strip("|").split("|")) for line in lines]


COMMANDS = ["first", "second"]


class TestTable:
    """The script walks the table of its states in docs/windows.md: each row is an event in a state."""

    def test_every_state_is_the_end_of_a_row_and_begins_one(self):
        rows = rows_of_the_guide()
        states = {"new", "own steps", "commands", "resumed", "installed", "failed"}
        assert {row[0] for row in rows} == states
        assert {row[2] for row in rows} == states - {"new"}

    @pytest.mark.parametrize("row", rows_of_the_guide(), ids=" ".join)
    def test_row(self, row):
        state, event, after, line = row
        windows = getattr(self, f"_{state.replace(' ', '_')}")(event)
        assert windows.state == after, windows.serial
        assert windows.serial[-1] == line or line == "nothing", windows.serial
        assert windows.ran in ([], COMMANDS[:1], COMMANDS)
        if after in ("installed", "failed"):
            assert (windows.start_task, [one for one in windows.files if "Panther" in one]) == (None, [])

    @staticmethod
    def _windows(commands=(), **more):
        return installed(files_of("plain", late_commands=list(commands)), **more)

    def _new(self, event):
        assert event == "first login"
        return self._windows(restarts=["autologon"])

    def _own_steps(self, event):
        if event == "a step fails":
            return self._windows(broken={"winrm": "access denied"})
        if event == "the next step is a command":
            return self._windows(COMMANDS, restarts=["command 1"])
        if event == "all steps are done":
            return self._windows()
        assert event == "Windows restarts"
        windows = self._windows(COMMANDS, restarts=["winrm", "ssh", "password", "winrm"])
        windows.next_start()
        return windows

    def _commands(self, event):
        if event == "it ends with 0 or 3010":
            return self._windows(COMMANDS, exit_codes={"first": 3010}, restarts=["command 2"])
        if event == "it leaves a program running, and ends":
            return self._windows(COMMANDS, lasting=["first"], restarts=["command 2"])
        if event == "it ends with another code":
            return self._windows(COMMANDS, exit_codes={"first": 5})
        if event == "the last one ends":
            return self._windows(COMMANDS, restarts=["recovery"])
        assert event == "Windows restarts"
        windows = self._windows(COMMANDS, restarts=["command 1"])
        windows.next_start()
        return windows

    def _resumed(self, event):
        if event == "Windows restarts":
            windows = self._windows(restarts=["winrm", "winrm", "winrm"])
            windows.next_start()
        elif event == "a step fails":
            windows = self._windows(restarts=["winrm"], broken={"recovery": "access denied"})
        else:
            commands = {"all steps are done": (), "the next step is a command": COMMANDS}[event]
            windows = self._windows(commands, restarts=["winrm"])
        windows.next_start()
        return windows

    def _installed(self, event):
        assert event == "Windows starts, or somebody logs in"
        return self._again(self._windows(COMMANDS))

    def _failed(self, event):
        assert event == "Windows starts, or somebody logs in"
        return self._again(self._windows(COMMANDS, exit_codes={"second": 5}))

    @staticmethod
    def _again(windows):
        lines = list(windows.serial)
        windows.next_start()
        windows.log_in()
        assert windows.serial == lines
        return windows

    def test_steps_are_not_done_twice_after_a_restart(self):
        windows = self._windows(restarts=["recovery"])
        windows.next_start()
        names = [line for line in windows.serial if line.startswith("polyvirt-step")]
        twice = {name for name in names if names.count(name) > 1}
        assert (twice, windows.state, windows.is_on) == ({"polyvirt-step: recovery"}, "installed", False)

    @pytest.mark.parametrize("place", ["start task", "autologon", "password", "winrm", "recovery"])
    @pytest.mark.parametrize("times", [1, 3])
    def test_a_restart_at_any_step_ends_with_windows_installed(self, place, times):
        windows = self._windows(restarts=[place] * times)
        if place == "start task":
            # Nothing is on the disk yet, and Windows logs in once more.
            assert windows.start_task is None
            return
        for _time in range(times):
            windows.next_start()
        assert (windows.state, windows.auto_logons) == ("installed", 0)


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
