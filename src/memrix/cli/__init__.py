"""The `memrix` command: parses, calls the library, prints. What it computes can be had without it.

    arguments --- main.app ---> a command --- options ---> settings dataclass ---> library ---> result
                  cyclopts      one module     from its fields and                                |
                                each           their help texts                                   v
    stderr: progress with ETA, errors in red (exit code 2; Ctrl-C 130)          stdout: tables, or --json, files

A command is a function in the module of its name. Long commands take their options from the fields of a settings
dataclass (``options``): names, types, defaults and help are written there and nowhere else. Outputs are checked
before any work is done (``outputs``), and modules import nothing heavy before arguments are known to be right
(``arguments``), so that `--help` and errors come at once. Only ``main`` catches errors: a ``MemrixError`` becomes
one message.

    entry, main                           entry points, exit codes
    demo, evaluate, experiment, train     commands of speech recognition
    training_options                      what a training is asked for, beside a recipe
    transcribe                            recordings as text
    report                                results as one HTML page
    pack                                  trained recognizers as small files
    corpus, lm                            groups of commands: corpora, language models
    device/                               fit, show, protocols, example
    study/                                causes, cost, wires; layer: what studies of one layer share;
                                          sensitivity, attribution, allocate; layers: what these share;
                                          sweep, chips; many_chips: what these share;
                                          model_study, functions: what both share, of a user's files
    options, arguments, outputs, threads  what commands take and write
    display, training_display             progress
    tables, messages                      results
"""
