# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody else registers the name that a task creates: that distribution is never marked, completed or removed."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import (
    empty_mark,
    printed,
    unfinished_mark,
)

from platforms.windows.failures import interruptions
from platforms.wsl import reading
from platforms.wsl.double import program
from platforms.wsl.double.distro import FILES, disk_with, packed
from platforms.wsl.tasks import TAR, controller_ends, host_with_image, run, run_ok, run_rejected
from suite.belts import share

#: The number of places of an interruption that are tested on one day; a deep run tests all.
_PLACES = 6
DISK, MODERN = "C:\\images\\disk.vhdx", "C:\\images\\modern.wsl"
OWN, OTHER = "C:\\WSL\\dev", "D:\\theirs\\dev"
CLONE_FILE = "C:\\WSL\\dev.polyvirt-clone.tar"
PRECIOUS = {**FILES, "/root/data": b"precious"}
#: {label: (the option that registers a distribution in wsl.exe, options of the task)}
SOURCES = {
    "tarball": ("--import", {"image": TAR}),
    "disk": ("--import", {"image": DISK}),
    "modern": ("--install", {"image": MODERN}),
    "online": ("--install", {"image": "Debian"}),
    "clone": ("--import", {"clone": "src"}),
}
WANTED = {"name": ["dev"], "description": "ours", "default_user": "anna"}


def _host():
    host = host_with_image()
    host.files.put(DISK, disk_with(FILES))
    host.files.put(MODERN, packed(FILES, "w:gz"))
    host.add("src", uid=1, running=True)
    return host


def _register(host, folder):
    """Register ``dev`` as somebody else does, unless it exists."""
    if host.find("dev") is None:
        host.add("Dev", base=folder, files=dict(PRECIOUS))


def _stands(host):
    """All of the distribution that a task could have changed; None if it does not exist."""
    found = host.find("dev")
    is_default = host.distros[host.default] is found
    return found and (found.name, found.base, found.uid, found.files, found.values, found.running, is_default)


def _theirs(folder):
    host = _host()
    _register(host, folder)
    return _stands(host)


def _clone_files(host):
    return [path for path in host.files.contents if "polyvirt" in path]


# The name is registered while the task creates it ---------------------------------------------------------------------


@pytest.mark.parametrize("folder", [OWN, OTHER])
@pytest.mark.parametrize("state", [None, "started"])
@pytest.mark.parametrize("source", SOURCES)
def test_distribution_that_is_registered_first_is_left_alone(source, state, folder):
    host, (word, options) = _host(), SOURCES[source]
    host.before(word, lambda: _register(host, folder))
    result = run(host, **WANTED, **options, **({"state": state} if state else {}))
    assert result["failed"]
    assert "dev: " in result["msg"]
    assert "Unexpected" not in result["msg"]
    reason = f"there is a distribution with this name in {OWN}; it was not removed"
    if folder == OTHER:
        reason = "another task created a VM with this name at the same time"
    assert reason in result["msg"]
    assert _stands(host) == _theirs(folder)
    assert (_clone_files(host), host.find("src").running) == ([], True)


@pytest.mark.parametrize("source", SOURCES)
def test_distribution_that_replaces_a_new_one_is_left_alone(source):
    host, (word, options) = _host(), SOURCES[source]

    def replace():
        del host.distros[host.find("dev").guid]
        host.add("Dev", base=OTHER, files=dict(PRECIOUS))

    host.after(word, replace)
    result = run(host, **WANTED, **options)
    assert result["failed"]
    assert "another task created a VM with this name" in result["msg"]
    assert _stands(host) == _theirs(OTHER)


def test_distribution_that_vanishes_after_its_registration_is_an_error():
    host = _host()
    host.after("--import", lambda: host.distros.pop(host.find("dev").guid))
    result = run(host, **WANTED, image=TAR)
    assert "dev: WSL has not registered the distribution in C:\\WSL\\dev. Check wsl.exe" in result["msg"]


@pytest.mark.parametrize("source", ["tarball", "online", "clone"])
def test_distribution_that_is_registered_after_the_timeout_is_completed_by_the_next_task(source):
    """The service of WSL goes on, although its program was ended."""
    host, (_word, options) = _host(), SOURCES[source]
    host.knobs.seconds["import"] = 1000
    result = run(host, **WANTED, **options, call_timeout=120)
    assert result["failed"]
    assert "did not end in time" in result["msg"]
    assert "another task" not in result["msg"]
    found = host.find("dev")
    assert (found.base, reading.mark_of(found)["unfinished"]) == (OWN, True)
    host.knobs.seconds["import"] = 5
    run_ok(host, **WANTED, **options)
    mark = reading.mark_of(host.find("dev"))
    assert (mark.get("unfinished"), mark["description"], bool(mark["inputs"])) == (None, "ours", True)
    assert not run_ok(host, **WANTED, **options)["changed"]


@pytest.mark.parametrize("source", ["tarball", "online", "clone"])
def test_distribution_that_a_failed_program_has_registered_is_in_the_message(monkeypatch, source):
    """Another task with this name may have registered it, so it is neither marked nor removed."""
    host, (word, options) = _host(), SOURCES[source]
    finished = program.WslProgram.finished

    def fail_late(running):
        answer = finished(running)
        return (
            running._own(["late failure", "Wsl/Service/E_FAIL"], 0xFFFFFFFF) if running.words[:1] == [word] else answer
        )

    monkeypatch.setattr(program.WslProgram, "finished", fail_late)
    result = run(host, **WANTED, **options)
    assert f"there is a distribution with this name in {OWN}; it was not removed" in result["msg"]
    assert "at the same time" not in result["msg"]
    assert host.find("dev").values.get("polyvirt") is None


def _places(request, source):
    """The places at which the creation from this source is interrupted."""
    host, (_word, options) = _host(), SOURCES[source]
    first = host.windows.faults.calls
    run_ok(host, **WANTED, **options)
    return share(request.config, range(1, host.windows.faults.calls - first + 1), _PLACES)


@pytest.mark.parametrize("fault", ["lose", "kill before", "kill after"])
@pytest.mark.parametrize("source", ["tarball", "online", "clone"])
def test_distribution_that_is_registered_first_is_left_alone_if_the_connection_is_lost(request, source, fault):
    for place in _places(request, source):
        host, (word, options) = _host(), SOURCES[source]
        host.before(word, lambda host=host: _register(host, OTHER))
        host.windows.faults.plan(call=place, **interruptions(None)[fault])
        run(host, **WANTED, **options, state="started" if place % 2 else "present")
        # If the answer to its registration is lost, the task finds it, and may apply options as to any existing one.
        found = host.find("dev")
        assert (found.files.get("/root/data"), found.base, found.uid) == (b"precious", OTHER, 0), place
        mark = reading.mark_of(found)
        assert (mark.get("unfinished"), mark.get("inputs")) in ((None, None), (None, {})), place


@pytest.mark.parametrize("folder", [OWN, OTHER])
@pytest.mark.parametrize("source", ["tarball", "online", "clone"])
def test_distribution_that_is_registered_during_a_lost_connection_is_not_removed(request, source, folder):
    for place in _places(request, source):
        host, (_word, options) = _host(), SOURCES[source]
        host.windows.faults.plan(call=place, kind="kill", before=True)
        answer = host.windows.answer

        def lose(text, host=host, answer=answer):
            try:
                return answer(text)
            except ConnectionError:
                _register(host, folder)
                # What the task does in the distribution fails, so that it undoes its work.
                host.knobs.create_vm_fails = True
                raise

        host.windows.answer = lose
        run(host, **WANTED, **options)
        found = host.find("dev")
        if found is None or "/root/data" not in found.files:
            assert b"precious" not in (found.files if found else {}).values(), place
            continue
        assert (found.base, found.values.get("polyvirt")) == (folder, None), place


@pytest.mark.parametrize("source", ["tarball", "online", "clone"])
def test_lost_answer_is_no_error(request, source):
    expected = run_ok(undisturbed := _host(), **WANTED, **SOURCES[source][1])["changed"]
    for place in _places(request, source):
        host = _host()
        host.windows.faults.plan(call=place, kind="lose")
        result = run_ok(host, **WANTED, **SOURCES[source][1])
        assert (result["changed"], host.find("dev").users()) == (expected, undisturbed.find("dev").users()), place
        assert not reading.mark_of(host.find("dev")).get("unfinished"), place
        assert not _clone_files(host), place


@pytest.mark.parametrize("source", ["tarball", "clone"])
def test_registration_that_goes_on_after_a_lost_connection_is_awaited(source):
    host, (word, options) = _host(), SOURCES[source]

    def go_on():
        distro = host.find("dev")
        distro.state = 3
        host.clock.at(60, lambda: setattr(distro, "state", 1))
        host.windows.faults.plan("kill", 1, before=True)

    host.after(word, go_on)
    run_ok(host, **WANTED, **options)
    assert [words[1] for words in host.writes() if words[:1] == ("wsl",)].count(word) == 1
    assert (host.find("dev").uid, _clone_files(host)) == (1 if source == "clone" else 0, [])


def test_registration_that_never_ends_is_an_error_that_says_so():
    host = _host()

    def hang():
        host.find("dev").state = 3
        host.windows.faults.plan("kill", 1, before=True)

    host.after("--import", hang)
    result = run(host, **WANTED, image=TAR, call_timeout=120)
    assert "dev: WSL has not registered the distribution in 120 s" in result["msg"]


# A file that an interrupted clone has left ----------------------------------------------------------------------------


def _host_with_leftover(folder):
    host = _host()
    host.files.put(CLONE_FILE, packed(FILES))
    if folder:
        _register(host, folder)
    return host


@pytest.mark.parametrize(
    "options",
    [{"description": "theirs"}, {"state": "started"}, {"keep_running": "false"}, {"image": TAR}, {"clone": "src"}],
    ids=str,
)
def test_file_of_an_interrupted_clone_hides_no_distribution_of_others(options):
    host = _host_with_leftover(OTHER)
    run_ok(host, name=["dev"], **options, adopt=True)
    found = host.find("dev")
    assert (found.files["/root/data"], found.base, found.uid) == (b"precious", OTHER, 0)
    assert [vm["name"] for vm in run_ok(host, "distro_info", name=["dev"])["vms"]] == ["dev"]
    assert run_ok(host, "distro_info", name=["dev"])["vms"][0]["reason"] == ""


def test_clone_does_not_replace_a_distribution_of_others_if_it_fails():
    host = _host_with_leftover(OTHER)
    host.knobs.create_vm_fails = True
    run(host, **WANTED, clone="src")
    assert _stands(host)[3] == PRECIOUS
    assert _stands(host)[:3] == _theirs(OTHER)[:3]


@pytest.mark.parametrize("options", [{"image": TAR}, {"clone": "src"}, {"state": "absent"}], ids=str)
@pytest.mark.parametrize("folder", [None, OTHER])
def test_file_of_an_interrupted_clone_is_removed_with_the_next_creation_or_deletion(options, folder):
    host = _host_with_leftover(folder)
    if folder and options != {"state": "absent"}:
        run_ok(host, name=["dev"], state="absent", delete_disks="all")
        host.files.put(CLONE_FILE, packed(FILES))
    run_ok(host, name=["dev"], **options, delete_disks="all")
    assert (_clone_files(host), host.find("dev") is None) == ([], options == {"state": "absent"})


@pytest.mark.parametrize("options", [{"image": TAR}, {"clone": "src"}, {"state": "absent"}], ids=str)
def test_file_of_an_interrupted_task_proves_nothing_about_a_distribution_without_a_record(options):
    """The user has imported it into the same directory after the task was killed, and works in it."""
    host = _host_with_leftover(OWN)
    run_rejected(host, "dev: ", "no record", name=["dev"], **options)
    assert _stands(host) == _theirs(OWN)
    run_ok(host, name=["dev"], state="absent", delete_disks="all")
    assert (_clone_files(host), host.find("dev")) == ([], None)


@pytest.mark.parametrize("source", SOURCES)
def test_distribution_is_registered_and_marked_in_one_request(source):
    """The request goes on when the task ends, so that the next task knows what it has registered."""
    host, (word, options) = _host(), SOURCES[source]

    answer = host.windows.answer

    def last(text):
        done = answer(text)
        if f'"={word}"' in text:
            raise ConnectionError
        return done

    host.windows.answer = last
    with controller_ends(host):
        run(host, **WANTED, **options)
    host.windows.answer = answer
    assert reading.mark_of(host.find("dev"))["unfinished"]


def test_clone_that_was_registered_by_an_earlier_task_is_kept_if_it_cannot_be_completed():
    host = _host_with_leftover(OWN)
    host.find("dev").values["polyvirt"] = printed(unfinished_mark(empty_mark(None)))
    host.after("Set-ItemProperty", lambda: setattr(host.knobs, "create_vm_fails", True))
    host.files.vhd(host.find("dev").disk).used = 1 << 60
    assert run(host, **WANTED, clone="src", disks=[{"size": "2T"}])["failed"]
    assert host.find("dev").files["/root/data"] == b"precious"
    assert _clone_files(host) == [CLONE_FILE.lower()]
    host.files.vhd(host.find("dev").disk).used, host.knobs.create_vm_fails = 1, False
    run_ok(host, **WANTED, clone="src", disks=[{"size": "2T"}])


def test_file_of_an_interrupted_export_is_no_sign_of_a_clone():
    host = _host()
    _register(host, OWN)
    host.files.put("C:\\WSL\\dev.polyvirt.tar", b"half")
    run_ok(host, name=["dev"], description="theirs")
    run_ok(host, name=["dev"], clone="src", adopt=True)
    assert host.find("dev").uid == 0


@pytest.mark.parametrize("source", ["tarball", "online", "clone"])
def test_creation_whose_controller_ends_is_completed_by_the_same_task(request, source):
    options = {**WANTED, **SOURCES[source][1]}
    run_ok(undisturbed := _host(), **options)
    expected = reading.vm_state(undisturbed, undisturbed.find("dev"))
    for place in _places(request, source):
        host = _host()
        host.windows.faults.plan(call=place, kind="kill")
        with controller_ends(host):
            run(host, **options)
        if host.find("dev") is not None and not host.find("dev").values.get("polyvirt"):
            # The host has ended the request before the record: the distribution may be the user's.
            run_rejected(host, "no record of creation", **options)
            run_ok(host, name=["dev"], state="absent", delete_disks="all")
        run_ok(host, **options)
        host.tick(20)
        assert reading.vm_state(host, host.find("dev")) == {**expected, "id": host.find("dev").guid}, place
        assert not _clone_files(host), place
        assert host.find("dev").uid == undisturbed.find("dev").uid, place


def test_clone_whose_controller_ends_is_deleted_with_its_file(request):
    for place in _places(request, "clone"):
        host = _host()
        host.windows.faults.plan(call=place, kind="kill")
        with controller_ends(host):
            run(host, **WANTED, clone="src")
        run_ok(host, name=["dev"], state="absent", delete_disks="all")
        assert (_clone_files(host), host.find("dev")) == ([], None), place
