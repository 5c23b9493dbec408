"""The goodness of a fit as tables for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from memrix.cli.tables import plain_table, print_whole
from memrix.device.fitting import Goodness
from memrix.device.parameters import DeviceParameters


def print_goodness(goodness: Goodness, parameters: DeviceParameters, console: Console | None = None) -> None:
    """The goodness of fit as tables, with every figure complete at any width."""
    console = console or Console()
    for table in (feature_table(goodness), correlation_table(goodness)):
        print_whole(table, console)
        console.print()
    shares = ", ".join(f"{weight:.3f}" for weight in parameters.mixture_weights)
    low, high = goodness.low_curve_residual, goodness.high_curve_residual
    for line in (
        f"I-V curves, relative residual: LRS {low:.2g}, HRS {high:.2g}",
        f"shares of the mixture's components: {shares}",
    ):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def feature_table(goodness: Goodness) -> Table:
    """One column a feature; every cell is the measured figure and that of the fit."""
    table = plain_table(
        f"{goodness.devices} devices of {goodness.cycles} cycles: measured | fitted",
        "R_HRS in log10 ohm. KS: Kolmogorov-Smirnov distance, beside the one that 1 in 20 sets of devices would "
        "exceed if the parameters were true. Short series bias the measured and the fitted figure alike.",
    )
    table.add_column("", no_wrap=True)
    for feature in goodness.features:
        table.add_column(feature.name, justify="right", no_wrap=True)
    features = goodness.features
    table.add_row("KS distance | by chance", *(f"{f.distance:.3f} | {f.chance:.3f}" for f in features))
    for name, heading in (
        ("mean", "mean"),
        ("within", "deviation between cycles"),
        ("between", "deviation of device means"),
        ("between_scales", "deviation of device deviations"),
    ):
        pairs = [getattr(feature, name) for feature in features]
        table.add_row(heading, *(f"{pair.measured:.4g} | {pair.fitted:.4g}" for pair in pairs))
    for index in range(len(features[0].autocorrelation)):
        pairs = [feature.autocorrelation[index] for feature in features]
        table.add_row(
            f"autocorrelation, {index + 1} apart", *(f"{pair.measured:.3f} | {pair.fitted:.3f}" for pair in pairs)
        )
    return table


def correlation_table(goodness: Goodness) -> Table:
    """One row a pair of features."""
    table = plain_table("correlations within a cycle", None)
    table.add_column("", no_wrap=True)
    for heading in ("measured", "fitted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for names, pair in goodness.correlations.items():
        table.add_row(names, f"{pair.measured:.3f}", f"{pair.fitted:.3f}")
    return table
