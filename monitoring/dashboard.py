"""The dashboard, as Grafana reads it: of the schema of 10.1, which newer ones take over."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from monitoring.panels import ROWS, Shown

UID: Final = "foretide"
_SOURCE: Final = DataSourceRef(type_val="prometheus", uid="$datasource")
_FIGURE_HEIGHT: Final = 4
_HEIGHT: Final = 8

_Panel = heatmap.Panel | stat.Panel | table.Panel | timeseries.Panel


def dashboard_json() -> str:
    """The whole dashboard."""
    made = (
        dashboard.Dashboard("Foretide")
        .uid(UID)
        .tags(["foretide"])
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("node_class")
            .label("Node class")
            .datasource(_SOURCE)
            .query("label_values(foretide_actual_seconds_total, node_class)")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(multi=True)
            .include_all(include_all=True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    )
    for row in ROWS:
        made.with_row(dashboard.Row(row.title))
        for shown in row.panels:
            made.with_panel(_panel(shown))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _panel(shown: Shown) -> _Panel:
    panel = (
        _bare(shown)
        .title(shown.title)
        .description(shown.words)
        .datasource(_SOURCE)
        .unit(shown.unit)
        .height(_FIGURE_HEIGHT if shown.kind == "figure" else _HEIGHT)
        .span(shown.width)
    )
    for name, (expression, legend) in zip(ascii_uppercase, shown.queries, strict=False):
        query = prometheus.Dataquery().ref_id(name).expr(expression).legend_format(legend)
        if shown.kind in {"figure", "table"}:
            query.instant()
        else:
            query.range()
        if shown.kind in {"heat", "table"}:
            query.format(PromQueryFormat.HEATMAP if shown.kind == "heat" else PromQueryFormat.TABLE)
        panel.with_target(query)
    return panel


def _bare(shown: Shown) -> _Panel:
    match shown.kind:
        case "figure":
            return stat.Panel().graph_mode(BigValueGraphMode.NONE)
        case "heat":
            return heatmap.Panel().calculate(calculate=False)
        case "table":
            return table.Panel().show_header(show_header=True)
        case "lines" | "stacked":
            legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
            lines = timeseries.Panel().legend(legend.show_legend(show_legend=True))
            lines.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
            if shown.kind == "stacked":
                lines.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)
            return lines
