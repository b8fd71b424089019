# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every guide is a part of the built site."""

from __future__ import annotations

import re

import pytest
import yaml

from collection_path import CHECKOUT
from guides import guides
from lib.playbook_pages import pages

DOCSITE = CHECKOUT / "docs/docsite"


def test_every_guide_and_playbook_is_in_a_section_of_the_site():
    sections = yaml.safe_load((DOCSITE / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    listed = [guide for section in sections for guide in section["toctree"]]
    assert sorted(listed) == sorted([*guides(CHECKOUT), *pages(CHECKOUT)])
    assert sorted(path.stem for path in (DOCSITE / "rst").iterdir()) == sorted(listed)


@pytest.mark.parametrize("name", guides(CHECKOUT))
def test_headings_of_a_guide_skip_no_level(name):
    """reStructuredText has no heading two levels below another one."""
    text = (CHECKOUT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    without_code = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    levels = [len(one) for one in re.findall(r"^(#+) ", without_code, re.MULTILINE)]
    assert [pair for pair in zip(levels, levels[1:]) if pair[1] > pair[0] + 1] == []


def test_examples_of_modules_need_no_other_collection():
    texts = {path.name: path.read_text(encoding="utf-8") for path in (CHECKOUT / "plugins" / "modules").glob("*.py")}
    used = {name: re.findall(r"^  ([a-z_]+[.][a-z_]+)[.][a-z_]+:", text, re.MULTILINE) for name, text in texts.items()}
    assert {one for names in used.values() for one in names} == {"ansible.builtin", "polyvirt.core"}


def test_every_platform_has_a_beginning_and_solutions():
    sections = yaml.safe_load((DOCSITE / "extra-docs.yml").read_text(encoding="utf-8"))["sections"]
    (pages,) = [section["toctree"] for section in sections if section["title"] == "Platforms"]
    platforms = [name for name in pages if not name.endswith("-details")]
    assert len(platforms) == 7
    for name in platforms:
        files = [CHECKOUT / "docs" / f"{page}.md" for page in (name, f"{name}-details") if page in pages]
        text = "\n".join(file.read_text(encoding="utf-8") for file in files)
        assert re.search(r"^## Troubleshooting$", text, re.MULTILINE), name
        assert re.search(r"\(first-steps\.md#[a-z-]+\)", text), name
