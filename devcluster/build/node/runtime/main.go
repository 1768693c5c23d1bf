// Command runtime stands before runc and makes a container run as it would on the node's hardware.
//
// containerd calls it by a link named `runc` in a directory of the node; beside the link lies `node.json`. Only two calls
// are edited, by their files, before the real runc takes over this process:
//
//   - `create`: the bundle's config.json. The CPU quota is multiplied by the node's speed (a container without one gets
//     the whole node's), the period becomes the node's, the cpuset is the node's, the cgroup lies under the node's own
//     (which limits memory and CPU of the node as a whole), and the node's environment is added.
//   - `exec`: the process file, to which the node's environment is added.
//
// A pod cannot see this, change it, or be missed by it, as with a slow processor.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
)

// What Linux accepts for CFS bandwidth: a quota of at least a millisecond and a period of at most a second.
const (
	leastQuotaMicros    = 1000
	longestPeriodMicros = 1_000_000
)

// node is what `node.json` says about the node that this runtime serves.
type node struct {
	Runc         string            `json:"runc"`
	CgroupParent string            `json:"cgroupParent"`
	CPUs         float64           `json:"cpus"`
	Speed        float64           `json:"speed"`
	PeriodMicros int64             `json:"periodMicros"`
	CPUSet       string            `json:"cpuset"`
	Environment  map[string]string `json:"environment"`
}

// object is a JSON object of which this program understands a part and keeps the rest.
type object = map[string]any

func main() {
	here := filepath.Dir(os.Args[0])
	self, err := readNode(filepath.Join(here, "node.json"))
	if err != nil {
		fail(err)
	}
	switch command := parse(os.Args[1:]); command.name {
	case "create", "run":
		err = edit(filepath.Join(command.bundle, "config.json"), self.slowContainer)
	case "exec":
		if command.process != "" {
			err = edit(command.process, self.addEnvironment)
		}
	}
	if err != nil {
		fail(err)
	}
	arguments := append([]string{self.Runc}, os.Args[1:]...)
	fail(fmt.Errorf("exec %s: %w", self.Runc, syscall.Exec(self.Runc, arguments, os.Environ())))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "foretide devcluster runtime:", err)
	os.Exit(1)
}

func readNode(file string) (*node, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var self node
	if err := json.Unmarshal(text, &self); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if self.Runc == "" || self.Speed <= 0 || self.CPUs <= 0 || self.PeriodMicros <= 0 || self.CgroupParent == "" {
		return nil, fmt.Errorf("%s: runc, cgroupParent, cpus, speed and periodMicros must be set and positive", file)
	}
	return &self, nil
}

// call is one invocation of runc, as far as it matters here.
type call struct {
	name    string
	bundle  string
	process string
}

// globalsWithValue are runc's options before the subcommand that take their value as the next argument.
var globalsWithValue = map[string]bool{"--root": true, "--log": true, "--log-format": true, "--rootless": true, "--criu": true}

// parse finds the subcommand and its file options among runc's arguments.
func parse(arguments []string) call {
	found := call{bundle: "."}
	for i := 0; i < len(arguments); i++ {
		name, value, inline := strings.Cut(arguments[i], "=")
		take := func() string {
			if !inline && i+1 < len(arguments) {
				i++
				return arguments[i]
			}
			return value
		}
		switch {
		case found.name == "" && !strings.HasPrefix(name, "-"):
			found.name = name
		case found.name == "" && globalsWithValue[name]:
			take()
		case found.name != "" && (name == "--bundle" || name == "-b"):
			found.bundle = take()
		case found.name != "" && (name == "--process" || name == "-p"):
			found.process = take()
		}
	}
	return found
}

// edit rewrites a JSON file in place, keeping what it does not know.
func edit(file string, change func(object)) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	content := object{}
	if err := decoder.Decode(&content); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	change(content)
	if text, err = json.Marshal(content); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	next := file + ".devcluster"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// slowContainer makes an OCI configuration that of a container on this node.
func (n *node) slowContainer(config object) {
	linux := child(config, "linux")
	id, _ := linux["cgroupsPath"].(string)
	linux["cgroupsPath"] = path.Join(n.CgroupParent, path.Base(id))
	cpu := child(child(linux, "resources"), "cpu")
	limit := n.CPUs
	quota, period := number(cpu["quota"]), number(cpu["period"])
	if quota > 0 && period > 0 {
		limit = math.Min(quota/period, n.CPUs)
	}
	cpu["quota"], cpu["period"] = bandwidth(limit*n.Speed, n.PeriodMicros)
	if n.CPUSet != "" {
		cpu["cpus"] = n.CPUSet
	}
	if process, ok := config["process"].(object); ok {
		n.addEnvironment(process)
	}
}

// bandwidth is the CFS quota and period for a share of one CPU; a share too small for the period gets a longer one.
func bandwidth(share float64, periodMicros int64) (quota, period int64) {
	quota = int64(math.Round(share * float64(periodMicros)))
	if quota >= leastQuotaMicros {
		return quota, periodMicros
	}
	return leastQuotaMicros, min(int64(math.Ceil(leastQuotaMicros/share)), longestPeriodMicros)
}

// addEnvironment puts the node's variables after the container's own, so that the node's win.
func (n *node) addEnvironment(process object) {
	given, _ := process["env"].([]any)
	kept := make([]any, 0, len(given)+len(n.Environment))
	for _, entry := range given {
		text, _ := entry.(string)
		name, _, _ := strings.Cut(text, "=")
		if _, ours := n.Environment[name]; !ours {
			kept = append(kept, entry)
		}
	}
	names := make([]string, 0, len(n.Environment))
	for name := range n.Environment {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		kept = append(kept, name+"="+n.Environment[name])
	}
	process["env"] = kept
}

// child returns the object under a key, made when it is absent.
func child(parent object, key string) object {
	if found, ok := parent[key].(object); ok {
		return found
	}
	made := object{}
	parent[key] = made
	return made
}

// number reads a JSON number, 0 when it is absent.
func number(value any) float64 {
	text, _ := value.(json.Number)
	read, err := text.Float64()
	if err != nil {
		return 0
	}
	return read
}
