# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only their owner can read new files and directories, but for those that are listed here, each with its reason.

Programs run with the umask 077 (``_ports/command.py``).
"""

from __future__ import annotations

import io
import re
import tokenize

import pytest

from collection_path import CHECKOUT

#: Modes of files and directories that only their owner can use, and masks of the bits of all others.
_PRIVATE = {"0o600", "0o700", "0o077"}
#: {file: {mode: reason}}
WIDER = {
    "module_utils/_drivers/virsh/backups.py": {"ENTERED": "QEMU writes the disks of a running VM into it"},
    "module_utils/_drivers/virsh/storage.py": {"ENTERED": "QEMU opens the disks in it"},
    "module_utils/_drivers/vmm/settings/disks.py": {"ENTERED": "vmd opens the disks in it"},
    "module_utils/_media/backup_folder.py": {"ENTERED": "QEMU opens the files of a restore in it"},
    "module_utils/_media/golden.py": {"ENTERED": "hypervisors open stored images"},
    "module_utils/_media/images.py": {"ENTERED": "hypervisors open stored images"},
    "module_utils/_media/install_medium.py": {"ENTERED": "hypervisors open installation media"},
    "module_utils/_media/store.py": {"0o644": "the record of an image that all users may read"},
    "module_utils/_ports/exclusive.py": {"ENTERED": "other users see which locks root holds"},
    "module_utils/_ports/files.py": {"0o711": "the mode of directories that hypervisors enter"},
    "module_utils/_ports/partial_files.py": {"0o644": "an image that VMs of several users share"},
    "plugin_utils/described/run.py": {"0o644": "host_vars of describe, which colleagues read"},
    "plugin_utils/outcomes/sinks.py": {"0o640": "the group of a log shipper reads events"},
    "plugin_utils/report/files.py": {"0o644": "a web server reads reports"},
}
_FILES = sorted(path.relative_to(CHECKOUT / "plugins").as_posix() for path in (CHECKOUT / "plugins").rglob("*.py"))
#: What creates a file with the umask of the process.
_BY_UMASK = re.compile(r"""(?<![.\w])open\([^)]*["'][wax]b?["'](?![^)]*opener=)|\.(write_text|write_bytes|touch)\(""")
#: Files that another program has created, or that Ansible itself fetches.
_OPENED = {"plugin_utils/guarded/child.py", "connection/guest_agent.py"}


def _text(file):
    return (CHECKOUT / "plugins" / file).read_text(encoding="utf-8")


def _modes(text):
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = [one.string for one in tokens if one.type in (tokenize.NUMBER, tokenize.NAME)]
    return {one for one in found if one.startswith("0o") or one == "ENTERED"} - _PRIVATE


@pytest.mark.parametrize("file", _FILES)
def test_wider_modes_have_a_reason(file):
    assert _modes(_text(file)) - {"ENTERED" if file.endswith("_ports/files.py") else ""} == set(WIDER.get(file, ()))
    assert file in _OPENED or _BY_UMASK.findall(_text(file)) == []


def test_gate_sees_modes_and_files_by_umask():
    assert _modes("os.chmod(path, 0o644)\nfiles.make_folder(path, files.ENTERED)\nmake(0o600)") == {"0o644", "ENTERED"}
    assert _BY_UMASK.search('open(path, "wb") as file') and _BY_UMASK.search("path.write_text(text)")
    assert not _BY_UMASK.search('open(path, "wb", opener=private)') and not _BY_UMASK.search('os.open(path, "w")')
