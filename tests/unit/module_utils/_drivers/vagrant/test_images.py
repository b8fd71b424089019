# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``image`` on Vagrant: a box, or a name of the catalogue, which has one box for each provider."""

from __future__ import annotations

import pytest

from unit.module_utils._drivers.vagrant.in_process import BOX

OTHER = "me/other"


def medium(box, *providers, **more):
    image = {"format": "box", "box": box, "providers": list(providers)}
    return {"type": "box", "architecture": "amd64", "image": image, **more}


def named(name, *media):
    return {"source": name, "catalogue": {"media": list(media)}}


IMAGE = named("debian-13", medium("debian/trixie64", "libvirt"), medium(BOX, "hyperv", "virtualbox"))


@pytest.fixture(autouse=True)
def _amd64(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


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


def test_other_settings_keep_the_image_and_another_box_forgets_it(world):
    world.run(image=IMAGE)
    assert world.run(cpus=2).vm["image"]["name"] == "debian-13"
    assert world.run(box=OTHER).vm["image"] is None


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


@pytest.mark.parametrize("state", ["present", "started", "stopped"])
def test_unknown_name_is_rejected_with_near_ones(world, state):
    image = {"source": "debian-l3", "catalogue": {"names": ["debian-13", "rocky-10"]}}
    assert (
        "image: there is no image named 'debian-l3'. Did you mean debian-13?"
        in world.run(image=image, state=state).error
    )
    assert not world.run(image=image, state="absent").changed


@pytest.mark.parametrize(
    ("image", "text"),
    [
        (
            {"source": "/boxes/x.box"},
            "image.source: it is a path, which this platform creates no VM from. Set box and box_url.",
        ),
        ({"source": "https://u:secret@x.example/x.box"}, "image.source: it is an address"),
        ({"source": BOX, "checksum": "sha256:0"}, "image.checksum is not supported on vagrant. Set box_checksum."),
        ({"source": BOX, "linked": True}, "Set linked_clone."),
        (
            named("rocky-10", medium("r/10", "hyperv", file="r.box", bases=["https://vendor.example/r"])),
            "only as the file r.box, which is not downloaded for Vagrant. Set box, box_url and box_checksum. The file"
            " is in https://vendor.example/r.",
        ),
    ],
    ids=["path", "address", "checksum", "linked", "file"],
)
def test_other_images_are_rejected_with_an_alternative(world, image, text):
    answer = world.run(image=image)
    assert text in answer.error
    assert "secret" not in answer.error
    assert world.files() == {}


def test_own_vagrantfile_decides_about_the_box(world):
    (world.project / "Vagrantfile").write_text('Vagrant.configure("2") {}', encoding="utf-8")
    assert (
        "With managed: false the Vagrantfile is your own"
        in world.run("default", image={"source": BOX}, managed=False).error
    )
