# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A distribution of WSL: its registry values, its files, and programs that run in it."""

from __future__ import annotations

import io
import os
import posixpath
import re
import subprocess
import tarfile
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from platforms.hyperv.double.records import Vhd

GIB = 1 << 30
#: The files of a new distribution.
PASSWD = b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
FILES = {"/etc/passwd": PASSWD, "/etc/os-release": b"ID=debian\nVERSION_ID=12\n", "/bin/sh": b"\x7fELF"}
_RUNNING_SCRIPT = re.compile(r"while :;|sleep infinity")
#: Programs that read or add users, instead of those of the test's host; $ROOT is the distribution's root directory.
_ID = r"""#!/bin/sh
[ "$1" = -u ] || exit 2
shift
line=$(grep "^$1:" "$ROOT/etc/passwd") || { echo "id: '$1': no such user" >&2; exit 1; }
echo "$line" | cut -d: -f3
"""
_USERADD = r"""#!/bin/sh
for name; do :; done
case $name in *[!a-z0-9_-]*|[0-9-]*|"") echo "useradd: invalid user name '$name'" >&2; exit 3;; esac
grep -q "^$name:" "$ROOT/etc/passwd" && { echo "useradd: user '$name' already exists" >&2; exit 9; }
uid=$(cut -d: -f3 "$ROOT/etc/passwd" | sort -n | tail -1)
[ "$uid" -lt 1000 ] && uid=999
uid=$((uid + 1))
echo "$name:x:$uid:$uid::/home/$name:/bin/bash" >> "$ROOT/etc/passwd"
mkdir -p "$ROOT/home/$name" && touch "$ROOT/home/$name/.profile"
"""
_PLACES = re.compile(r"(?<![\w./])/(?=(?:etc|run|home|root|tmp|usr|bin)\b)")


@dataclass
class Distro:
    """A distribution. Most fields are values of the registry; WSL's service keeps ``running`` and ``clients``.

    ``clients``: the number of programs on Windows that use it. ``lock``: the operation that the service is carrying out
    on it, or empty. ``is_read``: it was started only to be read. ``links``: {path: relative target} of symbolic links.
    """

    name: str
    base: str
    flags: int = 15
    guid: str = field(default_factory=lambda: f"{{{uuid.uuid4()}}}")
    vhd: str = "ext4.vhdx"
    state: int = 1
    uid: int = 0
    running: bool = False
    clients: int = 0
    uses: int = 0
    lock: str = ""
    is_read: bool = False
    files: dict = field(default_factory=lambda: dict(FILES))
    links: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)
    started_with: bytes = b""
    tools: tuple = ("id", "useradd")

    @property
    def version(self):
        return 2 if self.flags & 8 else 1

    @property
    def disk(self):
        """The path of the virtual disk."""
        return f"{self.base}\\{self.vhd}"

    def taken(self, files):
        """What unregister deletes: the disk of the key, wherever it is, and these names in the directory, whosever.

        microsoft/WSL, LxssUserSession.cpp, _DeleteDistributionLockHeld.
        """
        base = f"{files.key(self.base)}\\"
        inside = [one.removeprefix(base).split("\\")[0] for one in files.below(self.base)]
        own = [one for one, first in zip(files.below(self.base), inside) if first in ("rootfs", "temp", "shortcut.ico")]
        return [*own, self.disk]

    def registry(self):
        """The values of its registry key."""
        return {
            "State": self.state,
            "DistributionName": self.name,
            "Version": 2,
            "BasePath": self.base,
            "Flags": self.flags,
            "DefaultUid": self.uid,
            **({"VhdFileName": self.vhd} if self.version == 2 else {}),
            **self.values,
        }

    def start(self):
        """Start the instance: /run becomes empty, and the present wsl.conf takes effect."""
        if not self.running:
            self.running = True
            self.files = {path: content for path, content in self.files.items() if not path.startswith("/run/")}
            conf = posixpath.normpath(posixpath.join("/etc", self.links.get("/etc/wsl.conf", "wsl.conf")))
            self.started_with = self.files.get(conf, b"")

    def users(self):
        """{name: uid} of /etc/passwd."""
        lines = self.files.get("/etc/passwd", b"").decode().splitlines()
        return {line.split(":")[0]: int(line.split(":")[2]) for line in lines if line.count(":") > 2}

    def never_ends(self, words):
        return any(_RUNNING_SCRIPT.search(word) for word in words)

    def run(self, words, stdin):
        """Run a real program with the files of the distribution: (exit code, stdout, stderr)."""
        if words[0] == "/bin/sh" and words[0] not in self.files:
            return 127, b"", b"<3>WSL (1) ERROR: execvpe(/bin/sh) failed: No such file or directory\n"
        with tempfile.TemporaryDirectory() as folder:
            root, tools = Path(folder, "root"), Path(folder, "tools")
            for path, content in self.files.items():
                (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
                (root / path[1:]).write_bytes(content)
            for place in ("etc", "run"):
                (root / place).mkdir(parents=True, exist_ok=True)
            for path, target in self.links.items():
                (root / path[1:]).symlink_to(target)
            tools.mkdir()
            for name, text in {"id": _ID, "useradd": _USERADD}.items():
                if name in self.tools:
                    (tools / name).write_text(text)
                    (tools / name).chmod(0o755)
            placed = [words[0], *(_PLACES.sub(f"{root}/", word) for word in words[1:])]
            environment = {"PATH": f"{tools}:/usr/bin:/bin", "ROOT": str(root), "LC_ALL": "C"}
            try:
                done = subprocess.run(placed, input=stdin or b"", capture_output=True, env=environment, check=False)
            except OSError:
                return 127, b"", f"/bin/sh: 1: {words[0]}: not found\n".encode()
            found = {f"/{one.relative_to(root)}": one for one in root.rglob("*")}
            self.links = {path: os.readlink(one) for path, one in found.items() if one.is_symlink()}
            files = {path: one for path, one in found.items() if one.is_file() and path not in self.links}
            self.files = {path: one.read_bytes() for path, one in files.items()}
            hidden = f"{root}".encode()
            return done.returncode, done.stdout.replace(hidden, b""), done.stderr.replace(hidden, b"")


def packed(files, mode="w"):
    """The bytes of a tarball with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for path, content in sorted(files.items()):
            if not path.startswith("/run/"):
                entry = tarfile.TarInfo(path[1:])
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def unpacked(content):
    """The files of a tarball. Raises tarfile.TarError if it is none."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        entries = [one for one in tar.getmembers() if one.isfile()]
        return {f"/{one.name.lstrip('./')}": tar.extractfile(one).read() for one in entries}


def disk_with(files, size=1024 * GIB):
    """A virtual disk with these files."""
    return Vhd(type="Dynamic", size=size, used=16 << 20, tree=dict(files), sparse=False)
