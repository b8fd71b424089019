# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links in documents: which lead nowhere, in the repository, on Galaxy and in documentation built from docs/."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import yaml

from guides import REPOSITORY, anchor_of

_LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)")
_OWN = re.compile(rf"{re.escape(REPOSITORY)}/(blob|tree)/main/([^)\s#>\"']+)(?:#([^)\s>\"']+))?")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def problems(checkout, name, text):
    """One sentence for each link of the document ``name`` that leads nowhere."""
    found = []
    for target in _LINK.findall(_CODE.sub("", text)):
        if not re.match(r"[a-z]+:", target):
            found += _relative(checkout, name, target)
    for kind, path, anchor in _OWN.findall(text):
        found += _problems_of_target(checkout, name, path, anchor, is_folder=kind == "tree")
    return found


def _relative(checkout, name, target):
    path, _hash, anchor = target.partition("#")
    if path and name == "README.md":
        return [f"{name}: {target}: Galaxy shows this file alone; link to {REPOSITORY}/blob/main/{path}"]
    here = PurePosixPath(name).parent
    inside = Path(checkout, here, path).resolve().relative_to(checkout.resolve()).as_posix() if path else name
    if name.startswith("docs/") and not inside.startswith("docs/"):
        return [f"{name}: {target}: documentation is built from docs/ alone; link to {REPOSITORY}/blob/main/{inside}"]
    if is_published(checkout, name) and not is_published(checkout, inside):
        return [f"{name}: {target}: Galaxy does not install this file; link to {REPOSITORY}/blob/main/{inside}"]
    return _problems_of_target(checkout, name, inside, anchor)


def is_published(checkout, name):
    """Whether a file is a part of the collection that Galaxy installs."""
    ignored = yaml.safe_load((checkout / "galaxy.yml").read_text(encoding="utf-8"))["build_ignore"]
    above = [name, *map(str, PurePosixPath(name).parents)]
    return not any(fnmatch(one, pattern) for one in above for pattern in ignored)


def _problems_of_target(checkout, name, path, anchor, is_folder=None):
    target = checkout / path
    if not target.exists():
        return [f"{name}: {path} does not exist"]
    if is_folder is not None and target.is_dir() != is_folder:
        return [f"{name}: {path}: GitHub has folders below tree/, and files below blob/"]
    if anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
        return [f"{name}: {path} has no heading #{anchor}"]
    return []


def anchors(text):
    """The names that GitHub gives to the headings of a document."""
    return {anchor_of(heading) for heading in _HEADING.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL))}
