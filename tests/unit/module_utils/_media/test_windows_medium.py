# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests for the reader of installation media of Windows: its languages and images."""

from __future__ import annotations

import os
import struct

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._media import windows_medium
from ansible_collections.polyvirt.core.plugins.module_utils._media.disc import SECTOR, Disc
from ansible_collections.polyvirt.core.plugins.module_utils._media.prepared import no_prompt_edit

from windows_guests import vendor_iso


def disc(data):
    return Disc(lambda offset, length: data[offset : offset + length], "/iso/windows.iso")


def medium(boot=("boot/etfsboot.com", "efi/microsoft/boot/efisys.bin"), **files):
    return vendor_iso.iso(vendor_iso.windows_files(**files), boot=boot)


def listing(text):
    """A medium with this text as the list of its images."""
    data = bytearray(vendor_iso.wim(()))
    place = int.from_bytes(data[80:88], "little")
    data[place:] = b"\xff\xfe" + text.encode("utf-16-le")
    data[72:79] = (len(data) - place).to_bytes(7, "little")
    return disc(medium(**{"sources/install.wim": bytes(data)}))


class TestFiles:
    def test_reads_the_volume(self):
        assert disc(medium()).volume() == ("SSS_X64FREE_EN-US_DV9", "MICROSOFT CORPORATION")

    def test_finds_a_file_in_any_case(self):
        assert disc(medium()).find("Sources/INSTALL.WIM").size == len(vendor_iso.wim(vendor_iso.SERVER))

    @pytest.mark.parametrize("path", ["sources/install.esd", "source/install.wim", "setup.exe2"])
    def test_reports_a_missing_file(self, path):
        assert disc(medium()).find(path) is None

    def test_reads_across_extents(self):
        expected = bytes(range(256)) * 200
        read = disc(medium(**{"sources/large.bin": expected}))
        found = read.find("sources/large.bin")
        assert len(found.extents) > 1
        assert read.content(found) == expected
        assert read.content(found, vendor_iso.EXTENT - 3, 9) == expected[vendor_iso.EXTENT - 3 :][:9]

    def test_rejects_a_directory_that_is_too_long(self):
        """Each of its entries is read, in each search for a file."""
        data = bytearray(medium())
        place = (257 + 2) * SECTOR + 56  # The size in the entry of the first directory.
        data[place : place + 8] = struct.pack("<Q", (1 << 20) + 1)
        with pytest.raises(Refused, match="larger than expected"):
            disc(bytes(data)).find("setup.exe")

    def test_reads_a_name_outside_latin1(self):
        assert disc(medium(**{"sources/\u20ac.txt": b"x"})).find("sources/\u20ac.txt").size == 1

    def test_rejects_a_file_that_is_no_iso_image(self):
        with pytest.raises(Refused, match="not an ISO image"):
            disc(bytes(400 * SECTOR)).volume()

    def test_rejects_an_image_without_udf(self):
        data = bytearray(medium())
        data[256 * SECTOR : 257 * SECTOR] = bytes(SECTOR)
        with pytest.raises(Refused, match="not in the format UDF"):
            disc(bytes(data)).find("setup.exe")

    def test_rejects_an_incomplete_download(self):
        with pytest.raises(Refused, match="not downloaded completely"):
            windows_medium.images(disc(medium()[:-SECTOR]))

    @pytest.mark.parametrize("seed", range(40))
    def test_damage_never_ends_in_another_error(self, seed):
        data, state = bytearray(medium()), seed
        for _number in range(200):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            place = (16 * SECTOR, 257 * SECTOR)[state & 1] + (state >> 3) % (60 * SECTOR)
            data[place % len(data)] = (state >> 8) & 0xFF
        read = disc(bytes(data))
        for question in (windows_medium.languages, windows_medium.images, no_prompt_edit):
            try:
                question(read)
            except Refused:
                continue


class TestLanguages:
    def test_lists_those_of_setup_only(self):
        assert windows_medium.languages(disc(medium(languages=("de-DE", "sr-Latn-RS")))) == ["de-DE", "sr-Latn-RS"]

    def test_reads_utf16(self):
        text = "[Available UI Languages]\r\nja-JP = 3\r\n".encode("utf-16")
        assert windows_medium.languages(disc(medium(**{"sources/lang.ini": text}))) == ["ja-JP"]

    def test_line_ends_are_no_spaces(self):
        """A search that continues on the next line would take minutes for a file of empty lines."""
        for text in (b"ja-JP\n= 3\n", b"ja-JP = \n3\n", b"\n" * 65000):
            content = b"[Available UI Languages]\n" + text
            assert windows_medium.languages(disc(medium(**{"sources/lang.ini": content}))) == []

    def test_a_medium_without_a_list_has_none(self):
        assert windows_medium.languages(disc(medium(**{"sources/lang.ini": None}))) == []


class TestImages:
    def test_lists_the_images(self):
        found = windows_medium.images(disc(medium()))
        assert [(one.index, one.installation) for one in found] == [
            (1, "Server Core"),
            (2, "Server"),
            (3, "Server Core"),
            (4, "Server"),
        ]
        assert found[1].title == "Standard Evaluation (Desktop Experience)"
        assert (found[1].architecture, found[1].build, found[1].language) == ("amd64", "10.0.26100", "en-US")

    def test_reads_install_esd(self):
        data = vendor_iso.wim(vendor_iso.CLIENT)
        files = {"sources/install.wim": None, "sources/install.esd": data}
        assert [one.edition for one in windows_medium.images(disc(medium(**files)))] == ["EnterpriseEval"]

    def test_rejects_entities(self):
        with pytest.raises(Refused, match="list of the images"):
            windows_medium.images(listing('<!DOCTYPE x [<!ENTITY a "b">]><WIM>&a;</WIM>'))

    @pytest.mark.parametrize("text", ["<IMAGE/>" * 257, " " * (1 << 19)], ids=["images", "bytes"])
    def test_rejects_a_list_that_is_too_long(self, text):
        with pytest.raises(Refused, match="list of the images"):
            windows_medium.images(listing(f"<WIM>{text}</WIM>"))

    @pytest.mark.parametrize("index", ["\u00b2", "9" * 5000, "-1", " 1"], ids=["power", "long", "negative", "space"])
    def test_index_that_is_no_number_is_unknown(self, index):
        assert [one.index for one in windows_medium.images(listing(f'<WIM><IMAGE INDEX="{index}"/></WIM>'))] == [0]


class TestModule:
    def test_answer(self, tmp_path):
        path = vendor_iso.write_iso(tmp_path / "a.iso", vendor_iso.windows_files(vendor_iso.LTSC))
        found = windows_medium.answer({"path": path}, check=True)
        assert (found["label"], found["languages"]) == ("SSS_X64FREE_EN-US_DV9", ["en-US"])
        assert (found["changed"], found["starts_without_key"]) == (False, False)
        assert [one["edition"] for one in found["images"]] == ["EnterpriseSEval", "EnterpriseSNEval"]

    @pytest.mark.parametrize("kind", ["directory", "device", "pipe"])
    def test_path_that_is_no_file(self, tmp_path, kind):
        path = {"device": "/dev/null"}.get(kind, str(tmp_path / kind))
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "directory":
            os.mkdir(path)
        with pytest.raises(Refused, match="is not a file"):
            windows_medium.answer({"path": path}, check=False)

    def test_file_with_a_hole(self, tmp_path):
        path = tmp_path / "sparse.iso"
        path.touch()
        os.truncate(path, 1 << 42)
        with pytest.raises(Refused, match="not an ISO image"):
            windows_medium.answer({"path": str(path)}, check=False)

    def test_missing_file(self, tmp_path):
        with pytest.raises(NotFound, match=r"missing\.iso"):
            windows_medium.answer({"path": str(tmp_path / "missing.iso")}, check=False)
