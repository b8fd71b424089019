# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that runs at the end of an installation is run here, with another root directory."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from hypothesis import assume, given, seed, settings
from hypothesis import strategies as st

from suite import belts
from unit.roles.unattended_install.hostile import TEXT, is_accepted
from unit.roles.unattended_install.rendering import KEY, script, values

FULL, DEEP = 30, 300
LINUX = ["alpine", "autoinstall", "kickstart", "openbsd", "preseed"]
#: Stubs of programs that are missing on a build host, or would change it. Each records its arguments.
STUBS = ("chown", "update-grub", "apk", "restorecon")


class Guest:
    """A directory with the files of an installed system that the script uses."""

    def __init__(self, folder):
        self.root = folder / "root"
        for name in ("etc/sudoers.d", "home/ansible", "root", "bin"):
            (self.root / name).mkdir(parents=True)
        home = self.root / "home" / "ansible"
        (self.root / "etc/passwd").write_text(f"root:*:0:0::/root:/bin/sh\nansible:*:1000:1000:A:{home}:/bin/sh\n")
        for name in (*STUBS, "id"):
            path = self.root / "bin" / name
            path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.root}/calls\n[ {name} != id ] || echo ansible\n')
            path.chmod(0o755)

    def run(self, text):
        for name in ("/etc/", "/root/"):
            text = text.replace(f" {name}", f" {self.root}{name}").replace(f">{name}", f">{self.root}{name}")
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "OUT": f"{self.root}/out"}
        return subprocess.run(["sh"], input=text.encode(), env=environment, capture_output=True, check=False)

    def read(self, name):
        path = self.root / name
        return path.read_text() if path.exists() else None

    def mode(self, name):
        return oct(stat.S_IMODE((self.root / name).stat().st_mode))


@pytest.fixture(name="guest")
def _guest(tmp_path):
    return Guest(tmp_path)


@pytest.mark.parametrize("installer", LINUX)
def test_user_can_log_in_and_become_root(installer, guest):
    done = guest.run(script(values(installer, ssh_keys=[KEY, "ssh-rsa AAAAB3Nz it's $HOME"])))
    assert done.returncode == 0, done.stderr
    assert guest.read("home/ansible/.ssh/authorized_keys") == f"{KEY}\nssh-rsa AAAAB3Nz it's $HOME\n"
    assert guest.mode("home/ansible/.ssh") == "0o700"
    assert guest.mode("home/ansible/.ssh/authorized_keys") == "0o600"
    assert guest.read("etc/polyvirt-installed") == "web1\n"
    allowed = {"alpine": "etc/doas.d/90-polyvirt.conf", "openbsd": "etc/doas.conf"}.get(
        installer, "etc/sudoers.d/90-polyvirt"
    )
    assert guest.read(allowed) in ("permit nopass keepenv ansible\n", "ansible ALL=(ALL) NOPASSWD: ALL\n")
    assert guest.mode(allowed) in ("0o600", "0o440")


def test_root_gets_the_keys_only_if_wanted(guest):
    given = values("preseed")
    guest.run(script(given))
    assert guest.read("root/.ssh/authorized_keys") is None
    guest.run(script(given, root_login=True))
    assert guest.read("root/.ssh/authorized_keys") == f"{KEY}\n"


@pytest.mark.parametrize(("installer", "name"), [("openbsd", "web1.example.org\n"), ("preseed", None)])
def test_domain_of_openbsd_is_written_by_the_script(installer, name, guest):
    guest.run(script(values(installer, domain="example.org")))
    assert guest.read("etc/myname") == name


def test_serial_console_of_ubuntu_is_kept(guest):
    guest.run(script(values("autoinstall")))
    text = guest.read("etc/default/grub.d/90-polyvirt.cfg")
    done = subprocess.run(
        ["sh", "-c", f'GRUB_CMDLINE_LINUX=a\n{text}printf %s "$GRUB_CMDLINE_LINUX"'], capture_output=True, check=True
    )
    assert done.stdout == b"a console=ttyS0,115200n8"
    assert "update-grub" in guest.read("calls")


def test_first_failing_command_is_the_last(guest):
    commands = ["echo one >>$OUT", "exit 3", "echo two >>$OUT"]
    done = guest.run(script(values("preseed", late_commands=commands)))
    assert done.returncode == 3
    assert guest.read("out") == "one\n"
    assert guest.read("etc/polyvirt-installed") is None


def test_commands_get_exactly_their_text(tmp_path, request):
    @seed(belts.seed())
    @settings(max_examples=DEEP if belts.is_deep(request.config) else FULL, deadline=None, database=None)
    @given(st.lists(TEXT, min_size=1, max_size=4))
    def check(texts):
        # The text of a here-document with this end is not expanded; what follows it shows that the command ended there.
        # Guest.run would replace these paths within the text, too.
        assume(not any("/etc/" in text or "/root/" in text for text in texts))
        commands = [f"cat >>$OUT <<'EndOfThisText'\n{text}\nEndOfThisText\n" for text in texts]
        given = values("preseed", late_commands=commands)
        assume(is_accepted(given))
        guest = Guest(tmp_path / str(len(list(tmp_path.iterdir()))))
        done = guest.run(script(given))
        assert done.returncode == 0, done.stderr
        assert guest.read("out") == "".join(f"{text}\n" for text in texts)
        assert guest.read("etc/polyvirt-installed") == "web1\n"

    check()
