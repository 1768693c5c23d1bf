"""Whether our accounts, and whoever asks, may do what they have to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from foretide_cli.doctor.finding import INSTALL, Finding
from foretide_cli.doctor.observed import Lacking, Observed
from foretide_cli.tables import some

_FOR: dict[str, tuple[str, str]] = {
    "aiworkloads.foretide.dev": ("make AIWorkloads", "kubectl create rolebinding NAME --clusterrole=edit --user=USER"),
    "pods": ("open gates with `foretide release`", "kubectl create rolebinding NAME --clusterrole=edit --user=USER"),
    "serviceaccounts/token": ("use `foretide explain`", "docs/explain.md#who-may-see-it"),
}
"""What who asks would need a right for, and how it is given."""


def rights(observed: Observed) -> Iterator[Finding]:
    """Rights of our accounts that are cut are errors; what the user may not is to be known."""
    accounts: dict[str, list[Lacking]] = defaultdict(list)
    for each in observed.lacking or ():
        accounts[each.account].append(each)
    for account, lacking in accounts.items():
        yield Finding(
            severity="Error",
            reason="RightsMissing",
            object=f"ServiceAccount {observed.namespace}/{account}",
            field="RBAC",
            value=some(_words(lacking)),
            message=f"{len(lacking)} rights that it needs are missing: a role or binding was changed or deleted, "
            "or is bound to the account of another namespace",
            remedy=f"{observed.upgrade_command}; {INSTALL}#rights",
        )
    for each in observed.own_lacking or ():
        purpose, remedy = _FOR[each.resource]
        yield Finding(
            severity="Note",
            reason="CallerMayNot",
            object="User (you)",
            field="RBAC",
            value=_words([each])[0],
            message=f"you may not {purpose} in namespace {each.namespace}",
            remedy=remedy if remedy.startswith("docs") else f"{remedy} --namespace {each.namespace}",
        )


def _words(lacking: list[Lacking]) -> list[str]:
    """Each resource once, with the verbs that are missing."""
    verbs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in lacking:
        verbs[each.resource, each.namespace].append(each.verb)
    return [
        f"{'/'.join(found)} {resource}" + (f" in {namespace}" if namespace else "")
        for (resource, namespace), found in verbs.items()
    ]
