"""Experiments on devices, and their charts: what a study computes, the command line only prints.

A study takes a technology and settings, programs or pulses cells, and returns a frozen record of figures that knows
its own table. Drawing is separate, so that a study needs no matplotlib::

    DeviceParameters --+-- programming.study_programming ---> ProgrammingStudy: protocols x mappings x bits
                       |        |                             spread, weight error, pulses, energy, failed cells
                       |        +-- disturbs.disturb_rows --> cells that readings would switch
                       |
                       +-- device_behavior ----------------> loops, features over cycles, currents after programming
                                                                |
                                                   device_charts: one module for each chart ---> PNG files

    Hardware --> layer_causes.study_causes --> CauseStudy: the error of one layer (standard_layer), each cause alone
             |     causes: the causes, and hardware on which some of them act
             +--> wires.study_wires ----> WiresStudy: its error behind wires, and programmed for them

    model, Hardware, batches, metric.Metric (function(model, batch) -> values of the items)
        |
        |     (arguments: what all studies check)
        +-- sweep.sweep (grid: settings) ------------> sweep_result.SweepResult -----------+-- rows: CSV, Parquet
        +-- monte_carlo.monte_carlo (when to stop) -> monte_carlo_result.MonteCarloResult +-- estimates: intervals
        |                                              trial_table.TrialTable: what both share
        |                                                                                 +-- study_charts
        +-- study.Study: trials (trials.Trial) that a folder has are read, the others run, and each is kept at once
              preparation: a calibrated copy, and the model without a chip
              running: in this process, several, or on a Dask cluster
              store: a file for each trial, named by the fingerprint of its inputs
              source: what of these is a library, and what the user's own

    model, Hardware, batches, Metric --> studied (a calibrated copy, hardware by layer)
        |
        +-- sensitivity: one layer on the chip, one layer digital --> sensitivity_result --+-- layer_charts
        +-- attribution: cause_sets (one on, one off) --------------> attribution_result --+
        |       recommendation: remedies, measured               |
        +-- allocation: bits of each layer, by frontier --------> allocation_result
                allocation_chips: the chips that are compared
        all through compared: the outputs of a chip, its layers switched (switching), beside those of the network
        without errors (power)

    Costs (memrix.costs) --> cost_chart.draw_costs: energy of each layer by cause, as stacked bars

``memrix device protocols``, ``memrix device show`` and ``memrix study`` run them (``memrix.cli.device``,
``memrix.cli.study``). A protocol is compared if
``programming.protocols_to_compare`` lists it. Studies of speech models lie in ``memrix.asr.evaluation``.
"""
