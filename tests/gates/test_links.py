# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No document has a dead link, and users of the published collection are not sent to files that it does not have."""

from __future__ import annotations

import re

import pytest

from collection_path import CHECKOUT
from gates.links import REPOSITORY, anchors, is_published, problems
from gates.shape import files_of

DOCUMENTS = [
    name for name in files_of(CHECKOUT) if name.endswith((".md", ".rst")) or name.startswith("plugins/modules/")
]


def test_links_lead_somewhere():
    texts = {name: (CHECKOUT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
    assert [problem for name, text in texts.items() for problem in problems(CHECKOUT, name, text)] == []


def test_readme_names_scripts_only_after_git_clone():
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for section in re.split(r"^## ", readme, flags=re.MULTILINE):
        for paragraph in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
            if "scripts/" in paragraph:
                assert f"git clone {REPOSITORY}" in paragraph[: paragraph.index("scripts/")], paragraph


def test_published_documents_say_which_files_only_the_repository_has():
    silent = [
        name
        for name in DOCUMENTS
        if name.endswith(".md") and is_published(CHECKOUT, name)
        for text in [" ".join((CHECKOUT / name).read_text(encoding="utf-8").split())]
        if _names_unpublished(text) and "in the repository only" not in text
    ]
    assert silent == []


def _names_unpublished(text):
    paths = re.findall(r"(?:^|[\s`])((?:tests|scripts)/[\w./-]+)", text)
    return any((CHECKOUT / path).exists() and not is_published(CHECKOUT, path.rstrip("/.")) for path in paths)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("README.md", "[a](docs/libvirt.md)", "Galaxy shows this file alone"),
        ("README.md", f"[a]({REPOSITORY}/blob/main/docs/nothing.md)", "docs/nothing.md does not exist"),
        ("README.md", f"[a]({REPOSITORY}/blob/main/docs)", "folders below tree/"),
        ("README.md", f"[a]({REPOSITORY}/blob/main/docs/libvirt.md#nothing)", "no heading #nothing"),
        ("docs/a.md", "[a](../README.md)", "built from docs/ alone"),
        ("docs/a.md", "[a](nothing.md)", "docs/nothing.md does not exist"),
        ("docs/a.md", "[a](libvirt.md#nothing)", "no heading #nothing"),
        ("roles/vm/README.md", "[a](../nothing.md)", "roles/nothing.md does not exist"),
        ("CONTRIBUTING.md", "[a](tests/suite/README.md)", "Galaxy does not install this file"),
    ],
)
def test_dead_link_is_reported(name, text, problem):
    (found,) = problems(CHECKOUT, name, text)
    assert problem in found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("README.md", "[a](https://docs.ansible.com/)"),
        ("README.md", f"[a]({REPOSITORY}/blob/main/docs/libvirt.md#troubleshooting)"),
        ("docs/a.md", "[a](libvirt.md#troubleshooting), `[a](nothing.md)`"),
        ("tests/suite/README.md", "[a](../peers/README.md)"),
    ],
)
def test_link_that_leads_somewhere_is_not_reported(name, text):
    assert problems(CHECKOUT, name, text) == []


def test_anchors_are_spelt_as_github_spells_them():
    assert anchors("# A `code`, and more!\n```sh\n# no heading\n```\n") == {"a-code-and-more"}
