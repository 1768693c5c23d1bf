"""A service of a torch model, in the image that carries torch: answers are what the module gives, by name."""

from __future__ import annotations

import json

import pytest

from tests.profiler.conftest import InImage

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SERVED = """
import http.client, json, re, signal, subprocess, sys
import torch
from torch import nn

torch.manual_seed(1)
net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 4)).eval()
batch = torch.randn(2, 3, 8, 8)
torch.export.save(torch.export.export(net, (batch,)), "/tmp/served.pt2")
model = ["--source", "TorchExport", "--file", "/tmp/served.pt2", "--input", "3,8,8", "--batch-size", "2"]
service = subprocess.Popen(
    [sys.executable, "-m", "foretide_profiler", "serve", *model, "--port", "0"],
    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
)
port = next(int(found[1]) for line in service.stderr if (found := re.search(r"port (\\d+)", line)))

def ask(body, kind):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/infer", body, {"Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())

given = {"name": "input", "datatype": "FP32", "shape": list(batch.shape), "data": batch.tolist()}
answers = [
    ask(batch.numpy().tobytes(), "application/octet-stream"),
    ask(json.dumps({"inputs": [given]}).encode(), "application/json"),
    ask(b"1234", "application/octet-stream"),
]
service.send_signal(signal.SIGTERM)
report = json.loads(service.communicate(timeout=60)[0])
print(json.dumps({
    "expected": net(batch).tolist(), "answers": answers,
    "status": service.returncode, "requests": sum(report["latency"]),
}))
"""

NAMED = """
import json
import numpy as np
import torch
from torch import nn
from foretide_profiler.runtimes.torch_runtime import TorchModel

class Gives(nn.Module):
    def __init__(self, gives):
        super().__init__()
        self.gives = gives

    def forward(self, x):
        return self.gives(x)

GIVES = {
    "tensor": lambda x: 2 * x,
    "mapping": lambda x: {"sum": x.sum(1), "half": x.to(torch.bfloat16)},
    "tuple": lambda x: (x > 1, x.to(torch.int64)),
}
batch = np.arange(4, dtype=np.float32).reshape(2, 2)
print(json.dumps({
    kind: [
        (name, value.dtype.name, value.tolist())
        for name, value in TorchModel(Gives(gives), torch.ones(2, 2), "float32", None).answer(batch)
    ]
    for kind, gives in GIVES.items()
}))
"""


def test_a_torch_model_is_served_in_bytes_and_in_json(in_torch_image: InImage) -> None:
    done = in_torch_image("python3", "-c", SERVED)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    *answered, refused = found["answers"]
    for status, document in answered:
        assert status == 200, document
        (output,) = document["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("output", "FP32", [2, 4])
        assert output["data"] == pytest.approx([value for row in found["expected"] for value in row], rel=1e-4)
    assert (refused[0], refused[1]["reason"]) == (400, "InputRefused")
    assert (found["status"], found["requests"]) == (0, 2)


def test_outputs_have_the_names_that_a_module_gives_them_or_their_places(in_torch_image: InImage) -> None:
    done = in_torch_image("python3", "-W", "error::UserWarning", "-c", NAMED)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "tensor": [["output", "float32", [[0.0, 2.0], [4.0, 6.0]]]],
        "mapping": [["sum", "float32", [1.0, 5.0]], ["half", "float32", [[0.0, 1.0], [2.0, 3.0]]]],
        "tuple": [["output_0", "bool", [[False, False], [True, True]]], ["output_1", "int64", [[0, 1], [2, 3]]]],
    }
