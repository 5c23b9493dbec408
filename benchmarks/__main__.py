"""Run every benchmark."""

from benchmarks import (
    conformer,
    cycling,
    layer,
    linear,
    programming,
    report,
    studies,
    training,
    whisper_training,
    wired_conformer,
    wires,
)
from benchmarks.arguments import require_no_arguments

if __name__ == "__main__":
    require_no_arguments(__doc__)
    tables = []
    for benchmark in (
        linear,
        layer,
        training,
        whisper_training,
        programming,
        wires,
        cycling,
        studies,
        conformer,
        wired_conformer,
    ):
        tables.append(benchmark.run())
        print("\n" + tables[-1].to_markdown(), end="", flush=True)
    report.write(tables)
