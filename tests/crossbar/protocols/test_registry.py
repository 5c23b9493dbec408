"""Protocols of a user's own: registered, written to files and read again, and refused with what to do about it."""

import dataclasses
import re
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from typing import ClassVar, Literal

import pytest
import torch

import memrix
from memrix.crossbar.protocols import PROTOCOLS, Programmed, population_means, program_blocks, reset_set
from memrix.errors import CheckpointError, SettingsError

REPORT = memrix.ProgrammingReport()
MODEL = torch.nn.Linear(6, 3)
X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _registry(monkeypatch):
    """What a test registers is forgotten after it."""
    known = dict(PROTOCOLS)
    yield
    PROTOCOLS.clear()
    PROTOCOLS.update(known)


@dataclass(frozen=True)
class Twice:
    """Reset-set, some times."""

    name: ClassVar[str] = "twice"
    analog: ClassVar[bool] = False
    times: int = 2
    order: Literal["plain", "reversed"] = "plain"
    shares: tuple[float, ...] = (0.5, 1.0)
    volts: float | None = None

    def program(self, targets, parameters, *, chip, programming, first=0, reads=None):
        def procedure(cells, on, verification):
            for _ in range(self.times):
                reset_set(cells, on, memrix.device.pulse_voltages(parameters))

        streams = {"chip": chip, "programming": programming, "first": first}
        return program_blocks(targets, parameters, procedure, **streams, pulse_width=1e-7, reads=reads)

    def nominal_states(self, parameters):
        return population_means(self, parameters)


GONE = object()


def variant(**members):
    """A protocol like `Twice` with other members, or without one that is GONE."""
    kept = {name: value for name, value in vars(Twice).items() if not name.startswith("__")}
    kept |= {"__annotations__": dict(Twice.__annotations__), **members}
    return type("Mine", (), {name: value for name, value in kept.items() if value is not GONE})


def chip_of(programming):
    model, hardware = torch.nn.Sequential(torch.nn.Linear(6, 3)), memrix.Hardware(programming=programming)
    model.load_state_dict({f"0.{name}": value for name, value in MODEL.state_dict().items()})
    memrix.calibrate(model, [X], hardware)
    return model, memrix.program(model, hardware)


def test_a_registered_protocol_is_known_by_its_name_and_comes_back_from_files(tmp_path):
    assert memrix.register_protocol(Twice) is Twice
    assert memrix.Hardware(programming="twice").programming == Twice()
    for programming in (Twice(), Twice(3, "reversed", (0.25,), -1.5)):
        hardware = memrix.Hardware(programming=programming)
        for ending in ("toml", "json"):
            hardware.save(tmp_path / f"chip.{ending}")
            assert memrix.Hardware.load(tmp_path / f"chip.{ending}") == hardware
        assert hardware.replace(**{"programming.times": 5}).programming.times == 5
    with pytest.raises(SettingsError, match=r"programming\.times must be an integer, got 'x'"):
        memrix.Hardware.from_dict({"programming": {"protocol": "twice", "times": "x"}})


def test_a_chip_that_a_registered_protocol_has_programmed_is_saved_and_loaded(tmp_path):
    memrix.register_protocol(Twice)
    model, chip = chip_of(Twice(times=3))
    expected, state = memrix.to_digital(chip)[0].weight, chip.state_dict()
    memrix.save(chip, tmp_path / "chip.safetensors")
    loaded = memrix.load(tmp_path / "chip.safetensors", model)
    assert torch.equal(memrix.to_digital(loaded)[0].weight, expected)
    assert loaded[0].memrix.hardware.programming == Twice(times=3)
    other = memrix.program(model, memrix.Hardware(programming=Twice(times=3)), seed=5)
    other.load_state_dict(state)
    assert torch.equal(memrix.to_digital(other)[0].weight, expected)
    assert memrix.summary(other).pulses == memrix.summary(chip).pulses > 3 * memrix.summary(chip).cells


def test_nothing_is_written_that_could_not_be_read(tmp_path):
    _, chip = chip_of(Twice())
    told = r"protocol 'twice' is not registered, .* call memrix\.register_protocol\(Twice\)$"
    with pytest.raises(CheckpointError, match=told):
        memrix.save(chip, tmp_path / "chip.safetensors")
    with pytest.raises(SettingsError, match=told):
        memrix.Hardware(programming=Twice()).save(tmp_path / "chip.toml")
    memrix.register_protocol(Twice)
    with pytest.raises(SettingsError, match=r"'twice' cannot be written.*\n  programming\.times must be .* got 2\.5"):
        memrix.Hardware(programming=Twice(times=2.5)).save(tmp_path / "chip.toml")

    @dataclass(frozen=True)
    class Slow(memrix.ResetSet):
        """A protocol that kept the name of another one."""

    with pytest.raises(SettingsError, match=r"'reset-set' is .*ResetSet in files.* give Slow a name of its own"):
        memrix.Hardware(programming=Slow()).save(tmp_path / "chip.toml")
    assert list(tmp_path.iterdir()) == []


def test_files_of_a_protocol_that_is_not_registered_say_to_do_so(tmp_path):
    memrix.register_protocol(Twice)
    hardware = memrix.Hardware(programming=Twice())
    hardware.save(tmp_path / "chip.toml")
    model = torch.nn.Linear(6, 3)
    memrix.calibrate(model, [X], hardware)
    chip = memrix.program(model, hardware)
    memrix.save(chip, tmp_path / "chip.safetensors")
    state = chip.state_dict()
    del PROTOCOLS["twice"]
    told = "got 'twice'; register a protocol of your own with memrix.register_protocol first"
    with pytest.raises(SettingsError, match=told):
        memrix.Hardware.load(tmp_path / "chip.toml")
    with pytest.raises(SettingsError, match=told):
        memrix.Hardware(programming="twice")
    with pytest.raises((CheckpointError, RuntimeError), match=told):
        memrix.program(model, memrix.Hardware()).load_state_dict(state)
    with pytest.raises(CheckpointError, match=told) as caught:
        memrix.load(tmp_path / "chip.safetensors", torch.nn.Linear(6, 3))
    assert "layers.(the model).hardware: programming.protocol must be one of reset-set, " in str(caught.value)
    assert str(caught.value).count(memrix.__version__) == 1


def test_another_process_registers_the_protocol_before_it_loads(tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
            from dataclasses import dataclass
            from typing import ClassVar
            import memrix
            from memrix.crossbar.protocols import Programmed, ProgrammingReport

            @memrix.register_protocol
            @dataclass(frozen=True)
            class Exact:
                name: ClassVar[str] = "exact"
                analog: ClassVar[bool] = False
                on: float = 0.2

                def program(self, targets, parameters, *, chip, programming, first=0, reads=None):
                    states = (targets.float() * (self.on - 0.8)).add_(0.8)
                    return Programmed(states, memrix.ProgrammingReport(cells=targets.numel()))

                def nominal_states(self, parameters):
                    return self.on, 0.8
        """)
    )
    body = {
        "save": "memrix.calibrate(m, [x], h); memrix.save(memrix.program(m, h), 'c.safetensors'); h.save('c.toml')",
        "load": "assert memrix.Hardware.load('c.toml') == h; print(memrix.load('c.safetensors', m).memrix.chip == h)",
    }
    for code in body.values():
        run = subprocess.run(
            [
                sys.executable,
                "-c",
                "import memrix, mine, torch; m, x = torch.nn.Linear(4, 2), torch.ones(1, 4)\n"
                f"h = memrix.Hardware(noise='off', programming=mine.Exact(on=0.25))\n{code}",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "True"


def test_a_class_that_is_defined_again_replaces_the_earlier_one():
    again = dataclass(frozen=True)(variant(__qualname__=Twice.__qualname__, __module__=Twice.__module__))
    memrix.register_protocol(Twice)
    memrix.register_protocol(again)
    assert memrix.Hardware(programming="twice").programming == again()
    other = dataclass(frozen=True)(variant())
    with pytest.raises(SettingsError, match=r"the name 'twice' of Mine is that of .*Twice; choose another"):
        memrix.register_protocol(other)


@pytest.mark.parametrize("name", ["ideal", "reset-ramp", "cycled"])
def test_the_names_of_memrix_are_its_own(name):
    before = PROTOCOLS.get(name)
    with pytest.raises(SettingsError, match=f"the name '{name}' of Mine is that of a protocol of memrix"):
        memrix.register_protocol(dataclass(frozen=True)(variant(name=name)))
    assert PROTOCOLS.get(name) is before


def annotated(**kinds):
    return {"__annotations__": {**Twice.__annotations__, **kinds}}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"name": 3}, r"Mine\.name must be text, such as .* got 3"),
        ({"name": ""}, r"Mine\.name must be text"),
        ({"analog": "no"}, r"Mine\.analog must be True or False, got 'no'"),
        ({"program": GONE}, r"Mine is not a programming protocol, it has no program \(the method that brings"),
        ({"nominal_states": GONE, "analog": GONE}, r"no analog \(.*\) and no nominal_states \("),
        ({"program": lambda self, targets: targets}, r"Mine\.program cannot be called \(.*\); it is program\(self, "),
        (annotated(times=list), r"times is list; use int, float, bool, str, Literal, one of these or None, or a tup"),
        (annotated(times=dict[str, int]), "times is dict"),
        (annotated(times=tuple[float | None, ...]), "times is tuple"),
        ({"volts": -1.5}, "volts may be None, which TOML leaves out; make None its default"),
        ({"times": GONE, "__annotations__": {"times": int}}, "times has no default; give it one"),
        ({"times": dataclasses.field(default=1, init=False)}, r"times has init=False; make it a property"),
        ({"protocol": 3, **annotated(protocol=int)}, "protocol stands for the name of the protocol in files"),
        (annotated(times="Nowhere"), r"an annotation is not known \(name 'Nowhere' is not defined\)"),
    ],
)
def test_a_class_that_is_no_protocol_is_refused_with_what_is_wrong(members, told):
    kind = dataclass(frozen=True)(variant(**members))
    with pytest.raises(SettingsError, match=told):
        memrix.register_protocol(kind)
    assert "twice" not in PROTOCOLS


def test_a_class_that_is_no_frozen_dataclass_is_refused():
    for decorate in (lambda kind: kind, dataclass, dataclass(frozen=True, eq=False)):
        told = r"protocol Mine must be a frozen dataclass, .* put @dataclass\(frozen=True\) above it"
        with pytest.raises(SettingsError, match=told):
            memrix.register_protocol(decorate(variant()))
        with pytest.raises(SettingsError, match=told):
            memrix.Hardware(programming=decorate(variant())())
    with pytest.raises(SettingsError, match=r"takes the class of a protocol, got Twice\("):
        memrix.register_protocol(Twice())


def test_hardware_says_what_is_wrong_with_its_protocol():
    with pytest.raises(SettingsError, match=r"got the class Twice; call it: Twice\(\)$"):
        memrix.Hardware(programming=Twice)
    with pytest.raises(SettingsError, match=r"Mine is not a programming protocol, it has no program \("):
        memrix.Hardware(programming=dataclass(frozen=True)(variant(program=GONE))())
    with pytest.raises(SettingsError, match=r"of protocol Twice must be hashable .* a tuple instead of a list"):
        memrix.Hardware(programming=Twice(shares=[1.0]))
    with pytest.raises(SettingsError, match=r"a programming protocol, such as memrix\.ResetSet\(\), .* got 5"):
        memrix.Hardware(programming=5)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (lambda t: t.float(), r"a Programmed\(states, report\) .* got a tensor \[\d+, 1, 6, 3\] of torch.f"),
        (lambda t: (t.float(), 3), r"a Programmed.* got a tuple of Tensor, int; .*program_blocks gives one"),
        (lambda t: None, r"a Programmed.* got None"),
        (
            lambda t: Programmed(t.float()[..., :1], REPORT),
            r"states of \[6, 1, 6, 3\], float32 on cpu",
        ),
        (
            lambda t: Programmed(t.double(), REPORT),
            r"states of .* got a tensor .* of torch.float64",
        ),
        (lambda t: Programmed([0.5], REPORT), r"states of .* got \[0\.5\]"),
    ],
)
def test_what_a_protocol_returns_is_checked(result, told):
    kind = variant(
        program=lambda self, targets, parameters, *, chip, programming, first=0, reads=None: result(targets),
        nominal_states=lambda self, parameters: (0.2, 0.8),
    )
    with pytest.raises(SettingsError, match=r"^Mine\.program must return " + told):
        chip_of(dataclass(frozen=True)(kind)())


@pytest.mark.parametrize("states", [(0.8, 0.2), 0.5, (0.1, 0.2, 0.3), ("a", "b"), (0.1, float("nan"))])
def test_nominal_states_are_checked(states):
    kind = dataclass(frozen=True)(variant(nominal_states=lambda self, parameters: states))
    with pytest.raises(SettingsError, match=rf"(?s)Mine\.nominal_states must return .* got {re.escape(str(states))}"):
        chip_of(kind())
