# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents for cloud-init in WSL: files in the profile of the user, as long as the distribution exists."""

from __future__ import annotations

import pytest

from platforms.wsl.tasks import NEW, TAR, controller_ends, host_with_image, run, run_ok, run_rejected

FOLDER = "C:\\Users\\admin\\.cloud-init"
FILE = f"{FOLDER}\\web.user-data"
SEEDED = {**NEW, "cloud_init": {"user": "me", "user_data": {"packages": ["vim"]}}}


def content(host, path=FILE):
    found = host.files.file(path)
    return None if found is None else found.decode()


def test_documents_exist_before_the_first_start_and_as_long_as_the_distribution():
    host = host_with_image()
    check = run(host, check=True, **SEEDED)
    assert content(host) is None
    result = run_ok(host, **SEEDED)
    assert check["diff"] == result["diff"]
    assert content(host) == '#cloud-config\npackages: ["vim"]\nuser: me\n'
    assert content(host, f"{FOLDER}\\web.meta-data") == "instance-id: web\n"
    assert host.find("web").uses == 0
    again = run_ok(host, **SEEDED)
    assert (again["changed"], again["vms"][0]["not_compared"]) == (False, ["cloud_init", "image"])
    run_ok(host, name=["web"], state="absent")
    assert content(host) is None and content(host, f"{FOLDER}\\web.meta-data") is None


def test_other_values_for_an_existing_distribution_are_a_warning():
    host = host_with_image()
    run_ok(host, **SEEDED)
    result = run_ok(host, **{**SEEDED, "cloud_init": {"user": "you"}})
    assert [text for text in result["warnings"] if "cloud_init: user:" in text]


def test_file_that_somebody_has_changed_is_not_removed():
    host = host_with_image()
    run_ok(host, **SEEDED)
    host.files.put(FILE, b"theirs")
    run_ok(host, name=["web"], state="absent")
    assert content(host) == "theirs"


def test_existing_file_is_an_error_before_anything_is_changed():
    host = host_with_image()
    host.files.put(FILE, b"theirs")
    run_rejected(host, "web: cloud_init: ", FILE, "exists already", **SEEDED)
    assert content(host) == "theirs"


def test_failed_creation_removes_the_files():
    host = host_with_image()
    result = run(host, **SEEDED, default_user="no such shell")
    assert result["failed"] and content(host) is None


@pytest.mark.parametrize("then", ["completed", "deleted"])
def test_task_that_was_killed_is_completed_or_deleted_with_its_files(then):
    run_ok(undisturbed := host_with_image(), **SEEDED)
    for place in range(1, undisturbed.windows.faults.calls + 1):
        host = host_with_image()
        host.windows.faults.plan(call=place, kind="kill")
        with controller_ends(host):
            run(host, **SEEDED)
        found = host.find("web")
        if found is not None and not found.values.get("polyvirt"):
            # The host has ended the request before the record: the distribution may be the user's.
            run_rejected(host, "no record of creation", **SEEDED)
            run_ok(host, name=["web"], state="absent", delete_disks="all")
        if then == "deleted":
            run_ok(host, name=["web"], state="absent")
        run_ok(host, **SEEDED)
        assert content(host) == content(undisturbed), place
        run_ok(host, name=["web"], state="absent")
        if then == "deleted":
            assert content(host) is None, place


def test_clone_has_its_own_files():
    host = host_with_image()
    run_ok(host, **SEEDED)
    run_ok(host, name=["copy"], clone={"source": "web"}, cloud_init={"user": "you"})
    assert content(host, f"{FOLDER}\\copy.user-data") == "#cloud-config\nuser: you\n"
    run_ok(host, name=["copy"], state="absent")
    assert content(host, f"{FOLDER}\\copy.user-data") is None and content(host)


@pytest.mark.parametrize(("image", "is_supported"), [("Ubuntu", True), ("Debian", False)])
def test_names_without_cloud_init_are_rejected(image, is_supported):
    host = host_with_image()
    if is_supported:
        run_ok(host, **{**SEEDED, "image": image})
        return
    run_rejected(host, "web: cloud_init: the image 'Debian' has no cloud-init", **{**SEEDED, "image": image})


@pytest.mark.parametrize("field", ["ip_config", "nameservers", "search_domains"])
def test_network_of_a_distribution_is_rejected_by_name(field):
    words = (f"cloud_init.{field} is not supported on", "wsl_host")
    run_rejected(host_with_image(), *words, **NEW, cloud_init={field: ["ip=dhcp"]})


def test_version_1_is_rejected():
    run_rejected(host_with_image(), "web: cloud_init: it needs version 2", **SEEDED, version=1)


def test_text_that_cannot_be_merged_is_rejected():
    words = ("cannot be merged into user_data", "as a mapping")
    cloud_init = {"user": "me", "user_data": "#cloud-config\n{}"}
    run_rejected(host_with_image(), *words, name=["web"], image={"source": TAR}, cloud_init=cloud_init)
