# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of guests from the output of the script, recorded on Debian (with GNU tools, and with only busybox).

In the recordings, only the kernel version was replaced, and mounts of the recording host were removed. The files named
``from-manuals`` were composed from documentation; the script was not run on such systems.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.guests.guest_output import Incomplete, status
from ansible_collections.polyvirt.core.plugins.plugin_utils.guests.guest_script import SCRIPT, SERVICE, script

RECORDED = Path(__file__).resolve().parents[1] / "fixtures" / "guest_status"
LINUX = ["debian-12", "busybox-1.35", "busybox-1.35-ifconfig"]
BSD = ["openbsd-7-from-manuals", "freebsd-14-from-manuals"]
SHELLS = ["dash", "bash", "mksh", "busybox sh"]


def _recorded(name):
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def _listening(guest):
    return [(one["protocol"], one["address"], one["port"], one["process"]) for one in guest["services"]]


@pytest.mark.parametrize("name", LINUX)
def test_linux(name):
    guest = status(_recorded(name))
    assert guest["os"] == {
        "id": "debian",
        "name": "Debian GNU/Linux",
        "version": "12",
        "kernel": "6.1.0-28-amd64",
        "architecture": "x86_64",
        "hostname": "web1",
    }
    assert (guest["cpus"], len(guest["load"]), guest["memory_mib"]) == (2, 3, 24105)
    assert 0 < guest["memory_used_mib"] < 2000
    assert 66000 < guest["uptime"] < 67000
    assert 0 <= guest["cpu_percent"] <= 100
    assert [(one["mount"], one["device"], one["size"]) for one in guest["disks"]] == [
        ("/", "/dev/vda", 264212084 << 10)
    ]
    assert sorted(one["address"] for one in guest["addresses"]) == ["192.0.2.10", "2001:db8::10"]
    assert {one["interface"] for one in guest["addresses"]} == {"eth0"}
    ssh, clock = ("dropbear", "python3") if name == "debian-12" else (None, None)
    assert _listening(guest) == [("tcp", None, 22, ssh), ("udp", "127.0.0.1", 323, clock)]


def test_openbsd():
    guest = status(_recorded("openbsd-7-from-manuals"))
    assert guest == {
        "os": {
            "id": "openbsd",
            "name": "OpenBSD",
            "version": "7.6",
            "kernel": "7.6",
            "architecture": "amd64",
            "hostname": "bsd1.example.com",
        },
        "uptime": 10000,
        "cpus": 2,
        "cpu_percent": 15.0,
        "load": [0.56, 0.2, 0.08],
        "memory_mib": 1016,
        "memory_used_mib": 1016 - 168000 * 4096 // 2**20,
        "disks": [
            {"mount": "/", "device": "/dev/sd0a", "size": 2330940 << 10, "used": 223332 << 10},
            {"mount": "/home", "device": "/dev/sd0e", "size": 4050876 << 10, "used": 4 << 10},
        ],
        "addresses": [{"interface": "vio0", "address": "100.64.1.3"}],
        "services": [
            {"protocol": "tcp", "address": None, "port": 22, "process": None},
            {"protocol": "tcp", "address": "127.0.0.1", "port": 25, "process": None},
            {"protocol": "tcp", "address": "::1", "port": 25, "process": None},
            {"protocol": "udp", "address": None, "port": 514, "process": None},
        ],
        "named_services": None,
    }


def test_freebsd():
    guest = status(_recorded("freebsd-14-from-manuals"))
    assert (guest["os"]["id"], guest["os"]["version"], guest["cpus"], guest["uptime"]) == ("freebsd", "14.4", 4, 1316)
    assert (guest["cpu_percent"], guest["load"]) == (50.0, [0.32, 0.33, 0.25])
    assert (guest["memory_mib"], guest["memory_used_mib"]) == (4052, 4052 - (518559 + 253899) * 4096 // 2**20)
    assert [one["mount"] for one in guest["disks"]] == ["/", "/zroot", "/usr/home"]
    assert [one["address"] for one in guest["addresses"]] == ["192.168.122.40", "2001:db8::40"]
    assert _listening(guest) == [
        ("tcp", None, 22, "sshd"),
        ("tcp", None, 80, "nginx"),
        ("udp", "127.0.0.1", 323, None),
        ("udp", None, 514, "syslogd"),
    ]


@pytest.mark.parametrize("printed", ["1795340000", "{ sec = 1795340000, usec = 1 } x", "Sun Nov 22 09:33:20 2026"])
def test_boot_times_of_all_versions(printed):
    text = _recorded("openbsd-7-from-manuals").replace("1795340000", printed)
    assert status(text)["uptime"] == 10000


@pytest.mark.parametrize("name", [*LINUX, *BSD])
def test_missing_section_is_null_and_does_not_affect_others(name):
    """Each section in turn is empty or has unexpected content: no error, and only values that depend on it are null."""
    whole = status(_recorded(name))
    sections = _recorded(name).split("#polyvirt:")[1:-1]
    for section in sections:
        title = section.partition("\n")[0]
        odd = ("9" * 5000 + "\n", "1e" + "9" * 400 + "\n", ": \n inet x\n", "9" * 400 + " 1 2 3 4 5\n")
        for content in ("", "sysctl: unknown oid\n", "1\n", "{}: -1 %s x%y\n\n", *odd):
            guest = status(_recorded(name).replace(section, f"{title}\n{content}"))
            assert json.loads(json.dumps(guest, allow_nan=False)) == guest
            different = {key for key in whole if guest[key] != whole[key]}
            assert len(different - {"os", "cpus"}) <= 2, (title, content, different)
    empty = status("#polyvirt:end\n")
    assert {key for key, value in empty.items() if value is not None} == {"os"}
    assert set(empty["os"].values()) == {None}


def test_greeting_and_carriage_returns_are_ignored():
    text = _recorded("debian-12")
    assert status("Welcome!\nLast login: today\n" + text.replace("\n", "\r\n")) == status(text)


@pytest.mark.parametrize("output", ["", "This account is disabled.\n", "#polyvirt:uname\nLinux\n"])
def test_truncated_output_is_an_error(output):
    with pytest.raises(Incomplete):
        status(output)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_runs_in_every_shell(shell):
    words = shell.split()
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    done = subprocess.run([*words, "-c", SCRIPT], capture_output=True, text=True, check=True)
    guest = status(done.stdout)
    assert done.stderr == ""
    assert [key for key in ("os", "uptime", "cpus", "load", "memory_mib", "disks") if guest[key] is None] == []


#: Programs of a guest, and whether the services a (which runs) and b run: with its own service manager, or none.
MANAGERS = [
    ({"rc-service": '[ "$1 $2" = "a status" ]'}, [True, False]),
    ({"service": '[ "$1 $2" = "a status" ]'}, [True, False]),
    ({"uname": "echo OpenBSD", "rcctl": '[ "$1 $2" = "check a" ]'}, [True, False]),
    ({"uname": "echo FreeBSD", "service": '[ "$1 $2" = "a onestatus" ]'}, [True, False]),
    ({}, [None, None]),
]


@pytest.mark.parametrize(("programs", "running"), MANAGERS)
def test_named_services(programs, running, tmp_path):
    for name, text in {"sleep": "exit 0", **programs}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    # No other programs, and no systemd.
    text = script(["a", "b"]).replace("$PATH:", f"{tmp_path}:").replace("/run/systemd", str(tmp_path))
    text = re.sub(rf"{tmp_path}:\S+", str(tmp_path), text)
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, check=True)
    assert status(done.stdout)["named_services"] == [{"name": name, "running": one} for name, one in zip("ab", running)]


@pytest.mark.parametrize("name", ["", "-x", "a b", "a'b", "a;b", "$(a)", "a\nb", "é"])
def test_text_that_is_no_name_of_a_service(name):
    assert not SERVICE.fullmatch(name)
