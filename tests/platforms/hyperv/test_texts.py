# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of tasks are data: the host takes no text as code or as a pattern, and VMs with other names are unchanged."""

from __future__ import annotations

import unicodedata

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.mark import split_notes, temporary_name
from ansible_collections.polyvirt.core.plugins.module_utils._ports.windows_request import Chain
from ansible_collections.polyvirt.core.plugins.module_utils._tools.hyperv import VM, hyperv, read_vms, vms_chain
from hypothesis import example, given, settings
from hypothesis import strategies as st

from platforms.hyperv import reading
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Switch
from platforms.hyperv.tasks import done, run
from platforms.windows.objects import like
from platforms.windows.tasks import windows_of
from suite.pairs import number_of_pairs


def _is_control(character):
    return unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff"


#: Texts with a special meaning in PowerShell, its wildcards, JSON, command lines or Python.
_PIECES = ["'", '"', "`", "$(throw)", "${x}", "$x", "*", "?", "[a-z]", "[", "]", ";", "|", "&", "{0}", "%s", "%PATH%"]
_PIECES += ["\\", "/", "=", "@(1)", "#", "--", "\u2019", "\u201c", "\u202e", "\U0001f4a5", "ä", "漢", "e\u0301", "İ"]
_PIECES += ["ß", "web", "a", "1", " ", ".", "true", "null", "2026-01-02T03:04:05", "-Force", "polyvirt~"]
_TEXT = st.lists(st.sampled_from(_PIECES) | st.text(min_size=1, max_size=4), min_size=1, max_size=12).map("".join)
#: Texts that tasks accept: without control characters.
_STORED = _TEXT.map(lambda text: "".join(one for one in text if one in "\t\n\r" or not _is_control(one)))
_ONE_LINE = _TEXT.map(lambda text: "".join(one for one in text if one.isprintable()))
_NAMES = _ONE_LINE.map(lambda text: text.replace("/", "").strip()[:100].strip()).filter(bool)
_NAMES = _NAMES.filter(lambda name: not name.startswith("polyvirt~") and name.lower() not in ("x", "web"))
#: Names without the characters that Windows does not allow in file names.
_FILES = _NAMES.map(lambda name: "".join(one for one in name if one not in '"*?<>|:/\\'))

#: Keys of a request and its objects that have values set by the product, not by the task.
_FIXED = {"op", "command", "keep", "from", "expect", "on_error", "modules", "ref", "path", "property", "argument"}


def _host(name, switch):
    """A host with VMs that would match if PowerShell interpreted special characters in ``name``."""
    host = HyperV()
    host.switches += [Switch("lan", "Private"), Switch(switch, "Private")]
    others = {"x", "web", f"{name}1", name[:-1], name.replace("`", ""), name.replace("*", "abc").replace("?", "z")}
    others |= {f"a{name}", name.replace("[a-z]", "b"), name.strip("'\""), "*"}
    for number, other in enumerate(sorted(other.strip()[:100] for other in others)):
        if other and other.lower() != name.lower():
            host.add(other, disk=f"C:\\Hyper-V\\Disks\\other{number}.vhdx")
    return host


def _stands(host, name):
    return [reading.vm_state(host, vm) for vm in host.vms if vm.name != name]


def _texts_in(value, key=None):
    """The texts of a request, except names that the product sets."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _texts_in(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _texts_in(one, key)
    elif isinstance(value, str) and not (key in _FIXED and _is_ours(value)):
        yield value


def _is_ours(text):
    return all(one.isalnum() or one in "-_.\\~" for one in text) and text.isascii()


@given(name=_NAMES, switch=_NAMES, text=_STORED, words=st.lists(_NAMES, max_size=3), snapshot=_NAMES, file=_FILES)
@example("a" * 100, "b" * 100, "c" * 100, ["d" * 100], "e" * 100, "f" * 100)
@example("[a-z]*", "*", "#polyvirt", ["*"], "?", "[a]$(throw)")
@example("line", "ends", "one\r\ntwo\rthree\r", [], "snapshot", "file")
@settings(max_examples=number_of_pairs(20, at_most=1000), deadline=None)
def test_texts_are_never_code_nor_patterns(name, switch, text, words, snapshot, file):
    host = _host(name, switch)
    iso = f"C:\\{file or 'f'}.iso"
    host.files.put(iso, b"")
    before = _stands(host, name)
    given_ = {"iso": iso, "native": {"VM.SmartPagingFilePath": f"C:\\{file}"}, "tags": words, "description": text}
    networks = [{"type": "network", "source": switch}]
    done(host, name=[name], disks=[{"size": "1G"}], networks=networks, **given_)
    done(host, "snapshot", name=[name], snapshot=snapshot, description=text)
    vm = host.vm(name)
    assert [nic.switch for nic in vm.hardware.nics] == [host.switches[1].id]
    (found,) = (one for one in done(host, "vm_info")["vms"] if one["id"] == vm.id)
    stored = text.replace("\r\n", "\n").replace("\r", "\n")
    assert (found["name"], found["description"], found["iso"]) == (name, stored, iso)
    assert found["tags"] == sorted(set(words))
    assert [(one["name"], one["description"]) for one in found["snapshots"]] == [(snapshot, stored)]
    assert not done(host, name=[name], networks=networks, **given_)["changed"]
    done(host, name=[name], state="absent")
    assert _stands(host, name) == before
    assert name not in [one.name for one in host.vms]
    assert [one for request in host.windows.requests for one in _texts_in(request) if not one.startswith("=")] == []


@given(name=_NAMES, text=_TEXT)
@settings(max_examples=number_of_pairs(200, at_most=1000), deadline=None)
def test_runner_and_binder_take_every_text_as_it_is(name, text):
    """The same requests as above, but without a task, which is fast enough for many examples."""
    host = _host(name, "lan2")
    before, windows = _stands(host, name), windows_of(host)
    creating = (
        hyperv("New-VM", {"Name": "x", "NoVHD": True, "Generation": 2}, keep="vm"),
        hyperv("Set-VM", {"VM": VM, "NewVMName": name, "Notes": text, "SmartPagingFilePath": text}),
        hyperv("Checkpoint-VM", {"VM": VM, "SnapshotName": text}),
    )
    assert windows.call([Chain(text, creating)])[0].error is None
    (result,) = windows.call([vms_chain(text, {"Name": [name]}, {"VM": ["SmartPagingFilePath"]})])
    _known, (found,), (snapshot,), _disks = read_vms(result.answers)
    assert [found[key] for key in ("Name", "Notes", "SmartPagingFilePath")] == [name, text, text]
    assert (snapshot["Name"], _stands(host, name)) == (text, before)


@given(name=_NAMES, other=_NAMES)
@settings(max_examples=200, deadline=None)
def test_temporary_name_is_that_of_one_vm_and_no_pattern(name, other):
    assert like(temporary_name(name), temporary_name(name))
    assert (temporary_name(name) == temporary_name(other)) == (name.casefold() == other.casefold())


@pytest.mark.parametrize("text", ["#polyvirt {}", "#polyvirt x", 'a\n#polyvirt {"v": 1}'])
def test_description_that_could_be_taken_for_the_mark_is_refused(text):
    host = HyperV()
    host.add("x")
    for name in ("x", "new"):
        result = run(host, name=[name], description=text, disks=[{"size": "1G"}])
        assert (result["failed"], "'#polyvirt'" in result["msg"]) == (True, True)
    assert host.writes() == []


def test_record_below_the_description_counts_and_no_record_is_a_part_of_the_description():
    description, mark = split_notes('a\n#polyvirt {"id":"theirs"}\nb\n#polyvirt {"id":"own"}')
    assert (description, mark["id"]) == ("a\nb", "own")


@pytest.mark.parametrize("name", [" x", "x ", "a" * 101])
def test_name_that_hyper_v_would_change_is_refused(name):
    host = HyperV()
    assert run(host, name=[name], disks=[{"size": "1G"}])["failed"]
    assert host.writes() == []
