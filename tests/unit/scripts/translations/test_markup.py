# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of catalogues as Markdown for translators, and back."""

from __future__ import annotations

import pytest

from collection_path import CHECKOUT
from lib.translations import markup
from lib.translations.catalogues import read
from lib.translations.languages import CATALOGUES, template_path

REF = ":ref:`the guide <ansible_collections.polyvirt.core.docsite.awx>`"
URL = "`Vagrant <https://example.org/a>`__"
PLUGIN = ":ansplugin:`virsh_vm <polyvirt.core.virsh_vm#module>`"


@pytest.mark.parametrize("page", CATALOGUES)
def test_all_entries_return_from_markdown_unchanged(page):
    sources = [one.id for one in read(template_path(CHECKOUT, page)) if one.id]
    assert sources
    assert [one for one in sources if markup.to_rst(markup.to_markdown(one), one) != one] == []


@pytest.mark.parametrize(
    ("rst", "markdown"),
    [
        (f"See {REF} and {URL}.", "See [the guide](@1) and [Vagrant](@2)."),
        (f"{PLUGIN} or ``vm``", "`virsh_vm` or `vm`"),
        ("**Bold.** *a* 1\\*2 ends\\_ here", "**Bold.** *a* 1\\*2 ends_ here"),
        ("``a``\\ s", "`a`s"),
        ("\\- a", "- a"),
        ("``a`b``", "`` a`b ``"),
        ("a [b] c", "a [b] c"),
    ],
)
def test_markdown_of_an_entry(rst, markdown):
    assert markup.to_markdown(rst) == markdown
    assert markup.to_rst(markdown, rst) == rst


def test_links_may_be_in_another_order():
    rst = markup.to_rst("[Vagrant](@2) und [Anleitung](@1)", f"See {REF} and {URL}.")
    assert rst == f"{URL} und {REF.replace('the guide', 'Anleitung')}"


@pytest.mark.parametrize(
    ("markdown", "rst"),
    [
        ("使用`virsh_vm`模块", f"使用\\ {PLUGIN}\\ 模块"),
        ("**可靠。**检查", "**可靠。**\\ 检查"),
        ("见[指南](@1)的说明", f"见\\ {REF.replace('the guide', '指南')}\\ 的说明"),
        ("`a`\u00a0: b", "``a``\\ \u00a0: b"),
    ],
)
def test_markup_next_to_letters_is_separated(markdown, rst):
    assert markup.to_rst(markdown, f"{REF} {PLUGIN}") == rst
    assert markup.as_rst(markup.parse(rst)) == rst


def test_link_that_does_not_exist_is_an_error():
    with pytest.raises(markup.InvalidEntry, match="no link @2"):
        markup.to_rst("[a](@2)", REF)


def test_code_within_a_link_is_plain_text():
    assert markup.to_rst("[`a` b](@1)", REF) == REF.replace("the guide", "a b")
