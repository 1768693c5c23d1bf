package main

import "encoding/json"

// The wire types of k8s.io/kube-scheduler/extender/v1, and Node as k8s.io/api/core/v1 has it, for the standard library
// alone. Times and quantities stay text, and the Pod is not decoded: both cost those that use the real types more.

// Args is what kube-scheduler sends to both verbs; of Nodes and NodeNames one is null.
type Args struct {
	Pod       json.RawMessage
	Nodes     *NodeList
	NodeNames *[]string
}

// FilterResult is the reply to filter, in the form of the request.
type FilterResult struct {
	Nodes                      *NodeList
	NodeNames                  *[]string
	FailedNodes                map[string]string
	FailedAndUnresolvableNodes map[string]string
	Error                      string
}

// HostPriority is a node's part of the reply to prioritize.
type HostPriority struct {
	Host  string
	Score int64
}

type NodeList struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion,omitempty"`
		Continue        string `json:"continue,omitempty"`
	} `json:"metadata"`
	Items []Node `json:"items"`
}

type Node struct {
	Metadata ObjectMeta `json:"metadata"`
	Spec     NodeSpec   `json:"spec"`
	Status   NodeStatus `json:"status"`
}

type ObjectMeta struct {
	Name              string            `json:"name,omitempty"`
	UID               string            `json:"uid,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	Generation        int64             `json:"generation,omitempty"`
	CreationTimestamp *string           `json:"creationTimestamp"`
	DeletionTimestamp *string           `json:"deletionTimestamp,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	OwnerReferences   []json.RawMessage `json:"ownerReferences,omitempty"`
	Finalizers        []string          `json:"finalizers,omitempty"`
	ManagedFields     []ManagedFields   `json:"managedFields,omitempty"`
}

type ManagedFields struct {
	Manager     string          `json:"manager,omitempty"`
	Operation   string          `json:"operation,omitempty"`
	APIVersion  string          `json:"apiVersion,omitempty"`
	Time        string          `json:"time,omitempty"`
	FieldsType  string          `json:"fieldsType,omitempty"`
	FieldsV1    json.RawMessage `json:"fieldsV1,omitempty"`
	Subresource string          `json:"subresource,omitempty"`
}

type NodeSpec struct {
	PodCIDR       string   `json:"podCIDR,omitempty"`
	PodCIDRs      []string `json:"podCIDRs,omitempty"`
	ProviderID    string   `json:"providerID,omitempty"`
	Unschedulable bool     `json:"unschedulable,omitempty"`
	Taints        []Taint  `json:"taints,omitempty"`
}

type Taint struct {
	Key       string `json:"key"`
	Value     string `json:"value,omitempty"`
	Effect    string `json:"effect"`
	TimeAdded string `json:"timeAdded,omitempty"`
}

type NodeStatus struct {
	Capacity        map[string]string `json:"capacity,omitempty"`
	Allocatable     map[string]string `json:"allocatable,omitempty"`
	Phase           string            `json:"phase,omitempty"`
	Conditions      []Condition       `json:"conditions,omitempty"`
	Addresses       []Address         `json:"addresses,omitempty"`
	DaemonEndpoints DaemonEndpoints   `json:"daemonEndpoints"`
	NodeInfo        NodeInfo          `json:"nodeInfo"`
	Images          []Image           `json:"images,omitempty"`
	VolumesInUse    []string          `json:"volumesInUse,omitempty"`
	VolumesAttached []json.RawMessage `json:"volumesAttached,omitempty"`
	RuntimeHandlers []json.RawMessage `json:"runtimeHandlers,omitempty"`
	Features        json.RawMessage   `json:"features,omitempty"`
}

type Condition struct {
	Type               string  `json:"type"`
	Status             string  `json:"status"`
	LastHeartbeatTime  *string `json:"lastHeartbeatTime"`
	LastTransitionTime *string `json:"lastTransitionTime"`
	Reason             string  `json:"reason,omitempty"`
	Message            string  `json:"message,omitempty"`
}

type Address struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

type DaemonEndpoints struct {
	KubeletEndpoint struct {
		Port int32 `json:"Port"`
	} `json:"kubeletEndpoint"`
}

type NodeInfo struct {
	MachineID               string `json:"machineID"`
	SystemUUID              string `json:"systemUUID"`
	BootID                  string `json:"bootID"`
	KernelVersion           string `json:"kernelVersion"`
	OSImage                 string `json:"osImage"`
	ContainerRuntimeVersion string `json:"containerRuntimeVersion"`
	KubeletVersion          string `json:"kubeletVersion"`
	KubeProxyVersion        string `json:"kubeProxyVersion"`
	OperatingSystem         string `json:"operatingSystem"`
	Architecture            string `json:"architecture"`
}

type Image struct {
	Names     []string `json:"names"`
	SizeBytes int64    `json:"sizeBytes,omitempty"`
}
