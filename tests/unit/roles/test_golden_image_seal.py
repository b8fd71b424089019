# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest is sealed: its file system is a directory, and programs that change more than files are stubs."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from collection_path import CHECKOUT

SEAL = CHECKOUT / "roles/golden_image/files/seal.sh"
VM, KEY = "3f078c8c-2819-40bf-b3cd-6a6ef2079e51", "AAAAC3build"
MARKER = f"golden-image-sealed: {VM}"
_ABSOLUTE = re.compile(r"(?<![\w*])/(?=(?:etc|var|usr|run|tmp|proc|sys)\b)")
_ELSEWHERE = re.compile(r"(?<![\w*])/(?:etc|var|usr|run|tmp|proc|sys|boot|home|opt|root|srv)\b")
_STUBS = {
    "id": "echo 0",
    "systemctl": "exit 0",
    "journalctl": "exit 0",
    "sync": "exit 0",
    "fstrim": 'echo "$1" >>"$STUBS/trimmed"',
    "swapoff": 'echo "$1" >>"$STUBS/off"',
    "dd": 'for one; do case $one in of=*) echo 0 | tee "$STUBS/zeros" >"${one#of=}" ;; esac; done',
    "df": 'printf "device blocks used free on\\n/dev/vda1 2000 2000 0 /\\n"',
    "userdel": 'sed -i "/^$2:/d" "$GUEST/etc/passwd"',
    "cloud-init": 'rm -rf "$GUEST"/var/lib/cloud/*',
}
#: What must be gone afterwards.
_REMOVED = (
    "etc/ssh/ssh_host_ed25519_key", "etc/ssh/ssh_host_ed25519_key.pub", "etc/dropbear/dropbear_rsa_host_key",
    "var/lib/dbus/machine-id", "var/lib/systemd/random-seed", "var/lib/NetworkManager/secret_key",
    "var/lib/NetworkManager/one.lease", "var/lib/cloud/instances/i-1/user-data.txt", "var/lib/cloud/data/instance-id",
    "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "var/lib/polyvirt/scripts/one", "tmp/file",
    "root/.ansible/tmp/file", "root/.ansible/galaxy_token", "root/.ansible_async/1", "home/anna/.ansible_async/1",
    "home/anna/.bash_history",
)  # fmt: skip
_KEPT = ("root/.ansible/collections/file", "home/anna/.ansible/roles/file", "etc/hostname")


class Guest:
    def __init__(self, folder):
        self.root, self.stubs = folder / "guest", folder / "stubs"
        self.stubs.mkdir()
        for name, text in _STUBS.items():
            self.stub(name, text)
        for name in (*_REMOVED, *_KEPT):
            self.write(name, "x\n")
        self.write("etc/passwd", "".join(self._passwd()))
        self.write("etc/shadow", "root:*:1::::::\nanna::1::::::\nben:$y$x:1::::::\ngolden-build:!:1::::::\n")
        self.write("etc/machine-id", "1234\n")
        self.write("proc/mounts", f"/dev/vda1 {self.root} ext4 rw,relatime 0 0\nproc {self.root}/proc proc rw 0 0\n")
        self.write("var/log/messages", "text\n")
        for home in ("root", "home/anna"):
            self.write(f"{home}/.ssh/authorized_keys", f"ssh-ed25519 {KEY} build\nssh-rsa AAAAown anna\n")
        self.write("home/anna/.ssh/authorized_keys2", f"ssh-ed25519 {KEY} build\nssh-rsa AAAAtwo anna\n")

    def _passwd(self):
        for name, home, shell in (
            ("root", "root", "/bin/sh"),
            ("anna", "home/anna", "/bin/sh"),
            ("ben", "home/ben", "/bin/sh"),
            ("without", "home/without", "/bin/sh"),
            ("daemon", "daemon", "/usr/sbin/nologin"),
            ("golden-build", "home/golden-build", "/bin/sh"),
        ):
            yield f"{name}:x:1:1::{self.root}/{home}:{shell}\n"

    def stub(self, name, text):
        path = self.stubs / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def read(self, name):
        return (self.root / name).read_text(encoding="utf-8")

    def seal(self, **changes):
        """Return the lines that the script prints."""
        text = _ABSOLUTE.sub(f"{self.root}/", SEAL.read_text(encoding="utf-8"))
        assert not _ELSEWHERE.search(text.replace(str(self.root), "GUEST")), "it would change this host"
        variables = {"BUILD_VM": VM, "BUILD_USER": "golden-build", "BUILD_KEY": KEY, **changes}
        environment = {"PATH": f"{self.stubs}:{os.environ['PATH']}", "GUEST": str(self.root), "STUBS": str(self.stubs)}
        done = subprocess.run(
            ["sh", "-c", text], env={**environment, **variables}, capture_output=True, text=True, check=False
        )
        return done.stdout.splitlines()


@pytest.fixture
def guest(tmp_path):
    return Guest(tmp_path)


def _existing(guest, names):
    return [name for name in names if (guest.root / name).exists()]


@pytest.mark.parametrize("has_cloud_init", [True, False])
def test_guest_is_sealed(guest, has_cloud_init):
    if not has_cloud_init:
        (guest.stubs / "cloud-init").unlink()
        guest.write("etc/init.d/sshd", "ssh-keygen -A\n")
    assert guest.seal()[-1] == MARKER
    assert (_existing(guest, _REMOVED), _existing(guest, _KEPT)) == ([], list(_KEPT))
    assert (guest.read("etc/machine-id"), guest.read("var/log/messages")) == ("", "")
    assert "golden-build" not in guest.read("etc/passwd")
    assert (guest.stubs / "trimmed").read_text(encoding="utf-8").split() == [str(guest.root)]


def test_what_remains_is_reported(guest):
    said = guest.seal()
    assert [line for line in said if line.startswith("golden-image-user")] == [
        "golden-image-user: root false", "golden-image-user: anna empty", "golden-image-user: ben true",
        "golden-image-user: without false",
    ]  # fmt: skip
    assert [line for line in said if line.startswith("golden-image-key:")] == [
        "golden-image-key: root ssh-rsa AAAAown", "golden-image-key: anna ssh-rsa AAAAown",
        "golden-image-key: anna ssh-rsa AAAAtwo",
    ]  # fmt: skip


def test_password_in_passwd_is_reported(guest):
    guest.write("etc/passwd", guest.read("etc/passwd").replace("root:x:", "root::"))
    assert "golden-image-user: root empty" in guest.seal()


def test_user_without_root_cannot_seal(guest):
    guest.stub("id", "echo 1000")
    assert guest.seal() == ["golden-image-refused: sealing needs root"]
    assert _existing(guest, _REMOVED) == list(_REMOVED)


@pytest.mark.parametrize(("product", "is_sealed"), [(VM.upper(), True), (VM[::-1], False)])
def test_another_vm_is_not_sealed(guest, product, is_sealed):
    guest.write("sys/class/dmi/id/product_uuid", f"{product}\n")
    assert (guest.seal()[-1] == MARKER) is is_sealed
    assert (_existing(guest, _REMOVED) == list(_REMOVED)) is not is_sealed


@pytest.mark.parametrize(
    ("program", "text", "message"),
    [
        ("rm", "exit 0", "cannot be removed: "),
        ("userdel", "exit 1", "the user golden-build cannot be deleted"),
        ("cloud-init", "exit 1", "cloud-init clean failed"),
    ],
)
def test_guest_in_which_a_command_fails_is_not_sealed(guest, program, text, message):
    guest.stub(program, text)
    guest.stub("deluser", "exit 1")
    said = guest.seal()
    assert (said[-1].startswith(f"golden-image-refused: {message}"), MARKER in said) == (True, False)


def test_guest_with_the_key_of_the_build_is_not_sealed(guest):
    guest.stub("grep", 'case "$1" in -vF) exec /usr/bin/grep "" "$3" ;; *) exec /usr/bin/grep "$@" ;; esac')
    assert guest.seal()[-1].startswith("golden-image-refused: the key of the build cannot be removed from ")


def test_guest_with_another_machine_id_is_not_sealed(guest):
    guest.stub("cat", 'case "$1" in */machine-id) echo 1234 ;; *) exec /usr/bin/cat "$@" ;; esac')
    assert guest.seal()[-1] == f"golden-image-refused: {guest.root}/etc/machine-id cannot be written"


def test_zeros_are_not_compressed(guest):
    """Compressed zeros of btrfs take the space of the host many times."""
    zeros = f"{guest.root}/golden-image-zeros"
    for name in ("sync", "chattr"):
        guest.stub(name, f'echo "{name} $*" >>"$STUBS/calls"')
    guest.stub("dd", 'echo dd >>"$STUBS/calls"; ' + _STUBS["dd"])
    assert guest.seal()[-1] == MARKER
    calls = (guest.stubs / "calls").read_text(encoding="utf-8").splitlines()
    assert calls[:3] == ["sync ", f"chattr +C {zeros}", "dd"]


def test_command_is_short_enough_for_dropbear():
    """It accepts 9000 characters. The role removes the comments."""
    lines = SEAL.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len("".join(line for line in lines if not line.lstrip().startswith("#"))) < 8500


def test_free_space_of_each_file_system_is_overwritten_and_discarded(guest):
    """QEMU discards whole clusters only: removed files that are smaller would remain in the image."""
    guest.write("proc/mounts", guest.read("proc/mounts") + f"/dev/vda1 {guest.root}/home ext4 rw,relatime 0 0\n")
    guest.write("sys/fs/ext4/vda1/reserved_clusters", "4096\n")
    guest.stub("dd", 'echo "$*" >>"$STUBS/written"; ' + _STUBS["dd"])
    assert guest.seal()[-1] == MARKER
    (written,) = (guest.stubs / "written").read_text(encoding="utf-8").splitlines()
    assert written.startswith(f"if=/dev/zero of={guest.root}/golden-image-zeros ")
    assert (guest.stubs / "trimmed").read_text(encoding="utf-8").split() == [str(guest.root)]
    assert not (guest.root / "golden-image-zeros").exists()
    assert guest.read("sys/fs/ext4/vda1/reserved_clusters") == "0\n"


@pytest.mark.parametrize("free", ["printf 'heading\\n/dev/vda1 2000 1980 20 /\\n'", "exit 1"])
def test_guest_in_which_free_space_cannot_be_cleared_is_not_sealed(guest, free):
    guest.stub("df", free)
    said = guest.seal()
    assert said[-1] == f"golden-image-refused: free space of {guest.root} cannot be overwritten"
    assert MARKER not in said


def _swap(guest):
    """Swap space in a file, and in memory. The kernel counts the pages without the first one."""
    page = os.sysconf("SC_PAGESIZE")
    (guest.root / "swap").write_bytes(b"\1" * 3 * page)
    swaps = f"{guest.root}/swap file {2 * page // 1024} 0 -2\n/dev/zram0 partition 64 0 100\n"
    guest.write("proc/swaps", f"Filename Type Size Used Priority\n{swaps}")
    return page


def test_swap_space_is_overwritten_except_for_its_first_page(guest):
    page = _swap(guest)
    zeros = guest.root / "golden-image-zeros"
    guest.stub("dd", f'case "$*" in *{zeros}*) echo 0 >{zeros} ;; *) exec /usr/bin/dd "$@" ;; esac')
    assert guest.seal()[-1] == MARKER
    assert (guest.root / "swap").read_bytes() == b"\1" * page + bytes(2 * page)
    assert (guest.stubs / "off").read_text(encoding="utf-8").split() == [f"{guest.root}/swap"]


@pytest.mark.parametrize(("program", "problem"), [("swapoff", "switched off"), ("dd", "overwritten")])
def test_guest_with_swap_space_that_cannot_be_cleared_is_not_sealed(guest, program, problem):
    _swap(guest)
    guest.stub(program, "exit 1")
    said = guest.seal()
    assert said[-1] == f"golden-image-refused: the swap space {guest.root}/swap cannot be {problem}"
    assert MARKER not in said


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ('environment="TOKEN=hidden",command="a b" ssh-ed25519 AAAAown hidden', ["ssh-ed25519 AAAAown"]),
        ('command="a --token hidden" ssh-ed25519\tAAAAo+w/n==\thidden', ["ssh-ed25519 AAAAo+w/n=="]),
        ('command="hidden"  ssh-rsa  AAAAown', ["ssh-rsa AAAAown"]),
        ("no-pty\tsk-ssh-ed25519@openssh.com AAAAown", ["sk-ssh-ed25519@openssh.com AAAAown"]),
        ("  # hidden ssh-rsa AAAAold", []),
        ("hidden", []),
    ],
)
def test_only_the_type_and_the_key_are_reported(guest, line, keys):
    """Options, comments and lines that are no keys can contain secrets."""
    guest.write("root/.ssh/authorized_keys", f"ssh-ed25519 {KEY} build\n{line}\n")
    said = guest.seal()
    assert [one for one in said if " root ssh" in one or " root sk" in one] == [
        f"golden-image-key: root {key}" for key in keys
    ]
    assert "hidden" not in "".join(said)
    assert guest.read("root/.ssh/authorized_keys") == f"{line}\n"


def test_host_that_shows_neither_the_vm_nor_the_key_of_the_build_is_not_sealed(guest):
    said = guest.seal(BUILD_KEY="AAAAother")
    assert said == [f"golden-image-refused: this guest does not show that it is the VM {VM}"]
    assert _existing(guest, _REMOVED) == list(_REMOVED)
