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
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import catalogue, catalogue_media
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs.catalogue_media import InvalidCatalogue

from collection_path import CHECKOUT

SHIPPED = CHECKOUT / "templates" / "catalogue"
FILES = sorted(SHIPPED.glob("*.yml"))
ENTRIES = catalogue.merged(catalogue.entries_of(yaml.safe_load(path.read_text()), path.name) for path in FILES)
TODAY = date(2026, 11, 25)

EXPECTED = {
    *(f"openbsd-7.{minor}" for minor in (6, 7, 8, 9)),
    *(f"alpine-3.{minor}" for minor in range(20, 25)),
    *("debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04"),
    *(f"{name}-{version}" for name in ("rocky", "almalinux", "centos-stream") for version in (9, 10)),
    *("fedora-42", "fedora-43", "fedora-44", "windows-server-2022", "windows-server-2025", "windows-11"),
    *("opensuse-leap-16.0", "opensuse-tumbleweed", "arch"),
}
ROLLING = {"opensuse-tumbleweed", "arch"}
IMAGES_ONLY = {"opensuse-leap-16.0", *ROLLING}
OWN = {
    "distribution": "own",
    "title": "Own",
    "installer": "preseed",
    "platforms": ["libvirt"],
    "minimum": {"memory": "1G", "disk": "4G"},
    "media": [{"type": "iso", "file": "{version}.iso", "bases": ["https://x.example/"], "checksums": "SHA256SUMS"}],
    "versions": [{"version": "1"}],
}


def medium_of(**changes):
    """The medium of OWN, and one more with changes, so that its position counts."""
    medium = {"type": "cloud", "file": "x.raw", "bases": ["https://x.example/"], "checksums": "SHA256SUMS"}
    return {"media": [*OWN["media"], {**medium, **changes}]}


def image_of(**image):
    return medium_of(file="x.image", image=image)


def names(**filters):
    return [entry["name"] for entry in catalogue.selected(ENTRIES, TODAY, **filters)]


def test_catalogue_has_all_distributions():
    assert set(ENTRIES) == EXPECTED


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_entry_is_complete(name):
    entry = ENTRIES[name]
    if name in ROLLING:
        assert (entry["version"], "end_of_life" in entry) == ("", False)
    else:
        assert entry["end_of_life"] and entry["end_of_life_source"].startswith("https://endoflife.date/")
    assert entry["recommended"]["memory"] and entry["recommended"]["disk"]
    types = [medium["type"] for medium in entry["media"]]
    assert ("iso" in types, "installer" in entry) == (name not in IMAGES_ONLY,) * 2
    for medium in entry["media"]:
        named = medium.get("image", {})
        addresses = [medium["manual"]] if "manual" in medium else medium.get("bases", [])
        assert addresses or "box" in named or "online_name" in named
        assert all(re.fullmatch(r"https://[a-z.-]+/\S+", address) for address in addresses)
        texts = json.dumps(medium)
        assert not re.search(r"[{]\w+[}]", texts), "a placeholder is left"
        assert not re.search(r"\b[0-9a-f]{64}\b", texts), "a checksum goes stale; name the vendor's checksum file"
        if "signature" in medium and medium["signature"]["tool"] == "gpg":
            assert re.fullmatch("[0-9A-F]{40}", medium["signature"]["key"])


#: {name: cloud images for amd64 and arm64, boxes, distributions for WSL}
COUNTS = {
    "debian-12": (6, 6, 3, 0),
    "debian-13": (6, 6, 3, 2),
    "ubuntu-22.04": (4, 2, 2, 4),
    "ubuntu-24.04": (4, 2, 2, 4),
    "ubuntu-26.04": (5, 2, 2, 4),
    "fedora-44": (3, 3, 3, 4),
    "centos-stream-9": (2, 1, 2, 0),
    "centos-stream-10": (2, 1, 2, 0),
    "rocky-9": (3, 2, 2, 2),
    "rocky-10": (3, 2, 2, 2),
    "almalinux-9": (2, 1, 1, 2),
    "almalinux-10": (3, 1, 1, 2),
    "alpine-3.24": (3, 2, 0, 0),
    "opensuse-leap-16.0": (3, 1, 0, 2),
    "opensuse-tumbleweed": (3, 1, 1, 2),
    "arch": (2, 0, 1, 1),
    "openbsd-7.9": (0, 0, 0, 0),
    "windows-server-2025": (0, 0, 0, 0),
}


@pytest.mark.parametrize("name", COUNTS)
def test_images_of_an_entry(name):
    media = ENTRIES[name]["media"]
    cloud = [medium["architecture"] for medium in media if medium["type"] == "cloud"]
    others = [medium["type"] for medium in media]
    assert (cloud.count("amd64"), cloud.count("arm64"), others.count("box"), others.count("wsl")) == COUNTS[name]


@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("debian-13", "debian-13-generic-amd64.qcow2", {"format": "qcow2", "firmware": ["bios", "uefi"]}),
        ("debian-13", "debian-13-generic-arm64.qcow2", {"firmware": ["uefi"], "login_user": "debian"}),
        ("debian-13", "debian-13-generic-arm64.tar.xz", {"format": "raw", "compression": "tar.xz"}),
        ("debian-12", "debian-12-genericcloud-amd64.raw", {"format": "raw", "virtual_size": "3G"}),
        ("ubuntu-24.04", "ubuntu-24.04-server-cloudimg-arm64.img", {"format": "qcow2", "login_user": "ubuntu"}),
        ("fedora-44", "Fedora-Cloud-Base-Azure-44-1.7.x86_64.vhdfixed.xz", {"format": "vhd", "compression": "xz"}),
        ("rocky-10", "Rocky-10-GenericCloud-Base.latest.x86_64.qcow2", {"cpu": "x86-64-v3"}),
        ("almalinux-10", "AlmaLinux-10-GenericCloud-latest.x86_64_v2.qcow2", {"cpu": "x86-64-v2"}),
        ("centos-stream-10", "CentOS-Stream-GenericCloud-10-latest.x86_64.qcow2", {"firmware": ["bios"]}),
        ("alpine-3.23", "generic_alpine-3.23.5-aarch64-uefi-cloudinit-r0.qcow2", {"firmware": ["uefi"]}),
        ("opensuse-leap-16.0", "Leap-16.0-Minimal-VM.x86_64-MS-HyperV.vhdx.xz", {"cloud_init": "none"}),
        ("arch", "Arch-Linux-x86_64-cloudimg.qcow2", {"login_user": "arch", "cloud_init": "any"}),
    ],
)
def test_image_is_described(name, file, expected):
    (medium,) = [medium for medium in ENTRIES[name]["media"] if medium.get("file") == file]
    assert {key: medium["image"].get(key) for key in expected} == expected


def test_key_that_nobody_has_verified_is_marked():
    unverified = {
        (entry["distribution"], medium["type"])
        for entry in ENTRIES.values()
        for medium in entry["media"]
        if "signature" in medium["unverified"]
    }
    assert unverified == {
        *(("rocky", kind) for kind in ("cloud", "box", "wsl")),
        *(("ubuntu", kind) for kind in ("iso", "wsl")),
        *(("alpine", "cloud"), ("almalinux", "cloud"), ("opensuse-leap", "cloud"), ("opensuse-tumbleweed", "cloud")),
    }


def test_own_entries_with_the_former_keys_only_are_complete():
    media = [{"type": "cloud", "file": "x.qcow2.xz", "bases": ["https://x.example/"], "checksums": "SHA256SUMS"}]
    (entry,) = catalogue.entries_of({**OWN, "login_user": "me", "media": media}, "own.yml")
    assert entry["media"][0]["image"] == {
        "format": "qcow2",
        "compression": "xz",
        "login_user": "me",
        "cloud_init": "any",
    }
    assert entry["media"][0]["architecture"] == "amd64"


@pytest.mark.parametrize(
    ("media", "platforms"),
    [
        ([{"type": "iso", "manual": "x"}], ["hyperv", "libvirt", "proxmox", "virtualbox"]),
        ([{"type": "disk", "manual": "x"}], ["hyperv", "libvirt", "proxmox", "virtualbox", "vmd"]),
        ([{"type": "netboot", "manual": "x"}], []),
        (
            [{"type": "cloud", "file": "x.qcow2", "bases": [], "checksums": "x"}],
            ["hyperv", "libvirt", "proxmox", "virtualbox"],
        ),
        (
            [{"type": "cloud", "file": "x.raw", "bases": [], "checksums": "x", "architecture": "arm64"}],
            ["hyperv", "libvirt", "proxmox", "virtualbox"],
        ),
        ([{"type": "disk", "manual": "x", "architecture": "arm64"}], ["hyperv", "libvirt", "proxmox", "virtualbox"]),
        ([{"type": "box", "image": {"box": "x/y", "providers": ["virtualbox"]}}], ["vagrant"]),
        ([{"type": "box", "image": {"box": "x/y", "providers": ["vmware_desktop"]}}], []),
        ([{"type": "wsl", "image": {"online_name": "X"}, "architecture": "arm64"}], ["wsl"]),
    ],
)
def test_platforms_follow_from_the_media(media, platforms):
    document = {"distribution": "own", "title": "Own", "media": media}
    (entry,) = catalogue.entries_of(document, "own.yml")
    assert (entry["name"], entry["platforms"]) == ("own", platforms)
    assert catalogue.entries_of({**document, "platforms": ["vmd"]}, "own.yml")[0]["platforms"] == ["vmd"]


def test_platform_that_an_entry_leaves_out_gets_no_image():
    entry = ENTRIES["alpine-3.21"]
    assert {medium["type"] for medium in catalogue.media_for(entry, "vmd")} == {"iso"}
    # There is nothing for Vagrant, and the error of the choice says what to do.
    for platform in ("libvirt", "vagrant"):
        assert catalogue.media_for(entry, platform) == entry["media"]


def test_medium_is_repeated_for_each_architecture_and_left_out_of_other_versions():
    media = [
        {"type": "box", "architectures": {"amd64": "x", "arm64": "a"}, "image": {"box": "o/{version}-{arch}"}},
        {"type": "box", "versions": ["2"], "image": {"box": "only/2"}},
    ]
    versions = [{"version": "1"}, {"version": "2"}]
    found = catalogue.entries_of({**OWN, "media": media, "versions": versions}, "own.yml")
    assert [[(medium["architecture"], medium["image"]["box"]) for medium in one["media"]] for one in found] == [
        [("amd64", "o/1-x"), ("arm64", "o/1-a")],
        [("amd64", "o/2-x"), ("arm64", "o/2-a"), ("amd64", "only/2")],
    ]


def test_serial_console_is_an_argument_of_all_linux_kernels():
    linux = [entry for entry in ENTRIES.values() if entry.get("installer") not in (None, "openbsd", "windows")]
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
    not_on_vmd = {
        "windows-11",
        "windows-server-2022",
        "windows-server-2025",
        "opensuse-leap-16.0",
        "opensuse-tumbleweed",
    }
    assert names(platform="vmd") == sorted({*names()} - not_on_vmd, key=names().index)
    assert names(platform="wsl", media_type="wsl") == names(media_type="wsl")
    assert "openbsd-7.9" not in names(platform="vagrant")
    assert names(media_type="disk", platform="vmd") == ["openbsd-7.9"]


def test_btrfs_is_lacking_in_the_descendants_of_rhel_but_almalinux_10():
    lacking = {name for name, entry in ENTRIES.items() if not entry["btrfs"]}
    assert lacking == {"almalinux-9", "rocky-9", "rocky-10", "centos-stream-9", "centos-stream-10"}


def test_own_catalogue_of_the_guide_is_valid():
    text = (CHECKOUT / "docs" / "installs.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(# catalogue/company[.]yml\n.*?)```", text, re.DOTALL)
    (entry,) = catalogue.entries_of(yaml.safe_load(block), "company.yml")
    assert (entry["name"], entry["media"][0]["file"]) == ("company-linux-13", "company-13.*-amd64.iso")


def test_own_images_of_the_guide_are_valid():
    text = (CHECKOUT / "docs" / "installs.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(# catalogue/appliance[.]yml\n.*?)```", text, re.DOTALL)
    (entry,) = catalogue.entries_of(yaml.safe_load(block), "appliance.yml")
    files = [medium.get("file") for medium in entry["media"]]
    assert (entry["name"], files[:2]) == ("appliance", ["appliance-x86_64.qcow2.xz", "appliance-aarch64.qcow2.xz"])
    assert entry["platforms"] == ["hyperv", "libvirt", "proxmox", "vagrant", "virtualbox", "vmd", "wsl"]


def test_keys_of_an_image_in_the_guide_are_those_of_the_catalogue():
    text = (CHECKOUT / "docs" / "installs.md").read_text(encoding="utf-8")
    table = text.partition("| key of `image` |")[2].partition("\n\n")[0]
    keys = {key for line in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert keys == {*catalogue_media._IMAGE}


def test_versions_are_ordered_as_numbers():
    assert names(hidden=True)[:2] == ["almalinux-9", "almalinux-10"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"versions": None}, "must be a mapping, with a list 'versions' unless it is a rolling release"),
        ({"versions": [{"title": "x"}]}, "versions[0]: missing required arguments: version"),
        ({"versions": [{"version": 1.2}]}, "versions[0]: argument 'version' is of type"),
        ({"installer": "presed"}, "value of installer must be one of: alpine, autoinstall,"),
        ({"platforms": ["vmm"]}, "value of platforms must be one or more of: hyperv, "),
        ({"mirrors": []}, "versions[0]: unknown keys: mirrors. Supported parameters include: arm64,"),
        ({"minimum": {"memory": 1024}}, "versions[0].minimum: argument 'memory' is of type"),
        ({"title": None}, "versions[0]: missing required arguments: title"),
        ({"media": [{"type": "iso"}]}, "media[0]: one of the following is required: manual, file"),
        (
            {"media": [{"type": "dvd"}]},
            "media[0]: value of type must be one of: box, cloud, disk, iso, netboot, wsl, got: dvd",
        ),
        ({"versions": [{"version": 1.20}]}, "and we were unable to convert to text: put 1.2 in quotes"),
        ({"end_of_life": "soon"}, "and we were unable to convert to day: write soon as 2030-06-30, without quotes"),
        ({"minimum": "1G"}, "argument 'minimum' is of type"),
        (
            {"media": [{**OWN["media"][0], "signature": {"tool": "gpg"}}]},
            "media[0].signature: missing required argument",
        ),
        ({"mirrors": [], "installer": "presed"}, "got: presed; unknown keys: mirrors."),
        ({"mirrors": [], 7: 8}, "versions[0]: unknown keys: 7, mirrors."),
        ({"title": "{codenam}"}, "{codenam} stands for no other key"),
        ({"title": "{codename}", "codename": "{title}"}, "stands for no other key"),
        ({"distribution": "Own OS"}, "must be lower-case"),
        ({"arm64": {"kernel": "x"}}, "versions[0].arm64: unknown keys: kernel. Supported parameters include: "),
        ({"minimum": None}, "versions[0]: missing parameter(s) required by 'installer': minimum"),
        ({"unverified": ["end_of_lif"]}, "versions[0].unverified: end_of_lif: no such key in this entry."),
        (image_of(format="qed"), "media[1].image: value of format must be one of: box, online, qcow2, raw, vhd, vhdx,"),
        (image_of(), "media[1].image: missing required arguments: format"),
        (image_of(format="raw", firmware=["efi"]), "media[1].image: value of firmware must be one or more of: bios, "),
        (image_of(format="raw", size=3), "media[1].image: unknown keys: size. Supported parameters include: box, "),
        (
            image_of(format="raw", compression="tar.xz"),
            "media[1].image: compression is tar.xz but all of the following",
        ),
        (image_of(format="online"), "media[1].image: format is online but all of the following are missing: online_na"),
        (medium_of(unverified=["key"]), "media[1].unverified: key: no such key in this medium."),
        (medium_of(architecture="x86_64"), "media[1]: value of architecture must be one of: amd64, arm64, got: x86_64"),
        (medium_of(architectures=["amd64"]), "media[1]: architectures: must be a mapping, such as {amd64: x86_64}."),
        (medium_of(architectures={"x86_64": "x"}), "media[1]: value of architecture must be one of: amd64, arm64, got"),
        (medium_of(architecture="amd64", architectures={"amd64": "x"}), "media[1]: architectures: must be a mapping"),
        (medium_of(versions="1"), "media[1]: versions: must be a list of versions in quotes, but is 1."),
        (medium_of(versions=[1]), "media[1]: versions: must be a list of versions in quotes, but is [1]."),
        (medium_of(file="{arch}.raw"), "media[1].file: {arch} stands for no other key."),
        ({"media": [{"type": "wsl", "image": {"box": 5}}]}, "media[0].image: argument 'box' is of type"),
    ],
)
def test_invalid_entry_is_named(change, error):
    with pytest.raises(InvalidCatalogue) as raised:
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


def test_media_of_an_architecture_are_returned(look_up):
    name = "'polyvirt.core.distribution', 'debian-13', architecture='arm64'"
    code, output, result = look_up(f"lookup({name}).media | map(attribute='architecture') | unique | join(' ')")
    assert (code, result) == (0, "arm64"), output


def test_unknown_name_is_an_error_with_all_names(look_up):
    code, output, _result = look_up("lookup('polyvirt.core.distribution', 'debian-31')")
    assert code
    assert "The catalogue has no 'debian-31'. It has: almalinux-10," in output
