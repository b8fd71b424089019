# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions that libvirt judges without storing them: what it is asked, and what its answers mean.

Which definitions libvirt rejects is shown on the real one: ``tests/suite/test_judged.py``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change, Plan, Step, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import judge as subject
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import Answer

from unit.module_utils._drivers.virsh.answers import UUID, FakeVirsh, driver_of, machine_xml, with_devices

ROOM = "ansible_collections.polyvirt.core.plugins.module_utils"
COMMAND, DRIVER = f"{ROOM}._ports.command", f"{ROOM}._drivers.virsh.driver"
UNSUPPORTED = "this function is not supported by the connection driver: virConnectDomainXMLToNative"


class JudgingVirsh(FakeVirsh):
    """``reason(text)`` is why libvirt rejects a definition, ``prints(text)`` how the test driver prints it."""

    def __init__(self, reason=lambda text: None, prints=lambda text: text, command_line=lambda text: "qemu-system"):
        super().__init__()
        self.command_line = command_line
        self.reason, self.prints, self.asked, self.kept, self.is_lost = reason, prints, [], {}, False

    def batch(self, requests, timeout=None):
        self.processes += 1
        self.asked.append([words[0] for words in requests])
        if self.is_lost:
            raise PolyvirtError("error: unknown command: 'domxml-to-native'")
        return [self._judged(*words) for words in requests]

    def _judged(self, command, *words):
        if command == "connect":
            assert words == (self.uri,)
        if command == "dumpxml":
            return Answer(self.prints(self.kept[words[0]]), None)
        if command in ("define", "domxml-to-native"):
            path = Path(words[-1])
            assert os.stat(path).st_mode & 0o777 == 0o600
            text = path.read_text(encoding="utf-8")
            if command == "domxml-to-native":
                return Answer(self.command_line(text), self.reason(text))
            assert Definition(text).uuid is None
            self.kept[Definition(text).name] = text
        return Answer("", None)


def change(kind="description", new="changed", key=None):
    return Change(kind, None, new, key) if key else Change(kind, None, new)


def judged(virsh, tmp_path, monkeypatch, *changes, vms=((UUID, ()),)):
    """The Judge that has read one plan for each VM, (id, replacements in its definition), and the plans."""
    monkeypatch.setattr(subject, "Virsh", lambda *_words: virsh)
    driver = driver_of(virsh, tmp_path)
    plans = []
    for uuid, replacements in vms:
        driver.seen.definitions[uuid] = machine_xml(*replacements)
        vm = Vm("m1", id=uuid)
        plans.append(Plan(vm, vm, segments=((Step("configure", changes=changes),),)))
    judge = subject.Judge(driver)
    judge.read(plans)
    return judge, plans


def native(path, value):
    return Change("native", None, value, path)


def test_all_vms_are_judged_by_one_process(tmp_path, monkeypatch):
    virsh = JudgingVirsh()
    judge, plans = judged(virsh, tmp_path, monkeypatch, change(), vms=((UUID, ()), ("other", ())))
    assert [judge.check(plan) for plan in plans] == [[], []]
    assert virsh.asked == [["domxml-to-native"] * 2]


def test_plan_that_leaves_the_definition_alone_costs_nothing(tmp_path, monkeypatch):
    virsh = JudgingVirsh()
    judge, (plan,) = judged(virsh, tmp_path, monkeypatch, change("autostart", True))
    assert (judge.check(plan), virsh.asked) == ([], [])


def test_plan_that_has_changed_is_judged_again(tmp_path, monkeypatch):
    virsh = JudgingVirsh(lambda text: "too bad" if "worse" in text else None)
    judge, (plan,) = judged(virsh, tmp_path, monkeypatch, change())
    other = Plan(plan.before, plan.after, segments=((Step("configure", changes=(change(new="worse"),)),),))
    with pytest.raises(
        Refused, match=r"m1: description: the definition that this task would store is rejected: too bad"
    ):
        judge.check(other)


def _with_nic(text):
    return f"/usr/bin/qemu -device {'rtl9999' if 'changed' in text else 'virtio-net-pci'},netdev=n"


@pytest.mark.parametrize(
    ("printed", "is_local", "rejected"),
    [
        ('Network devices:\nname "e1000", bus PCI\n', True, True),
        ('Network devices:\nname "rtl9999", bus PCI\n', True, False),
        (None, True, False),
        ("", True, False),
        ('name "e1000"', False, False),
    ],
)
def test_device_that_qemu_lacks_is_rejected(tmp_path, monkeypatch, printed, is_local, rejected):
    """The emulator is asked once for all VMs; one that cannot be run, or on another host, rejects nothing."""
    asked = []

    def run(_commands, argv):
        asked.append(argv)
        if printed is None:
            raise PolyvirtError("no such file")
        return Completed((), 0 if printed else 1, printed or 'name "e1000"', "")

    virsh = JudgingVirsh(command_line=_with_nic)
    monkeypatch.setattr(f"{COMMAND}.Commands.run", run)
    monkeypatch.setattr(f"{DRIVER}.VirshDriver.is_local", is_local)
    judge, plans = judged(virsh, tmp_path, monkeypatch, change(), vms=((UUID, ()), ("other", ())))
    for plan in plans:
        if rejected:
            with pytest.raises(Refused, match=r"m1: description: .*: /usr/bin/qemu has no device rtl9999, only e1000"):
                judge.check(plan)
        else:
            assert judge.check(plan) == []
    # What cannot be read is not kept.
    assert len(asked) == (1 if is_local else 0)
    assert all(argv == ["/usr/bin/qemu", "-device", "help"] for argv in asked)


def test_device_that_the_stored_definition_has_too_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{COMMAND}.Commands.run", lambda _commands, argv: Completed((), 0, 'name "e1000"', ""))
    virsh = JudgingVirsh(command_line=lambda text: "/usr/bin/qemu -device rtl9999,netdev=n")
    judge, (plan,) = judged(virsh, tmp_path, monkeypatch, change())
    (warning,) = judge.check(plan)
    assert "with this change or without it: /usr/bin/qemu has no device rtl9999" in warning


def test_limits_that_qemu_does_not_start_are_rejected(tmp_path, monkeypatch):
    """libvirt would accept them; the remedy of the message is followed in the same task."""
    disk = "<disk><source file='/x'/><target dev='vdy'/><iotune><read_iops_sec>5</read_iops_sec></iotune></disk>"
    limit = Change("disks", None, 9, key="vdy", attribute="iops_limit")
    vms = ((UUID, (with_devices(disk),)),)
    judge, (plan,) = judged(JudgingVirsh(), tmp_path, monkeypatch, limit, vms=vms)
    with pytest.raises(Refused, match=r"m1: disks\.vdy\.iops_limit: the disk has read_iops_sec 5") as raised:
        judge.check(plan)
    path = raised.value.remedy.partition("{")[2].partition(":")[0]
    judge, (plan,) = judged(JudgingVirsh(), tmp_path, monkeypatch, limit, native(path, None), vms=vms)
    assert judge.check(plan) == []


def test_same_reason_for_the_stored_definition_is_a_warning(tmp_path, monkeypatch):
    judge, (plan,) = judged(JudgingVirsh(lambda text: "no secret"), tmp_path, monkeypatch, change())
    (warning,) = judge.check(plan)
    assert "no secret" in warning


def test_another_reason_for_the_stored_definition_is_an_error(tmp_path, monkeypatch):
    virsh = JudgingVirsh(lambda text: "new reason" if "changed" in text else "no secret")
    judge, (plan,) = judged(virsh, tmp_path, monkeypatch, change())
    with pytest.raises(Refused, match="new reason"):
        judge.check(plan)


#: {what libvirt says, of 9.0 and 11.3: the remedy}
REMEDIES = {
    "operation failed: Unable to find any firmware to satisfy 'efi'": "Install UEFI firmware .* q35 for secure_boot",
    "operation failed: Unable to find 'efi' firmware that is compatible with the current": "Install UEFI firmware",
    "unsupported configuration: TPM version '2.0' is not supported": "swtpm and swtpm-tools.*, or omit tpm",
    "unsupported configuration: spice graphics are not supported with this QEMU": "Use another display.type",
    "unsupported configuration: unknown watchdog model 'itco'": r"watchdog.model: i6300esb\. .* libvirt 9\.1",
    "unsupported configuration: itco model of watchdog is only part of q35 machine": "model: i6300esb.* type q35",
    "XML error: No PCI buses available": "Use the machine type q35",
    "unsupported configuration: Emulator '/x' does not support machine type 'q35'": "virt for arm64",
    "internal error: Unknown CPU model Nosuch": "cpu/model to a model that virsh domcapabilities",
    # It begins like the text of a call that is missing.
    "this function is not supported by the connection driver: cannot translate CPU model Haswell to a supported model":
    "cpu/model to a model that virsh domcapabilities --arch .*aarch64",
}  # fmt: skip


@pytest.mark.parametrize(("reason", "remedy"), REMEDIES.items())
def test_remedy_is_that_of_the_reason(tmp_path, monkeypatch, reason, remedy):
    judge, (plan,) = judged(JudgingVirsh(lambda text: reason * ("changed" in text)), tmp_path, monkeypatch, change())
    with pytest.raises(Refused, match=f"m1: description: .* is rejected: {reason}") as raised:
        judge.check(plan)
    assert re.search(remedy, raised.value.remedy)


@pytest.mark.parametrize(
    "error", [UNSUPPORTED, "authentication unavailable: no polkit agent", "lost", "Failed to open"]
)
def test_libvirt_that_cannot_judge_rejects_nothing(tmp_path, monkeypatch, error):
    """An old virsh or libvirt, no permission, or a virsh that runs where the files are not."""
    virsh = JudgingVirsh(lambda text: error)
    virsh.is_lost = error == "lost"
    if error == "Failed to open":
        monkeypatch.setattr(virsh, "_judged", lambda *words: Answer("", f"Failed to open file '{words[-1]}'"))
    judge, (plan,) = judged(virsh, tmp_path, monkeypatch, change())
    assert judge.check(plan) == []


def test_devices_of_the_host_are_not_judged(tmp_path, monkeypatch):
    """libvirt rejects each of them there, also one that it can give to a guest."""
    device = "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/><product id='0x2'/></source></hostdev>"
    virsh = JudgingVirsh(lambda text: "missing bus/device information" if "<hostdev" in text else None)
    vms = ((UUID, (with_devices(device),)),)
    judge, (plan,) = judged(virsh, tmp_path, monkeypatch, change(), vms=vms)
    assert judge.check(plan) == []


@pytest.mark.parametrize(
    ("path", "value", "printed", "words"),
    [
        ("foo/bar", "x", ("<foo><bar>x</bar></foo>", ""), "does not store it"),
        ("on_crash", "007", ("<on_crash>007<", "<on_crash>7<"), "stores '7' instead"),
        ("on_crash", None, ("</domain>", "<on_crash>destroy</on_crash></domain>"), "cannot be removed"),
        ("qemu:commandline/qemu:arg[1]@value", "x", ("qemu:arg", "qemu:other"), ""),
        ("on_crash", "restart", ("nothing", ""), ""),
    ],
)
def test_value_that_libvirt_drops_or_rewrites_is_rejected(tmp_path, monkeypatch, path, value, printed, words):
    virsh = JudgingVirsh(prints=lambda text: text.replace(*printed))
    judge, (plan,) = judged(virsh, tmp_path, monkeypatch, native(path, value))
    # The test driver first: if the other connection fails, it is not the one that stores the copy.
    assert virsh.asked == [["define", "dumpxml", "connect", "domxml-to-native"]]
    if not words:
        assert judge.check(plan) == []
        return
    with pytest.raises(Refused, match=words):
        judge.check(plan)


def test_paths_that_contradict_each_other_are_rejected(tmp_path, monkeypatch):
    arguments = [native(f"qemu:commandline/qemu:arg[{place}]@value", "x") for place in (1, 2)]
    judge, (plan,) = judged(
        JudgingVirsh(), tmp_path, monkeypatch, *arguments, native("qemu:commandline/qemu:arg[1]", None)
    )
    with pytest.raises(Refused, match="because of another path"):
        judge.check(plan)
