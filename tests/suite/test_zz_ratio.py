import json
import time

from suite.provisioning import variables_of_guest
from suite.ssh import Key


def test_ratio(qemu, tmp_path, ansible_playbook, capsys):
    Key(tmp_path)
    usual = variables_of_guest(qemu, tmp_path / "key")
    names = [f"{qemu.prefix}vm{n}" for n in range(5)]
    script = {"guest_scripts": [{"name": "count", "script": "echo once >>/root/count\n"}]}
    inv = tmp_path / "inv.json"
    inv.write_text(
        json.dumps({"all": {"vars": {**usual, **script}, "children": {"web": {"hosts": {n: {} for n in names}}}}})
    )
    times = {}
    qemu.clean()
    qemu.start_network()
    t = time.monotonic()
    code, out = ansible_playbook(
        "-i", inv, "polyvirt.core.provision_group", "-e", "provision_group=web", folder=tmp_path
    )
    times["one"] = time.monotonic() - t
    assert code == 0, out
    qemu.clean()
    qemu.start_network()
    t = time.monotonic()
    for n in names:
        code, out = ansible_playbook(
            "polyvirt.core.provision", "-e", json.dumps({**usual, **script, "vm_name": n}), folder=tmp_path
        )
        assert code == 0, out
    times["five"] = time.monotonic() - t
    with capsys.disabled():
        print("RATIO", times)
