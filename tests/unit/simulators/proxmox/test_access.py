# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may what on the simulated cluster, and in which words it is refused."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import ADMINISTRATOR, Account, Token, User
from simulators.proxmox.gateway import Gateway, Request

NEW = "/nodes/pve1/qemu"
VM1 = "/nodes/pve1/qemu/100"
ALICE, BOT = User("alice@pve"), User("alice@pve", "bot")


@pytest.fixture
def world():
    world = worlds.with_cases()
    world.access.accounts["alice@pve"] = Account("wonderland", tokens={"bot": Token("white-rabbit")})
    world.timing.refused = 0
    return world


@pytest.fixture
def gateway(world):
    return Gateway(world)


def sent(gateway, method="GET", path="/version", params=None, headers=None, cookies=None):
    process = gateway.open(Request(method, path, params=params or {}, headers=headers or {}, cookies=cookies or {}))
    gateway.world.engine.finish(process)
    return process.value


def session(gateway, **params):
    return sent(gateway, "POST", "/access/ticket", {"username": "alice@pve", "password": "wonderland", **params})


def test_without_credentials_there_is_no_ticket_and_no_body(gateway):
    refused = sent(gateway)
    assert (refused.status, refused.reason, refused.body) == (401, "No ticket", None)


def test_a_token_is_enough(gateway):
    header = {"authorization": f"PVEAPIToken=root@pam!test={worlds.TOKEN_SECRET}"}
    assert sent(gateway, headers=header).status == 200
    wrong = sent(gateway, headers={"authorization": "PVEAPIToken=root@pam!test=wrong"})
    assert (wrong.status, wrong.reason, wrong.body) == (401, "Authentication failed!", None)


def test_a_401_is_late(world, gateway):
    world.timing.refused = 3
    before = world.now
    sent(gateway)
    assert world.now - before == 3


def test_a_ticket_writes_only_with_its_second_half(world, gateway):
    world.access.allow("/", "alice@pve", ADMINISTRATOR)
    made = session(gateway).data
    cookies = {"PVEAuthCookie": made["ticket"]}
    assert sent(gateway, cookies=cookies).status == 200
    refused = sent(gateway, "PUT", f"{VM1}/config", {"onboot": "1"}, cookies=cookies)
    assert (refused.status, refused.reason) == (401, "Permission denied - invalid csrf token")
    headers = {"csrfpreventiontoken": made["CSRFPreventionToken"]}
    assert sent(gateway, "PUT", f"{VM1}/config", {"onboot": "1"}, headers, cookies).status == 200


def test_a_wrong_password_is_refused_with_a_body(gateway):
    refused = session(gateway, password="x")
    assert (refused.status, refused.reason) == (401, "authentication failure")
    assert refused.body == {"data": None, "message": "authentication failure\n"}


def test_a_ticket_expires_and_renews_itself_before(world, gateway):
    made = session(gateway).data
    world.engine.advance(7000)
    renewed = session(gateway, password=made["ticket"]).data
    world.engine.advance(300)
    assert sent(gateway, cookies={"PVEAuthCookie": made["ticket"]}).reason == "Authentication failed!"
    assert sent(gateway, cookies={"PVEAuthCookie": renewed["ticket"]}).status == 200


def test_a_ticket_can_be_told_to_expire(world, gateway):
    made = session(gateway).data
    world.faults.request("expire", path="/version")
    world.engine.advance(1)
    assert sent(gateway, cookies={"PVEAuthCookie": made["ticket"]}).reason == "Authentication failed!"


def test_a_second_factor_is_asked_for(world, gateway):
    world.access.accounts["alice@pve"].otp = "123456"
    challenge = session(gateway).data
    assert challenge["NeedTFA"] == 1
    made = session(gateway, password="totp:123456", **{"tfa-challenge": challenge["ticket"]})
    assert made.data["CSRFPreventionToken"]
    assert sent(gateway, cookies={"PVEAuthCookie": challenge["ticket"]}).status == 401


@pytest.mark.parametrize(
    ("method", "path", "params", "reason"),
    [
        ("POST", f"{VM1}/status/start", {}, "Permission check failed (/vms/100, VM.PowerMgmt)"),
        ("GET", f"{VM1}/config", {}, "Permission check failed (/vms/100, VM.Audit)"),
        ("DELETE", VM1, {}, "Permission check failed (/vms/100, VM.Allocate)"),
        ("POST", "/nodes/pve1/qemu", {"vmid": 200}, "Permission check failed"),
        ("POST", "/nodes/pve1/qemu", {"vmid": 200, "pool": "x"}, "Permission check failed (pool 'x' does not exist)"),
    ],
)
def test_a_missing_right_is_named(gateway, method, path, params, reason):
    refused = gateway.call(method, path, params, ALICE)
    assert (refused.status, refused.reason) == (403, reason)


def test_who_is_unknown_is_not_told_what_there_is(gateway):
    assert sent(gateway, path="/nosuch").status == 401
    assert gateway.call("GET", "/nosuch").status == 501


def test_a_parameter_that_the_path_says_otherwise_is_refused(gateway):
    refused = gateway.call("POST", f"{VM1}/status/start", {"vmid": 101})
    assert refused.status == 400
    assert refused.errors == {"vmid": "duplicate parameter (already defined in URI) with conflicting values!"}


def test_a_clone_needs_a_right_on_the_new_number_too(world, gateway):
    world.access.roles["Cloner"] = frozenset(["VM.Clone"])
    world.access.allow("/vms/100", "alice@pve", "Cloner")
    refused = gateway.call("POST", f"{VM1}/clone", {"newid": 300}, ALICE)
    assert (refused.status, refused.reason) == (403, "Permission check failed")


def test_config_alternatives_are_told_together(gateway):
    reason = gateway.call("PUT", f"{VM1}/config", {"onboot": 1}, ALICE).reason
    assert reason.startswith("Permission check failed (/vms/100, VM.Config.Disk|VM.Config.CDROM|")


def test_single_options_need_single_rights(world, gateway):
    world.access.roles["Cores"] = frozenset(["VM.Config.CPU", "VM.Config.Network"])
    world.access.allow("/vms/100", "alice@pve", "Cores")
    assert gateway.call("PUT", f"{VM1}/config", {"cores": 2}, ALICE).status == 200
    refused = gateway.call("PUT", f"{VM1}/config", {"memory": 4096}, ALICE)
    assert refused.reason == "Permission check failed (/vms/100, VM.Config.Memory)"
    refused = gateway.call("PUT", f"{VM1}/config", {"net1": "virtio,bridge=vmbr0"}, ALICE)
    assert refused.reason == "Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)"


@pytest.mark.parametrize(
    ("lacks", "method", "path", "params", "reason"),
    [
        ("VM.Config.CDROM", "PUT", f"{VM1}/config", {"ide0": "local-lvm:cloudinit"}, "/vms/100, VM.Config.CDROM"),
        (
            "VM.Config.Cloudinit",
            "PUT",
            f"{VM1}/config",
            {"ide0": "local-lvm:cloudinit"},
            "/vms/100, VM.Config.Cloudinit",
        ),
        ("VM.Config.CDROM", "PUT", f"{VM1}/config", {"ide2": "none,media=cdrom"}, "/vms/100, VM.Config.CDROM"),
        ("VM.Config.CDROM", "PUT", f"{VM1}/config", {"delete": "ide2"}, None),
        ("VM.Config.Cloudinit", "POST", NEW, {"vmid": 140, "ide2": "local-lvm:cloudinit"}, None),
        ("VM.Config.CDROM", "POST", NEW, {"vmid": 140, "ide2": "none,media=cdrom"}, None),
        ("VM.Config.Disk", "POST", NEW, {"vmid": 140, "scsi0": "local-lvm:1"}, None),
        ("VM.PowerMgmt", "POST", NEW, {"vmid": 143, "start": 1}, "/vms/143, VM.PowerMgmt"),
        ("VM.PowerMgmt", "POST", NEW, {"vmid": 143}, None),
        ("Datastore.AllocateSpace", "PUT", f"{VM1}/config", {"ide0": "local-lvm:cloudinit"}, None),
        ("VM.Config.Disk", "PUT", f"{VM1}/config", {"ide0": "local-lvm:cloudinit"}, None),
        ("SDN.Use", "PUT", f"{VM1}/config", {"delete": "net0"}, "/sdn/zones/localnetwork/vmbr0, SDN.Use"),
        ("VM.Config.Network", "PUT", f"{VM1}/config", {"delete": "net0"}, "/vms/100, VM.Config.Network"),
        (
            "Datastore.AllocateSpace",
            "POST",
            "/nodes/pve1/qemu/9000/clone",
            {"newid": 140},
            "/storage/local-lvm, Datastore.AllocateSpace",
        ),
    ],
)
def test_one_missing_privilege_as_recorded(world, gateway, lacks, method, path, params, reason):
    """Recorded as one_missing and cloud_init_rights."""
    world.access.roles["Most"] = world.access.roles[ADMINISTRATOR] - {lacks}
    world.access.allow("/", "alice@pve", "Most")
    answer = gateway.call(method, path, params, ALICE)
    assert answer.reason == (f"Permission check failed ({reason})" if reason else "OK")


def test_creation_in_a_pool_needs_the_same_privileges_there(world, gateway):
    world.access.roles["Allocate"] = frozenset({"VM.Allocate"})
    world.access.allow("/pool/prod", "alice@pve", "Allocate")
    refused = gateway.call("POST", NEW, {"vmid": 200, "pool": "prod", "memory": 512}, ALICE)
    assert refused.reason == "Permission check failed (/vms/200, VM.Config.Memory)"
    assert gateway.call("POST", NEW, {"vmid": 200, "pool": "prod"}, ALICE).status == 200


def test_lock_is_reported_before_a_missing_privilege_on_a_drive(world, gateway):
    world.access.roles["Few"] = frozenset({"VM.Config.Options", "Datastore.AllocateSpace"})
    world.access.allow("/", "alice@pve", "Few")
    behind.edit(world, 100, lock="backup")
    answers = [
        gateway.call("PUT", f"{VM1}/config", change, ALICE).reason for change in ({"delete": "scsi0"}, {"memory": 1024})
    ]
    assert answers == ["VM is locked (backup)", "Permission check failed (/vms/100, VM.Config.Memory)"]


def test_only_bridges_with_a_privilege_are_listed(world, gateway):
    def listed(version=(9, 1)):
        world.schema.version = version
        return [entry["iface"] for entry in gateway.call("GET", "/nodes/pve1/network", user=ALICE).data]

    assert (listed(), listed((7, 4))) == ([], ["vmbr0", "vmbr1"])
    world.access.allow("/sdn/zones/localnetwork/vmbr1/5", "alice@pve", "PVESDNUser")
    assert listed() == ["vmbr1"]
    world.access.roles["See"] = frozenset({"SDN.Audit"})
    world.access.allow("/sdn", "alice@pve", "See")
    assert listed() == ["vmbr0", "vmbr1"]


def test_a_token_of_its_own_rights_has_no_more_than_both(world, gateway):
    world.access.allow("/", "alice@pve", ADMINISTRATOR)
    assert gateway.call("GET", f"{VM1}/config", user=BOT).status == 403
    world.access.allow("/vms/100", "alice@pve!bot", "PVEAuditor")
    assert gateway.call("GET", f"{VM1}/config", user=BOT).status == 200
    assert gateway.call("POST", f"{VM1}/status/stop", user=BOT).status == 403


def test_a_right_on_a_pool_counts_for_its_machines(world, gateway):
    world.access.allow("/pool/prod", "alice@pve", "PVEVMAdmin")
    assert gateway.call("GET", f"{VM1}/config", user=ALICE).status == 403
    world.cluster.pools["prod"].vms.add(100)
    assert gateway.call("GET", f"{VM1}/config", user=ALICE).status == 200
    assert gateway.call("POST", "/nodes/pve1/qemu", {"vmid": 200, "pool": "prod", "cores": 2}, ALICE).status == 200


def test_only_machines_that_may_be_seen_are_listed(world, gateway):
    world.access.allow("/vms/101", "alice@pve", "PVEAuditor")
    assert [entry["vmid"] for entry in gateway.call("GET", "/cluster/resources", {"type": "vm"}, ALICE).data] == [101]


def test_somebody_elses_task_is_not_shown(world, gateway):
    upid = gateway.call("POST", f"{VM1}/status/stop").data
    refused = gateway.call("GET", f"/nodes/pve1/tasks/{upid}/status", user=ALICE)
    assert refused.reason == "Permission check failed (/nodes/pve1, Sys.Audit)"


def test_a_ticket_cannot_be_made_with_a_token(gateway):
    refused = gateway.call("POST", "/access/ticket", {"username": "alice@pve", "password": "x"}, BOT)
    assert (refused.status, refused.reason) == (
        403,
        "Permission check failed (URI '/access/ticket' not available with API token, need proper ticket.",
    )


def test_role_without_propagation_holds_on_its_path_alone(world, gateway):
    world.access.allow("/vms", "alice@pve", "PVEAuditor", propagate=False)
    assert not world.access.may(ALICE, "/vms/100", ["VM.Audit"])
    told = gateway.call("GET", "/access/permissions", user=ALICE).data
    assert (told["/vms"]["VM.Audit"], "/vms/100" in told) == (0, False)
    world.access.allow("/", "alice@pve", "PVEAuditor")
    assert world.access.may(ALICE, "/vms/100", ["VM.Audit"])


def test_group_gives_its_roles_to_its_users_and_their_own_roles_come_first(world):
    world.access.groups["ops"] = {"alice@pve"}
    world.access.allow("/vms", "@ops", "PVEVMAdmin")
    assert world.access.may(ALICE, "/vms/100", ["VM.Allocate"])
    # A token with rights of its own is in no group.
    assert not world.access.may(BOT, "/vms/100", ["VM.Allocate"])
    world.access.allow("/vms", "alice@pve", "PVEAuditor")
    assert not world.access.may(ALICE, "/vms/100", ["VM.Allocate"])
    world.access.allow("/vms/100", "@ops", "NoAccess")
    assert not world.access.may(ALICE, "/vms/100", ["VM.Audit"])
