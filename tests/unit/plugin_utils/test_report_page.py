# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report in a browser: Debian's chromium opens the file, runs its script, and prints what is shown."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.formats import HTML, texts
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.model import build

from suite.limits import scaled
from unit.plugin_utils.report_samples import ABOUT, fleet
from unit.plugin_utils.test_report_formats import HOSTILE, hostile_records

pytestmark = pytest.mark.deep("test_report_formats.py, without the script: a browser takes a minute to install")

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--dump-dom"),
)


@dataclass
class Shown(HTMLParser):
    """The VMs that are shown, in their order; and the texts of elements by their ID."""

    text: str
    names: list = field(default_factory=list)
    open: list = field(default_factory=list)
    by_id: dict = field(default_factory=dict)

    def __post_init__(self):
        super().__init__()
        self._vm, self._id, self._is_name = None, None, False  # What the next text belongs to.
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        classes = (given.get("class") or "").split()
        if tag == "tbody":
            self._vm = classes if "vm" in classes and "hidden" not in given and "late" not in classes else None
        self._is_name = tag == "button" and self._vm is not None
        self._id = given.get("id")

    def handle_data(self, data):
        if self._is_name:
            self.names.append(data)
            self.open += [data] if "open" in self._vm else []
            self._is_name = False
        if self._id:
            self.by_id[self._id], self._id = data, None


@pytest.fixture
def shown(tmp_path):
    """A function that opens the page of records with a fragment of its address."""
    browser = shutil.which("chromium")
    assert browser, "chromium is not installed: apt-get install chromium"

    def opened(records, fragment=""):
        page = tmp_path / "report.html"
        page.write_text(texts(build(records, ABOUT), [HTML])["report.html"], "utf-8", errors="replace")
        command = [browser, *_FLAGS, f"--user-data-dir={tmp_path / 'user'}", f"file://{page}{fragment}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(120))
        assert done.returncode == 0, done.stderr
        return Shown(done.stdout)

    return opened


def test_page_shows_failures_first(shown):
    page = shown(fleet())
    assert page.names[:3] == ["web7", "cache2", "ci3"]
    assert (len(page.names), page.by_id["shown"], page.open) == (40, "40 VMs", [])


@pytest.mark.parametrize(
    "fragment, names",
    [
        ("#status=drift&sort=name", ["db3", "db4", "queue5", "queue8", "web1", "web2"]),
        ("#status=drift&sort=-size", ["db4", "db3", "queue8", "queue5", "web1", "web2"]),
        ("#filter=PVE1+postgresql", ["db6"]),
        ("#filter=no-such-word", []),
    ],
)
def test_page_sorts_and_filters_without_a_server(shown, fragment, names):
    page = shown(fleet(), fragment)
    assert page.names == names
    assert page.by_id["shown"] == f"{len(names)} of 40 VMs"


def test_link_to_a_vm_opens_its_details(shown):
    assert shown(fleet(), "#vm-2").open == ["cache2"]


def test_first_vms_of_many_are_shown(shown):
    page = shown(fleet(1000), "#sort=name")
    assert page.names[:2] == ["cache1", "cache2"]
    assert (len(page.names), page.by_id["shown"], page.by_id["more"]) == (200, "1000 VMs", "Show all 1000 VMs")
    linked = shown(fleet(1000), "#vm-900")
    assert (len(linked.names), len(linked.open)) == (1000, 1)


def test_text_of_a_vm_is_never_code(shown):
    records = hostile_records()
    page = shown(records, "#filter=alert(1)")
    assert len(page.names) == 3
    assert any(name.startswith(HOSTILE[:40]) for name in page.names)
