# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial log: of the first serial port, in a file that nobody else uses."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.definition import Definition
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.display import (
    check_serial_log,
    read_serial_log,
    write_serial_log,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Change

from unit.module_utils._drivers.virsh.answers import recorded

LOG = "/var/lib/libvirt/images/desk1.log"
#: As recorded: the console beside the port names the same file.
STORED = recorded("uefi-dumpxml-inactive.xml")
MINE = "u-mine"


def domain(*devices, name="db", os=""):
    text = (
        f"<domain><name>{name}</name><uuid>u-{name}</uuid><os>{os}</os><devices>{''.join(devices)}</devices></domain>"
    )
    return Definition(text)


def written(definition, new):
    write_serial_log(definition, Change("serial_log", None, new))
    return definition


def log(path):
    return f"<serial type='pty'><log file='{path}' append='on'/></serial>"


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        (domain(), ""),
        (domain("<serial type='pty'/>", log("/second")), ""),
        (domain(log("/first"), log("/second")), "/first"),
        (Definition(STORED), LOG),
        (Definition(recorded("uefi-dumpxml-running.xml")), LOG),
    ],
)
def test_log_of_first_serial_port_is_read(definition, found):
    assert read_serial_log(definition) == found


def test_new_log_is_truncated_at_start():
    definition = written(domain("<serial type='pty'/>"), "/log")
    assert definition.root.find("devices/serial/log").attrib == {"file": "/log", "append": "off"}


def test_serial_port_is_added_for_log():
    assert read_serial_log(written(domain(), "/log")) == "/log"
    assert written(domain(), "").root.find("devices/serial") is None


def test_changed_path_keeps_append_mode():
    definition = written(domain(log("/old")), "/new")
    assert definition.root.find("devices/serial/log").attrib == {"file": "/new", "append": "on"}


def test_empty_path_removes_log():
    assert read_serial_log(written(Definition(STORED), "")) == ""


@pytest.mark.parametrize(
    "device",
    [
        log("{path}"),
        "<serial type='file'><source path='{path}'/></serial>",
        "<console type='pty'><log file='{path}'/></console>",
    ],
)
def test_log_of_another_vm_is_rejected(tmp_path, device):
    (tmp_path / "log").touch()
    (tmp_path / "link").symlink_to(tmp_path / "log")
    other = domain(device.format(path=tmp_path / "log"))
    with pytest.raises(Refused, match=r"web: serial_log: .*/link is already written by db; .* Use another file"):
        check_serial_log("web", MINE, str(tmp_path / "link"), [other], local=True)


def test_own_log_of_previous_start_is_accepted(tmp_path):
    (tmp_path / "log").write_text("of the start before", encoding="utf-8")
    own = domain(log(tmp_path / "log"), name="mine")
    check_serial_log("web", MINE, str(tmp_path / "log"), [own, domain(log(tmp_path / "theirs"))], local=True)


@pytest.mark.parametrize(
    "machine",
    [
        domain("<disk type='file' device='disk'><source file='/images/a'/></disk>"),
        domain(os="<nvram>/images/a</nvram>"),
        domain("<disk type='file' device='disk'><source file='/images/a'/></disk>", name="mine"),
    ],
)
def test_disk_or_nvram_is_rejected_as_log(machine):
    with pytest.raises(Refused, match=f"web: serial_log: /images/a is a disk or the NVRAM of {machine.name}"):
        check_serial_log("web", MINE, "/images/a", [machine], local=False)


def test_missing_directory_is_rejected(tmp_path):
    with pytest.raises(NotFound, match=r"web: serial_log: .*/no is not a directory"):
        check_serial_log("web", None, str(tmp_path / "no" / "log"), [], local=True)


def test_directory_is_rejected_as_log(tmp_path):
    with pytest.raises(Refused, match="is not a file"):
        check_serial_log("web", None, str(tmp_path), [], local=True)


def test_directory_on_another_host_is_not_checked():
    check_serial_log("web", None, "/nonexistent/log", [], local=False)
