# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that say that no option sets something: each claim is listed, with the options that would make it wrong."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from importlib import import_module

import pytest

from collection_path import CHECKOUT

#: {document: {a claim: patterns of the options, of any module, that would set what it is about}}
CLAIMS = {
    "docs/hyperv.md": {"No option sets private VLANs.": ["*private*vlan*", "*pvlan*", "networks.isolated"]},
    "docs/migration.md": {
        "What neither an option nor `native` can set, such as the memory of a NUMA node on Hyper-V, or `locked` and"
        " `group` of an interface on vmd, is in `not_described`.": ["*numa*", "networks.*lock*", "networks.group"]
    },
}
#: The history tells what was so, and the architecture is about names in the code.
_OTHERS = {"docs/history.md", "docs/architecture.md"}
_CLAIM = re.compile(r"[^.|]*\b(?:no option|neither an option)\b(?:[^.|]|\.(?=\w))*\.", re.IGNORECASE)


def documents():
    paths = [CHECKOUT / "README.md", *CHECKOUT.glob("docs/*.md"), *CHECKOUT.glob("roles/*/README.md")]
    paths += [*CHECKOUT.glob("extensions/**/*.md"), *CHECKOUT.glob("plugins/doc_fragments/*.py")]
    return {str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8") for path in paths}


def claims_in(text):
    return [re.sub(r"^[-\s]+", "", one) for one in _CLAIM.findall(" ".join(text.split()))]


def options_of(spec, before=""):
    """Yield the path of each option and suboption, such as ``networks.vlan``."""
    for name, option in spec.items():
        yield f"{before}{name}"
        yield from options_of(option.get("options") or {}, f"{before}{name}.")


@pytest.fixture(scope="module", name="options")
def _options():
    names = sorted(path.stem for path in (CHECKOUT / "plugins/modules").glob("[a-z]*.py"))
    modules = (import_module(f"ansible_collections.polyvirt.core.plugins.modules.{name}").MODULE for name in names)
    return {path for module in modules for path in options_of(module.argument_spec)}


def test_each_claim_is_listed():
    found = {name: claims_in(text) for name, text in documents().items() if name not in _OTHERS}
    assert {name: claims for name, claims in found.items() if claims} == {name: [*one] for name, one in CLAIMS.items()}


@pytest.mark.parametrize("document", CLAIMS)
def test_no_option_sets_what_a_document_says_no_option_sets(document, options):
    for claim, patterns in CLAIMS[document].items():
        assert [path for path in sorted(options) for one in patterns if fnmatch(path, one)] == [], claim


def test_stale_claim_is_found(options):
    """The claims of an earlier page: a second optical drive, and DHCP guard of a NIC."""
    assert {"cdroms", "networks.dhcp_guard"} <= options
    assert claims_in("Else. No\noption sets a 2.5 inch drive. Then.") == ["No option sets a 2.5 inch drive."]
