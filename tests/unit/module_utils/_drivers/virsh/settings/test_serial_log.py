# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial log: of the first serial port, in a file that nobody else uses."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Change
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.settings.display import (
    read_serial_log,
    write_serial_log,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.domain_xml import Definition


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


def test_new_log_is_truncated_at_start():
    definition = written(domain("<serial type='pty'/>"), "/log")
    assert definition.root.find("devices/serial/log").attrib == {"file": "/log", "append": "off"}


def test_serial_port_is_added_for_log():
    assert read_serial_log(written(domain(), "/log")) == "/log"
    assert written(domain(), "").root.find("devices/serial") is None


def test_changed_path_keeps_append_mode():
    definition = written(domain(log("/old")), "/new")
    assert definition.root.find("devices/serial/log").attrib == {"file": "/new", "append": "on"}
