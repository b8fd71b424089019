# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints /nodes/{node}/qemu/{vmid}/status/*, which start, stop, pause or resume VMs."""

from __future__ import annotations

import re

from . import bridges, devices, drives, privileges, propertystring, statistics, vm_apply
from .errors import ApiError
from .world import check_lock, not_found

#: States that count as paused when a guest is shut down (vm_is_paused).
_PAUSED = ("paused", "prelaunch", "suspended")
OF_SUSPENSION = ("lock", "vmstate", "runningmachine", "runningcpu", "running-nets-host-mtu")
_OF_MIGRATION = ("migration_type", "migration_network")


def start(call):
    privileges.check_root_options(call, "stateuri", "migratedfrom", *_OF_MIGRATION, "targetstorage", "force-cpu")
    machine = call.machine_or_none()
    if machine and machine.ha:
        return _by_high_availability(call, "hastart", lambda: start_task(call, machine))
    return call.task("qmstart", lambda task: locked(call, _start(call)))


def _by_high_availability(call, type, action):
    """The task only sends the request to high availability, which acts later (the duration is ASSUMED)."""

    def work(_task):
        yield call.world.timing.config
        call.world.engine.after(call.world.timing.high_availability, action)

    return call.task(type, work)


def _stopped_by_cluster(call, machine, seconds):
    """High availability shuts a guest down, and powers it off after a timeout (forceStop in HA/Resources/PVEVM.pm)."""

    def work(task):
        if not machine.running:
            return
        if seconds and (yield from guest_goes_down(call.world, machine, seconds)):
            end(call.world, machine)
        elif machine.running:
            yield from quit_emulator(call.world, machine, task)

    held = call.world.flock(machine.vmid)
    call.world.tasks.start(
        machine.node,
        "qmshutdown",
        machine.vmid,
        "root@pam",
        lambda task: held.holding(work(task), call.world.timing.flock),
    )


def start_task(call, machine):
    """Start a task that starts a VM; returns its UPID."""
    return call.world.tasks.start(
        machine.node,
        "qmstart",
        machine.vmid,
        call.user.id,
        lambda task: locked(call, start_found(call, machine), machine.vmid),
    )


def locked(call, work, vmid=None):
    return call.world.flock(vmid or call.vmid).holding(work, call.world.timing.flock)


def _start(call):
    yield from start_found(call, call.machine())


def start_found(call, machine):
    world, config = call.world, machine.config
    if config.current.get("template") == "1":
        raise ApiError("you can't start a vm if it's a template")
    suspended = config.current.get("lock") == "suspended"
    if machine.running and config.current.get("lock") == "backup":
        # The guest starts in the emulator of the backup, and runs on after it (vm_start in QemuServer.pm).
        yield from resumed(world, machine)
        return
    if not call.flag("skiplock"):
        check_lock(config, "suspended")
    if machine.running:
        raise ApiError(f"VM {machine.vmid} already running")
    if not suspended:
        vm_apply.apply_cold(world, machine)
    check_cpus(world, machine.config.current, machine.node)
    _check_architecture(machine.config.current, world.cluster.nodes[machine.node].machine)
    _check_volumes(world, machine)
    _run_hookscript(world, machine)
    _check_bridges(world, machine)
    devices.take(world, machine)
    if world.start_renews_cloudinit:
        vm_apply.renew_cloudinit(world, machine)
    yield world.timing.start
    begin(world, machine)
    if suspended:
        forget_suspension(world, machine)


def begin(world, machine):
    """Set the state of a VM after its emulator has started."""
    machine.running, machine.qmp, machine.only_for_backup = True, "running", False
    machine.started_at = world.now
    machine.pid = 10_000 + machine.vmid
    machine.starts += 1
    world.effect(machine.vmid, "QEMU START")


def begin_for_backup(world, machine):
    """Start the emulator of a stopped VM to read its disks, without the guest."""
    begin(world, machine)
    machine.qmp, machine.only_for_backup = "prelaunch", True


def forget_suspension(world, machine):
    """Delete the saved memory of a suspended VM, after it was restored or discarded."""
    config = machine.config
    state = config.current.get("vmstate")
    if state:
        world.storages.free(state, machine.node)
    for key in OF_SUSPENSION:
        config.current.pop(key, None)
    machine.write(config)


def check_cpus(world, options, node):
    """A node starts no VM with more CPUs than it has itself (config_to_command in QemuServer.pm)."""
    allowed = world.cluster.nodes[node].cpus
    if statistics.cpus_of(options) > allowed:
        raise ApiError(f"MAX {allowed} vcpus allowed per VM on this node")


def _check_architecture(options, of_node):
    """What QEMU for arm64 lacks. The texts are ASSUMED, but that of the bus, which users report."""
    is_arm = options.get("arch", of_node) == "aarch64"
    if options.get("machine", "virt" if is_arm else "pc").startswith("virt") != is_arm:
        raise ApiError(f"start failed: QEMU exited with code 1\nunsupported machine type '{options['machine']}'")
    if not is_arm:
        return
    if options.get("bios") != "ovmf":
        raise ApiError("start failed: QEMU exited with code 1\nthe machine 'virt' has no BIOS")
    drive = next((key for key in sorted(options) if re.fullmatch(r"ide\d", key)), None)
    if drive:
        raise ApiError(f"start failed: QEMU exited with code 1\nBus 'ide.{int(drive[3:]) // 2}' not found")
    adapter = options.get("vga", "virtio").split(",")[0].removeprefix("type=")
    if adapter.startswith(("qxl", "std", "cirrus")):
        raise ApiError(f"start failed: QEMU exited with code 1\n'{adapter}' is not a valid device of arm64")


def _check_bridges(world, machine):
    """QEMU does not start if the bridge of a NIC does not exist."""
    for key, value in sorted(machine.config.current.items()):
        if key.startswith("net") and key[3:].isdigit():
            try:
                bridges.check(world, machine, propertystring.parse(value, world.schema.properties_of(key)))
            except bridges.NoBridge:
                raise
            except ApiError as error:
                raise ApiError(f"start failed: QEMU exited with code 1\n{error}") from error


def _run_hookscript(world, machine):
    volid = machine.config.current.get("hookscript")
    if volid and world.storages.volume(volid, machine.node) is None:
        raise ApiError(f"hookscript error for {machine.vmid} on pre-start: script '{volid}' does not exist\n")


def running_state(world, options):
    """What the configuration says of a VM while its memory is saved: with which devices it runs."""
    kind, nics = options.get("machine", "pc").split(",")[0], [key for key in options if re.fullmatch(r"net\d+", key)]
    model = propertystring.parse(options.get("cpu", "kvm64"), world.schema.properties_of("cpu"))["cputype"]
    found = {
        "runningmachine": _running_type(kind, world.emulator[1]),
        "runningcpu": f"{model},enforce,+kvm_pv_eoi,+kvm_pv_unhalt,+lahf_lm,+sep",
    }
    virtio = [f"{key}=0" for key in sorted(nics) if options[key].startswith("virtio")]
    return found | ({"running-nets-host-mtu": ",".join(virtio)} if virtio else {})


def _running_type(kind, version):
    if any(letter.isdigit() for letter in kind.removeprefix("q35").removeprefix("pc-i440fx")):
        return f"{kind}+pve0"
    return f"pc-{'q35' if 'q35' in kind else 'i440fx'}-{version}+pve0"


def _check_volumes(world, machine):
    for _key, drive in drives.of(world.schema, machine.config.current):
        volid = drives.volume_of(drive)
        if volid:
            world.storages.usable(volid.partition(":")[0], machine.node)
            if world.storages.volume(volid, machine.node) is None:
                raise ApiError(f"volume '{volid}' does not exist")


def end(world, machine):
    """Set the state of a VM after its emulator has ended, and apply its pending changes."""
    machine.running = machine.only_for_backup = False
    machine.pid = 0
    machine.devices = ()
    vm_apply.apply_cold(world, machine)


def stop(call):
    privileges.check_root_options(call, "keepActive", "migratedfrom")
    machine = call.machine_or_none()
    if machine and machine.ha:
        return _by_high_availability(call, "hastop", lambda: _stopped_by_cluster(call, machine, 0))
    return call.task("qmstop", lambda task: _overruled(call, task, locked(call, _stop(call, task))))


def _overruled(call, task, work):
    """Interrupt shutdowns before a stop, as far as the caller may stop these tasks (abort_guest_tasks)."""
    may_all = call.world.access.may(call.user, f"/nodes/{call.node}", ["Sys.Modify"])
    running = call.world.tasks.running(call.vmid, "qmshutdown") if call.flag("overrule-shutdown") else ()
    overruled = [one for one in running if may_all or one.user == call.user.id]
    for one in overruled:
        call.world.tasks.interrupt(one)
    if overruled:
        task.say(f"overruled qmshutdown tasks: {', '.join(one.upid for one in overruled)}")
    yield from work


def _stop(call, task):
    machine = call.machine_or_none()
    if machine is None:
        raise not_found(call)
    if machine.running:
        if not call.flag("skiplock"):
            check_lock(machine.config)
        yield from quit_emulator(call.world, machine, task)


def quit_emulator(world, machine, task):
    """Power a VM off."""
    world.effect(machine.vmid, "QMP quit")
    yield world.timing.stop
    if not machine.guest.quits:
        task.say("VM still running - terminating now with SIGTERM")
        task.say("VM still running - terminating now with SIGKILL")
    end(world, machine)


def shutdown(call):
    privileges.check_root_options(call, "keepActive")
    machine = call.machine_or_none()
    if machine and machine.ha:
        seconds = call.number("timeout", call.world.timing.shutdown_timeout)
        return _by_high_availability(call, "hastop", lambda: _stopped_by_cluster(call, machine, seconds))
    if machine and machine.running and machine.qmp in _PAUSED:
        if not call.flag("forceStop"):
            raise ApiError("VM is paused - cannot shutdown")
        return call.task("qmshutdown", lambda task: locked(call, _stop(call, task)))
    return call.task("qmshutdown", lambda task: locked(call, _shutdown(call, task)))


def _shutdown(call, task):
    machine = call.machine_or_none()
    if machine is None:
        raise not_found(call)
    if not machine.running:
        return
    if not call.flag("skiplock"):
        check_lock(machine.config)
    if (yield from guest_goes_down(call.world, machine, call.number("timeout", _down_time(call, machine)))):
        end(call.world, machine)
    elif call.flag("forceStop"):
        task.say("VM quit/powerdown failed - terminating now with SIGTERM")
        yield from quit_emulator(call.world, machine, task)
    else:
        raise ApiError("VM quit/powerdown failed - got timeout")


def _down_time(call, machine):
    startup = machine.config.current.get("startup", "")
    down = next((part[len("down=") :] for part in startup.split(",") if part.startswith("down=")), None)
    return int(down) if down else call.world.timing.shutdown_timeout


def guest_goes_down(world, machine, timeout):
    """Press the power button and wait; returns whether the guest is off in time. A late guest powers off, too."""
    world.effect(machine.vmid, "POWERDOWN")
    heard = world.now >= machine.started_at + machine.guest.boots_after
    needs = machine.guest.stops_within
    if not heard or needs is None:
        yield timeout
        return False
    if needs <= timeout:
        yield needs
        return True
    run = machine.starts
    world.engine.after(needs, lambda: end(world, machine) if machine.running and machine.starts == run else None)
    yield timeout
    return False


def running_machine(call):
    machine = call.machine_or_none()
    if machine is None:
        raise not_found(call)
    if not machine.running:
        raise ApiError(f"VM {call.vmid} not running")
    return machine


def reset(call):
    privileges.check_root_options(call)
    machine = running_machine(call)

    def work(_task):
        yield call.world.timing.reset
        check_lock(machine.config)
        call.world.effect(machine.vmid, "QMP system_reset")
        machine.started_at = call.world.now

    return call.locked_task("qmreset", work)


def reboot(call):
    machine = running_machine(call)
    if machine.qmp in _PAUSED:
        raise ApiError("VM is paused - cannot shutdown")

    def work(_task):
        check_lock(machine.config)
        if not (yield from guest_goes_down(call.world, machine, call.number("timeout", _down_time(call, machine)))):
            raise ApiError("VM quit/powerdown failed - got timeout")
        end(call.world, machine)
        # Another task starts the VM; this task ends before.
        call.world.engine.after(call.world.timing.reboot_start, lambda: begin(call.world, machine))

    return call.locked_task("qmreboot", work)


def state_storage(world, machine):
    """The storage for the memory of a VM: vmstatestorage, else that of its first disk."""
    options = machine.config.current
    if "vmstatestorage" in options:
        return options["vmstatestorage"]
    found = [drive["file"] for _key, drive in drives.of(world.schema, options) if drives.volume_of(drive)]
    return next((volid.partition(":")[0] for volid in found if not volid.partition(":")[2].startswith("iso/")), "local")


def resumed(world, machine):
    yield world.timing.pause
    cont(world, machine)


def cont(world, machine):
    """Let the guest run on, or start it in the emulator of a backup. A sleeping guest is woken up, and one that has
    shut down is reset (vm_resume in RunState.pm).
    """
    words = {"suspended": "system_wakeup", "shutdown": "system_reset"}
    if machine.only_for_backup:
        machine.started_at, machine.only_for_backup = world.now, False
    if machine.qmp != "running":
        machine.qmp, word = "running", words.get(machine.qmp, "cont")
        world.effect(machine.vmid, f"QMP {word}")


def current(call):
    machine = call.machine()
    world, options = call.world, machine.config.current
    found = {
        **statistics.measured(world, machine),
        "vmid": machine.vmid,
        "status": "running" if machine.running else "stopped",
        "qmpstatus": machine.state,
        "cpus": statistics.reported_cpus(world, machine, options),
        "ha": {"managed": int(machine.ha)},
    }
    del found["maxcpu"], found["template"]
    if not machine.running:
        del found["diskread"], found["diskwrite"]
    else:
        found |= {
            "pid": machine.pid,
            "running-machine": "pc-i440fx-" + world.emulator[1],
            "running-qemu": world.emulator[0],
        }
    if options.get("template") == "1":
        found["template"] = 1
    if options.get("agent", "0").replace("enabled=", "").split(",")[0] in ("1", "true", "yes", "on"):
        found["agent"] = 1
    return found | {key: options[key] for key in ("lock", "tags") if key in options}
