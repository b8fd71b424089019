# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of the catalogue on WSL: the name of the online list, and the version that is installed."""

from __future__ import annotations

import pytest

from platforms.wsl.tasks import TAR, host_with_image, run, run_ok, run_rejected, state_of

#: The distributions of the double's list report version 12.
STATED = {"type": "wsl", "architecture": "amd64", "image": {"format": "online", "online_name": "Ubuntu"}}
UNSTATED = {**STATED, "image": {"format": "online", "online_name": "Debian", "version_stated": False}}
FILE = {**STATED, "file": "x-1.wsl", "bases": ["https://vendor.invalid/x"], "image": {"format": "wsl"}}


def named(name, *media, version="12"):
    return {"source": name, "catalogue": {"media": list(media), "version": version}}


def test_name_whose_version_is_stated_is_installed_without_a_start():
    host = host_with_image()
    for version in ("12", "24.04"):
        run_ok(host, name=[f"web{version}"], image=named("ubuntu-24.04", STATED, version=version))
    result = run_ok(host, name=["web12"], image="debian-13")
    assert host.find("web12").values["Flavor"] == "ubuntu"
    assert result["vms"][0]["image"] == {"name": "ubuntu-24.04", "digest": None, "fetched": None}
    assert host.find("web12").uses == 0


@pytest.mark.parametrize(("version", "reported"), [("12", b"12"), ("9", b"9.6"), ("13", b'"13"')])
def test_version_of_a_name_without_one_is_read_from_the_system(version, reported):
    host = host_with_image()
    host.online["Debian"]["/etc/os-release"] = b"ID=x\nVERSION_ID=" + reported + b"\n"
    image = named(f"debian-{version}", UNSTATED, version=version)
    check = run(host, check=True, name=["web"], image=image)
    result = run_ok(host, name=["web"], image=image)
    assert (check["diff"], check["vms"][0]["image"]) == (result["diff"], result["vms"][0]["image"])
    assert (host.find("web").values["Flavor"], host.find("web").running) == ("debian", False)
    assert not run_ok(host, name=["web"], image=image)["changed"]


@pytest.mark.parametrize(
    "reported", [b"VERSION_ID=13\n", b"VERSION_ID=120\n", b"ID=debian\n"], ids=["other", "longer", "none"]
)
@pytest.mark.parametrize("on_failure", ["rollback", "keep"])
def test_another_version_is_removed(reported, on_failure):
    host = host_with_image()
    host.online["Debian"]["/etc/os-release"] = reported
    found = reported.partition(b"VERSION_ID=")[2].decode().strip() or "unknown"
    new = {"name": ["web"], "image": named("debian-12", UNSTATED), "install_location": "D:\\x\\y\\web"}
    words = ("web: image: debian-12", f"it has installed version {found}.", "image: Debian for any version")
    result = run_rejected(host, *words, **new, on_failure=on_failure)
    assert not result["changed"]


def test_exact_name_of_the_list_is_taken_in_any_version():
    host = host_with_image()
    host.online["Debian"]["/etc/os-release"] = b"VERSION_ID=99\n"
    result = run_ok(host, name=["web"], image={"source": "Debian", "catalogue": {"names": ["debian-13"]}})
    assert result["vms"][0]["image"]["name"] == "Debian"


def test_name_that_the_list_of_this_host_lacks_is_rejected():
    host = host_with_image()
    del host.online["Ubuntu"]
    words = ("web: image: ubuntu-24.04: the online list of this host has no 'Ubuntu'", "It has Debian.", ".wsl")
    run_rejected(host, *words, name=["web"], image=named("ubuntu-24.04", STATED))


def test_name_that_is_in_the_list_and_a_file_is_installed_from_the_list():
    host = host_with_image()
    run_ok(host, name=["web"], image=named("ubuntu-24.04", FILE, STATED))
    assert host.find("web").values["Flavor"] == "ubuntu"


@pytest.mark.parametrize("image", [named("ubuntu-24.04", STATED), {"source": "Ubuntu"}], ids=["name", "exact"])
def test_list_that_cannot_be_read_leaves_the_error_to_the_installation(image):
    host = host_with_image()
    host.online.clear()
    before = state_of(host)
    assert "WSL_E_DISTRO_NOT_FOUND" in run(host, name=["web"], image=image)["msg"]
    assert state_of(host) == before


def test_list_is_read_once_for_all_distributions_of_a_task():
    host = host_with_image()
    run_ok(host, name=["a", "b", "c"], image=named("ubuntu-24.04", STATED))
    assert str(host.log).count("--online") == 1


@pytest.mark.parametrize("source", ["ubuntu-24.04", "Ubuntu"])
@pytest.mark.parametrize("option", ["checksum", "headers", "require_signature"])
def test_option_of_a_download_is_rejected_for_a_name_of_the_list(source, option):
    value = {"checksum": "sha256:" + "0" * 64, "headers": {"X-Token": "one"}, "require_signature": True}[option]
    image = {**(named(source, STATED) if source != "Ubuntu" else {"source": source}), option: value}
    words = (f"web: image.{option}: it is of a file, and WSL installs '{source}' from its online list.", "Omit it")
    run_rejected(host_with_image(), *words, name=["web"], image=image)


@pytest.mark.parametrize("option", ["checksum", "refresh", "headers", "require_signature"])
def test_option_of_a_download_is_rejected_for_a_path(option):
    value = {"checksum": "sha256:" + "0" * 64, "headers": {"X-Token": "one"}}.get(option, True)
    words = (f"web: image.{option}: it is about a download, and '{TAR}' is not downloaded.", "Omit it")
    run_rejected(host_with_image(), *words, name=["web"], image={"source": TAR, option: value})


def test_refresh_is_what_the_list_does_anyway():
    host = host_with_image()
    assert run_ok(host, name=["web"], image=named("ubuntu-24.04", STATED) | {"refresh": True})["changed"]


def test_name_that_the_list_has_for_amd64_only_is_rejected_on_an_arm_host():
    """The host is asked for its architecture only then: most names are published for both."""
    host = host_with_image()
    host.files.environment["PROCESSOR_ARCHITECTURE"] = "ARM64"
    words = (
        "web: image: ubuntu-24.04: no distribution for WSL of it is known for arm64.",
        "It is published for amd64.",
    )
    run_rejected(host, *words, name=["web"], image=named("ubuntu-24.04", STATED))
    run_ok(host, name=["web"], image=named("ubuntu-24.04", STATED, {**STATED, "architecture": "arm64"}))


@pytest.mark.parametrize("processor", ["x86", ""])
def test_unknown_architecture_of_the_host_is_not_taken_for_amd64(processor):
    host = host_with_image()
    host.files.environment["PROCESSOR_ARCHITECTURE"] = processor
    words = f"the architecture of the host is {processor or 'unknown'}"
    run_rejected(host, words, name=["web"], image=named("ubuntu-24.04", STATED))
