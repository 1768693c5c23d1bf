"""The page: what stands above and below the sections, and the rule that no network is asked for anything."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Final

from foretide.prediction import SUREST_FIRST
from foretide_cli.export.document import Export
from foretide_cli.report.calibration import calibration
from foretide_cli.report.choices import choices, mean_lost
from foretide_cli.report.compared import Errors, all_compared
from foretide_cli.report.errors import errors
from foretide_cli.report.fastest import fastest
from foretide_cli.report.markup import Child, Markup, foreign, join, tag
from foretide_cli.report.misses import misses
from foretide_cli.report.regret import regret
from foretide_cli.report.tables import code
from foretide_cli.report.versions import versions
from foretide_cli.report.words import count, duration, moment, percent, plainly, signed

CONTENTS: Final = (
    ("fastest", "Where each workload runs fastest"),
    ("errors", "Predicted against actual"),
    ("calibration", "Calibration"),
    ("regret", "Decision regret"),
    ("versions", "Versions of the model"),
    ("misses", "Worst misses"),
)


def page(export: Export) -> str:
    """The whole document."""
    rows = all_compared(export.tasks)
    body = tag(
        "body",
        tag("a", "To the contents", href="#contents", class_="heard skip"),
        tag("header", _head(export), _figures(export)),
        tag(
            "nav",
            tag("ol", [tag("li", tag("a", words, href=f"#{name}")) for name, words in CONTENTS]),
            id="contents",
            aria_label="Contents",
        ),
        tag(
            "main",
            fastest(export),
            errors(export, rows),
            calibration(rows),
            regret(export, rows),
            versions(export),
            misses(export, rows),
        ),
        tag("footer", _foot(export)),
    )
    style = resources.files("foretide_cli.report").joinpath("style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"Foretide report, {moment(export.taken_time)}"),
        Markup(f"<style>{style}</style>"),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def _head(export: Export) -> list[Markup]:
    of: list[Child] = [foreign(export.source), ", "] if export.source else []
    where = f"namespace {plainly(list(export.namespaces))}"
    if not export.namespaces:
        where = "as much as may be read" if export.missing else "all namespaces"
    taken = [*of, foreign(where), f", as of {moment(export.taken_time)}"]
    return [
        tag("h1", "Foretide report"),
        tag("p", "How long inference takes where, and how good the predictions were.", class_="lead"),
        tag("p", taken, class_="aside"),
    ]


def _figures(export: Export) -> Markup:
    rows = all_compared(export.tasks)
    sources = [each.source for workload in export.workloads for each in workload.status.predictions]
    told = ", ".join(f"{sources.count(source)} {source.lower()}" for source in SUREST_FIRST if source in sources)
    classes = len({each.metadata.name for each in export.node_classes})
    found: list[tuple[str, str, str]] = [
        ("workloads", f"{len(export.workloads):,}", f"on {count(classes, 'node class', 'node classes')}"),
        ("predictions", f"{len(sources):,}", told or "none yet"),
    ]
    if rows:
        over, lost = Errors.of(rows), choices(export.workloads, rows)
        found += [
            ("tasks compared", f"{len(rows):,}", f"of {count(len(export.tasks), 'task')} that ended"),
            ("error (WAPE)", percent(over.weighted), f"bias {signed(over.bias)}"),
            ("in 90 % interval", percent(over.inside), f"{percent(over.near)} within 10 %"),
        ]
        if lost:
            seconds, share = mean_lost(lost)
            words = f"{percent(share)} of a task's time" if seconds else "the best class is preferred"
            found.append(("regret", duration(seconds) if seconds else "none", words))
    else:
        found.append(("tasks compared", "0", f"of {count(len(export.tasks), 'task')} that ended"))
    if export.model is not None and export.model.status.active_version:
        versions_kept = count(len(export.model.status.versions), "version")
        found.append(("model in use", export.model.status.active_version, versions_kept))
    return tag(
        "dl",
        [
            tag("div", tag("dt", name), tag("dd", tag("b", figure), tag("small", words)))
            for name, figure, words in found
        ],
        class_="figures-of-all",
    )


def _foot(export: Export) -> list[Markup]:
    parts = [tag("h2", "What this is based on")]
    if export.missing:
        parts.append(
            tag(
                "p",
                tag("strong", "Missing rights"),
                ", so that the report lacks what they show: ",
                join([[code(each), ", "] for each in export.missing[:-1]], code(export.missing[-1])),
                ".",
            )
        )
    if export.tasks_left_out:
        parts.append(tag("p", f"{count(export.tasks_left_out, 'task')} that ended earlier were left out."))
    parts += [
        tag(
            "p",
            "Predictions are those published in ",
            code("AIWorkload.status.predictions"),
            ". Tasks are Pods that ended and still exist, each compared with the prediction written on it. Those who "
            "create Pods could forge one: it counts for no more than 20 times what its task took. Times are by the API "
            "server's clock, in UTC.",
        ),
        tag(
            "p",
            f"Made by foretide {export.version}, from one reading of the cluster. It loads nothing from the network.",
        ),
    ]
    return parts
