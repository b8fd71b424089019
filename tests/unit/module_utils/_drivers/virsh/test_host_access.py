# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restored definition may do on the host."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh import host_access, restore
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition

from unit.module_utils._drivers.virsh.foreign import LEADING_OUT, MEDIA

HARMLESS = """
<os><loader>/usr/share/OVMF/OVMF_CODE.fd</loader></os>
<devices><channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
<interface type='network'><source network='default'/></interface><serial type='pty'/><graphics type='vnc'/>
<rng><backend model='random'>/dev/urandom</backend></rng><sound model='ac97'/>
<disk type='file' device='disk'><source file='/d'/><target dev='vda'/></disk></devices>
"""
ALL = [(what, part if where == "." else f"<{where}>{part}</{where}>") for what, where, part in LEADING_OUT]


def _none(_folder):
    return False


def _definition(part):
    devices = "" if "<devices>" in part else "<devices/>"
    return Definition(f"<domain>{part}{devices}</domain>")


@pytest.mark.parametrize(("what", "part"), ALL)
class TestPowers:
    def test_new_one_is_rejected_by_name(self, what, part):
        for present in (None, _definition(HARMLESS)):
            with pytest.raises(Refused) as error:
                host_access.check_host_access("web: backup 'b'", _definition(part), present, _none)
            assert f"web: backup 'b': the definition in the backup has {what}, and the VM" in str(error.value)
            assert "allow_host_access: true" in error.value.remedy

    def test_one_that_the_vm_has_is_kept(self, what, part):
        host_access.check_host_access("web", _definition(part), _definition(part), _none)

    def test_copy_does_not_get_it(self, what, part):
        definition = _definition(part)
        assert host_access.remove_host_access(definition, _none) == what
        host_access.check_host_access("web", definition, None, _none)


def test_other_value_is_another_power():
    present, asked = (f"<devices><filesystem><source dir='{path}'/></filesystem></devices>" for path in ("/srv", "/"))
    with pytest.raises(Refused, match="shared directory"):
        host_access.check_host_access("web", _definition(asked), _definition(present), _none)


def test_ordinary_definition_has_none():
    definition = _definition(HARMLESS)
    host_access.check_host_access("web", definition, None, _none)
    before = definition.text()
    assert host_access.remove_host_access(definition, _none) == ""
    assert definition.text() == before


def test_emulator_is_that_of_libvirt():
    definition = _definition("<devices><emulator>/tmp/x</emulator></devices>")
    host_access.use_own_emulator(definition)
    host_access.use_own_emulator(definition)
    assert "emulator" not in definition.text()


def test_media_from_elsewhere_are_ejected():
    drive = "<disk device='cdrom'><source file='{0}'/><target dev='{1}'/></disk>"
    drives = [drive.format(path, slot) for path, slot in (("/i/a.iso", "sda"), ("/b.iso", "sdb"), ("/c.iso", "sdc"))]
    present, asked = (_definition(f"<devices>{''.join(part)}</devices>") for part in (drives[1:2], drives))
    assert host_access.eject_others(asked, present, {"/i"}.__contains__) == ["/c.iso"]
    assert [len(one) for one in asked.drives("cdrom")] == [2, 2, 1]
    assert host_access.eject_others(asked, None, {"/i"}.__contains__) == ["/b.iso"]


@pytest.mark.parametrize(("what", "part"), MEDIA.items())
def test_medium_of_any_type_is_ejected_unless_the_vm_has_it(what, part):
    present, asked = (_definition(f"<devices>{part}</devices>") for _ in range(2))
    assert host_access.eject_others(asked, present, _none) == []
    assert host_access.eject_others(asked, None, _none) == [what]
    assert "pvg-theirs" not in asked.text() and "type='file'" in asked.text().replace('"', "'")


def test_medium_on_top_of_another_file_is_ejected_with_it():
    """libvirt gives the VM what a definition names as backing file, and a raw ISO image has none."""
    below = "<backingStore type='file'><source file='/pvg-theirs'/><backingStore/></backingStore>"
    drive = "<disk device='cdrom'><source file='/i/a.iso'/>{}<target dev='sda'/></disk>"
    present, ended, asked = (
        _definition(f"<devices>{drive.format(one)}</devices>") for one in ("", "<backingStore/>", below)
    )
    assert host_access.eject_others(ended, present, {"/i"}.__contains__) == []
    assert host_access.eject_others(asked, present, {"/i"}.__contains__) == ["/i/a.iso"]
    assert [one.tag for one in asked.drives("cdrom")[0]] == ["target"]


def test_copy_has_no_floppy_of_its_source():
    """Both would write to it, wherever it is."""
    drives = "<disk device='floppy'><source file='/i/a.img'/><target dev='fda'/></disk><disk device='floppy'/>"
    definition = _definition(f"<devices>{drives}</devices>")
    assert host_access.remove_host_access(definition, {"/i"}.__contains__) == "floppy (/i/a.img)"
    assert [len(one.findall("source")) for one in definition.drives("floppy")] == [0, 0]


@pytest.mark.parametrize(("file", "is_rejected"), [("/usr/share/l", False), ("/usr/lib/l", False), ("/usr/l", True)])
def test_loaders_of_packages_are_harmless(file, is_rejected):
    definition = _definition(f"<os><loader>{file}</loader></os>")
    assert host_access.remove_host_access(definition, _none) == (f"loader ({file})" if is_rejected else "")
    kernel = _definition("<os><kernel>/usr/share/k</kernel></os>")
    assert host_access.remove_host_access(kernel, _none) == "kernel (/usr/share/k)"


def test_command_line_of_a_kernel_that_remains():
    definition = _definition("<os><kernel>/i/k</kernel><cmdline>a</cmdline><dtb>/tmp/d</dtb></os>")
    assert host_access.remove_host_access(definition, {"/i"}.__contains__) == "device tree (/tmp/d)"
    assert "<cmdline>a</cmdline>" in definition.text()


def test_files_beside_images_are_only_read_or_new(tmp_path):
    booted = "<os><kernel>{0}/k</kernel><initrd>{0}/i</initrd><loader>{0}/l</loader><cmdline>a</cmdline></os>"
    log = "<devices><serial type='file'><source path='{0}/new'/><log file='{0}/log'/></serial></devices>"
    definition, copy = (_definition((booted + log).format(tmp_path)) for _ in range(2))
    has_images = {str(tmp_path)}.__contains__
    host_access.check_host_access("web", definition, None, has_images)
    # A copy does not write where its source does, not even if the source has not been started yet.
    logs = [f"log file ({tmp_path}/log)", f"file, device or socket of the host ({tmp_path}/new)"]
    assert host_access.remove_host_access(copy, has_images) == ", ".join(logs)
    assert "kernel" in copy.text()
    # Only a log is created by its name.
    shared = _definition(f"<devices><filesystem file='{tmp_path}/new'/></devices>")
    with pytest.raises(Refused, match="shared directory"):
        host_access.check_host_access("web", shared, None, has_images)
    (tmp_path / "new").touch()
    with pytest.raises(Refused, match="has file, device or socket of the host"):
        host_access.check_host_access("web", definition, None, has_images)
    assert f"kernel ({tmp_path}/k), initrd ({tmp_path}/i), " in host_access.remove_host_access(definition, _none)
    assert "cmdline" not in definition.text()


@pytest.mark.parametrize(
    ("template", "present", "is_kept"),
    [("/etc/shadow", "", False), ("/etc/own", "/etc/own", True), ("/usr/share/OVMF/VARS.fd", "", True)],
)
def test_template_of_the_nvram_is_one_of_a_package_or_that_of_the_vm(template, present, is_kept):
    """libvirt copies it to a file that the guest reads."""
    text = "<domain><os><nvram type='block' template='{}'><source dev='/dev/sda'/></nvram></os><devices/></domain>"
    asked, stored = (Definition(text.format(one)) for one in (template, present))
    host = SimpleNamespace(storage=SimpleNamespace(folder="/i"), default_folder="/i", all_definitions=list)
    restore._adapt(host, asked, None, {None: "/i/new"}, None, stored)
    (nvram,) = asked.root.iter("nvram")
    assert (nvram.text, nvram.attrib, len(nvram)) == ("/i/new", {"template": template} if is_kept else {}, 0)
