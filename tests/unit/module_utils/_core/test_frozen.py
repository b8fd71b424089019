# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values behave as dataclasses do, which are compared with them in each test."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from functools import cached_property
from typing import Any

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core import frozen
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import Frozen, Mutable


class Disk(Frozen):
    slot: str
    size: int = 10
    tags: dict = frozen.field(default_factory=dict)
    password: str = frozen.field(default="", repr=False)
    read: Any = frozen.field(default=None, compare=False, repr=False)

    @cached_property
    def label(self):
        return f"{self.slot}:{self.size}"


class Image(Disk):
    size: int
    format: str = "raw"


class Alone(Frozen, eq=False):
    name: str = ""


class Listing(Mutable):
    names: list = frozen.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class StandardDisk:
    slot: str
    size: int = 10
    tags: dict = dataclasses.field(default_factory=dict)
    password: str = dataclasses.field(default="", repr=False)
    read: Any = dataclasses.field(default=None, compare=False, repr=False)


@pytest.mark.parametrize(
    ("values", "named"),
    [(("vda",), {}), ((), {"slot": "vda"}), (("vda", 5), {"password": "secret"}), (("vda", 5, {"a": 1}, "p", 7), {})],
)
def test_arguments_and_representation_as_of_dataclass(values, named):
    own, standard = Disk(*values, **named), StandardDisk(*values, **named)
    assert {name: getattr(own, name) for name in frozen.fields(Disk)} == dataclasses.asdict(standard)
    assert repr(own) == repr(standard).replace("StandardDisk", "Disk")


@pytest.mark.parametrize(
    ("values", "named", "reason"),
    [
        ((), {}, "missing slot"),
        (("vda",), {"sice": 5}, "unknown sice"),
        # As many as there are fields, but not these.
        ((), {"sice": 5}, "missing slot; unknown sice"),
        (("vda",), {"slot": "vdb"}, "several values for slot"),
        (("vda", 1, {}, "", None, "more"), {}, "6 values for 5 fields"),
    ],
)
def test_wrong_arguments_are_rejected_as_by_dataclass(values, named, reason):
    with pytest.raises(TypeError):
        StandardDisk(*values, **named)
    with pytest.raises(TypeError, match=reason):
        Disk(*values, **named)


def test_equal_values_have_the_same_hash_and_ignored_fields_do_not_count():
    first, second = StandardDisk("vda", tags=(), read=1), StandardDisk("vda", tags=(), read=2)
    assert (first == second, hash(first) == hash(second)) == (True, True)
    first, second = Disk("vda", tags=(), read=1), Disk("vda", tags=(), read=2)
    assert (first == second, hash(first) == hash(second)) == (True, True)
    assert first != Disk("vda", tags=(), password="other")
    assert first != frozen.replace(first, size=11)


def test_read_of_cached_property_changes_neither_equality_nor_copies():
    first = Disk("vda")
    assert first.label == "vda:10"
    assert first == Disk("vda")
    assert frozen.replace(first, size=11).label == "vda:11"


def test_value_with_unhashable_field_has_no_hash():
    for disk in (Disk("vda"), StandardDisk("vda")):
        with pytest.raises(TypeError):
            hash(disk)


def test_values_of_different_classes_differ():
    assert Disk("vda", 10) != Image("vda", 10)
    assert Disk("vda") != ("vda", 10, {}, "", None)


def test_without_eq_value_is_equal_to_itself_only():
    one = Alone()
    assert one == one
    assert one != Alone()
    assert len({one, one, Alone()}) == 2


@pytest.mark.parametrize("change", [lambda disk: setattr(disk, "size", 1), lambda disk: delattr(disk, "size")])
def test_frozen_value_cannot_be_changed(change):
    disk = Disk("vda")
    with pytest.raises(AttributeError, match=r"Disk\.size"):
        change(disk)
    assert disk.size == 10


def test_mutable_value_can_be_changed_and_has_no_hash():
    listing = Listing()
    listing.names = ["web1"]
    assert listing == Listing(["web1"])
    with pytest.raises(TypeError):
        hash(listing)


def test_each_value_has_default_of_its_own():
    assert Listing().names is not Listing().names
    with pytest.raises(TypeError, match=r"Bad\.tags"):

        class Bad(Frozen):
            tags: dict = {}  # noqa: RUF012


def test_subclass_adds_fields_after_those_of_its_base_and_can_require_one():
    assert frozen.fields(Image) == ("slot", "size", "tags", "password", "read", "format")
    assert Image("vda", 5) == Image(slot="vda", size=5, format="raw")
    with pytest.raises(TypeError, match="missing size"):
        Image("vda")
    assert Disk("vda").size == 10


def test_replace_rejects_unknown_fields():
    with pytest.raises(TypeError, match="unknown sice"):
        frozen.replace(Disk("vda"), sice=1)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda disk: pickle.loads(pickle.dumps(disk))])
def test_copies_are_equal(copied):
    disk = Disk("vda", tags={"a": 1})
    assert copied(disk) == disk
