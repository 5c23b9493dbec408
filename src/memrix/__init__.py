"""Simulate PyTorch networks on memristor chips: how much accuracy a chip costs, why, and how to win it back.

    import torch, memrix

    model = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    batches = [torch.randn(32, 64) for _ in range(8)]

    hardware = memrix.Hardware.preset("physical").replace(weight_bits=3, adc=memrix.ADC(range_bits=5))
    memrix.quantize(model, hardware)            # in place: fake quantizers at the chip's bits; train as usual
    memrix.calibrate(model, batches, hardware)  # activation ranges and calibration samples, from data
    chip = memrix.program(model, hardware)      # a copy whose layers run on crossbars
    print(memrix.summary(chip, batches))        # where each layer runs, what it costs, its SQNR

What is here:

- The chip: ``Hardware`` and its parts ``Device``, ``Tile``, ``Wires``, ``DAC``, ``ADC``, ``Faults``, ``Relaxation``,
  ``TelegraphNoise``, ``Drift``; the programming protocols ``ResetSet``, ``PreCycled``, ``WriteVerify``,
  ``ResetRamp``, ``Ideal``. ``print(hardware)`` shows it all.
- Programming protocols of your own: ``register_protocol`` and the interface, ``ProgrammingProtocol`` and
  ``ProgrammingReport``. ``memrix.crossbar.protocols`` has what they are built from.
- Functions of a model: ``check``, ``calibrate``, ``quantize``, ``program``; of a quantized model: ``compensate``,
  ``learned_steps``, ``set_epoch``, ``pack_weights``, ``unpack_weights``; of a chip: ``summary``, ``costs``,
  ``write``, ``age``, ``recalibrate``, ``to_digital``, ``reseed``, ``reset_statistics``, ``save``, ``load``,
  ``export``, ``netlist``; of studies on many chips: ``sweep``, ``monte_carlo``; of studies of layers and causes:
  ``sensitivity``, ``attribution``, ``allocate``; of their results: ``report``. Their settings are ``Quantization``
  and ``Seeds``; their results ``Check``, ``Calibration``, ``Summary``, ``Costs`` (with its ``CostConstants``).
- What studies measure is a ``Metric``; their results are ``SweepResult``, ``MonteCarloResult``, ``Sensitivity``,
  ``Attribution`` and ``Allocation``.
- The errors. The class says whose mistake it is: ``SettingsError`` a value given, ``ConversionError`` the model,
  ``InputError`` the input of a call, ``CalibrationError`` the calibration, ``WriteError`` the weights of a chip,
  ``CheckpointError`` the file, ``DataError`` the data, ``MetricError`` the metric of a study, ``AssetError`` a
  download. Each is a ``MemrixError``.
  ``CoverageWarning`` names layers that stay digital although the selection did not exclude them; ``SeedWarning``
  says that a chip from an older file draws other read noise than when it was saved.
- Packages: ``memrix.nn`` (layers, and how to add one), ``memrix.device`` (single cells), ``memrix.errors``,
  ``memrix.studies`` and ``memrix.asr`` (speech recognition).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# torch takes seconds to import: it is paid for by the first name that needs it, not by `memrix --help`.
# This is the one list of what is public: type checkers read it, and so does `lazy_names`.
if TYPE_CHECKING:
    from memrix import asr as asr, device as device, errors as errors, nn as nn, studies as studies
    from memrix._support.random import Seeds as Seeds
    from memrix.checkpoint import (
        load as load,
        pack_weights as pack_weights,
        save as save,
        unpack_weights as unpack_weights,
    )
    from memrix.costing import CostConstants as CostConstants, Costs as Costs
    from memrix.crossbar import (
        ADC as ADC,
        DAC as DAC,
        Drift as Drift,
        Faults as Faults,
        Ideal as Ideal,
        PreCycled as PreCycled,
        ProgrammingProtocol as ProgrammingProtocol,
        ProgrammingReport as ProgrammingReport,
        Relaxation as Relaxation,
        ResetRamp as ResetRamp,
        ResetSet as ResetSet,
        TelegraphNoise as TelegraphNoise,
        Tile as Tile,
        Wires as Wires,
        WriteVerify as WriteVerify,
        register_protocol as register_protocol,
    )
    from memrix.errors import (
        AssetError as AssetError,
        CalibrationError as CalibrationError,
        CheckpointError as CheckpointError,
        ConversionError as ConversionError,
        CoverageWarning as CoverageWarning,
        DataError as DataError,
        InputError as InputError,
        MemrixError as MemrixError,
        MetricError as MetricError,
        SeedWarning as SeedWarning,
        SettingsError as SettingsError,
        WriteError as WriteError,
    )
    from memrix.exports.exporting import export as export
    from memrix.exports.netlist import netlist as netlist
    from memrix.hardware import Device as Device, Hardware as Hardware
    from memrix.model.aging import age as age, recalibrate as recalibrate
    from memrix.model.calibration import calibrate as calibrate
    from memrix.model.calibration_result import Calibration as Calibration
    from memrix.model.checking import Check as Check, check as check
    from memrix.model.compensation import compensate as compensate
    from memrix.model.conversion import (
        program as program,
        quantize as quantize,
        reseed as reseed,
        reset_statistics as reset_statistics,
        set_epoch as set_epoch,
    )
    from memrix.model.costs import costs as costs
    from memrix.model.learned_steps import learned_steps as learned_steps
    from memrix.model.reversion import to_digital as to_digital
    from memrix.model.summaries import Summary as Summary, summary as summary
    from memrix.model.writing import write as write
    from memrix.quantization import Quantization as Quantization
    from memrix.reporting.report import report as report
    from memrix.studies.allocation import allocate as allocate
    from memrix.studies.allocation_result import Allocation as Allocation
    from memrix.studies.attribution import attribution as attribution
    from memrix.studies.attribution_result import Attribution as Attribution
    from memrix.studies.metric import Metric as Metric
    from memrix.studies.monte_carlo import monte_carlo as monte_carlo
    from memrix.studies.monte_carlo_result import MonteCarloResult as MonteCarloResult
    from memrix.studies.sensitivity import sensitivity as sensitivity
    from memrix.studies.sensitivity_result import Sensitivity as Sensitivity
    from memrix.studies.sweep import sweep as sweep
    from memrix.studies.sweep_result import SweepResult as SweepResult

    __version__: str
else:
    from memrix._support.lazy import installed_version, lazy_names

    __all__, __getattr__, __dir__ = lazy_names(__name__, __file__, __version__=lambda: installed_version("memrix"))
