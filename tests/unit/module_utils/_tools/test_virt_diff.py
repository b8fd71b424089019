# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded output of virt-diff 1.48.6, and its arguments and environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Completed
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virt_diff import VirtDiff, changes

RECORDED = Path(__file__).parents[2] / "fixtures" / "virt_diff" / "1.48.6"


def recorded(name):
    return (RECORDED / name).read_text(encoding="utf-8")


class FakeCommands:
    """Commands with the results in ``answers``, in turn; ``runs`` are (argv, environment)."""

    def __init__(self, *answers, **environment):
        self.answers, self.own, self.runs = list(answers), environment, []

    def find(self, name, hint=None):
        return f"/usr/bin/{name}"

    def environment(self, name):
        return self.own.get(name)

    def run(self, argv, timeout=None, environment=None):
        self.runs.append((argv, environment))
        rc, stdout, stderr = self.answers.pop(0)
        return Completed(tuple(argv), rc, stdout, stderr)


def file(kind, mode, size, target=None):
    return {"type": kind, "mode": mode, "size": size, "target": target}


def test_recorded_comparison():
    found = {one.pop("path"): one for one in changes(recorded("changes.txt"))}
    assert [found[path]["change"] for path in ("/srv/pvs/dev", "/srv/pvs/ü new")] == ["added", "added"]
    assert found["/srv/pvs/dev"]["after"] == file("c", "0600", 0)
    assert found["/srv/pvs/goes"] == {"change": "removed", "before": file("-", "0644", 2), "after": None, "text": ""}
    # A link with another target is printed as removed and added; here it is one change.
    assert found["/srv/pvs/link"] == {
        "change": "changed",
        "before": file("l", "0777", 11, "/etc/passwd"),
        "after": file("l", "0777", 10, "/etc/group"),
        "text": "",
    }
    assert found["/srv/pvs/binary"] == {
        "change": "changed",
        "before": file("-", "0644", 35664),
        "after": None,
        "text": "",
    }
    assert found["/srv/pvs/same-size"]["text"] == "@@ -1 +1 @@\n-one\n+two"
    assert found["/srv/pvs/with blank"]["text"].endswith("\\ No newline at end of file")
    assert len(found) == 9


def test_file_content_that_looks_like_virt_diffs_output():
    """Lines of a file begin with a sign: the content of a file cannot end its text or report other files."""
    text = {one["path"]: one["text"] for one in changes(recorded("changes.txt"))}["/srv/pvs/text"]
    assert text == "@@ -1,3 +1,4 @@\n a\n-b\n+B\n c\n+@@ End of diff @@"
    forged = "= - 0644 6 /a\n@@ -1 +1 @@\n-x\n++ - 0644 2 /forged\n@@ End of diff @@\n- - 0644 2 /b\n"
    assert [one["path"] for one in changes(forged)] == ["/a", "/b"]


@pytest.mark.parametrize(
    ("fields", "changes_expected"), [("st_dev", 0), ("st_dev st_mode", 1), ("st_mode", 1), ("st_ctime_sec", 1)]
)
def test_other_device_number_is_not_a_change(fields, changes_expected):
    lines = "- - 0644 1 /kept\n- d 0755 4096 /a\n+ d 0755 4096 /a\n# changed: {}\n"
    assert [one["path"] for one in changes(lines.format(fields))] == ["/kept", "/a"][: 1 + changes_expected]


@pytest.mark.parametrize("text", ["", "\n", "# changed: st_mode\n", "no such line\n"])
def test_no_differences(text):
    assert changes(text) == []


def test_invalid_utf_8_is_replaced():
    assert changes("+ - 0644 2 /a\udcff\n")[0]["path"] == "/a\ufffd"


def test_formats_are_always_passed():
    commands = FakeCommands((0, "- - 0644 2 /b\n", ""))
    found = VirtDiff(commands).compare([("/a", "qcow2"), ("/b", "raw")], [("/c", "raw")], "/scratch")
    argv, environment = commands.runs[0]
    images = ["--format=qcow2", "-a", "/a", "--format=raw", "-a", "/b", "--format=raw", "-A", "/c"]
    assert argv == ["/usr/bin/virt-diff", *images]
    assert environment == {"LIBGUESTFS_TMPDIR": "/scratch", "LIBGUESTFS_BACKEND": "direct"}
    assert [one["change"] for one in found] == ["removed"]


def test_emulation_is_used_if_kvm_does_not_work():
    commands = FakeCommands((1, "", recorded("no-kvm.txt")), (0, "", ""))
    assert VirtDiff(commands).compare([], [], "/scratch") == []
    assert [run[1].get("LIBGUESTFS_BACKEND_SETTINGS") for run in commands.runs] == [None, "force_tcg"]


def test_environment_of_the_user_is_kept():
    own = {"LIBGUESTFS_BACKEND": "libvirt", "LIBGUESTFS_BACKEND_SETTINGS": "network_bridge=x"}
    commands = FakeCommands((1, "", recorded("no-kvm.txt")), (1, "", recorded("no-kvm.txt")), **own)
    with pytest.raises(errors.CommandFailed, match="libguestfs-test-tool"):
        VirtDiff(commands).compare([], [], "/scratch")
    assert [run[1] for run in commands.runs] == [{"LIBGUESTFS_TMPDIR": "/scratch"}] * 2


@pytest.mark.parametrize(
    ("recording", "message", "remedy"),
    [
        ("no-system.txt", "virt-diff failed: no operating system was found on this disk.", "operating systems only"),
        ("no-kernel.txt", "virt-diff failed: libguestfs: error: /usr/bin/supermin exited", "/lib/modules"),
    ],
)
def test_failure_names_the_remedy(recording, message, remedy):
    commands = FakeCommands((1, "", recorded(recording)))
    with pytest.raises(errors.CommandFailed) as caught:
        VirtDiff(commands).compare([], [], "/scratch")
    assert caught.value.message.startswith(message)
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)
    assert len(commands.runs) == 1


def test_failure_without_output():
    with pytest.raises(errors.CommandFailed, match="no error message"):
        VirtDiff(FakeCommands((1, "", ""))).compare([], [], "/scratch")
