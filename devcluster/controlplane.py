"""The control plane: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, unchanged.

The API server listens on 10.0.0.1:443, an address of the namespace's loopback and at once the cluster IP of the Service
`kubernetes`: in-cluster configuration works without kube-proxy. Node and RBAC authorisation are on.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from devcluster import kubeconfig, pki

ADDRESS = "10.0.0.1"
PORT = 443
SERVER = f"https://{ADDRESS}:{PORT}"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")

_SERVICES = "10.0.0.0/24"
_ETCD = "http://127.0.0.1:2379"
_ETCD_PEER = "http://127.0.0.1:2380"


@dataclass(frozen=True)
class ControlPlane:
    """A control plane's files: certificates, kubeconfigs, etcd's data, and the audit log where one is kept."""

    directory: Path
    audit: bool

    @property
    def authority(self) -> Path:
        """The certificate that signed the API server's."""
        return self.directory / "ca.crt"

    @property
    def audit_log(self) -> Path:
        """One JSON line per request, metadata only."""
        return self.directory / "audit.log"

    def node_kubeconfig(self, node: str) -> Path:
        """Return the kubeconfig of a node's kubelet."""
        return self.directory / f"node-{node}.kubeconfig"

    def prepare(self, nodes: Iterable[str]) -> str:
        """Write certificates, tokens and kubeconfigs; return the administrator's token."""
        pki.create(self.directory)
        admin = secrets.token_hex(16)
        lines = [f'{admin},admin,admin,"system:masters"']
        for user in ("kube-controller-manager", "kube-scheduler"):
            token = secrets.token_hex(16)
            lines.append(f"{token},system:{user},{user}")
            kubeconfig.write(self.directory / f"{user}.kubeconfig", SERVER, self.authority, token, user)
        for node in nodes:
            token = secrets.token_hex(16)
            lines.append(f'{token},system:node:{node},{node},"system:nodes"')
            kubeconfig.write(self.node_kubeconfig(node), SERVER, self.authority, token, node)
        tokens = self.directory / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text("\n".join(lines) + "\n")
        if self.audit:
            policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
            (self.directory / "audit-policy.yaml").write_text(
                yaml.safe_dump({**policy, "rules": [{"level": "Metadata"}]})
            )
        return admin

    def commands(self, programs: Mapping[str, Path]) -> dict[str, list[str]]:
        """Return the command line of each process, in the order in which they are started."""
        return {
            "etcd": [str(programs["etcd"]), *_etcd(self.directory)],
            "kube-apiserver": [str(programs["kube-apiserver"]), *self._apiserver()],
            "kube-controller-manager": [str(programs["kube-controller-manager"]), *self._controller_manager()],
            "kube-scheduler": [str(programs["kube-scheduler"]), *self._scheduler()],
        }

    def _apiserver(self) -> list[str]:
        at = self.directory
        arguments = [
            f"--etcd-servers={_ETCD}",
            f"--bind-address={ADDRESS}",
            f"--advertise-address={ADDRESS}",
            f"--secure-port={PORT}",
            f"--tls-cert-file={at / 'apiserver.crt'}",
            f"--tls-private-key-file={at / 'apiserver.key'}",
            f"--client-ca-file={self.authority}",
            f"--kubelet-client-certificate={at / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={at / 'apiserver-kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={at / 'service-account.pub'}",
            f"--service-account-signing-key-file={at / 'service-account.key'}",
            f"--token-auth-file={at / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={_SERVICES}",
            "--endpoint-reconciler-type=none",
            "--allow-privileged=true",
        ]
        if self.audit:
            arguments += [f"--audit-policy-file={at / 'audit-policy.yaml'}", f"--audit-log-path={self.audit_log}"]
        return arguments

    def _controller_manager(self) -> list[str]:
        at = self.directory
        return [
            *self._client("kube-controller-manager"),
            f"--service-account-private-key-file={at / 'service-account.key'}",
            f"--root-ca-file={self.authority}",
            f"--cluster-signing-cert-file={self.authority}",
            f"--cluster-signing-key-file={at / 'ca.key'}",
            "--use-service-account-credentials=true",
            "--node-monitor-grace-period=40s",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        ]

    def _scheduler(self) -> list[str]:
        return self._client("kube-scheduler")

    def _client(self, user: str) -> list[str]:
        file = self.directory / f"{user}.kubeconfig"
        return [
            f"--kubeconfig={file}",
            f"--authentication-kubeconfig={file}",
            f"--authorization-kubeconfig={file}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
        ]


def _etcd(directory: Path) -> list[str]:
    return [
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        f"--listen-peer-urls={_ETCD_PEER}",
        f"--initial-advertise-peer-urls={_ETCD_PEER}",
        f"--initial-cluster=default={_ETCD_PEER}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
