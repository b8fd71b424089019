# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsing and printing of sizes."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import MIB, human_size, parse_size


@pytest.mark.parametrize("text", ["2G", "2GB", "2GiB", "2g", " 2 G ", "2048M", "2097152K", "2147483648B", "2.0G"])
def test_formats_of_a_size(text):
    assert parse_size(text, "memory") == 2**31


def test_number_without_unit_has_the_unit_of_its_option():
    assert parse_size(512, "memory", bare=MIB) == parse_size("512", "memory", bare=MIB) == 512 * MIB
    assert parse_size("0.5", "memory", bare=MIB) == MIB // 2


def test_disk_size_needs_a_unit():
    with pytest.raises(InvalidInput, match=r"disks: .* no unit\. Set 20G for GiB"):
        parse_size("20", "disks: size of vda")


def test_large_sizes_are_exact():
    assert parse_size("9007199254740993B", "disks") == 9007199254740993
    assert parse_size("1.5T", "disks") == 3 * 2**39


# The last two contain an Arabic digit and the kelvin sign, which are not accepted as digit and letter K.
INVALID_SIZES = ["", "G", "-1G", "2X", "2GG", "2 GiG", "1e9", "0x10", "True", "2G\n3G", "5iB", "\u0663G", "2\u212a"]


@pytest.mark.parametrize("text", INVALID_SIZES)
def test_invalid_sizes(text):
    with pytest.raises(InvalidInput, match=r"(?s)memory: .* is not a size\. Set a number and a unit"):
        parse_size(text, "memory", bare=MIB)


@pytest.mark.parametrize("text", ["0G", "0.3K", "0"])
def test_sizes_are_whole_and_positive(text):
    with pytest.raises(InvalidInput, match=r"memory: .* whole, positive .* Set a size above zero"):
        parse_size(text, "memory", bare=MIB)


@pytest.mark.parametrize(("size", "text"), [(2**31, "2G"), (1536 * MIB, "1536M"), (2**50, "1P"), (1000, "1000B")])
def test_sizes_are_shown_short_and_exact(size, text):
    assert human_size(size) == text
    assert parse_size(text, "memory") == size
