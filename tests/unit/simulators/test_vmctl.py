# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double of vmctl prints, requests and writes what the real one did, for three releases."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from platforms.vmm.double import images, vmctl
from platforms.vmm.double.host import Host
from platforms.vmm.double.options import Hang, NotRecorded

GOLDEN = json.loads((Path(vmctl.__file__).parents[1] / "golden" / "vmctl.json").read_text(encoding="utf-8"))
KINDS = sorted({case["id"].rpartition("-")[0] for case in GOLDEN["cases"]})
RELEASES = {"7.8": None, "7.6": "2024-11", "7.4": "2023-11"}
_USERS = {"root": 0, "alice": 1000, "bob": 1001, "verylongusername": 1002, "a-fifteen-chars": 1003,
          "elevenchars": 1004, "x": 1005}  # fmt: skip
_GROUPS = {"wheel": 0, "alice": 1000, "vmusers": 2000, "verylonggroupname": 2001, "g": 2002, "fourteenchars1": 2003}
_SOCKETS = {"absent": FileNotFoundError(2, "No such file or directory"),
            "socket file present, nobody listens": ConnectionRefusedError(61, "Connection refused")}  # fmt: skip
#: {kind: the number of recorded calls with commands or options that no test of the product uses}.
_UNKNOWN = {"connect": 6, "console": 7, "control": 7, "create": 3, "names": 14, "protocol": 1, "send": 5, "start": 4,
            "status": 19, "stop": 5, "usage": 73, "wait": 9}  # fmt: skip


class RecordedVmd:
    """Answers as the recorded vmd did."""

    def __init__(self, case):
        self.answers, self.requests, self.socket = list(case.get("vmd_answers", [])), [], case.get("socket")

    def connect(self):
        if self.socket:
            raise _SOCKETS.get(self.socket, PermissionError(13, "Permission denied"))

    def request(self, message):
        self.requests.append(message)
        yield from self.answers.pop(0)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_recorded_call_is_answered_as_openbsd_answers_it(kind, release, tmp_path):
    wrong, unknown = {}, 0
    for number, case in enumerate(case for case in GOLDEN["cases"] if case["id"].rpartition("-")[0] == kind):
        folder = tmp_path / str(number)
        folder.mkdir()
        expected = {**case["expect"], **case.get("older", {}).get(RELEASES[release], {})}
        if expected.pop("hangs", False):
            # The file of a call that was ended is not recorded.
            expected = {"exit": None, **{key: expected[key] for key in expected if key not in ("exit", "files")}}
        try:
            found = _answer(case, folder, release, expected)
        except NotRecorded:
            unknown += 1
            continue
        if found != expected:
            wrong[case["id"]] = {
                key: (found[key], expected.get(key)) for key in found if found[key] != expected.get(key)
            }
    assert (wrong, unknown) == ({}, _UNKNOWN.get(kind, 0))


def _answer(case, folder, release, expected):
    """What the double does, in the words of the recording."""
    uid = int(case["caller"].split()[1]) if "caller" in case else 0
    _set_up(case.get("setup", []), folder, release)
    users = {name: (number, number) for name, number in _USERS.items()}
    host = Host(cwd=str(folder), uid=uid, users=users, groups=_GROUPS)
    vmd = RecordedVmd(case)
    call = vmctl.Call(vmd, host, release)
    words = [word.replace("<DIR>", str(folder)) for word in case["argv"][1:]]
    try:
        code = vmctl.run(call, words)
    except Hang:
        code = None
    found = {"stdout": "".join(call.out), "stderr": "".join(call.err), "exit": code}
    if "requests" in expected:
        found["requests"] = vmd.requests
    if "files" in expected:
        found["files"] = {name: _file(host, folder / name, expected) for name, expected in expected["files"].items()}
    return json.loads(json.dumps(found).replace(str(folder), "<DIR>"))


def _set_up(steps, folder, release):
    for title, *words in steps:
        if title == "vmctl run before":
            words = [word.replace("<DIR>", str(folder)) for word in words[0]]
            assert vmctl.run(vmctl.Call(None, Host(cwd=str(folder)), release), words) == 0
        elif title == "qemu-img run before":
            _foreign_image(folder, words[0])
        elif title != "/usr/bin/cu is absent":
            _prepare(title, folder / words[0], words[1:])


def _prepare(title, path, words):
    if title == "all-zero file of bytes":
        path.write_bytes(bytes(words[0]))
    elif title.startswith("file of bytes"):
        _write_ranges(path, *words)
    elif title == "file with text":
        path.write_text(words[0], encoding="utf-8")
    elif title == "file with these bytes":
        path.write_bytes(bytes.fromhex(words[0]))
    elif title == "directory (mode)":
        path.mkdir(mode=int(words[0], 8) if words else 0o777)
    elif title == "symbolic link to":
        path.symlink_to(words[0])
    elif title == "mode of":
        path.chmod(int(words[0], 8))
    elif title == "removed before":
        path.unlink()
    else:
        raise AssertionError(title)
    if title.startswith(("file", "all-zero")):
        path.chmod(0o644)


def _write_ranges(path, size, ranges):
    data = bytearray(size)
    for offset, length in ranges:
        data[offset : offset + length] = (b"polyvirt" * (length // 8 + 1))[:length]
    path.write_bytes(data)


def _foreign_image(folder, words):
    """An image as qemu-img writes it: version 2 where ``compat=0.10`` is requested, compressed with ``-c``."""
    target = folder / (words[-2] if words[0] == "create" else words[-1])
    host = Host(cwd=str(folder))
    source = folder / words[-2]
    images.create(host, str(target), "qcow2", 10 << 20 if words[0] == "create" else source.stat().st_size)
    if words[0] == "convert":
        with images.open_image(host, str(source), "raw") as image:
            images.copy(host, image, str(target), "qcow2")
    data = bytearray(target.read_bytes())
    if "compat=0.10" in words:
        data[7] = 2
    if "-c" in words:
        # The entries of the only table of clusters.
        table = int.from_bytes(data[1 << 16 : (1 << 16) + 8], "big") & ((1 << 56) - 1)
        for entry in range(table, table + (1 << 16), 8):
            data[entry] |= 0x40 if any(data[entry : entry + 8]) else 0
    target.write_bytes(data)


def _file(host, path, expected):
    """What is recorded of a file: all but the data that was recorded of half a copy."""
    if not path.exists():
        return None
    stat = path.stat()
    found = {"mode": f"{stat.st_mode & 0o7777:04o}", "size": stat.st_size}
    data = host.head(str(path), 104) if stat.st_size >= 104 else b""
    if "qcow2" in expected:
        found["qcow2"] = _header(path, data)
    if "format" in expected:
        found["format"] = "qcow2" if data[:4] == b"QFI\xfb" else "raw"
    if "content_size" in expected:
        found.update(_content(host, path))
    if "qemu_img" in expected:
        # What qemu-img finds wrong is not compared.
        found["qemu_img"] = expected["qemu_img"]
    if "allocated_below_1MiB" in expected:
        # Depends on the file system.
        found["allocated_below_1MiB"] = expected["allocated_below_1MiB"]
    return found


def _content(host, path):
    """What a guest sees of an image."""
    for image in path.parent.glob("*.qcow2"):
        # Bases of version 2 differ in nothing else, but vmctl does not read them.
        data = image.read_bytes()
        if data[4:8] == b"\0\0\0\2":
            image.write_bytes(data[:7] + b"\3" + data[8:])
    digest = hashlib.sha256()
    with images.open_image(host, str(path), "qcow2" if host.head(str(path)) == b"QFI\xfb" else "raw") as image:
        size = -(-image.size // 512) * 512
        for offset in range(0, size, 1 << 16):
            digest.update(image.read(offset, min(1 << 16, size - offset)))
    return {"content_size": size, "content_sha256": digest.hexdigest()}


def _header(path, data):
    def number(offset, size):
        return int.from_bytes(data[offset : offset + size], "big")

    found = {"version": number(4, 4), "backing_off": number(8, 8), "backing_len": number(16, 4),
             "cluster_bits": number(20, 4), "disk_size": number(24, 8), "l1_entries": number(36, 4),
             "l1_off": number(40, 8), "refcount_off": number(48, 8), "refcount_clusters": number(56, 4),
             "incompat": number(72, 8), "refcount_order": number(96, 4), "header_len": number(100, 4)}  # fmt: skip
    if found["backing_off"]:
        length = found["backing_len"]
        found["backing_name"] = path.read_bytes()[104 : 104 + length].decode()
        if found["backing_name"].startswith("/"):
            found["backing_len"] = "length of backing_name"
    return found
