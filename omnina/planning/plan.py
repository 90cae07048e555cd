"""What a run will need: memory, speed, hours, cost, disk."""

from collections.abc import Callable
from dataclasses import dataclass

from omnina.planning.calibration import Measured, calibrated
from omnina.planning.disk import Disk, planned_disk
from omnina.planning.duration import Duration, planned_duration, validated_tokens
from omnina.planning.memory import DeviceMemory, expected_memory, measured_memory
from omnina.planning.speed import Speed, expected_speed, measured_speed
from omnina.planning.subject import Subject, Wish, subject_of


@dataclass(frozen=True)
class Plan:
    """All that is known of a run before it starts; None where nothing is."""

    config: str
    subject: Subject
    memory: DeviceMemory
    speed: Speed | None
    duration: Duration | None
    disk: Disk


def make_plan(wish: Wish, say: Callable[[str], None] = print) -> Plan:
    """The plan of a run; ``say`` is told what takes its time. Raises UserError as ``subject_of`` does."""
    subject = subject_of(wish)
    measured = _measured(wish, subject, say)
    speed = _speed(subject, measured)
    return Plan(
        wish.arguments[0],
        subject,
        _memory(subject, measured),
        speed,
        _duration(subject, speed, wish.price),
        _disk(subject),
    )


def _measured(wish: Wish, subject: Subject, say: Callable[[str], None]) -> Measured | None:
    if not wish.calibrate:
        return None
    say("Calibrating: some seconds of real steps, in a process of its own ...")
    return calibrated(list(wish.arguments), subject.stage, subject.rows, subject.machine.devices)


def _memory(subject: Subject, measured: Measured | None) -> DeviceMemory:
    if measured is None:
        return expected_memory(subject.shape, subject.machine)
    return measured_memory(subject.shape, subject.machine, measured)


def _speed(subject: Subject, measured: Measured | None) -> Speed | None:
    steps, machine = subject.steps, subject.machine
    if measured is None:
        return expected_speed(subject.work, steps, machine)
    one = measured.tokens_per_second(steps.tokens / machine.devices)
    return measured_speed(one, subject.work, steps, machine)


def _duration(subject: Subject, speed: Speed | None, price: float | None) -> Duration | None:
    if speed is None:
        return None
    tokens = validated_tokens(subject.run, subject.args, subject.steps, subject.validation)
    return planned_duration(subject.steps, speed, tokens, subject.machine.devices, price)


def _disk(subject: Subject) -> Disk:
    tables = [subject.training, subject.validation]
    cache = None if None in tables else sum(table.cache_bytes for table in tables)
    return planned_disk(subject.args, subject.parameters, subject.steps, cache)
