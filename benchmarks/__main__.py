"""Run every benchmark."""

from benchmarks import conformer, cycling, layer, programming, report

if __name__ == "__main__":
    tables = []
    for benchmark in (layer, programming, cycling, conformer):
        tables.append(benchmark.run())
        print("\n" + tables[-1].to_markdown(), end="", flush=True)
    report.write(tables)
