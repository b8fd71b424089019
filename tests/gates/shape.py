# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader is promised about the form of files: short functions, short files, a licence on each."""

from __future__ import annotations

import ast
import subprocess
from functools import lru_cache

LONGEST_FUNCTION = 59
LONGEST_FILE = 400

PYTHON_HEADER = [
    "# Copyright (c) 2026, polyvirt contributors",
    "# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
]
# Other files may begin with an interpreter or a document mark, and word their copyright as their syntax needs.
HEADER_WITHIN = 6
WITH_HEADER = {".py", ".sh", ".yml", ".yaml", ".ps1", ".psm1", ".toml"}
# Recorded or generated: not written by anybody here.
WITHOUT_HEADER = ("tests/unit/fixtures/", "changelogs/changelog.yaml")

# {folder of module_utils: how the documentation string of each file in it begins}. Many folders have a file of the same
# name, and a reader who lands in one by a search needs to know which one it is.
PLATFORMS = {
    "_drivers/hyperv/": ("Hyper-V: ",),
    "_drivers/proxmox/": ("Proxmox VE: ",),
    "_drivers/vagrant/": ("Vagrant: ",),
    "_drivers/vbox/": ("VirtualBox: ",),
    "_drivers/virsh/": ("libvirt: ",),
    "_drivers/vmm/": ("vmd: ",),
    "_drivers/wsl/": ("WSL: ",),
    "_hosts/libvirt/": ("libvirt: ",),
    "_hosts/openbsd/": ("OpenBSD: ",),
    "_hosts/windows/": ("Hyper-V: ", "WSL: "),
}

_DOCUMENTATION_NAMES = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def files_of(checkout):
    """Every file of the checkout that is there and not ignored, committed or not."""
    # A checkout may belong to another user than the one who tests; it is only read here.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=checkout, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in set(listed.split("\0")) - {""} if (checkout / name).is_file())


@lru_cache(maxsize=1)
def _parsed(source):
    return ast.parse(source)


def _statements(tree):
    """The statements in ``tree``, without their expressions, which are most of its nodes."""
    left = [tree]
    while left:
        yield (node := left.pop())
        for name in ("body", "handlers", "orelse", "finalbody", "cases"):
            left += getattr(node, name, ())


def function_lengths(source):
    """{name: lines} of all functions, their documentation strings not counted."""
    return {
        node.name: node.end_lineno - node.lineno + 1 - len(documentation_lines(node))
        for node in _statements(_parsed(source))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }


def file_length(source):
    """Lines outside of documentation strings."""
    return len(source.splitlines()) - len(documentation_lines(_parsed(source)))


def documentation_lines(tree):
    """The numbers of the lines of all documentation strings, those of plugins among them."""
    lines = set()
    for node in _statements(tree):
        if _is_documentation(node):
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def _is_documentation(node):
    if not isinstance(getattr(node, "value", None), ast.Constant) or not isinstance(node.value.value, str):
        return False
    if isinstance(node, ast.Expr):
        return True
    targets = node.targets if isinstance(node, ast.Assign) else ()
    return any(getattr(name, "id", "") in _DOCUMENTATION_NAMES for name in targets)


def header_problem(name, text):
    """What is wrong with the first lines of a file, or None."""
    lines = text.splitlines()
    if name.endswith(".py"):
        start = 1 if lines and lines[0].startswith("#!") else 0
        right = lines[start : start + 3] == PYTHON_HEADER
        return None if right else f"{name}: must begin with the three lines of tests/gates/shape.py"
    first = "\n".join(lines[:HEADER_WITHIN])
    right = "Copyright (c) " in first and "SPDX-License-Identifier: GPL-3.0-or-later" in first
    return None if right else f"{name}: its first {HEADER_WITHIN} lines must name copyright and SPDX licence"


def needs_header(name, text):
    """True for sources: by their ending, or because they are run."""
    if name.startswith(WITHOUT_HEADER):
        return False
    return text.startswith("#!") or any(name.endswith(ending) for ending in WITH_HEADER)


def platform_problem(name, source):
    """What is wrong with the documentation string of a file about one platform, or None."""
    room, _slash, rest = name.removeprefix("plugins/module_utils/").partition("/")
    folder, below, _file = rest.partition("/")
    if room not in ("_drivers", "_tools", "_hosts") or not below or not source.strip():
        return None
    beginnings = PLATFORMS.get(f"{room}/{folder}/", ())
    if (ast.get_docstring(_parsed(source)) or "").startswith(beginnings):
        return None
    return f"{name}: its documentation string must begin with {' or '.join(map(repr, beginnings)) or 'its platform'}"


def reads_check_mode(source):
    """True if an attribute ``check_mode`` is read; setting or passing on a keyword is not reading."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == "check_mode" and isinstance(node.ctx, ast.Load)
        for node in ast.walk(ast.parse(source))
    )
