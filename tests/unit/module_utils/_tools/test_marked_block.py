# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vm.conf with VMs of this collection: all bytes outside of the marked lines stay the same."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import DAMAGED, empty_mark
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.definition import (
    Definition,
    Nic,
    definition_of,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.marked_block import (
    Entry,
    Parts,
    changed_block,
    joined,
    marked_lines,
    merged,
    quoted,
    split,
)
from ansible_collections.polyvirt.core.plugins.module_utils._tools.vm_conf import encoded, read
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.pairs import number_of_pairs

BEGIN, END = marked_lines()
#: Pieces of files that users write, and that a parser could misread.
PIECES = [
    "# a comment with } and { in it\n", "# it goes on \\\nin the next line\n", 'dir = "/var/vmm"\n', "mem = 1G\n",
    "\n", "\t \n",
    'include "/etc/other.conf"\n', 'switch "uplink" {\n\tinterface bridge0\n}\n', "local prefix 10.60.0.0/16\n",
    'vm "db" {\n\tdisable\n\tdisk $dir/db.img # } \n\tinterface { switch "uplink" }\n\tmemory $mem\n}\n',
    'vm x { disk "/x"\n\tlocal interface\n}\n', "vm y { disk '/y {'\n}\n", "broken {\n", "}\n", "crlf\r\n",
    "\x85\x0c\n",
    "# END of it\n", "# BEGIN polyvirt\n", "no end", "# no end \\",
]  # fmt: skip
FILES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
OTHER_VM = 'vm "db" {\n\tdisk "/d/db.qcow2"\n}\n'
WEB = Entry(empty_mark("web"), Definition("web", memory=1 << 30, disks=(("/d/web.qcow2", "qcow2"),)).printed())
GENERATED = number_of_pairs(200)


@settings(max_examples=GENERATED, deadline=None)
@given(FILES, FILES)
def test_adding_and_removing_vms_keeps_all_other_text(before, after):
    added = joined(split(before, "f").having("web", WEB))
    assert added.startswith(before)
    parts = split(added, "f")
    assert (parts.before, parts.after, parts.entries) == (before, "", {"web": WEB})
    assert joined(split(added + after, "f")) == added + after
    both = joined(split(added + after, "f").having("db2", Entry(empty_mark("db2"))))
    assert both.startswith(before)
    assert joined(split(both, "f").having("web", None).having("db2", None)) == before + after


@settings(max_examples=GENERATED, deadline=None)
@given(st.lists(st.sampled_from([one for one in PIECES if one not in ("broken {\n", "}\n", "crlf\r\n")]), max_size=8))
def test_vm_of_this_collection_is_read_after_any_text(pieces):
    text = joined(split("".join(pieces), "f").having("web", WEB))
    assert read("f", {"f": text}.get).blocks["web"].all("disk") == [("/d/web.qcow2", "qcow2")]


@pytest.mark.parametrize("text", [f"{BEGIN}\n", f"{END}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"])
def test_marked_lines_that_are_not_a_pair_are_an_error(text):
    with pytest.raises(Refused, match="must both exist once"):
        split(text, "/etc/vm.conf")


def test_text_without_a_mark_between_the_marked_lines_stays():
    text = f'{BEGIN}\n# by hand\nvm "a" {{\n\tdisk /a\n}}\n{END}\n'
    assert joined(split(text, "f")) == text
    assert joined(split(text, "f").having("web", WEB)).startswith(text[: -len(END) - 1])


def test_second_mark_of_a_vm_loses_no_text():
    text = joined(split("", "f").having("web", WEB)).replace(END, f"{joined(entries(web=MAIL))}".split("\n", 1)[1])
    assert joined(split(text, "f")) == text


@pytest.mark.parametrize("text", ["{", '{"v":9,"id":"web"}', '{"v":2,"id":["web"]}'])
def test_mark_that_cannot_be_read_is_no_text_of_the_vm_before_it(text):
    """Such as that of a later version: its VM would be deleted as one without a record."""
    line = f"# polyvirt {text}\n"
    both = joined(split("", "f").having("db", Entry(empty_mark("db"), OTHER_VM)))
    both = both.replace(END, f"{line}{WEB.text}{END}")
    parts = split(both, "f")
    assert (parts.entries["db"].text, parts.entries["web"].text) == (OTHER_VM, WEB.text)
    assert DAMAGED in parts.entries["web"].mark
    assert joined(parts) == both
    assert line in joined(parts.having("db", None))
    changed = parts.entries["web"].with_block("web", WEB.text, WEB.mark)
    assert line not in joined(parts.having("web", changed))


MAIL = '# by hand\nvm "mail" {\n\tdisk /m\n}\n'
OTHER = Definition("web", memory=2 << 30).printed()


@pytest.mark.parametrize("text", ["/a b", "/ü", 'a"b', "a'b", "a\\b", "a\\ b", "a\"b'c", "$x #{", "\u2028", "a\\"])
def test_string_is_read_as_it_was_given(text):
    try:
        form = quoted(text)
    except Refused:
        assert text in ("a\\ b", "a\\")
    else:
        assert read("f", {"f": encoded(f'vm "w" {{\n\tdisk {form}\n}}\n')}.get).blocks["w"].all("disk") == [
            (text, None)
        ]


@pytest.mark.parametrize("text", ['/d"\n\t#', "a\nb", "a\0b"])
def test_string_that_vmd_would_read_as_more_is_rejected(text):
    with pytest.raises(Refused, match=r"vm\.conf cannot contain"):
        quoted(text)


@pytest.mark.parametrize(
    ("text", "changed", "removed"),
    [
        (WEB.text, OTHER, None),
        (WEB.text + MAIL, OTHER + MAIL, MAIL),
        (MAIL + WEB.text, MAIL + OTHER, MAIL),
        (MAIL, OTHER + MAIL, MAIL),
        ("", OTHER, None),
        (WEB.text + "\n", OTHER + "\n", None),
    ],
)
def test_other_text_after_a_mark_stays(text, changed, removed):
    entry = Entry(WEB.mark, text)
    assert entry.with_block("web", OTHER, WEB.mark) == Entry(WEB.mark, changed)
    assert entry.with_block("web", "", None) == (removed and Entry(None, removed))


def entries(**texts):
    return Parts("", {name: Entry(empty_mark(name), text) for name, text in texts.items()})


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ({"a": "1\n"}, {"a": "1\n"}, {"a": "1\n"}),
        ({"a": "2\n"}, {"a": "1\n", "b": "3\n"}, {"a": "2\n", "b": "3\n"}),
        ({}, {"a": "1\n", "b": "3\n"}, {"b": "3\n"}),
        ({"a": "1\n", "c": "4\n"}, {"b": "3\n"}, {"b": "3\n", "c": "4\n"}),
        ({"a": "2\n"}, {"a": "3\n"}, {"a": "3\n"}),
        ({"a": "2\n"}, {"a": "2\n"}, {"a": "2\n"}),
    ],
)
def test_changes_of_two_clients_are_merged_by_vm(ours, theirs, expected):
    result = merged(entries(a="1\n"), entries(**ours), replace(entries(**theirs), before="new\n"))
    assert result == replace(entries(**expected), before="new\n")


OLD = (
    'vm "db" { # main\n\tdisable\n\tmemory $mem # much\n\tdisk /a format raw\n\tdisk /b\n'
    '\tinterface { switch "s" }\n}\n'
)


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({"memory": 2 << 30}, "memory $mem", "memory 2048M"),
        ({"enabled": True}, "\tdisable\n", ""),
        ({"disks": (("/a", "raw"),)}, "\tdisk /b\n", ""),
        ({"cdrom": "/x.iso"}, '"s" }\n}', '"s" }\n\tcdrom "/x.iso"\n}'),
        ({"nics": (Nic("t"),)}, 'interface { switch "s" }', 'interface { switch "t" }'),
    ],
)
def test_vm_of_the_administrator_is_changed_in_place(changes, old, new):
    text = f"mem = 1G\n# before\n{OLD}# after\n"
    blocks = read("f", {"f": text}.get).blocks
    before = definition_of(blocks["db"], blocks)
    after = Definition(**{**vars(before), **changes})
    block = changed_block(text, blocks["db"], before.statements(), after.statements())
    changed = text[: blocks["db"].start] + block + text[blocks["db"].end :]
    assert changed == text.replace(old, new)
    again = read("f", {"f": changed}.get).blocks
    assert definition_of(again["db"], again) == after


def test_statement_is_added_to_a_block_in_one_line():
    text = "vm a { disable }\n"
    blocks = read("f", {"f": text}.get).blocks
    before = definition_of(blocks["a"], blocks)
    after = Definition(**{**vars(before), "memory": 1 << 30})
    changed = changed_block(text, blocks["a"], before.statements(), after.statements())
    assert changed == "vm a { disable\n\tmemory 1024M\n}"
