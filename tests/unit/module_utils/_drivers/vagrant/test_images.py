# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``image`` on Vagrant: a box, or a name of the catalogue, which has one box for each provider."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._ports import host

from unit.module_utils._drivers.vagrant.in_process import BOX
from unit.module_utils._media.server import Server, checksum

OTHER = "me/other"


def medium(box, *providers, **more):
    image = {"format": "box", "box": box, "providers": list(providers)}
    return {"type": "box", "architecture": "amd64", "image": image, **more}


def named(name, *media):
    return {"source": name, "catalogue": {"media": list(media)}}


IMAGE = named("debian-13", medium("debian/trixie64", "libvirt"), medium(BOX, "hyperv", "virtualbox"))


@pytest.fixture(autouse=True)
def _amd64(monkeypatch):
    monkeypatch.setattr(host, "architecture", lambda: "amd64")


@pytest.mark.parametrize(("image", "name"), [(IMAGE, "debian-13"), ({"source": BOX}, BOX)], ids=["name", "box"])
def test_image_is_another_way_to_say_box(world, image, name):
    check = world.run(image=image, state="started", check=True)
    created = world.run(image=image, state="started")
    recorded = {"name": name, "digest": None, "fetched": None}
    assert (created.vm["settings"]["box"], created.vm["image"]) == (BOX, recorded)
    assert (check.vm["image"], check.diff) == (recorded, created.diff)
    assert [step["verb"] for step in created.vm["steps"]] == ["create", "start"]
    for options in ({"image": image}, {"box": BOX}, {}):
        again = world.run(**options)
        assert (again.changed, again.vm["image"], again.warnings) == (False, recorded, [])


def test_box_of_an_image_is_that_of_the_provider(world):
    created = world.run(image=IMAGE, provider="libvirt")
    assert created.vm["settings"]["box"] == "debian/trixie64"
    assert "not for the provider vmware_desktop" in world.run("db", image=IMAGE, provider="vmware_desktop").error


@pytest.mark.parametrize("allow_recreate", [False, True])
@pytest.mark.parametrize(
    "image", [named("debian-12", medium(OTHER, "hyperv")), {"source": OTHER}, {"source": "unknown"}]
)
def test_another_image_of_an_existing_vm_only_warns(world, image, allow_recreate):
    world.run(image=IMAGE, state="started")
    answer = world.run(image=image, allow_recreate=allow_recreate)
    assert (answer.changed, answer.vm["settings"]["box"]) == (False, BOX)
    assert "the VM was created from 'debian-13', and the task names" in str(answer.warnings)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"cpus": 2}, "debian-13"),
        ({"cpus": 2, "box": BOX}, "debian-13"),
        ({"box": OTHER}, None),
        ({"os_type": "debian-12"}, None),
    ],
)
def test_another_box_forgets_the_image_in_check_mode_too(world, options, name):
    world.run(image=IMAGE)
    check, run = world.run(check=True, **options), world.run(**options)
    assert (check.vm["image"], check.diff) == (run.vm["image"], run.diff)
    assert (run.vm["image"] and run.vm["image"]["name"], run.vm["settings"]["box"] == BOX) == (name, bool(name))


def test_recreated_vm_gets_the_box_of_the_image(world):
    world.run(image=IMAGE, state="started", box_version="0")
    world.vagrant.change(boxes=[{"name": name, "provider": "hyperv", "version": "0"} for name in (BOX, OTHER)])
    other = named("debian-12", medium(OTHER, "hyperv"))
    recreated = world.run(image=other, linked_clone=True, allow_recreate=True, stop_mode="force")
    assert (recreated.vm["settings"]["box"], recreated.vm["image"]["name"]) == (OTHER, "debian-12")


@pytest.mark.parametrize("image", [IMAGE, {"source": BOX}])
def test_another_box_beside_an_image_is_rejected(world, image):
    assert f"its box is {BOX}, and the task sets box: {OTHER}" in world.run(image=image, box=OTHER).error
    assert world.files() == {}
    assert not world.run(image=image, box=BOX).failed


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ({"source": "/boxes/x.qcow2"}, "x.qcow2 is not a box file. Set one whose name ends in .box."),
        (
            {"source": "https://u:secret@x.example/x.box"},
            "image: https://x.example/x.box: its address contains a password, which the description of the VM would",
        ),
        ({"source": BOX, "checksum": "sha256:0"}, "this is a box of a registry. Set box_checksum."),
        ({"source": "https://x.example/x.box", "checksum": "sha256:0"}, "sha256:0 is no checksum of x.box"),
        ({"source": "/boxes/none.box"}, "image: /boxes/none.box does not exist on the host of the task"),
        ({"source": BOX, "linked": True}, "Set linked_clone."),
    ],
    ids=["ending", "password", "box", "digits", "missing", "linked"],
)
def test_other_images_are_rejected_with_an_alternative(world, image, text):
    answer = world.run(image=image)
    assert text in answer.error
    assert "secret" not in answer.error
    assert world.files() == {}


# Box files ------------------------------------------------------------------------------------------------------------

FILE = "Rocky-10-Vagrant-Vbox.latest.x86_64.vagrant.virtualbox.box"
CONTENT = b"a box"


@pytest.fixture(name="vendor")
def _vendor(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    server.files = {f"/b/{FILE}": CONTENT, f"/b/{FILE}.CHECKSUM": f"SHA256 ({FILE}) = {checksum(CONTENT)}\n".encode()}
    yield server
    server.close()


def _of_vendor(vendor, provider="hyperv", **more):
    file = {"file": FILE, "bases": [f"{vendor.url}/b"], "checksums": f"{FILE}.CHECKSUM"}
    return named("rocky-10", medium("rockylinux/10", provider, **file, **more))


def _settings(answer):
    return {key: answer.vm["settings"].get(key) for key in ("box", "box_url", "box_checksum")}


def _of_file(name, address):
    """The settings of a VM with the verified box file at an address."""
    digest = checksum(CONTENT)
    return {"box": f"{name}-{digest[:12]}", "box_url": address, "box_checksum": f"sha256:{digest}"}


def test_box_file_of_a_vendor_is_downloaded_and_verified_by_vagrant(world, vendor):
    check = world.run(image=_of_vendor(vendor), check=True)
    created = world.run(image=_of_vendor(vendor))
    assert not created.failed, created.error
    assert _settings(created) == _of_file("rocky-10", f"{vendor.url}/b/{FILE}")
    assert (created.vm["image"]["name"], created.vm["image"]["digest"]) == ("rocky-10", f"sha256:{checksum(CONTENT)}")
    assert (check.diff, check.vm["image"]) == (created.diff, created.vm["image"])
    assert vendor.fetched(f"/b/{FILE}") == []
    vendor.requests.clear()
    assert not world.run(image=_of_vendor(vendor)).changed
    assert vendor.requests == []


def test_box_that_was_added_from_a_file_of_this_name_needs_no_request(world, vendor):
    box = f"rocky-10-{'a' * 12}"
    for name, provider in ((box, "hyperv"), (f"rocky-10-{'b' * 12}", "libvirt"), ("rocky-10-own", "hyperv")):
        (world.vagrant.folder / "home" / "boxes" / name / "0" / provider).mkdir(parents=True)
    created = world.run(image=_of_vendor(vendor))
    assert (_settings(created), vendor.requests) == ({"box": box, "box_url": None, "box_checksum": None}, [])


def test_of_two_added_versions_the_vendor_says_which_is_the_newest(world, vendor):
    for digit in "ab":
        (world.vagrant.folder / "home" / "boxes" / f"rocky-10-{digit * 12}" / "0" / "hyperv").mkdir(parents=True)
    created = world.run(image=_of_vendor(vendor))
    assert created.vm["settings"]["box"] == f"rocky-10-{checksum(CONTENT)[:12]}"


def test_box_file_for_another_provider_is_rejected(world, vendor):
    assert "not for the provider hyperv" in world.run(image=_of_vendor(vendor, "libvirt")).error
    assert vendor.requests == []


def test_address_of_a_box_file(world, vendor):
    address = f"{vendor.url}/b/{FILE}"
    plain = world.run(image={"source": address})
    assert "nothing was verified" in str(plain.warnings)
    assert (plain.vm["settings"]["box_url"], plain.vm["settings"].get("box_checksum")) == (address, None)
    verified = world.run("db", image={"source": address, "checksum": f"sha256:{checksum(CONTENT)}"})
    assert _settings(verified) == _of_file(FILE.removesuffix(".box"), address)
    assert "nothing was verified" not in str(verified.warnings)


def test_path_of_a_box_file(world, tmp_path):
    path = tmp_path / "own.box"
    path.write_bytes(CONTENT)
    created = world.run(image={"source": str(path), "checksum": f"sha256:{checksum(CONTENT)}"})
    assert _settings(created) == _of_file("own", str(path))
    assert created.vm["image"]["name"] == str(path)


@pytest.mark.parametrize("options", [{"box_url": "https://x.example/y.box"}, {"box_checksum": "sha256:1"}])
def test_other_address_or_checksum_beside_a_box_file_is_rejected(world, vendor, options):
    answer = world.run(image=_of_vendor(vendor), **options)
    assert "Set only one of them" in answer.error
    assert world.files() == {}


def test_own_vagrantfile_decides_about_the_box(world):
    (world.project / "Vagrantfile").write_text('Vagrant.configure("2") {}', encoding="utf-8")
    assert (
        "With managed: false the Vagrantfile is your own"
        in world.run("default", image={"source": BOX}, managed=False).error
    )
