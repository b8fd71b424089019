# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial log: a file that nobody else has, recorded before VirtualBox creates it, and deleted with the VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox import observe

from unit.module_utils._drivers.vbox.in_process import SMALL, observed, rejected, snapshot, task


def _record(vbox):
    return observed(vbox).mark["files"]


def test_log_is_set_recorded_and_deleted_with_the_vm(vbox):
    log = vbox.folder / "web.log"
    task(vbox, state="started", config={**SMALL, "serial_log": str(log)}).succeeded()
    values = vbox.values()
    assert (values["uart1"], values["uartmode1"]) == ("0x03f8,4", f"file,{log}")
    assert (observed(vbox).config["serial_log"], _record(vbox), log.exists()) == (str(log), [str(log)], True)
    assert not task(vbox, state="started", config={"serial_log": str(log)}).changed
    task(vbox, state="absent", force=True).succeeded()
    assert not log.exists()


def test_log_of_an_existing_vm_is_recorded_before_its_path_is_set(vbox):
    log = vbox.folder / "web.log"
    task(vbox, config=SMALL).succeeded()
    done = task(vbox, config={"serial_log": f"{vbox.folder}//x/../web.log"}).succeeded()
    assert done.verbs == ["setextradata", "modifyvm"]
    assert (_record(vbox), observed(vbox).config["serial_log"]) == ([str(log)], str(log))


def test_log_that_was_given_up_is_not_deleted_with_the_vm(vbox):
    log, second = vbox.folder / "1.log", vbox.folder / "2.log"
    task(vbox, state="started", config={**SMALL, "serial_log": str(log)}).succeeded()
    task(vbox, state="stopped", config={"serial_log": str(second)}).succeeded()
    task(vbox, config={"serial_log": ""}).succeeded()
    assert (observed(vbox).config["serial_log"], vbox.values()["uart1"], log.exists()) == ("", "off", True)
    log.write_text("a letter")
    rejected(vbox, f"{log} already exists", config={"serial_log": str(log)})
    task(vbox, config={"serial_log": str(second)}).succeeded()
    assert _record(vbox) == [str(second)]
    second.write_text("booting")
    task(vbox, state="absent").succeeded()
    assert (log.read_text(), second.exists()) == ("a letter", False)


def test_former_log_that_a_snapshot_has_is_still_that_of_the_vm(vbox):
    log, second = vbox.folder / "1.log", vbox.folder / "2.log"
    task(vbox, state="started", config={**SMALL, "serial_log": str(log)}).succeeded()
    task(vbox, state="stopped", config={}).succeeded()
    snapshot(vbox, "s").succeeded()
    task(vbox, config={"serial_log": str(second)}).succeeded()
    task(vbox, config={"serial_log": ""}).succeeded()
    snapshot(vbox, "s", state="restored").succeeded()
    assert (observed(vbox).config["serial_log"], _record(vbox)) == (str(log), [str(log), str(second)])
    task(vbox, state="absent", force=True).succeeded()
    assert not log.exists()


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("power", ["stopped", "started"])
def test_snapshot_that_brings_back_the_log_of_another_vm_is_not_restored(vbox, power, check):
    log = vbox.folder / "web.log"
    task(vbox, config={**SMALL, "serial_log": str(log)}).succeeded()
    snapshot(vbox, "s").succeeded()
    task(vbox, config={"serial_log": ""}).succeeded()
    task(vbox, "other", state=power, config={**SMALL, "serial_log": str(log)}).succeeded()
    restored = snapshot(vbox, "s", state="restored", check=check)
    restored.refused(f"web: serial_log: {log} is used by other", "Set another serial_log for 'other' first")
    task(vbox, "other", state="stopped", config={"serial_log": ""}).succeeded()
    snapshot(vbox, "s", state="restored").succeeded()
    assert observed(vbox).config["serial_log"] == str(log)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("is_new", [True, False])
def test_existing_file_is_no_log(vbox, check, is_new):
    letter = vbox.folder / "letter.txt"
    letter.write_text("a letter")
    if not is_new:
        task(vbox, config=SMALL).succeeded()
    refused = task(vbox, config={**SMALL, "serial_log": str(letter)}, check=check)
    refused.refused(f"web: serial_log: {letter} already exists", "VirtualBox empties it at each start")
    assert letter.read_text() == "a letter"


def test_directory_of_the_log_exists(vbox):
    path = vbox.folder / "missing" / "web.log"
    rejected(vbox, "serial_log: the directory", config={**SMALL, "serial_log": str(path)})


def test_file_that_somebody_creates_after_the_plan_is_no_log(vbox):
    log = vbox.folder / "web.log"
    task(vbox, state="started", config=SMALL).succeeded()
    created = {"poweroff": lambda: log.write_text("a letter")}
    task(vbox, state="stopped", config={"serial_log": str(log)}, before=created).failed_late(f"{log} already exists")
    assert (log.read_text(), vbox.values()["uart1"]) == ("a letter", "off")
    task(vbox, state="absent").succeeded()
    assert log.exists()


def test_log_of_another_vm_that_was_never_started_is_rejected(vbox):
    log = vbox.folder / "web.log"
    task(vbox, "other", config={**SMALL, "serial_log": str(log)}).succeeded()
    task(vbox, config={**SMALL, "serial_log": str(log)}).refused("serial_log", "other")


@pytest.mark.parametrize(
    "words", [("--uart1", "0x3f8", "4", "--uartmode1", "server", "/run/x"), ("--uart1", "0x2f8", "3")]
)
def test_port_with_another_use_is_not_changed(vbox, words):
    uuid = vbox.make("web")
    vbox.run("modifyvm", uuid, *words)
    log = {"serial_log": str(vbox.folder / "web.log")}
    words = ("web: serial_log: the first serial port is used otherwise: ", f"modifyvm {uuid} --uart1 off")
    rejected(vbox, *words, config=log)
    vbox.run("modifyvm", uuid, "--uart1", "off")
    task(vbox, config=log).succeeded()


def test_log_in_a_directory_that_moves_is_rejected(vbox):
    task(vbox, config=SMALL).succeeded()
    log = vbox.machines / "web" / "web.log"
    task(vbox, config={"serial_log": str(log)}).succeeded()
    task(vbox, config={"groups": ("/a",)}).refused(f"web: serial_log: {log} is in the directory of the VM")
    task(vbox, config={"serial_log": ""}).succeeded()
    task(vbox, config={"groups": ("/a",)}).succeeded()


def test_clone_has_no_log(vbox):
    log = vbox.folder / "web.log"
    task(vbox, "source", config={**SMALL, "serial_log": str(log)}).succeeded()
    task(vbox, config={}, clone={"source": "source", "linked": False}).succeeded()
    assert (observed(vbox).config["serial_log"], _record(vbox)) == ("", [])


def test_serial_ports_of_an_unreadable_settings_file_are_unknown(vbox, monkeypatch):
    uuid, log = vbox.make("web"), vbox.folder / "web.log"
    vbox.run("modifyvm", uuid, "--uart1", "0x3f8", "4", "--uartmode1", "file", log)
    assert observed(vbox).config["serial_log"] == str(log)
    monkeypatch.setattr(observe, "settings_in", lambda path: None)
    assert observed(vbox).config["serial_log"] is None
    for value in ("", str(log)):
        rejected(vbox, "the serial ports of the VM are unknown", config={"serial_log": value})


def test_log_is_described_and_another_port_is_named(vbox):
    log = vbox.folder / "web.log"
    task(vbox, config={**SMALL, "serial_log": str(log)}).succeeded()
    assert [key for key in observed(vbox, "native").not_modelled() if "UART" in key] == []
    vbox.run("modifyvm", "web", "--uart2", "0x2f8", "3")
    assert [key for key in observed(vbox, "native").not_modelled() if "UART" in key] != []


def test_native_names_the_option_of_the_first_port_only(vbox):
    task(vbox, config=SMALL).succeeded()
    task(vbox, config={"native": {"uart-mode1": "disconnected"}}).refused("Use the option serial_log instead.")
    task(vbox, config={"native": {"uart2": "off"}}).refused("is not an option of modifyvm, or its value cannot be")
