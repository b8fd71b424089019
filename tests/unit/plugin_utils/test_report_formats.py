# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the formats of a report show, whatever is in names and messages; test_report_page.py opens the page."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from ansible_collections.polyvirt.core.plugins.plugin_utils.report import files
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.formats import FORMATS, texts
from ansible_collections.polyvirt.core.plugins.plugin_utils.report.model import build

from unit.plugin_utils.report_samples import ABOUT, drifted, failed, fleet, record, vm_entry

HOSTILE = "</script><script>alert(1)</script> \"'&\\ {{ 7 * 7 }}\n\x00\x1b[31m\ufffe\ud800"
_LABELS = r'(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,|(?=\})))+\})?'
_SAMPLE = re.compile(rf"^([a-z_]+){_LABELS} ([0-9]+)$")


def text_of(kind, *records):
    return FORMATS[kind][1](build(records, ABOUT))


def hostile_records():
    entry = vm_entry(0, name=HOSTILE, description=HOSTILE, tags=[HOSTILE], owner=HOSTILE, expires=HOSTILE)
    entry["networks"][0]["source"] = entry["disks"][0]["source"] = entry["image"]["name"] = HOSTILE
    return [
        record(0, info=entry, playbook=HOSTILE, user=HOSTILE, task=HOSTILE, host=HOSTILE),
        drifted(1, {"description": HOSTILE}, {"description": f"{HOSTILE}2"}, host=HOSTILE),
        failed(2, HOSTILE),
        failed(3, HOSTILE, vm=None, info=None, host=HOSTILE, task=HOSTILE),
    ]


class Page(HTMLParser):
    """The elements of a page, and the text of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.addresses, self._is_script = [], [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._is_script = tag == "script"
        self.addresses += [value for name, value in attributes if name in ("href", "src", "action", "style", "onclick")]

    def handle_data(self, data):
        if self._is_script:
            self.scripts.append(data)
            self._is_script = False


def test_page_has_no_script_but_its_own_and_no_address_outside():
    harmless, hostile = (Page(text_of("html", *records)) for records in (fleet(), hostile_records()))
    assert hostile.scripts == harmless.scripts
    assert len(hostile.scripts) == 2
    assert {"script", "iframe", "img", "link", "object", "form"} & set(hostile.tags) == {"script"}
    assert all(address.startswith("#vm-") for address in harmless.addresses + hostile.addresses)
    assert harmless.addresses


def test_page_permits_only_its_own_code():
    policy = re.search(r'Policy" content="([^"]*)"', text_of("html"))[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(re.findall(r"'sha256-", policy)) == 3


def test_page_of_nothing_says_so():
    assert "<b>0 VMs</b> on 0 hosts." in text_of("html")


def test_columns_of_leases_exist_only_with_leases():
    assert "Owner" not in text_of("html", record(0))
    entry = vm_entry(0, owner="anna", expires="2026-12-01")
    assert "until 2026-12-01" in text_of("html", record(0, info=entry))


def test_texts_from_right_to_left_keep_their_side_of_the_arrow():
    page = text_of("html", drifted(0, {"description": "قديم"}, {"description": "جديد"}))
    assert "<code>description: <bdi>قديم</bdi> → <bdi>جديد</bdi></code>" in page


def test_junit_has_a_test_case_for_each_vm():
    suites = ElementTree.fromstring(text_of("junit", *fleet()))
    assert suites.attrib == {"name": ABOUT["title"], "tests": "41", "failures": "6", "errors": "4"}
    (case,) = [one for one in suites.iter("testcase") if one.get("name") == vm_entry(0)["name"]]
    assert case.find("failure").attrib == {"type": "drift", "message": "cpus: 2 → 4"}
    assert case.find("failure").text == "cpus: 2 → 4\nmemory: 2G → 4G"
    for suite in suites:
        assert int(suite.get("tests")) == len(suite)


def test_junit_of_a_run_has_no_failures_for_changes():
    suites = ElementTree.fromstring(text_of("junit", drifted(0, {"cpus": 1}, {"cpus": 2}, check=False)))
    assert (suites.get("failures"), suites.find(".//system-out").text) == ("0", "cpus: 1 → 2")


def test_junit_is_xml_whatever_a_message_contains():
    suites = ElementTree.fromstring(text_of("junit", *hostile_records()).encode("utf-8"))
    errors = list(suites.iter("error"))
    assert len(errors) == 2
    assert all("</script><script>alert(1)" in one.text and "\x1b" not in one.text for one in errors)


def _metrics(text):
    """{(name, labels): value}; fails if the text is not OpenMetrics."""
    *lines, last, nothing = text.split("\n")
    assert (last, nothing) == ("# EOF", "")
    samples, families, family = {}, [], None
    for line in lines:
        kind = re.match(r"# (TYPE|UNIT|HELP) (\S+) (.+)$", line)
        if kind:
            if kind[1] == "TYPE":
                family = kind[2]
                assert (kind[3], family in families) == ("gauge", False)
                families.append(family)
            assert kind[2] == family
            assert kind[1] != "UNIT" or family.endswith(f"_{kind[3]}")
            continue
        name, labels, value = _SAMPLE.match(line).groups()
        assert name == family
        assert (name, labels) not in samples
        samples[name, labels] = int(value)
    return samples


def test_openmetrics_has_gauges_of_each_vm():
    samples = _metrics(text_of("openmetrics", *fleet()))
    totals = {name: sum(value for (one, _labels), value in samples.items() if one == name) for name, _ in samples}
    assert (totals["polyvirt_vm_failed"], totals["polyvirt_vm_drift"], totals["polyvirt_vm_running"]) == (3, 6, 36)
    assert samples["polyvirt_report_created_timestamp_seconds", None] == 1795639200
    assert samples["polyvirt_report_failed_tasks", None] == 1


@pytest.mark.parametrize("records", [hostile_records(), [], [record(0), record(0, info=vm_entry(0, id="other"))]])
def test_openmetrics_follows_its_grammar(records):
    assert _metrics(text_of("openmetrics", *records))


def test_unknown_values_have_no_sample():
    samples = _metrics(text_of("openmetrics", record(0, info=vm_entry(0, cpus=None, memory_mib=None))))
    assert not {"polyvirt_vm_cpus", "polyvirt_vm_memory_bytes"} & {name for name, _labels in samples}


def test_files_are_replaced_at_once(tmp_path):
    written = texts(build(hostile_records(), ABOUT), FORMATS)
    files.write(tmp_path / "new" / "folder", written)
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "report.prom", "report.xml"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert json.loads((folder / "report.json").read_text("utf-8"))["summary"]["vms"] == 3


def test_failed_write_leaves_the_former_file(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError, match="report"):
        files.write(tmp_path, {"report.json": "{}"})
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_in_check_mode_the_size_in_a_row_is_that_of_the_vm_now_as_its_state_is():
    """The details, "As described", have the planned one."""
    before, after = {"state": "stopped", "cpus": 1, "memory": "1536M"}, {"state": "running", "cpus": 2, "memory": "2G"}
    page = text_of("html", drifted(0, before, after))
    assert re.findall(r'class="size wide-only"[^>]*>([^<]*)<', page) == ["1 CPU, 1536 MiB"]
    assert "2 CPUs, 2 GiB" in page.partition("As described</h3>")[2]
    page = text_of("html", drifted(0, before, after, check=False))
    assert re.findall(r'class="size wide-only"[^>]*>([^<]*)<', page) == ["2 CPUs, 2 GiB"]
