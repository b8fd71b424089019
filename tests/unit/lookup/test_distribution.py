# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of distributions: each shipped entry is complete, and lookups select, hide and replace entries."""

from __future__ import annotations

import json
import re
from datetime import date

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import catalogue

from collection_path import CHECKOUT

SHIPPED = CHECKOUT / "templates" / "catalogue"
FILES = sorted(SHIPPED.glob("*.yml"))
ENTRIES = catalogue.merged(catalogue.entries_of(yaml.safe_load(path.read_text()), path.name) for path in FILES)
TODAY = date(2026, 11, 22)

EXPECTED = {
    *(f"openbsd-7.{minor}" for minor in (6, 7, 8, 9)),
    *(f"alpine-3.{minor}" for minor in range(20, 25)),
    *("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04"),
    *(f"{name}-{version}" for name in ("rocky", "almalinux", "centos-stream") for version in (9, 10)),
    *("fedora-42", "fedora-43", "fedora-44", "windows-server-2022", "windows-server-2025"),
}
OWN = {
    "distribution": "own",
    "title": "Own",
    "installer": "preseed",
    "platforms": ["libvirt"],
    "minimum": {"memory": "1G", "disk": "4G"},
    "media": [{"type": "iso", "file": "{version}.iso", "bases": ["https://x.example/"], "checksums": "SHA256SUMS"}],
    "versions": [{"version": "1"}],
}


def names(**filters):
    return [entry["name"] for entry in catalogue.selected(ENTRIES, TODAY, **filters)]


def test_catalogue_has_all_distributions():
    assert set(ENTRIES) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_entry_is_complete(name):
    entry = ENTRIES[name]
    assert entry["end_of_life"] and entry["end_of_life_source"].startswith("https://endoflife.date/")
    assert entry["recommended"]["memory"] and entry["recommended"]["disk"]
    assert "iso" in [medium["type"] for medium in entry["media"]]
    for medium in entry["media"]:
        addresses = [medium["manual"]] if "manual" in medium else medium["bases"]
        assert addresses
        assert all(re.fullmatch(r"https://[a-z.-]+/\S+", address) for address in addresses)
        texts = json.dumps(medium)
        assert not re.search(r"[{]\w+[}]", texts), "a placeholder is left"
        assert not re.search(r"\b[0-9a-f]{64}\b", texts), "a checksum goes stale; name the vendor's checksum file"
        if "signature" in medium and medium["signature"]["tool"] == "gpg":
            assert re.fullmatch("[0-9A-F]{40}", medium["signature"]["key"])


def test_serial_console_is_an_argument_of_all_linux_kernels():
    linux = [entry for entry in ENTRIES.values() if entry["installer"] not in ("openbsd", "windows")]
    assert all(entry["serial_console"].startswith("console=ttyS0,115200") for entry in linux)


def test_entries_past_their_end_of_life_are_hidden():
    assert {"openbsd-7.6", "openbsd-7.7", "openbsd-7.8", "alpine-3.20", "alpine-3.21", "fedora-42"} == EXPECTED - {
        *names()
    }
    assert {*names(hidden=True)} == EXPECTED


def test_end_of_life_is_reached_after_its_last_day():
    entry = {**ENTRIES["debian-13"], "end_of_life": TODAY}
    assert not catalogue.as_result(entry, TODAY)["end_of_life_reached"]


def test_filters():
    assert "alpine-3.21" in names(hidden=True, platform="libvirt")
    assert "alpine-3.21" not in names(hidden=True, platform="vmd")
    assert names(platform="vmd") == [
        "alpine-3.22",
        "alpine-3.23",
        "alpine-3.24",
        "debian-12",
        "debian-13",
        "openbsd-7.9",
        "ubuntu-22.04",
        "ubuntu-24.04",
        "ubuntu-26.04",
    ]
    assert names(media_type="netboot", platform="vmd") == ["debian-12", "debian-13", "openbsd-7.9"]


def test_btrfs_is_lacking_in_the_descendants_of_rhel_but_almalinux_10():
    lacking = {name for name, entry in ENTRIES.items() if not entry["btrfs"]}
    assert lacking == {"almalinux-9", "rocky-9", "rocky-10", "centos-stream-9", "centos-stream-10"}


def test_own_catalogue_of_the_guide_is_valid():
    text = (CHECKOUT / "docs" / "installs.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(# catalogue/company[.]yml\n.*?)```", text, re.DOTALL)
    (entry,) = catalogue.entries_of(yaml.safe_load(block), "company.yml")
    assert (entry["name"], entry["media"][0]["file"]) == ("company-linux-13", "company-13.*-amd64.iso")


def test_versions_are_ordered_as_numbers():
    assert names(hidden=True)[:2] == ["almalinux-9", "almalinux-10"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"versions": None}, "must be a mapping with a list 'versions'"),
        ({"versions": [{"version": 1.2}]}, "versions[0]: argument 'version' is of type"),
        ({"installer": "presed"}, "value of installer must be one of: alpine, autoinstall,"),
        ({"platforms": ["vmm"]}, "value of platforms must be one or more of: hyperv, "),
        ({"mirrors": []}, "versions[0]: unknown keys: mirrors. Supported parameters include: btrfs,"),
        ({"minimum": {"memory": 1024}}, "versions[0].minimum: argument 'memory' is of type"),
        ({"title": None}, "versions[0]: missing required arguments: title"),
        ({"media": [{"type": "iso"}]}, "media[0]: one of the following is required: manual, file"),
        ({"media": [{"type": "dvd"}]}, "media[0]: value of type must be one of: cloud, disk, iso, netboot, got: dvd"),
        ({"versions": [{"version": 1.20}]}, "and we were unable to convert to text: put 1.2 in quotes"),
        ({"end_of_life": "soon"}, "and we were unable to convert to day: write soon as 2030-06-30, without quotes"),
        ({"minimum": "1G"}, "argument 'minimum' is of type"),
        (
            {"media": [{**OWN["media"][0], "signature": {"tool": "gpg"}}]},
            "media[0].signature: missing required argument",
        ),
        ({"mirrors": [], "installer": "presed"}, "got: presed; unknown keys: mirrors."),
        ({"title": "{codenam}"}, "{codenam} stands for no other key"),
        ({"title": "{codename}", "codename": "{title}"}, "stands for no other key"),
        ({"distribution": "Own OS"}, "must be lower-case"),
    ],
)
def test_invalid_entry_is_named(change, error):
    with pytest.raises(catalogue.InvalidCatalogue) as raised:
        catalogue.entries_of({**OWN, **change}, "own.yml")
    assert error in str(raised.value)
    assert str(raised.value).startswith("own.yml")


@pytest.fixture(name="look_up", scope="module")
def _look_up(ansible_playbook, tmp_path_factory):
    """Return a function that runs a play, which prints the result of an expression."""

    def look_up(expression, folder=None):
        play = tmp_path_factory.mktemp("play") / "play.yml"
        task = {"ansible.builtin.copy": {"content": "{{ " + expression + " }}", "dest": str(play.with_name("result"))}}
        variables = {"polyvirt_catalogue_directories": [str(folder)]} if folder else {}
        play.write_text(
            yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [task]}])
        )
        code, output = ansible_playbook(play)
        return code, output, play.with_name("result").read_text() if code == 0 else ""

    return look_up


def test_own_entries_are_added_and_replace_shipped_ones(look_up, tmp_path):
    own = [OWN, {**OWN, "distribution": "debian", "title": "Ours", "versions": [{"version": "13", "enabled": False}]}]
    for number, document in enumerate(own):
        (tmp_path / f"{number}.yml").write_text(yaml.safe_dump(document))
    code, output, result = look_up("query('polyvirt.core.distribution') | map(attribute='name') | join(' ')", tmp_path)
    assert code == 0, output
    assert "own-1" in result.split()
    assert "debian-13" not in result.split()
    code, output, result = look_up("lookup('polyvirt.core.distribution', 'debian-13').title", tmp_path)
    assert (code, result) == (0, "Ours"), output
    assert "debian-13 is disabled in the catalogue" in output


def test_end_of_life_gives_a_warning_for_a_named_entry(look_up):
    code, output, result = look_up("lookup('polyvirt.core.distribution', 'openbsd-7.6').media[0].file")
    assert (code, result) == (0, "install76.iso"), output
    assert "openbsd-7.6 has had no support by its vendor since 2025-10-22" in output


def test_unknown_name_is_an_error_with_all_names(look_up):
    code, output, _result = look_up("lookup('polyvirt.core.distribution', 'debian-31')")
    assert code
    assert "The catalogue has no 'debian-31'. It has: almalinux-10," in output
