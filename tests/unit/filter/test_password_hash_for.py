# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Password hashes match the published test vectors, with each library."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.polyvirt.core.plugins.filter.password_hash_for import password_hash_for
from ansible_collections.polyvirt.core.plugins.plugin_utils.installs import password_hashes

#: password, salt, rounds, hash: from the specification of SHA-crypt by Ulrich Drepper.
SHA512 = [
    (
        "Hello world!",
        "saltstringsaltst",
        10000,
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/"
        "y3RnOaw5v.",
    ),
    (
        "we have a short salt string but not a short password",
        "short",
        77777,
        "$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0",
    ),
]
#: password, salt, cost, hash: from the tests of OpenBSD's bcrypt in jBCrypt; 2a and 2b are the same for these.
BCRYPT = [
    ("a", "k87L/MF28Q673VKh8/cPi.", 10, "$2b$10$k87L/MF28Q673VKh8/cPi.SUl7MU/rWuSiIDDFayrKk/1tBsSQu4u"),
    ("abc", "WvvTPHKwdBJ3uk0Z37EMR.", 10, "$2b$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi"),
]


@pytest.fixture(name="library", params=["libcrypt", "packages"])
def _library(request, monkeypatch):
    """Calculate hashes with the libcrypt of this host, and without it."""
    if request.param == "packages":
        monkeypatch.setattr(password_hashes, "_from_libcrypt", lambda password, setting: None)
    return request.param


@pytest.mark.parametrize(("password", "salt", "rounds", "expected"), SHA512)
def test_sha512crypt_is_that_of_the_specification(library, password, salt, rounds, expected):
    assert password_hash_for(password, "preseed", salt=salt, rounds=rounds) == expected


@pytest.mark.parametrize(("password", "salt", "rounds", "expected"), BCRYPT)
def test_bcrypt_is_that_of_openbsd(library, password, salt, rounds, expected):
    assert password_hash_for(password, "openbsd", salt=salt, rounds=rounds) == expected


@pytest.mark.parametrize("installer", ["alpine", "openbsd"])
def test_both_ways_have_the_same_result(monkeypatch, installer):
    first = password_hash_for("pässword", installer, seed="web1")
    monkeypatch.setattr(password_hashes, "_from_libcrypt", lambda password, setting: None)
    assert password_hash_for("pässword", installer, seed="web1") == first


@pytest.mark.parametrize("installer", ["kickstart", "openbsd"])
def test_salt_depends_only_on_the_seed(installer):
    def salt(password, **words):
        return password_hash_for(password, installer, **words).split("$")[3][:16]

    assert salt("a", seed="web1") == salt("b", seed="web1") != salt("a", seed="web2")
    assert salt("a") != salt("a")


def test_windows_password_is_encoded():
    value = password_hash_for("P@ss", "windows", element="AdministratorPassword")
    assert value == "UABAAHMAcwBBAGQAbQBpAG4AaQBzAHQAcgBhAHQAbwByAFAAYQBzAHMAdwBvAHIAZAA="


@pytest.mark.parametrize(
    ("password", "words", "error"),
    [
        ("", {"installer": "preseed"}, "must be a text that is not empty"),
        ("a\0b", {"installer": "openbsd"}, "must be a text that is not empty"),
        (5, {"installer": "preseed"}, "must be a text that is not empty"),
        ("a", {"installer": "debian"}, "'debian' is not one of alpine,"),
        ("ä" * 37, {"installer": "openbsd"}, "ignores all but the first 72 bytes"),
    ],
)
def test_invalid_input_is_an_error(password, words, error):
    with pytest.raises(AnsibleFilterError) as raised:
        password_hash_for(password, **words)
    assert error in str(raised.value)


def test_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(password_hashes, "_from_libcrypt", lambda password, setting: None)
    for package in ("passlib.hash", "bcrypt"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    for installer, package in (("preseed", "passlib"), ("openbsd", "bcrypt")):
        with pytest.raises(AnsibleFilterError, match=f"Install the Python package {package} for Ansible"):
            password_hash_for("a", installer)
