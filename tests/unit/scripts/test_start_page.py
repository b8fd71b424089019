# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation site changes in the pages that antsibull-docs has written."""

from __future__ import annotations

import json
import sys

import pytest

from collection_path import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "scripts" / "docsite"))

import start_page

CONTENTS = ".. contents::\n   :local:\n   :depth: 1\n\nText\n"


@pytest.mark.parametrize(
    ("page", "adapted"),
    [
        (CONTENTS, "\nText\n"),
        (".. contents:: Topics\n\nv1.0.0\n======\n", "\nv1.0.0\n======\n"),
        ("===\nPolyvirt.Core Release Notes\n===\n", "=========\nChangelog\n=========\n"),
        (
            ".. image:: https://github.com/polyvirt/polyvirt.core/raw/main/docs/images/a.png\n    :alt: A\n",
            ".. image:: /i/a.png\n    :width: 100%\n    :alt: A\n",
        ),
    ],
)
def test_pages_are_adapted_to_the_theme(page, adapted):
    assert start_page.adapted(page, "/i/") == adapted


def test_pages_that_a_search_must_find_first_are_guides():
    searches = json.loads((CHECKOUT / "scripts/docsite/searches.json").read_text(encoding="utf-8"))
    assert len(searches) >= 10
    known = {f"docsite/{name}" for name in start_page.guides(CHECKOUT)}
    assert set(searches.values()) <= known


def test_start_page_says_what_each_platform_was_tested_on():
    status = start_page.status()
    assert "{status}" in start_page._START
    assert status.startswith("**Status**: ")
    assert all(name in status for name in ("libvirt", "VirtualBox", "Vagrant", "Proxmox VE", "vmd", "Hyper-V", "WSL"))
    assert ":doc:`Acceptance <docsite/acceptance>`" in status
    assert "](" not in status


def test_picture_of_the_start_page_exists():
    assert "images/first-run.svg" in start_page._START
    assert (CHECKOUT / "docs/images/first-run.svg").exists()


def test_search_leaves_out_the_names_of_languages():
    """What its scripts remove from a page before they look for an excerpt has this class."""
    template = (CHECKOUT / "scripts/docsite/templates/page.html").read_text(encoding="utf-8")
    assert '<nav class="languages headerlink"' in template
