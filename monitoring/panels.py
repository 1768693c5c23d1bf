"""What the dashboard shows: three rows of panels, each a question and the expressions that answer it.

`$node_class` is chosen by who looks; ``$__rate_interval`` is Grafana's.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Kind = Literal["figure", "lines", "stacked", "heat", "table"]


class Query(NamedTuple):
    """An expression, and what its series are called; the latter as Grafana's legends have it."""

    expression: str
    legend: str = ""


class Shown(NamedTuple):
    """A panel: ``unit`` is one of Grafana's, ``width`` of 24."""

    title: str
    words: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    width: int = 8


class Row(NamedTuple):
    """Panels under one question."""

    title: str
    panels: tuple[Shown, ...]


_CLASS: Final = 'node_class=~"$node_class"'

RIGHT: Final = Row(
    "Are predictions right?",
    (
        Shown(
            "Error of completion",
            "WAPE of the last day: the sum of absolute errors over the sum of what tasks took, start-up included.",
            "figure",
            "percentunit",
            (Query('quantity:foretide_wape:ratio1d{quantity="completion"}'),),
            6,
        ),
        Shown(
            "Bias of completion",
            "Above 0 where tasks took less than predicted.",
            "figure",
            "percentunit",
            (Query('quantity:foretide_bias:ratio1d{quantity="completion"}'),),
            6,
        ),
        Shown(
            "Within the 90 % interval",
            "The share of tasks of the last day whose work took as long as the interval says: 90 % is right.",
            "figure",
            "percentunit",
            (Query("foretide_interval_coverage:ratio1d"),),
            6,
        ),
        Shown(
            "Tasks compared with their prediction",
            "In the last day.",
            "figure",
            "short",
            (Query("sum(node_class_outcome:foretide_prediction_interval:increase1d)"),),
            6,
        ),
        Shown(
            "Error by class",
            "WAPE of work and completion over the day before.",
            "lines",
            "percentunit",
            (
                Query(
                    f'node_class_quantity:foretide_wape:ratio1d{{{_CLASS}, quantity=~"work|completion"}}',
                    "{{node_class}} {{quantity}}",
                ),
            ),
        ),
        Shown(
            "Bias by class",
            "Of work, start-up and completion over the day before.",
            "lines",
            "percentunit",
            (Query(f"node_class_quantity:foretide_bias:ratio1d{{{_CLASS}}}", "{{node_class}} {{quantity}}"),),
        ),
        Shown(
            "Within the 90 % interval, by class",
            "Over the day before.",
            "lines",
            "percentunit",
            (Query(f"node_class:foretide_interval_coverage:ratio1d{{{_CLASS}}}", "{{node_class}}"),),
        ),
        Shown(
            "Actual over predicted completion",
            "How many tasks took how many times what was predicted: 1 is right.",
            "heat",
            "short",
            (
                Query(
                    "sum by (le) (increase(foretide_actual_to_predicted_ratio_bucket"
                    f'{{{_CLASS}, quantity="completion"}}[$__rate_interval]))',
                    "{{le}}",
                ),
            ),
        ),
        Shown(
            "Placement regret",
            "By how much tasks would have ended sooner on a node of another class, as predicted when their gates "
            "were opened, as a share of their expected time: 0 is right.",
            "lines",
            "percentunit",
            (
                Query(
                    "sum(increase(foretide_placement_regret_seconds_total[1h]))"
                    " / (sum(increase(foretide_placement_predicted_seconds_total[1h])) > 0)",
                    "regret",
                ),
            ),
        ),
        Shown(
            "Services: predicted against observed latency",
            "Bias over the day before, by class: above 0 where requests took less than predicted at their load.",
            "lines",
            "percentunit",
            (Query(f"node_class_quantity:foretide_service_bias:ratio1d{{{_CLASS}}}", "{{node_class}} {{quantity}}"),),
        ),
    ),
)

USED: Final = Row(
    "Are they used?",
    (
        Shown(
            "Tasks that ended",
            "Unpredicted: nothing was known of their workload. PredictionRefused: the prediction does not fit its Pod.",
            "stacked",
            "short",
            (Query("sum by (ending) (increase(foretide_tasks_ended_total[$__rate_interval]))", "{{ending}}"),),
        ),
        Shown(
            "Predictions of placed tasks",
            "By source.",
            "stacked",
            "short",
            (
                Query(
                    f"sum by (source) (increase(foretide_predictions_total{{{_CLASS}}}[$__rate_interval]))",
                    "{{source}}",
                ),
            ),
        ),
        Shown(
            "Answers to the scheduler",
            "From the extender, about Foretide's tasks, by source.",
            "stacked",
            "reqps",
            (
                Query(
                    'sum by (source) (rate(foretide_extender_decisions_total{source!="Untouched"}[$__rate_interval]))',
                    "{{source}}",
                ),
            ),
        ),
        Shown(
            "Waiting",
            "Tasks in the plan, and Pods whose prediction is still to be written.",
            "lines",
            "short",
            (
                Query("sum(foretide_planner_waiting)", "in the plan"),
                Query("sum(foretide_planner_pending)", "for their prediction"),
            ),
        ),
        Shown(
            "Gates opened",
            "By the planner, planned or with the reason why not; and by the operator where no plan did.",
            "stacked",
            "short",
            (
                Query(
                    "sum by (reason) (increase(foretide_planner_gates_opened_total[$__rate_interval]))", "{{reason}}"
                ),
                Query(
                    "sum by (reason) (increase(foretide_gates_opened_without_plan_total[$__rate_interval]))",
                    "without a plan: {{reason}}",
                ),
            ),
        ),
        Shown(
            "Deadlines and latency objectives",
            "Tasks with a deadline, and minutes of services with an objective.",
            "stacked",
            "short",
            (
                Query("sum by (outcome) (increase(foretide_deadline_total[$__rate_interval]))", "tasks {{outcome}}"),
                Query(
                    "sum by (outcome) (increase(foretide_service_objective_total[$__rate_interval]))",
                    "service minutes {{outcome}}",
                ),
            ),
        ),
        Shown(
            "Requests in a service's Pod",
            "When one arrived, itself included; mean.",
            "lines",
            "short",
            (
                Query(
                    f"sum by (node_class) (increase(foretide_service_in_flight_sum{{{_CLASS}}}[1h]))"
                    f" / (sum by (node_class) (increase(foretide_service_in_flight_count{{{_CLASS}}}[1h])) > 0)",
                    "{{node_class}}",
                ),
            ),
        ),
        Shown(
            "What is learned from",
            "Rows of the training table.",
            "lines",
            "short",
            (Query("sum(foretide_model_observations)", "rows"),),
        ),
        Shown(
            "Age of the newest measurement",
            "By class.",
            "lines",
            "s",
            (
                Query(
                    f"time() - max by (node_class) (foretide_profile_measured_timestamp_seconds{{{_CLASS}}})",
                    "{{node_class}}",
                ),
            ),
        ),
    ),
)

WELL: Final = Row(
    "Is Foretide healthy?",
    (
        Shown(
            "Time of an answer to the scheduler",
            "After 50 ms the extender answers without a decision.",
            "lines",
            "s",
            tuple(
                Query(
                    f"histogram_quantile({quantile}, sum by (verb, le)"
                    " (rate(foretide_extender_request_duration_seconds_bucket[$__rate_interval])))",
                    f"{{{{verb}}}} {name}",
                )
                for quantile, name in ((0.5, "median"), (0.99, "p99"))
            ),
        ),
        Shown(
            "Answers without a decision",
            "All nodes pass with equal scores; and answers on what was known before the API server stopped answering.",
            "stacked",
            "reqps",
            (
                Query(
                    "sum by (reason) (rate(foretide_extender_fail_open_total[$__rate_interval])) or vector(0)",
                    "failed open {{reason}}",
                ),
                Query("sum(rate(foretide_extender_stale_decisions_total[$__rate_interval])) or vector(0)", "stale"),
                Query(
                    "sum by (reason) (rate(foretide_extender_errors_total[$__rate_interval])) or vector(0)",
                    "{{reason}}",
                ),
            ),
        ),
        Shown(
            "Silence of the API server",
            "Since it last sent anything about a resource; it sends something at least once a minute.",
            "lines",
            "s",
            (
                Query("max by (resource) (foretide_extender_watch_age_seconds)", "extender {{resource}}"),
                Query("max by (resource) (foretide_planner_watch_age_seconds)", "planner {{resource}}"),
            ),
        ),
        Shown(
            "Time of a plan",
            "To gather its inputs and plan all waiting tasks.",
            "lines",
            "s",
            tuple(
                Query(
                    f"histogram_quantile({quantile}, sum by (le)"
                    " (rate(foretide_planner_plan_duration_seconds_bucket[$__rate_interval])))",
                    name,
                )
                for quantile, name in ((0.5, "median"), (0.99, "p99"))
            ),
        ),
        Shown(
            "What the planner could not do",
            "Plans that were not made, writes that failed, tasks without a prediction, tasks moved to another node.",
            "stacked",
            "short",
            (
                Query("sum(increase(foretide_planner_plan_errors_total[$__rate_interval]))", "plans"),
                Query(
                    "sum by (reason) (increase(foretide_planner_write_errors_total[$__rate_interval])) or vector(0)",
                    "writes: {{reason}}",
                ),
                Query(
                    "sum by (reason) (increase(foretide_planner_not_predicted_total[$__rate_interval])) or vector(0)",
                    "not predicted: {{reason}}",
                ),
                Query("sum(increase(foretide_planner_aimed_again_total[$__rate_interval]))", "moved to another node"),
            ),
        ),
        Shown(
            "Reconciliations of the operator",
            "By outcome, and how many objects wait for one.",
            "lines",
            "short",
            (
                Query("sum by (outcome) (rate(foretide_reconciles_total[$__rate_interval]))", "{{outcome}} a second"),
                Query("sum(foretide_reconcile_queue_length)", "waiting"),
            ),
        ),
        Shown(
            "Time of a reconciliation",
            "99 % take no longer.",
            "lines",
            "s",
            (
                Query(
                    "histogram_quantile(0.99, sum by (kind, le)"
                    " (rate(foretide_reconcile_duration_seconds_bucket[$__rate_interval])))",
                    "{{kind}}",
                ),
            ),
        ),
        Shown(
            "The model",
            "The version in use.",
            "table",
            "short",
            (Query("max by (version) (foretide_model_info)"),),
        ),
        Shown(
            "Trainings and versions",
            "In the last day. A version serves if it is not worse than the one before.",
            "stacked",
            "short",
            (
                Query("sum by (outcome) (increase(foretide_trainings_total[1d]))", "trainings {{outcome}}"),
                Query(
                    "sum by (outcome) (increase(foretide_model_versions_total[1d])) or vector(0)",
                    "versions {{outcome}}",
                ),
            ),
        ),
    ),
)

ROWS: Final = (RIGHT, USED, WELL)
