"""Install the chart into the demo's cluster, as a user would, and say how to look around."""

from __future__ import annotations

from collections.abc import Callable

from demo.scenario import ROOT
from devcluster import Cluster
from foretide.placement.order import Order
from foretide_operator.settings import Settings

SYSTEM_NAMESPACE = "foretide-system"
TAG = "dev"
IMAGES = ["operator", "extender", "profiler-onnx", "profiler-torch", "kube-scheduler"]
TASK_SETTINGS = Settings(
    namespace=SYSTEM_NAMESPACE,
    scheduler_name="",
    gates=False,
    image_onnx=f"foretide/profiler:{TAG}-onnx",
    image_torch=f"foretide/profiler:{TAG}-torch",
)


def install(cluster: Cluster, say: Callable[[str], None], *, order: Order = "Balanced") -> None:
    """Run `helm install` and wait until operator and scheduler are available; raises with helm's words if not.

    ``order`` is what the planner goes by.
    """
    chart, values = ROOT / "charts" / "foretide", ROOT / "demo" / "values.yaml"
    arguments = ["install", "foretide", str(chart), "--namespace", SYSTEM_NAMESPACE, "--create-namespace"]
    arguments += ["--values", str(values)]
    if order != "Balanced":
        arguments += ["--set", f"planner.order={order}"]
    say("helm install foretide charts/foretide " + " ".join(arguments[3:]).replace(str(values), "demo/values.yaml"))
    cluster.helm(*arguments, "--wait", "--timeout", "3m")
    say("operator and scheduler are available")


def look_around(cluster: Cluster) -> str:
    """What to type next, for who keeps the cluster."""
    return f"""
The cluster is still up. Look around:

  alias k='.venv/bin/python -m devcluster kubectl --name {cluster.name}'
  k get nodes -L foretide.dev/node-class
  k get aiw,nclass,wprof,ctmodel
  k describe aiw mobilenet
  k get pods -o wide
  .venv/bin/python -m devcluster down {cluster.name}     # when you are done
"""
