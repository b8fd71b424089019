# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a value of ``image`` names, by its form, and the names that are proposed for one that does not exist."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.image_names import (
    NAME,
    ONLINE,
    PATH,
    REGISTRY,
    URL,
    VOLUME,
    read_image,
)

NAMES = ("debian-12", "debian-13", "ubuntu-24.04", "ubuntu-26.04", "rocky-10", "arch")
LIST = ("Ubuntu", "Ubuntu-24.04", "Debian", "kali-linux", "archlinux")


def read(text, *forms, names=NAMES, online_names=None):
    return tuple(read_image(text, frozenset(forms), "web1: image", names, online_names))


def error(text, *forms, **known):
    with pytest.raises(InvalidInput) as raised:
        read(text, *forms, **known)
    return str(raised.value)


@pytest.mark.parametrize("forms", [(), (VOLUME,), (REGISTRY,), (ONLINE,)])
@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("/srv/x.qcow2", PATH),
        ("/srv/debian-13", PATH),
        (r"C:\images\x.vhdx", PATH),
        ("C:/images/x.vhdx", PATH),
        ("c:x.vhdx", PATH),
        (r"\\server\share\x.vhdx", PATH),
        ("https://x.example/x.qcow2", URL),
        ("http://user:word@x.example:8080/a:b/x", URL),
        ("file:///srv/x.qcow2", URL),
        ("debian-13", NAME),
        ("ubuntu-26.04", NAME),
        ("arch", NAME),
    ],
)
def test_form_that_every_platform_has(text, form, forms):
    assert read(text, *forms) == (form, text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("local:import/x.qcow2", VOLUME),
        ("local-lvm:base-9000-disk-0", VOLUME),
        ("nfs.1:9000/vm-9000-disk-0.qcow2", VOLUME),
        ("debian/trixie64", REGISTRY),
        ("almalinux/9", REGISTRY),
        ("cloud-image/ubuntu-24.04", REGISTRY),
    ],
)
def test_form_that_one_platform_has(text, form):
    assert read(text, form) == (form, text)
    assert "which this platform does not have. Set a name such as debian-13" in error(
        text, *({VOLUME, REGISTRY, ONLINE} - {form})
    )


@pytest.mark.parametrize(
    ("text", "online_names", "expected"),
    [
        ("Ubuntu-24.04", LIST, (ONLINE, "Ubuntu-24.04")),
        ("ubuntu-24.04", LIST, (NAME, "ubuntu-24.04")),
        ("kali-linux", LIST, (ONLINE, "kali-linux")),
        ("debian", LIST, (ONLINE, "Debian")),
        ("debian-13", LIST, (NAME, "debian-13")),
        ("eLxr", None, (ONLINE, "eLxr")),
        ("debian-13", None, (NAME, "debian-13")),
    ],
)
def test_name_of_the_online_list(text, online_names, expected):
    assert read(text, ONLINE, online_names=online_names) == expected


def test_exact_online_name_wins_over_the_catalogue():
    assert read("arch", ONLINE, online_names=("arch",)) == (ONLINE, "arch")
    assert read("arch", online_names=("arch",)) == (NAME, "arch")


def test_name_of_the_catalogue_is_returned_as_it_is_written_there():
    assert read("Debian-13") == (NAME, "debian-13")


def test_without_the_catalogue_any_name_may_be_one():
    assert read("company-7", names=None) == (NAME, "company-7")


@pytest.mark.parametrize("text", ["x.qcow2", "./x", "images/x.qcow2", "~/x.qcow2", "a/b/c", "debian-13.VHDX", "x.wsl"])
@pytest.mark.parametrize("forms", [(), (VOLUME,), (ONLINE,)])
def test_relative_path_is_an_error(text, forms):
    assert error(text, *forms) == (
        f"web1: image: '{text}' is a relative path. Set the absolute path of the image on the host of the VM."
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("debain-13", "debian-13 or debian-12"),
        ("debian13", "debian-13 or debian-12"),
        ("Ubuntu-24.4", "ubuntu-24.04 or ubuntu-26.04"),
        ("rocky-9", "rocky-10"),
        ("debian", "debian-12 or debian-13"),
    ],
)
def test_unknown_name_proposes_the_nearest(text, meant):
    assert error(text) == f"web1: image: there is no image named '{text}'. Did you mean {meant}?"


def test_unknown_name_without_near_ones_says_what_the_platform_takes():
    assert error("zz").endswith("Set a name of the catalogue, an absolute path, or an address.")
    assert error("zz", REGISTRY).endswith("or one of a registry such as debian/trixie64.")
    assert error("zz", ONLINE, online_names=LIST).endswith(f"one of {', '.join(LIST)}.")


def test_unknown_name_proposes_names_of_the_online_list():
    assert error("kali", ONLINE, online_names=LIST).endswith("Did you mean kali-linux?")


def test_unknown_name_without_a_near_one():
    assert error("xyz").endswith("Set a name of the catalogue, an absolute path, or an address.")
