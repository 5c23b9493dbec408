"""Run every benchmark."""

from benchmarks import layer, programming

if __name__ == "__main__":
    for benchmark in (layer, programming):
        benchmark.run()
